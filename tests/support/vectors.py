"""Our vector environment beside Gymnasium's of single environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from mario_rl_envs.vector_env import MarioVectorEnv

SEED = 7


def make_singles(env_id: str, num_envs: int, mode: str = "NextStep", **keywords: Any) -> Any:
    """Return Gymnasium's vector environment of single ones."""
    return SyncVectorEnv([lambda: gym.make(env_id, **keywords)] * num_envs, autoreset_mode=mode)


def make_both(
    env_id: str, num_envs: int, mode: str = "NextStep", **keywords: Any
) -> tuple[Any, Any]:
    """Return our vector environment and Gymnasium's, of the same environments."""
    vector = gym.make_vec(env_id, num_envs=num_envs, autoreset_mode=mode, **keywords)
    assert isinstance(vector, MarioVectorEnv)
    singles = make_singles(env_id, num_envs, mode, **keywords)
    assert vector.metadata == singles.metadata
    return vector, singles


def assert_same(ours: Any, theirs: Any, where: str = "") -> None:
    """Assert that what two environments returned is equal: values, types and shapes."""
    assert type(ours) is type(theirs), where
    if isinstance(ours, dict):
        assert set(ours) == set(theirs), where
        for key in ours:
            assert_same(ours[key], theirs[key], f"{where} {key}")
    elif isinstance(ours, (tuple, list)):
        assert len(ours) == len(theirs), where
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(one, other, f"{where} {index}")
    elif isinstance(ours, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
        if ours.dtype == object:
            assert_same(ours.tolist(), theirs.tolist(), where)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=where)
    else:
        assert ours == theirs, where


def play_both(ours: Any, theirs: Any, num_steps: int, seed: int = SEED, right: float = 0.0) -> int:
    """Step both alike; in the mode "Disabled", reset what has ended. Return the number of ends."""
    rng = np.random.default_rng(seed)
    mode = ours.metadata["autoreset_mode"]
    num_ends = 0
    for index in range(num_steps):
        actions = sample(ours.single_action_space, ours.num_envs, rng, right)
        result, expected = ours.step(actions), theirs.step(actions)
        assert_same(result, expected, f"step {index}:")
        _, _, terminated, truncated, _ = result
        ended = terminated | truncated
        num_ends += int(ended.sum())
        if mode is AutoresetMode.DISABLED and ended.any():
            reset, expected_reset = (
                each.reset(options={"reset_mask": ended.copy()}) for each in (ours, theirs)
            )
            assert_same(reset, expected_reset, f"reset {index}:")
    return num_ends


def sample(space: Any, num_envs: int, rng: np.random.Generator, right: float = 0.0) -> NDArray[Any]:
    """Return an action for each game; of so many, to the right."""
    if isinstance(space, gym.spaces.Box):
        return rng.uniform(-1, 1, (num_envs, *space.shape)).astype(np.float32)
    actions = rng.integers(space.n, size=num_envs)
    return np.where(rng.random(num_envs) < right, min(3, space.n - 1), actions)


def check_equal(
    env_id: str,
    num_envs: int,
    num_steps: int,
    mode: str = "NextStep",
    right: float = 0.5,
    options: dict[str, Any] | None = None,
    **keywords: Any,
) -> int:
    """Make both, reset and step them alike; return the number of ends."""
    ours, theirs = make_both(env_id, num_envs, mode, **keywords)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_action_space == theirs.single_action_space
    reset, expected = (each.reset(seed=SEED, options=options) for each in (ours, theirs))
    assert_same(reset, expected, "reset:")
    num_ends = play_both(ours, theirs, num_steps, right=right)
    assert ours.np_random_seed == theirs.np_random_seed
    for one, other in zip(ours.np_random, theirs.np_random, strict=True):
        assert one.bit_generator.state == other.bit_generator.state
    ours.close()
    theirs.close()
    return num_ends


def play(vector, num_steps, seed=SEED):
    """Take random actions in a vector environment; return what its steps returned."""
    rng = np.random.default_rng(seed)
    return [vector.step(rng.integers(5, size=vector.num_envs)) for _ in range(num_steps)]
