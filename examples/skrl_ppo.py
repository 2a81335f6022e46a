"""Train skrl's PPO on eight games that one native call steps.

Needs `pip install ".[agents]" skrl` in the project's folder.
"""

import argparse
from typing import Any

import gymnasium as gym
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model
from skrl.trainers.torch import SequentialTrainer
from skrl.utils import set_seed
from torch import Tensor, nn

import mario_rl_envs  # noqa: F401 (registers the ids)

NUM_ENVS = 8
NUM_STEPS = 128  # of each game in a rollout


def make_network(num_outputs: int) -> nn.Module:
    """Return the network of Mnih et al. 2015. skrl flattens observations, to float32."""
    return nn.Sequential(
        nn.Unflatten(1, (4, 84, 84)),
        nn.Conv2d(4, 32, 8, stride=4), nn.ReLU(),
        nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(),
        nn.Conv2d(64, 64, 3, stride=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 512), nn.ReLU(), nn.Linear(512, num_outputs),
    )  # fmt: skip


class Policy(CategoricalMixin, Model):
    """Draws actions."""

    def __init__(self, **spaces: Any) -> None:
        """Build the network."""
        Model.__init__(self, **spaces)
        CategoricalMixin.__init__(self)
        self.network = make_network(self.num_actions)

    def compute(self, inputs: dict[str, Tensor], role: str = "") -> tuple[Tensor, dict[str, Any]]:
        """Return logits, [B, A]."""
        return self.network(inputs["observations"] / 255), {}


class Value(DeterministicMixin, Model):
    """Estimates returns."""

    def __init__(self, **spaces: Any) -> None:
        """Build the network."""
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.network = make_network(1)

    def compute(self, inputs: dict[str, Tensor], role: str = "") -> tuple[Tensor, dict[str, Any]]:
        """Return values, [B, 1]."""
        return self.network(inputs["observations"] / 255), {}


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id, pixels")
parser.add_argument("--steps", type=int, default=1_000_000, help="environment steps")
parser.add_argument("--out", default="skrl_ppo_mario.pt", help="where to save the agent")
arguments = parser.parse_args()

set_seed(0)
# SameStep: skrl does not know the idle step between two episodes that Gymnasium's default has.
env = wrap_env(gym.make_vec(arguments.env, num_envs=NUM_ENVS, autoreset_mode="SameStep"))
spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
agent = PPO(
    models={"policy": Policy(**spaces), "value": Value(**spaces)},
    memory=RandomMemory(memory_size=NUM_STEPS, num_envs=NUM_ENVS),
    cfg=PPO_CFG(
        rollouts=NUM_STEPS,
        learning_epochs=4,
        mini_batches=4,
        learning_rate=2.5e-4,
        entropy_loss_scale=0.01,
        rewards_shaper=lambda rewards, *_: rewards * 0.1,
    ),
    **spaces,
)
num_rollouts = -(-arguments.steps // (NUM_ENVS * NUM_STEPS))  # the last one is played whole
# headless: otherwise every step is drawn.
trainer = SequentialTrainer(
    env=env, agents=agent, cfg={"timesteps": num_rollouts * NUM_STEPS, "headless": True}
)
trainer.train()
agent.save(arguments.out)
print(f"trained {num_rollouts * NUM_STEPS * NUM_ENVS} steps, saved {arguments.out}")
