"""Jobs of a few seconds, for the tests of experiments and of the tutorials."""

from typing import Any

from mario_rl_agents.experiments import Job


def random_job(**fields: Any) -> Job:
    """Return 60 episodes of random play in CartPole."""
    defaults: dict[str, Any] = {"max_episodes": 60, "num_test_episodes": 2, "total_steps": 60_000}
    return Job.from_recipe("random", "CartPole-v1", **{**defaults, **fields})


def learner_job(env_id: str = "Acrobot-v1", **fields: Any) -> Job:
    """Return Double DQN for 1,600 steps; it learns from its 1,000th step on."""
    defaults: dict[str, Any] = {"total_steps": 1_600, "num_test_episodes": 2}
    return Job.from_recipe("double_dqn", env_id, **{**defaults, **fields})
