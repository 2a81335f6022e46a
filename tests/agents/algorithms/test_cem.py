"""The cross-entropy method: generations by hand, who plays what, learning, exactness."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.cem import CEM, CEMConfig
from support.agent_toys import (
    assert_same_weights,
    corridor,
    make_step,
    three_cartpoles,
    weights,
)

CELLS = np.eye(5, dtype=np.float32)
SMALL = CEMConfig(population_size=4, elite_fraction=0.5)


def end(agent: CEM, rewards: list[float], ends: list[bool]) -> list[dict[str, float]]:
    """Take a step in all sub-environments, which ends some episodes; return what was learned."""
    size = len(rewards)
    agent.act(np.zeros((size, 4), np.float32), greedy=False)
    obs = np.zeros((size, 4), np.float32)
    return list(agent.observe(make_step(obs, rewards, ends, [False] * size, obs)))


def test_elites_make_the_next_generation() -> None:
    agent = CEM.create(three_cartpoles(), SMALL, seed=0, device="cpu")
    generation = agent.generation
    drawn = generation.weights.copy()
    assert drawn.shape == (4, 10)  # four numbers and a bias, for each of two actions
    assert end(agent, [1.0, 9.0, 3.0], [True, False, True]) == []
    assert generation.returns.tolist() == [1.0, 0.0, 3.0, 0.0]
    # The fourth candidate plays; then there is nobody left for the third sub-environment.
    assert end(agent, [5.0, 1.0, 100.0], [True, True, True]) != []
    # Returns are 1, 10, 3 and 5: the elites are the second and the fourth.
    elites = drawn[[1, 3]]
    np.testing.assert_allclose(agent.mean, elites.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(agent.deviation.std, elites.std(axis=0), rtol=1e-5)
    assert agent.num_updates == 1
    assert generation.num_episodes.tolist() == [0, 0, 0, 0]
    assert not np.array_equal(generation.weights, drawn)


def test_what_an_update_reports_and_the_extra_deviation() -> None:
    config = CEMConfig(population_size=2, elite_fraction=0.5, extra_std=0.25)
    agent = CEM.create(three_cartpoles(), config, seed=0, device="cpu")
    best = agent.generation.weights[1].copy()
    [found] = end(agent, [1.0, 2.0, 50.0], [True, True, True])
    assert found == pytest.approx(
        {"charts/candidate_return": 1.5, "charts/elite_return": 2.0, "charts/std": 0.25}
    )
    np.testing.assert_allclose(agent.mean, best, rtol=1e-6)  # one elite, which deviates by nothing
    np.testing.assert_allclose(agent.deviation.std, 0.25)


def test_each_candidate_is_rated_by_so_many_episodes() -> None:
    config = CEMConfig(population_size=2, episodes_per_candidate=2, elite_fraction=0.5)
    agent = CEM.create(three_cartpoles(), config, seed=0, device="cpu")
    agent.act(np.zeros((3, 4), np.float32), greedy=False)
    assert agent.generation.player.tolist() == [0, 0, 1]
    assert end(agent, [1.0, 2.0, 3.0], [True, True, True]) == []
    agent.act(np.zeros((3, 4), np.float32), greedy=False)
    assert agent.generation.player.tolist() == [1, -1, -1]  # the mean plays what does not count
    [found] = end(agent, [5.0, 7.0, 7.0], [True, False, False])
    assert found["charts/candidate_return"] == pytest.approx((1.5 + 4.0) / 2)
    # The mean goes on with its episodes, and they do not count for anybody.
    agent.act(np.zeros((3, 4), np.float32), greedy=False)
    assert agent.generation.player.tolist() == [0, -1, -1]


def test_each_sub_environment_is_played_by_its_candidate() -> None:
    agent = CEM.create(three_cartpoles(), SMALL, seed=0, device="cpu")
    obs = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    chosen = agent.act(obs, greedy=False)
    split = agent.generation.weights[:, :8].reshape(4, 2, 4)
    scores = np.einsum("naf,nf->na", split[:3], obs) + agent.generation.weights[:3, 8:]
    assert chosen.tolist() == scores.argmax(axis=1).tolist()
    by = agent.scores_by(agent.generation.weights[:3], torch.from_numpy(obs))
    np.testing.assert_allclose(by, scores, rtol=1e-5)


def test_it_learns_the_corridor() -> None:
    config = CEMConfig(population_size=16, hidden_sizes=())
    agent = CEM.create(corridor(), config, seed=0, device="cpu")
    agent.learn(8_000)
    assert agent.act(CELLS[:4]).tolist() == [1, 1, 1, 1]


def test_what_is_resumed_ends_as_what_was_not_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    whole = CEM.create(three_cartpoles(), SMALL, seed=0, device="cpu")
    whole.learn(1_500)
    assert whole.num_updates >= 3
    for length in (100, 700):
        first = CEM.create(three_cartpoles(), SMALL, seed=0, device="cpu")
        first.learn(length)
        first.save(path, replay=True)
        resumed = CEM.load(path, three_cartpoles(), device="cpu")
        resumed.learn(whole.num_steps - resumed.num_steps)
        assert_same_weights(weights(resumed), weights(whole))
        assert resumed.num_updates == whole.num_updates


@pytest.mark.parametrize("way", ["weights", "policy", "other number", "begun with"])
def test_without_its_candidates_others_are_drawn_around_the_mean(way: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agent = CEM.create(three_cartpoles(), SMALL, seed=0, device="cpu")
    with torch.no_grad():
        for x in agent.policy.parameters():
            x.copy_(torch.linspace(3.0, 4.0, x.numel()).reshape(x.shape))
        agent.deviation.std.fill_(0.125)
    if way == "policy":
        agent.save_weights(path, {})
    else:
        agent.save(path, replay=way == "other number")
    if way == "begun with":
        loaded = CEM.create("CartPole-v1", SMALL, seed=1, device="cpu")
        loaded.begin_with(path)
    else:
        env = "CartPole-v1" if way == "other number" else three_cartpoles()
        loaded = CEM.load(path, env, device="cpu")
    drawn = (loaded.generation.weights - agent.mean.numpy()) / 0.125
    assert 0.5 < drawn.std() < 1.5
    assert abs(drawn.mean()) < 0.5
    assert (loaded.generation.num_episodes == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.zeros((4, 9), np.float32)}, "must have weights of shape"),
        ({"weights": np.full((4, 10), np.inf, np.float32)}, "weights that are not finite"),
        ({"player": np.array([0, 1, 4])}, "played by candidates that it has not"),
    ],
)
def test_a_damaged_generation_is_refused(changes: dict[str, Any], message: str) -> None:
    agent = CEM.create(three_cartpoles(), SMALL, seed=0, device="cpu")
    with pytest.raises(ValueError, match=message):
        agent.generation.load_state({**agent.generation.state(), **changes})
