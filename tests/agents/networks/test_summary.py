"""What a network is made of, in a line."""

import pytest
from mario_rl_agents.networks.summary import num_weights, summary_of
from mario_rl_agents.recipes import ALGORITHMS
from torch import nn


def test_layers_with_weights_are_named_in_order() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 16, 6, stride=3), nn.ReLU(), nn.Flatten(), nn.LayerNorm(9), nn.Linear(9, 5)
    )
    assert summary_of(network) == "16@6x6/3, LayerNorm, 5"
    assert num_weights(network) == (4 * 36 + 1) * 16 + 18 + 50
    assert summary_of(nn.Conv2d(1, 2, (3, 5), stride=(1, 2))) == "2@3x5/1x2"
    assert summary_of(nn.Sequential(nn.ReLU())) == ""


@pytest.mark.parametrize(
    ("algorithm", "env_id", "network", "summary", "size"),
    [
        # The tutorial's: 3,136 features, found by the shapes of the layers.
        ("double_dqn", "MarioRL-1-1-v0", "q", "32@8x8/4, 64@4x4/2, 64@3x3/1, 512, 5", 1_686_693),
        ("td3", "Pendulum-v1", "critics", "2 x 400, 2 x 300, 2 x 1", 245_202),
    ],
)
def test_networks_of_agents(
    algorithm: str, env_id: str, network: str, summary: str, size: int
) -> None:
    agent = ALGORITHMS[algorithm].create(env_id, device="cpu")
    agent.env.close()
    assert summary_of(agent.networks[network]) == summary
    assert num_weights(agent.networks[network]) == size
