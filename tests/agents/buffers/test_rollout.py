"""Advantages by hand, what a rollout holds, and the lanes that fill it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.buffers.rollout import Rollout, generalized_advantages
from mario_rl_agents.envs import SingleLanes, VectorLanes, make_lanes
from numpy.typing import NDArray
from support.agent_toys import Corridor, corridor

import mario_rl_envs  # noqa: F401  registers the environments of Mario


def column(*values: Any) -> NDArray[Any]:
    """Return the values of one lane, shape [T, 1]."""
    array = np.array(values)[:, None]
    return array if array.dtype == bool else array.astype(np.float32)


def test_advantages_by_hand() -> None:
    """Gamma 0.5, lambda 0.5: three steps, then the values of what follows."""
    reward, value, next_value = column(1, 2, 3), column(10, 20, 30), column(20, 30, 40)
    never = column(False, False, False)
    # delta = 1 + 10 - 10, 2 + 15 - 20, 3 + 20 - 30 = 1, -3, -7; A = delta + 0.25 A'.
    advantage = generalized_advantages(
        reward, value, next_value, never, never, gamma=0.5, gae_lambda=0.5
    )
    assert advantage.dtype == np.float32
    assert advantage[:, 0].tolist() == [-0.1875, -4.75, -7.0]


def test_nothing_follows_a_termination_and_a_truncation_bootstraps() -> None:
    reward, value, next_value = column(1, 2, 3), column(10, 20, 30), column(20, 30, 40)
    never, middle = column(False, False, False), column(False, True, False)
    # The second delta is 2 - 20 = -18, and the third is not seen from it.
    terminated = generalized_advantages(
        reward, value, next_value, middle, never, gamma=0.5, gae_lambda=0.5
    )
    assert terminated[:, 0].tolist() == [1 - 0.25 * 18, -18.0, -7.0]
    # Here it is 2 + 15 - 20 = -3, from the value of the true final observation, 30.
    truncated = generalized_advantages(
        reward, value, next_value, never, middle, gamma=0.5, gae_lambda=0.5
    )
    assert truncated[:, 0].tolist() == [1 - 0.25 * 3, -3.0, -7.0]


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_advantages_are_the_weighted_sum_of_n_step_ones(gae_lambda: float) -> None:
    """Schulman et al. 2016, eq. 16, summed up forwards over random lanes."""
    rng = np.random.default_rng(0)
    reward, value, next_value = rng.normal(size=(3, 9, 4))
    terminated, truncated = rng.random((2, 9, 4)) < 0.15
    advantage = generalized_advantages(
        reward, value, next_value, terminated, truncated, gamma=0.9, gae_lambda=gae_lambda
    )
    for lane in range(4):
        for start in range(9):
            expected, weight = 0.0, 1.0
            for t in range(start, 9):
                bootstrap = 0.0 if terminated[t, lane] else 0.9 * next_value[t, lane]
                expected += weight * (reward[t, lane] + bootstrap - value[t, lane])
                weight *= 0.9 * gae_lambda
                if terminated[t, lane] or truncated[t, lane]:
                    break
            assert advantage[start, lane] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def small_rollout() -> Rollout:
    return Rollout(
        3,
        2,
        obs_shape=(2,),
        obs_dtype=np.uint8,
        num_features=2,
        num_outputs=4,
        action_shape=(),
        action_dtype=np.int64,
    )


def record(rollout: Rollout, number: int, final_obs: dict[int, NDArray[Any]]) -> None:
    obs = np.full((2, 2), number, np.uint8)
    outputs = np.full((2, 4), number, np.float32)
    rollout.begin_step(obs, obs.astype(np.float32), outputs, np.array([number, number + 1]))
    ended = np.array([lane in final_obs for lane in range(2)])
    rollout.end_step(np.array([number, -number]), ~ended & (number == 1), ended, final_obs)


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


def test_one_lane_is_the_given_environment() -> None:
    env = corridor()
    lanes = make_lanes(env, 1)
    obs = lanes.reset({0: 3})
    assert obs.tolist() == [[1, 0, 0, 0, 0]]
    assert lanes.generators()[0] is env.unwrapped.np_random
    for _ in range(4):
        step = lanes.step(np.array([1]))
    assert step.infos == {0: {"cell": 4}}
    assert (step.reward.tolist(), step.terminated.tolist()) == ([1.0], [True])
    assert step.obs.tolist() == [[0, 0, 0, 0, 1]]  # the last one: a reset is asked for


def test_several_lanes_need_an_environment_that_can_be_made_again() -> None:
    with pytest.raises(ValueError, match=r"num_envs = 2 .* gymnasium\.make"):
        make_lanes(Corridor(), 2)


def test_lanes_of_a_spec_do_what_single_environments_do() -> None:
    env = gym.make("CartPole-v1", max_episode_steps=30)
    lanes = make_lanes(env, 3)
    singles = [gym.make("CartPole-v1", max_episode_steps=30) for _ in range(3)]
    seeds = {0: 5, 1: 6, 2: 7}
    first = [singles[lane].reset(seed=seed)[0] for lane, seed in seeds.items()]
    assert np.array_equal(lanes.reset(dict(seeds)), first)
    actions = np.random.default_rng(0).integers(2, size=(100, 3))
    for action in actions:
        step = lanes.step(action)
        for lane, single in enumerate(singles):
            obs, reward, terminated, truncated, _ = single.step(action[lane])
            assert np.array_equal(step.obs[lane], obs)
            assert (step.reward[lane], step.terminated[lane]) == (reward, terminated)
            assert step.truncated[lane] == truncated
            assert (lane in step.infos) == (terminated or truncated)
        for lane in step.infos:
            singles[lane].reset()
        if step.infos:
            lanes.reset(dict.fromkeys(step.infos))


def test_native_lanes_do_what_single_ones_do() -> None:
    """Observations, rewards, ends and infos; a lane goes on while another is reset."""
    keywords: dict[str, Any] = {"observation": "tiles", "sticky": 0.25, "max_episode_steps": 25}
    env = gym.make("MarioRL-1-1-v0", **keywords)
    native = make_lanes(env, 3)
    if not isinstance(native, VectorLanes):
        pytest.skip("the native core is not built")
    singles = SingleLanes([gym.make("MarioRL-1-1-v0", **keywords) for _ in range(3)])
    seeds = {0: 5, 1: 6, 2: 7}
    assert np.array_equal(native.reset(dict(seeds)), singles.reset(dict(seeds)))
    actions = np.random.default_rng(0).integers(5, size=(60, 3))
    num_ended = 0
    for number, action in enumerate(actions):
        a, b = native.step(action), singles.step(action)
        for x, y in zip(a[:4], b[:4], strict=True):
            assert np.array_equal(x, y)
        assert a.infos == b.infos
        ended = dict.fromkeys(a.infos)
        num_ended += len(ended)
        if number == 9:
            ended |= {1: None}
        if ended:
            assert np.array_equal(native.reset(dict(ended)), singles.reset(dict(ended)))
    assert num_ended >= 6
    for one, other in zip(native.generators(), singles.generators(), strict=True):
        assert one.bit_generator.state == other.bit_generator.state
    native.close()
    singles.close()
