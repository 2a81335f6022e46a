"""Advantages by hand, and what a rollout holds."""

from typing import Any

import numpy as np
import pytest
from mario_rl_agents.buffers.rollout import Rollout, compute_gae
from mario_rl_agents.loops.callbacks import Step
from numpy.typing import NDArray


def column(*values: Any) -> NDArray[Any]:
    """Return the values of one environment, shape [T, 1]."""
    array = np.array(values)[:, None]
    return array if array.dtype == bool else array.astype(np.float32)


def test_advantages_by_hand() -> None:
    """Gamma 0.5, lambda 0.5: three steps, then the values of what follows."""
    reward, value, next_value = column(1, 2, 3), column(10, 20, 30), column(20, 30, 40)
    never = column(False, False, False)
    # delta = 1 + 10 - 10, 2 + 15 - 20, 3 + 20 - 30 = 1, -3, -7; A = delta + 0.25 A'.
    advantage = compute_gae(reward, value, next_value, never, never, gamma=0.5, gae_lambda=0.5)
    assert advantage.dtype == np.float32
    assert advantage[:, 0].tolist() == [-0.1875, -4.75, -7.0]


def test_nothing_follows_a_termination_and_a_truncation_bootstraps() -> None:
    reward, value, next_value = column(1, 2, 3), column(10, 20, 30), column(20, 30, 40)
    never, middle = column(False, False, False), column(False, True, False)
    # The second delta is 2 - 20 = -18, and the third is not seen from it.
    terminated = compute_gae(reward, value, next_value, middle, never, gamma=0.5, gae_lambda=0.5)
    assert terminated[:, 0].tolist() == [1 - 0.25 * 18, -18.0, -7.0]
    # Here it is 2 + 15 - 20 = -3, from the value of the true final observation, 30.
    truncated = compute_gae(reward, value, next_value, never, middle, gamma=0.5, gae_lambda=0.5)
    assert truncated[:, 0].tolist() == [1 - 0.25 * 3, -3.0, -7.0]


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_advantages_are_the_weighted_sum_of_n_step_ones(gae_lambda: float) -> None:
    """Schulman et al. 2016, eq. 16, summed up forwards over random environments."""
    rng = np.random.default_rng(0)
    reward, value, next_value = rng.normal(size=(3, 9, 4))
    terminated, truncated = rng.random((2, 9, 4)) < 0.15
    advantage = compute_gae(
        reward, value, next_value, terminated, truncated, gamma=0.9, gae_lambda=gae_lambda
    )
    for env in range(4):
        for start in range(9):
            expected, weight = 0.0, 1.0
            for t in range(start, 9):
                bootstrap = 0.0 if terminated[t, env] else 0.9 * next_value[t, env]
                expected += weight * (reward[t, env] + bootstrap - value[t, env])
                weight *= 0.9 * gae_lambda
                if terminated[t, env] or truncated[t, env]:
                    break
            assert advantage[start, env] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def small_rollout() -> Rollout:
    return Rollout(
        3,
        2,
        obs_shape=(2,),
        obs_dtype=np.uint8,
        num_features=2,
        num_params=4,
        action_shape=(),
        action_dtype=np.int64,
    )


def record(rollout: Rollout, number: int, final_obs: dict[int, NDArray[Any]]) -> None:
    obs = np.full((2, 2), number, np.uint8)
    dist_params = np.full((2, 4), number, np.float32)
    action = np.array([number, number + 1])
    truncated = np.array([index in final_obs for index in range(2)])
    terminated = ~truncated & (number == 1)
    next_obs = obs + 1
    for index, last_obs in final_obs.items():
        next_obs[index] = last_obs
    infos: dict[int, dict[str, Any]] = {int(i): {} for i in np.flatnonzero(truncated | terminated)}
    reward = np.array([number, -number], np.float64)
    step = Step(obs, action, reward, terminated, truncated, next_obs, infos)
    rollout.add(step, obs.astype(np.float32), dist_params, action)


def test_a_rollout_keeps_what_it_is_given_until_it_is_cleared() -> None:
    rollout = small_rollout()
    for number in range(3):
        assert (len(rollout), rollout.is_full) == (number, False)
        record(rollout, number, {1: np.array([7, 8], np.uint8)} if number == 1 else {})
    assert rollout.is_full
    assert rollout.obs[:, 0].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert rollout.action.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert rollout.reward.tolist() == [[0, 0], [1, -1], [2, -2]]
    assert rollout.terminated.tolist() == [[False, False], [True, False], [False, False]]
    assert rollout.truncated.tolist() == [[False, False], [False, True], [False, False]]
    assert {place: obs.tolist() for place, obs in rollout.final_obs.items()} == {(1, 1): [7, 8]}
    rollout.clear()
    assert (len(rollout), rollout.final_obs) == (0, {})


def test_half_a_rollout_goes_on_after_its_state_is_taken_over() -> None:
    first, second = small_rollout(), small_rollout()
    for number in range(2):
        record(first, number, {1: np.array([7, 8], np.uint8)} if number == 1 else {})
    second.load_state({name: array.copy() for name, array in first.state().items()})
    assert len(second) == 2
    for rollout in (first, second):
        record(rollout, 2, {})
    for name, array in first.state().items():
        assert np.array_equal(array, second.state()[name]), name
