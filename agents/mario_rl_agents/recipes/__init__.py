"""What the command line can name: the algorithms, and a table of configurations to start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import mario_rl_envs  # noqa: F401  registers the environments of Mario
from mario_rl_agents.agent import Agent
from mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig
from mario_rl_agents.algorithms.actor_critic import ActorCritic, ActorCriticConfig
from mario_rl_agents.algorithms.ddpg import DDPG, DDPGConfig
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN, DQNConfig
from mario_rl_agents.algorithms.naive_q import NaiveQ, NaiveQConfig
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.algorithms.random import RandomAgent, RandomConfig
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.algorithms.td3 import TD3, TD3Config

ALGORITHMS: Final[Mapping[str, type[Agent]]] = MappingProxyType(
    {
        "random": RandomAgent,
        "naive_q": NaiveQ,
        "dqn": DQN,
        "double_dqn": DoubleDQN,
        "actor_critic": ActorCritic,
        "ppo": PPO,
        "ddpg": DDPG,
        "td3": TD3,
        "sac": SAC,
        "a3c": A3C,
    }
)

MARIO: Final = "MarioRL"  # stands for every id that begins with it
ANY: Final = "*"  # stands for every other id


@dataclass(frozen=True)
class Recipe:
    """How to train on an environment."""

    config: Any  # of the algorithm
    total_steps: int  # environment steps
    num_envs: int = 1  # sub-environments
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)  # keywords of gym.make
    evaluation_epsilon: float = 0.0  # where 0, a greedy agent's episodes differ by themselves


_EVALUATION_EPSILON: Final = 0.05  # on Mario, which is deterministic; as Mnih et al. 2015

# (environment, name) -> recipe; DQN and Double DQN share theirs, so that only the target differs.
_DQN_RECIPES: Final[Mapping[tuple[str, str], Recipe]] = MappingProxyType(
    {
        # The tutorial's numbers; its 50,000 episodes are about 10 million steps, its exploration
        # takes 9 million to end.
        (MARIO, "tutorial"): Recipe(
            DQNConfig(), total_steps=10_000_000, evaluation_epsilon=_EVALUATION_EPSILON
        ),
        # The tutorial's, but exploration as in Mnih et al. 2015, which ends within a day's run.
        (MARIO, "default"): Recipe(
            DQNConfig(epsilon_schedule="linear", epsilon_decay_steps=1_000_000),
            total_steps=2_000_000,
            evaluation_epsilon=_EVALUATION_EPSILON,
        ),
        # All shortened for five minutes on two cores. Pictures of 52 x 52 make a gradient step
        # three times cheaper than 84 x 84; decisions for 8 frames instead of 4 differ more in what
        # comes of them; targets are copied often, since a copy moves rewards one step on.
        # Measured by benchmarks/demo.py.
        (MARIO, "demo"): Recipe(
            DQNConfig(
                reward_scale=0.05,
                replay_capacity=50_000,
                learning_starts=500,
                target_update_period=200,
                epsilon_schedule="linear",
                epsilon_decay_steps=4_000,
                epsilon_end=0.1,
            ),
            total_steps=100_000,
            env_kwargs={"size": 52, "skip": 8},
            evaluation_epsilon=_EVALUATION_EPSILON,
        ),
        (ANY, "default"): Recipe(
            DQNConfig(
                learning_rate=1e-3,
                gamma=0.99,
                batch_size=64,
                replay_capacity=50_000,
                learning_starts=1_000,
                target_update_period=500,
                epsilon_schedule="linear",
                epsilon_decay_steps=10_000,
                epsilon_end=0.05,
            ),
            total_steps=50_000,
        ),
    }
)

# (algorithm, environment, name) -> recipe, of the value-based family.
_VALUE_RECIPES: Final[Mapping[tuple[str, str, str], Recipe]] = MappingProxyType(
    {
        ("random", MARIO, "default"): Recipe(RandomConfig(), total_steps=10_000),
        ("random", ANY, "default"): Recipe(RandomConfig(), total_steps=10_000),
        # The note on the tutorial gives the network, the loss and Adam's rate; the steps are ours,
        # and enough for Double DQN.
        ("naive_q", "CartPole-v0", "tutorial"): Recipe(NaiveQConfig(), total_steps=20_000),
        ("naive_q", MARIO, "default"): Recipe(
            NaiveQConfig(), total_steps=20_000, evaluation_epsilon=_EVALUATION_EPSILON
        ),
        ("naive_q", ANY, "default"): Recipe(NaiveQConfig(), total_steps=20_000),
        # The tutorial's, with a larger network and batch, and smaller steps towards the end: what
        # the last thousands of steps do to the network then decides less.
        ("dqn", "CartPole-v1", "default"): Recipe(
            DQNConfig(
                learning_rate=1e-3,
                learning_rate_schedule="linear",
                learning_rate_decay_steps=50_000,
                loss="mse",
                gamma=0.99,
                batch_size=64,
                replay_capacity=50_000,
                learning_starts=1_000,
                target_update_period=1,
                tau=1e-2,
                exploration="boltzmann",
                overlap=False,
            ),
            total_steps=50_000,
        ),
        # A gradient step each second environment step. Returns of three steps make it learn fast;
        # targets that stand still for 1,000 steps, a memory that forgets nothing and a falling
        # learning rate let it keep that. At a tenth of the rewards errors of 10 points still
        # count as squares. docs/dqn.md tells what was seen without these.
        ("double_dqn", "LunarLander-v3", "default"): Recipe(
            DQNConfig(
                learning_rate=6e-4,
                learning_rate_schedule="linear",
                learning_rate_decay_steps=400_000,
                gamma=0.995,
                reward_scale=0.1,
                batch_size=128,
                replay_capacity=400_000,
                learning_starts=2_000,
                update_period=2,
                target_update_period=500,
                epsilon_schedule="linear",
                epsilon_decay_steps=30_000,
                epsilon_end=0.05,
                max_grad_norm=10.0,
                hidden_sizes=(256, 128),
                num_return_steps=3,
                overlap=False,
            ),
            total_steps=400_000,
        ),
        # The note is silent on gamma, batch and warm-up: 0.99, 32 and 10 are the defaults of the
        # library that the tutorial is written with and the warm-up of that library's own example.
        ("dqn", "CartPole-v0", "tutorial"): Recipe(
            DQNConfig(
                learning_rate=1e-3,
                loss="mse",
                gamma=0.99,
                batch_size=32,
                replay_capacity=50_000,
                learning_starts=10,
                target_update_period=1,
                tau=1e-2,
                exploration="boltzmann",
                hidden_sizes=(24, 24),
                overlap=False,
            ),
            total_steps=50_000,
        ),
    }
)

# Agents of continuous actions play Mario with actions="continuous".
_CONTINUOUS: Final = MappingProxyType({"actions": "continuous"})

# (algorithm, environment, name) -> recipe, of agents of continuous actions.
_CONTINUOUS_RECIPES: Final[Mapping[tuple[str, str, str], Recipe]] = MappingProxyType(
    {
        # The tutorial's noise of 0.1 is in the environment's unit, whose actions reach to 2. Its
        # 250 games are of 200 steps.
        ("ddpg", "Pendulum-v1", "tutorial"): Recipe(
            DDPGConfig(exploration_noise=0.05), total_steps=50_000
        ),
        ("ddpg", "Pendulum-v1", "default"): Recipe(
            DDPGConfig(
                critic_learning_rate=1e-3,
                replay_capacity=50_000,
                random_steps=1_000,
                learning_starts=1_000,
                hidden_sizes=(128, 128),
            ),
            total_steps=50_000,
        ),
        # On Mario: discount, batch and the critic's rate of the Double DQN tutorial; not tuned.
        ("ddpg", MARIO, "default"): Recipe(
            DDPGConfig(
                actor_learning_rate=1e-4,
                critic_learning_rate=2.5e-4,
                gamma=0.9,
                batch_size=32,
                replay_capacity=100_000,
                random_steps=5_000,
                learning_starts=5_000,
                update_period=2,
                exploration_noise=0.3,
                hidden_sizes=(256,),
                overlap=True,
            ),
            total_steps=500_000,
            env_kwargs=_CONTINUOUS,
        ),
        ("ddpg", ANY, "default"): Recipe(
            DDPGConfig(
                critic_learning_rate=1e-3,
                replay_capacity=200_000,
                random_steps=1_000,
                learning_starts=1_000,
                hidden_sizes=(256, 256),
            ),
            total_steps=200_000,
        ),
        ("td3", "BipedalWalker-v3", "tutorial"): Recipe(TD3Config(), total_steps=1_000_000),
        # The fall's -100 in a task whose steps pay 0.3 teaches TD3 to stand still for very long:
        # clipped, it walks first and learns not to fall. The rest saves time: small networks and
        # large batches cost less, and targets that follow faster over longer returns learn sooner,
        # which normalized critics bear.
        ("td3", "BipedalWalker-v3", "default"): Recipe(
            TD3Config(
                gamma=0.98,
                tau=0.02,
                batch_size=256,
                replay_capacity=300_000,
                random_steps=10_000,
                learning_starts=10_000,
                update_period=2,
                hidden_sizes=(128, 128),
                layer_norm=True,
                num_return_steps=3,
                reward_clip=2.0,
            ),
            total_steps=1_000_000,
        ),
        ("td3", MARIO, "default"): Recipe(
            TD3Config(
                actor_learning_rate=1e-4,
                critic_learning_rate=2.5e-4,
                gamma=0.9,
                batch_size=32,
                replay_capacity=100_000,
                random_steps=5_000,
                learning_starts=5_000,
                update_period=2,
                exploration_noise=0.3,
                hidden_sizes=(256,),
                overlap=True,
            ),
            total_steps=500_000,
            env_kwargs=_CONTINUOUS,
        ),
        ("td3", ANY, "default"): Recipe(
            TD3Config(replay_capacity=200_000, batch_size=256, hidden_sizes=(256, 256)),
            total_steps=200_000,
        ),
        # The tutorial's 250 games are of 1,000 steps at most.
        ("sac", "InvertedPendulumBulletEnv-v0", "tutorial"): Recipe(
            SACConfig(), total_steps=250_000
        ),
        # The tutorial's with networks of a sixteenth of the work, and a larger step for them. It
        # balances after some 20,000 steps; learning on at that rate, from a memory in which hardly
        # anything falls any more, it forgot how after 70,000.
        ("sac", "InvertedPendulumBulletEnv-v0", "default"): Recipe(
            SACConfig(
                learning_rate=1e-3,
                learning_rate_schedule="linear",
                learning_rate_decay_steps=60_000,
                replay_capacity=250_000,
                hidden_sizes=(64, 64),
            ),
            total_steps=250_000,
        ),
        ("sac", MARIO, "default"): Recipe(
            SACConfig(
                reward_scale=0.05,
                value_network=False,
                temperature=None,
                batch_size=32,
                replay_capacity=100_000,
                random_steps=5_000,
                learning_starts=5_000,
                update_period=2,
                hidden_sizes=(256,),
                overlap=True,
            ),
            total_steps=500_000,
            env_kwargs=_CONTINUOUS,
        ),
        ("sac", ANY, "default"): Recipe(
            SACConfig(
                reward_scale=1.0,
                value_network=False,
                temperature=None,
                replay_capacity=200_000,
                random_steps=1_000,
                learning_starts=1_000,
            ),
            total_steps=100_000,
        ),
    }
)

# (algorithm, environment, name) -> recipe, of actor-critic and PPO.
_ON_POLICY_RECIPES: Final[Mapping[tuple[str, str, str], Recipe]] = MappingProxyType(
    {
        # The author's 1,800 games, of 200 steps at most.
        ("actor_critic", "CartPole-v0", "tutorial"): Recipe(
            ActorCriticConfig(), total_steps=360_000
        ),
        # Many lanes for less noise, and a learning rate that ends at 0: else a solved CartPole
        # is lost again and again.
        **dict.fromkeys(
            (("actor_critic", "CartPole-v1", "default"), ("actor_critic", ANY, "default")),
            Recipe(
                ActorCriticConfig(
                    learning_rate=7e-4,
                    gamma=0.98,
                    hidden_sizes=(128, 128),
                    value_coefficient=0.5,
                    entropy_coefficient=0.01,
                    learning_rate_schedule="linear",
                    schedule_steps=800_000,
                ),
                num_envs=64,
                total_steps=800_000,
            ),
        ),
        # 300 games of 200 steps at most. All numbers are the author's; the networks have ReLU.
        ("ppo", "CartPole-v0", "tutorial"): Recipe(PPOConfig(), total_steps=60_000),
        # The tutorial's, with a learning rate that falls over about its 300 games.
        ("ppo", "CartPole-v0", "default"): Recipe(
            PPOConfig(learning_rate_schedule="linear", schedule_steps=50_000),
            total_steps=60_000,
        ),
        ("ppo", "CartPole-v1", "default"): Recipe(
            PPOConfig(
                rollout_steps=128,
                num_epochs=10,
                batch_size=256,
                learning_rate=1e-3,
                max_grad_norm=0.5,
                normalize_advantages=True,
                hidden_sizes=(64, 64),
                learning_rate_schedule="linear",
            ),
            num_envs=8,
            total_steps=100_000,
        ),
        ("ppo", ANY, "default"): Recipe(
            PPOConfig(
                rollout_steps=256,
                num_epochs=10,
                batch_size=256,
                max_grad_norm=0.5,
                normalize_advantages=True,
                hidden_sizes=(64, 64),
            ),
            num_envs=8,
            total_steps=200_000,
        ),
        # RL Baselines3 Zoo's settings (Raffin 2020) with gradients clipped and in fewer steps.
        ("ppo", "LunarLander-v3", "default"): Recipe(
            PPOConfig(
                rollout_steps=1024,
                num_epochs=4,
                batch_size=64,
                gamma=0.999,
                gae_lambda=0.98,
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                normalize_advantages=True,
                hidden_sizes=(64, 64),
            ),
            num_envs=16,
            total_steps=700_000,
        ),
        # The paper's settings for Atari (Schulman et al. 2017, table 5): 40 million frames. Rewards
        # are scaled instead of clipped. Not measured here.
        ("ppo", MARIO, "default"): Recipe(
            PPOConfig(
                rollout_steps=128,
                num_epochs=3,
                batch_size=256,
                learning_rate=2.5e-4,
                clip_range=0.1,
                value_coefficient=1.0,
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                normalize_advantages=True,
                normalize_rewards=True,
                learning_rate_schedule="linear",
                clip_schedule="linear",
                schedule_steps=10_000_000,
            ),
            num_envs=8,
            total_steps=10_000_000,
            evaluation_epsilon=_EVALUATION_EPSILON,
        ),
        # Five minutes on two cores. Of the screen's tiles alone, so that a network of 140
        # thousand weights can read it: an environment step costs less than a tenth of what it does
        # with a convolution of 84 x 84 pixels, and the game becomes the larger part of it.
        ("ppo", MARIO, "demo"): Recipe(
            PPOConfig(
                rollout_steps=128,
                num_epochs=4,
                batch_size=512,
                learning_rate=5e-4,
                gamma=0.95,
                hidden_sizes=(64, 64),
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                normalize_advantages=True,
                normalize_rewards=True,
            ),
            num_envs=16,
            total_steps=1_000_000,
            env_kwargs={"observation": "tiles"},
            evaluation_epsilon=_EVALUATION_EPSILON,
        ),
        # As on CartPole, with smaller steps and a shorter horizon. Not measured here.
        ("actor_critic", MARIO, "default"): Recipe(
            ActorCriticConfig(
                learning_rate=1e-4,
                gamma=0.9,
                entropy_coefficient=0.01,
                max_grad_norm=1.0,
                learning_rate_schedule="linear",
                schedule_steps=2_000_000,
            ),
            num_envs=16,
            total_steps=2_000_000,
            evaluation_epsilon=_EVALUATION_EPSILON,
        ),
    }
)

# Returns of 2 instead of 100 are what a value network learns in time to judge the policy's steps.
_A3C_CONFIG: Final = A3CConfig(
    t_max=20, learning_rate=1e-3, reward_scale=0.02, entropy_coefficient=0.001
)

# (algorithm, environment, name) -> recipe, of A3C: one worker a core.
_A3C_RECIPES: Final[Mapping[tuple[str, str, str], Recipe]] = MappingProxyType(
    {
        # The note gives Adam, t_max and the networks; gamma is the usual 0.99. 5,000 games are at
        # most so many steps.
        ("a3c", "CartPole-v0", "tutorial"): Recipe(A3CConfig(), total_steps=1_000_000),
        ("a3c", "CartPole-v0", "default"): Recipe(_A3C_CONFIG, total_steps=150_000),
        ("a3c", "CartPole-v1", "default"): Recipe(_A3C_CONFIG, total_steps=300_000),
        ("a3c", MARIO, "default"): Recipe(
            A3CConfig(
                t_max=20,
                learning_rate=1e-4,
                gamma=0.95,
                reward_scale=0.05,
                entropy_coefficient=0.01,
                max_grad_norm=0.5,
                hidden_sizes=(),
            ),
            total_steps=2_000_000,
            evaluation_epsilon=_EVALUATION_EPSILON,
        ),
        ("a3c", ANY, "default"): Recipe(
            A3CConfig(t_max=20, learning_rate=1e-3, entropy_coefficient=0.01, max_grad_norm=0.5),
            total_steps=500_000,
        ),
    }
)

# (algorithm, environment, name) -> recipe.
RECIPES: Final[Mapping[tuple[str, str, str], Recipe]] = MappingProxyType(
    {
        **{
            (algorithm, *key): recipe
            for algorithm in ("dqn", "double_dqn")
            for key, recipe in _DQN_RECIPES.items()
        },
        **_VALUE_RECIPES,
        **_CONTINUOUS_RECIPES,
        **_ON_POLICY_RECIPES,
        **_A3C_RECIPES,
    }
)


def find_recipe(algorithm: str, env_id: str, name: str = "default") -> Recipe:
    """Return the recipe of that name: the environment's own, else its family's, else anyone's.

    Args:
        algorithm: A key of `ALGORITHMS`.
        env_id: A Gymnasium id.
        name: "default", "tutorial" or "demo".

    Raises:
        ValueError: There is none; the message names those there are.
    """
    for place in _places(env_id):
        if (algorithm, place, name) in RECIPES:
            return RECIPES[algorithm, place, name]
    names = {key[2] for key in RECIPES if key[0] == algorithm and key[1] in _places(env_id)}
    raise ValueError(
        f"there is no recipe {name!r} for {algorithm} on {env_id}: known are "
        f"{', '.join(sorted(names))}"
    )


def evaluation_epsilon(env_id: str) -> float:
    """Return the epsilon that makes a greedy agent's episodes differ, 0 where they do anyway."""
    return _EVALUATION_EPSILON if MARIO in _places(env_id) else 0.0


def _places(env_id: str) -> tuple[str, ...]:
    """Return where to look for an environment's recipes, the most specific first."""
    name = env_id.rpartition(":")[2]  # "mario_rl_envs:MarioRL-1-1-v0" is an id as well
    return (name, MARIO, ANY) if name.startswith(f"{MARIO}-") else (name, ANY)
