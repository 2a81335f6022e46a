"""The maker of environments: what it makes does what single environments do, one by one."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from mario_rl_agents.envs import (
    SequentialVectorEnv,
    VecEnv,
    as_env,
    as_number,
    as_vector_env,
    generators_of,
    keywords_of,
    make_env,
    make_vec_env,
    read_end,
    reset_some,
    single_kwargs,
)
from mario_rl_agents.errors import ObservationError, RewardError
from support.agent_toys import Corridor, corridor

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


def test_they_are_seeded_as_gymnasium_seeds_vectors() -> None:
    envs: Any = make_vec_env("CartPole-v1", 3)
    theirs = gym.make_vec("CartPole-v1", 3, vectorization_mode="sync")
    for seed in (5, np.int64(5), [5, 6, 7], np.array([5, 6, 7])):
        obs, _ = envs.reset(seed=seed)
        assert np.array_equal(obs, theirs.reset(seed=5)[0])
    assert len({row.tobytes() for row in obs}) == 3
    before = obs.copy()
    again, _ = envs.reset(seed=[5, None, 7])
    assert (again == before).all(axis=1).tolist() == [True, False, True]
    with pytest.raises(ValueError, match="2 seeds for 3 sub-environments: give one for each, or"):
        envs.reset(seed=[5, 6])
    envs.close()
    theirs.close()


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
    for wrong in (0, "2", 1.5, None, True):
        with pytest.raises(
            ValueError, match=f"num_envs must be a whole number >= 1, got {wrong!r}"
        ):
            make_vec_env("CartPole-v1", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"env must be a Gymnasium id, or a function .*, got 3"):
        make_vec_env(3, 2)  # type: ignore[arg-type]


class Scaled(gym.RewardWrapper[Any, Any]):
    """The three lines that a user writes."""

    def reward(self, reward: Any) -> float:
        return float(reward) / 15


def test_a_wrapper_of_ones_own_in_several_games() -> None:
    """A function makes each; an id with wrappers of its own is not made natively either."""

    def make(**keywords: Any) -> gym.Env[Any, Any]:
        return Scaled(gym.make("MarioRL-1-1-v0", observation="ram", **keywords))

    envs = make_vec_env(make, 2, {"skip": 8})
    plain = make_vec_env("MarioRL-1-1-v0", 2, {"observation": "ram", "skip": 8})
    for each in (envs, plain):
        reset_some(each, {0: 0, 1: 1})
    actions = [np.array([1, 1])] * 10  # walk right
    scaled, whole = ([each.step(action)[1] for action in actions] for each in (envs, plain))
    assert np.array_equal(scaled, np.array(whole) / 15)
    assert np.any(whole)
    envs.close()
    plain.close()


def test_wrappers_that_an_id_is_registered_with_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = gym.wrappers.TimeLimit.wrapper_spec(max_episode_steps=3)
    spec = EnvSpec(
        "Short-v0",
        entry_point="support.agent_toys:Corridor",
        vector_entry_point="mario_rl_envs.vector_env:make_mario_vector",  # knows no wrappers
        additional_wrappers=(wrapper,),
    )
    monkeypatch.setitem(gym.registry, spec.id, spec)
    envs = make_vec_env("Short-v0", 2)
    envs.reset(seed=0)
    ends = [envs.step(np.array([0, 0]))[3].tolist() for _ in range(3)]
    assert ends == [[False, False]] * 2 + [[True, True]]


PLAIN = """
import gymnasium as gym, numpy as np
class Toy(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}
    def step(self, action):
        return np.zeros(3, np.float32), 1.0, True, False, {}
gym.register("Plain-v0", entry_point="plain_module:Toy")
"""


def test_a_module_before_an_id_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain_module.py").write_text(PLAIN)
    monkeypatch.syspath_prepend(tmp_path)
    for num_envs in (2, 1):  # a vector first: it imports the module, too
        envs = make_vec_env("plain_module:Plain-v0", num_envs)
        assert envs.reset()[0].shape == (num_envs, 3)
        monkeypatch.delitem(gym.registry, "Plain-v0")
        monkeypatch.delitem(sys.modules, "plain_module")
    assert make_env("plain_module:Plain-v0", {}).reset()[0].shape == (3,)  # has no render_mode
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        make_vec_env("no_such_module:Plain-v0", 2)


@pytest.mark.filterwarnings("ignore:.*the latest versioned environment:UserWarning")
def test_an_id_without_its_version_is_the_latest() -> None:
    envs = make_vec_env("CartPole", 2)
    assert envs.spec is not None
    assert envs.spec.id == "CartPole-v1"


@pytest.mark.parametrize(
    ("reward", "number"),
    [
        (1, 1.0),
        (np.float32(0.5), 0.5),
        (np.array(2), 2.0),
        (np.array([3.5]), 3.5),
        ([4], 4.0),
        (True, 1.0),
        (np.array([[-1.0]]), -1.0),
    ],
)
def test_a_reward_of_one_number_is_that_number(reward: Any, number: float) -> None:
    found = as_number(reward)
    assert (found, type(found)) == (number, float)


@pytest.mark.parametrize("reward", [None, "1", np.zeros(2), np.array([]), {}, 1j, [None]])
def test_another_reward_is_refused(reward: Any) -> None:
    with pytest.raises(RewardError, match=r"a reward must be one number, got .* of type"):
        as_number(reward)


class Arrays(Corridor):
    """Returns arrays of shape (1,) where numbers are meant, as many environments do."""

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, np.array([reward]), np.array([terminated]), np.array([truncated]), info


def test_arrays_of_one_element_are_taken_as_their_elements() -> None:
    arrays, numbers = (as_vector_env(kind()) for kind in (Arrays, Corridor))
    for each in (arrays, numbers):
        reset_some(each, {0: 3})
    for action in [1] * 4:
        found, expected = (each.step(np.array([action])) for each in (arrays, numbers))
        assert [x.tolist() for x in found[:4]] == [x.tolist() for x in expected[:4]]
    assert expected[2].tolist() == [True]


def test_what_is_no_environment_is_refused() -> None:
    with pytest.raises(ValueError, match="env 'CartPole-v9' cannot be made: "):
        as_env("CartPole-v9")
    with pytest.raises(ValueError, match="env 'nowhere:Env-v0' cannot be made: No module named"):
        as_env("nowhere:Env-v0")
    for wrong in (None, gym.spec("CartPole-v1"), CartPoleEnv):
        with pytest.raises(TypeError, match=r"env must be a gymnasium\.Env, .* id such as .*, got"):
            as_env(wrong)  # type: ignore[arg-type]


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


def test_keywords_of_an_id() -> None:
    assert list(keywords_of("CartPole-v1")) == ["sutton_barto_reward", "render_mode"]
    assert keywords_of("mario_rl_envs:MarioRL-1-1-v0")["actions"].default == "right_only"
    assert keywords_of("CartPole-v9") == {}


@pytest.mark.parametrize("make", [make_env, lambda env_id, kwargs: make_vec_env(env_id, 2, kwargs)])
def test_keywords_of_an_environment_are_read(make: Any) -> None:
    for word, is_sutton in (("no", False), ("off", False), ("False", False), ("yes", True)):
        env = make("CartPole-v1", {"sutton_barto_reward": word, "max_episode_steps": 3})
        env.reset(seed=0)
        right = np.array([1, 1]) if hasattr(env, "num_envs") else 1
        assert np.all(env.step(right)[1] == (0 if is_sutton else 1))
        env.close()
    with pytest.raises(ValueError, match=r"sutton_barto_reward must be true or false, .*'maybe'"):
        make("CartPole-v1", {"sutton_barto_reward": "maybe"})
    with pytest.raises(ValueError, match="no keyword 'sutton_barto', did you mean sutton_barto_r"):
        make("CartPole-v1", {"sutton_barto": True})
    with pytest.raises(ValueError, match="there is no keyword 'wind': it takes sutton_barto_rew"):
        make("CartPole-v1", {"wind": 3})
    with pytest.raises(ValueError, match=r"no keyword 'action', did you mean actions\?"):
        make("MarioRL-1-1-v0", {"action": "simple"})
    env = make("MarioRL-1-1-v0", {"grayscale": "no"})
    assert env.observation_space.shape[-3:] == (84, 84, 3)
    env.close()


@pytest.mark.parametrize(
    "envs",
    [
        lambda: gym.make("MarioRL-1-1-v0", skip=2),
        lambda: make_vec_env("MarioRL-1-1-v0", 2, {"skip": 2}),
        lambda: gym.make_vec("MarioRL-1-1-v0", num_envs=2, skip=2, copy=False, num_threads=1),
        lambda: gym.make_vec("MarioRL-1-1-v0", vectorization_mode="sync", skip=2),
    ],
)
def test_keywords_of_one_of_many_make_it_again(envs: Callable[[], Any]) -> None:
    made = envs()
    kwargs = single_kwargs(made)
    assert {name: kwargs[name] for name in kwargs if name != "max_episode_steps"} == {
        "stage": "1-1",
        "skip": 2,
    }
    gym.make("MarioRL-1-1-v0", **kwargs).close()
    made.close()


def test_one_environment_is_not_stepped_as_several() -> None:
    with contextlib.closing(gym.make("CartPole-v1")) as env:
        makers = (lambda: env, lambda: gym.wrappers.TimeLimit(env, 10))
        for make in makers:
            with pytest.raises(ValueError, match="are one and the same environment"):
                make_vec_env(make, 2)
        assert make_vec_env(makers[0], 1).num_envs == 1
