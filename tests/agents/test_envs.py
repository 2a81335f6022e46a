"""The maker of environments: what it makes does what single environments do, one by one."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from mario_rl_agents.envs import (
    SequentialVectorEnv,
    VecEnv,
    as_vector_env,
    generators_of,
    make_env,
    make_vec_env,
    read_end,
    reset_some,
)
from mario_rl_agents.errors import ObservationError
from support.agent_toys import corridor

import mario_rl_envs  # noqa: F401  registers the environments of Mario


def test_a_single_environment_is_a_vector_of_one() -> None:
    env = corridor()
    envs = as_vector_env(env)
    assert reset_some(envs, {0: 3}).tolist() == [[1, 0, 0, 0, 0]]
    generators = generators_of(envs)
    assert generators is not None
    assert generators[0] is env.unwrapped.np_random
    for _ in range(4):
        obs, reward, terminated, truncated, infos = envs.step(np.array([1]))
    assert read_end(infos, 0) == ({"cell": 4}, None)
    assert (reward.tolist(), terminated.tolist(), truncated.tolist()) == ([1.0], [True], [False])
    assert obs.tolist() == [[0, 0, 0, 0, 1]]  # the last one: a reset is asked for


def check_against_singles(envs: VecEnv, singles: list[gym.Env[Any, Any]], num_steps: int) -> int:
    """Step both with the same actions; sub-environments go on while others are reset.

    Returns:
        How many episodes have ended.
    """
    seeds: dict[int, int | None] = {index: 5 + index for index in range(len(singles))}
    first = [single.reset(seed=seeds[index])[0] for index, single in enumerate(singles)]
    assert np.array_equal(reset_some(envs, seeds), first)
    space, num_ended = singles[0].action_space, 0
    space.seed(0)
    for number in range(num_steps):
        action = np.array([space.sample() for _ in singles])
        obs, reward, terminated, truncated, infos = envs.step(action)
        expected = obs.copy()
        begin = {1} if number == 9 else set()
        for index, single in enumerate(singles):
            shown, reward_, is_over, is_cut, info = single.step(action[index])
            assert np.array_equal(obs[index], shown)
            assert (reward[index], terminated[index], truncated[index]) == (
                reward_,
                is_over,
                is_cut,
            )
            if is_over or is_cut:
                assert read_end(infos, index) == (info, None)
                begin.add(index)
        for index in begin:
            expected[index], _ = singles[index].reset()
        if begin:
            assert np.array_equal(reset_some(envs, dict.fromkeys(begin)), expected)
        num_ended += int((terminated | truncated).sum())
    generators = generators_of(envs)
    assert generators is not None
    for generator, single in zip(generators, singles, strict=True):
        assert generator.bit_generator.state == single.unwrapped.np_random.bit_generator.state
    return num_ended


def test_several_of_an_id_do_what_single_ones_do() -> None:
    keywords = {"max_episode_steps": 30}
    envs = make_vec_env("CartPole-v1", 3, keywords)
    assert isinstance(envs, SequentialVectorEnv)  # Gymnasium's own cannot be reset one by one
    singles = [make_env("CartPole-v1", keywords) for _ in range(3)]
    assert check_against_singles(envs, singles, 100) > 9
    envs.close()


def test_native_ones_do_what_single_ones_do() -> None:
    keywords: dict[str, Any] = {"observation": "tiles", "sticky": 0.25, "max_episode_steps": 25}
    envs = make_vec_env("MarioRL-1-1-v0", 3, keywords)
    if isinstance(envs, SequentialVectorEnv):
        pytest.skip("the native core is not built")
    singles = [make_env("MarioRL-1-1-v0", keywords) for _ in range(3)]
    assert check_against_singles(envs, singles, 60) >= 6
    envs.close()


def test_one_of_an_id_is_single() -> None:
    envs = make_vec_env("MarioRL-1-1-v0", 1, {"observation": "tiles"})
    assert isinstance(envs, SequentialVectorEnv)
    envs.close()


def test_a_wrapped_id_keeps_its_wrappers() -> None:
    """An id of the user's own, whose environments are wrapped, is not made natively."""

    def make_half(**keywords: Any) -> gym.Env[Any, Any]:
        env = make_env("MarioRL-1-1-v0", keywords)
        return gym.wrappers.TransformReward(env, lambda reward: 0.5 * float(reward))

    gym.register("HalfReward-v0", make_half)
    try:
        envs = make_vec_env("HalfReward-v0", 2, {})
        plain = make_vec_env("MarioRL-1-1-v0", 2, {})
        for each in (envs, plain):
            reset_some(each, {0: 0, 1: 1})
        actions = [np.array([1, 1])] * 10  # walk right
        half, whole = ([each.step(action)[1] for action in actions] for each in (envs, plain))
        assert np.array_equal(half, 0.5 * np.array(whole))
        assert np.any(whole)
        envs.close()
        plain.close()
    finally:
        gym.registry.pop("HalfReward-v0")


def test_an_environment_that_does_not_show_what_its_space_says_is_named() -> None:
    class Liar(gym.Env[Any, Any]):
        observation_space = gym.spaces.Box(0, 1, (4,), np.float32)
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            return np.zeros(1, np.float32), {}

    with pytest.raises(ObservationError, match=r"shape \(4,\) and dtype float32.*got \(1,\) and"):
        as_vector_env(Liar()).reset()


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Dict({"a": gym.spaces.Discrete(2)}),
        gym.spaces.Tuple((gym.spaces.Discrete(2),)),
    ],
)
def test_observations_that_are_no_array_are_refused(space: gym.Space[Any]) -> None:
    env = corridor()
    env.observation_space = space
    with pytest.raises(ValueError, match=r"wrap it in gymnasium\.wrappers\.FlattenObs"):
        as_vector_env(env)


def test_a_vector_environment_that_cannot_be_followed_is_refused() -> None:
    envs = gym.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point")
    with pytest.raises(ValueError, match=r"autoreset_mode=gymnasium\.vector\.AutoresetMode\.SAME"):
        as_vector_env(envs)
    envs.close()
    with pytest.raises(TypeError, match=r"takes a gymnasium.Env or a .*VectorEnv, got 'CartPole"):
        as_vector_env("CartPole-v1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_envs must be a whole number >= 1, got 0"):
        make_vec_env("CartPole-v1", 0, {})


def test_generators_in_other_processes_are_out_of_reach() -> None:
    makers = [lambda: gym.make("CartPole-v1")] * 2
    assert generators_of(SyncVectorEnv(makers)) is not None
    envs = AsyncVectorEnv(makers)
    assert generators_of(envs) is None
    envs.close()


def test_the_last_observation_of_an_environment_that_resets_itself_is_found() -> None:
    makers = [lambda: gym.make("CartPole-v1", max_episode_steps=3)] * 2
    envs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    single = gym.make("CartPole-v1", max_episode_steps=3)
    envs.reset(seed=4)
    single.reset(seed=5)
    for _ in range(3):
        *_, infos = envs.step(np.array([1, 1]))
        last_obs, *_, info = single.step(1)
    assert read_end(infos, 1)[0] == info
    assert np.array_equal(infos["final_obs"][1], last_obs)
    assert np.array_equal(read_end(infos, 1)[1], last_obs)  # type: ignore[arg-type]
