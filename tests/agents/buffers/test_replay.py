"""The replay memory against a list of transitions."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_rl_agents.buffers.prioritized import PrioritizedReplay
from mario_rl_agents.buffers.replay import ReplayBuffer
from mario_rl_agents.errors import ObservationError
from numpy.typing import NDArray
from support.agent_toys import side
from support.replay_toys import Recorder, Transition, make_replay, store


def assert_holds(replay: ReplayBuffer, expected: list[Transition]) -> None:
    assert len(replay) == len(expected)
    if not expected:
        return
    by_number = {int(x.reward): x for x in expected}
    batch = replay.sample(30 * len(expected), np.random.default_rng(0))
    assert {int(x) for x in batch.reward} == set(by_number)
    for index, number in enumerate(batch.reward):
        transition = by_number[int(number)]
        np.testing.assert_array_equal(batch.obs[index], transition.obs)
        np.testing.assert_array_equal(batch.next_obs[index], transition.next_obs)
        assert batch.action[index] == transition.action
        assert batch.terminated[index] == transition.terminated
        assert batch.truncated[index] == transition.truncated


ENDINGS = st.sampled_from(["terminated", "truncated", "left"])


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(1, 25),
    stack=st.integers(1, 4),
    episodes=st.lists(st.tuples(st.integers(1, 12), ENDINGS), min_size=1, max_size=12),
    saved_after=st.integers(0, 12),
)
def test_equals_a_list_of_transitions(
    capacity: int, stack: int, episodes: list[tuple[int, str]], saved_after: int
) -> None:
    recorder = Recorder(make_replay(capacity, stack))
    for index, (length, ending) in enumerate(episodes):
        if index == saved_after:
            copied = make_replay(capacity, stack)
            copied.load_state({k: x.copy() for k, x in recorder.replay.state().items()})
            recorder.replay = copied
        recorder.episode(length, ending)
    assert_holds(recorder.replay, recorder.expected())


@pytest.mark.parametrize("length", [20, 21, 50, 1000])
@pytest.mark.parametrize("stack", [1, 4])
def test_capacity_fits_when_episodes_are_long(length: int, stack: int) -> None:
    recorder = Recorder(make_replay(100, stack))
    while len(recorder.transitions) < 450:
        recorder.episode(length, "terminated")
        assert len(recorder.replay) == min(len(recorder.transitions), 100)
    # One more is begun: its first frame must not push out a transition.
    recorder.episode(1, "left")
    assert len(recorder.replay) == 100
    assert_holds(recorder.replay, recorder.transitions[-100:])


def test_equals_the_observations_of_frame_stack() -> None:
    env = side()
    replay = ReplayBuffer(64, (4, 36, 36), np.uint8, stack=4)
    transitions: dict[int, tuple[NDArray[Any], NDArray[Any]]] = {}
    obs, _ = env.reset(seed=0)
    for number in range(150):
        next_obs, _, terminated, truncated, _ = env.step(number % 2)
        store(replay, obs, 0, number, terminated, truncated, next_obs)
        transitions[number] = obs, next_obs
        obs = next_obs
        if terminated or truncated:
            obs, _ = env.reset()
    batch = replay.sample(200, np.random.default_rng(0))
    for index, number in enumerate(batch.reward):
        obs, next_obs = transitions[int(number)]
        np.testing.assert_array_equal(batch.obs[index], obs)
        np.testing.assert_array_equal(batch.next_obs[index], next_obs)


def test_a_hundred_thousand_image_transitions_fit_in_three_quarters_of_a_gigabyte() -> None:
    replay = ReplayBuffer(100_000, (4, 84, 84), np.uint8, stack=4)  # pages are not touched
    assert 100_000 * 84 * 84 < replay.nbytes < 0.75e9


def test_mapped_to_a_file_equals_ram_and_cleans_up(tmp_path: Path) -> None:
    in_ram, mapped = make_replay(30, 4), make_replay(30, 4, tmp_path)
    for replay in (in_ram, mapped):
        recorder = Recorder(replay)
        for length in (3, 9, 20, 11):
            recorder.episode(length, "truncated")
    assert isinstance(mapped._frames, np.memmap)
    a = in_ram.sample(64, np.random.default_rng(1))
    b = mapped.sample(64, np.random.default_rng(1))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
    # The file has no name: it goes away with the process, however that ends.
    assert not list(tmp_path.iterdir())


def test_a_leading_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    replay = ReplayBuffer(10, (2,), np.uint8, directory="~/memory")
    assert not (tmp_path / "memory").exists()  # before the first transition
    assert replay.nbytes > 0
    assert (tmp_path / "memory").is_dir()


def test_a_memory_that_no_machine_has_is_an_error_of_one_line() -> None:
    for capacity in (10**14, 10**18, 10**30):
        with pytest.raises(OSError, match=r"no room for a replay memory of [\d,]+ bytes: choose a"):
            _ = ReplayBuffer(capacity, (84, 84), np.uint8).nbytes


def test_a_file_that_does_not_fit_on_the_disk_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot map a replay memory of [\d,]+ bytes in .*free disk"):
        _ = ReplayBuffer(10**13, (2,), np.uint8, directory=tmp_path).nbytes
    assert not list(tmp_path.iterdir())


def test_same_generator_same_batches_into_the_same_memory() -> None:
    recorder = Recorder(make_replay(50, 4))
    recorder.episode(40, "terminated")
    first = recorder.replay.sample(8, np.random.default_rng(3))
    rewards = first.reward.clone()
    again = recorder.replay.sample(8, np.random.default_rng(3))
    assert again.reward.equal(rewards)
    assert again.obs.data_ptr() == first.obs.data_ptr()
    assert np.shares_memory(again.obs.numpy(), again.next_obs.numpy())


@pytest.mark.parametrize("num_envs", [1, 3])
def test_without_replacement_no_transition_is_twice_in_a_batch(num_envs: int) -> None:
    replay = ReplayBuffer(60, (1,), np.float32, num_envs=num_envs, replacement=False)
    none, obs = np.zeros(num_envs, bool), np.zeros((num_envs, 1), np.float32)
    for number in range(0, 90, num_envs):  # round the rings: the last 60 are kept
        rewards = np.arange(number, number + num_envs)
        replay.add(obs, np.zeros(num_envs, np.int64), rewards, none, none, obs)
    generator = np.random.default_rng(0)
    assert sorted(replay.sample(60, generator).reward.tolist()) == list(range(30, 90))
    drawn = [replay.sample(20, generator).reward.tolist() for _ in range(600)]
    assert all(len(set(batch)) == 20 for batch in drawn)
    counts = np.bincount(np.concatenate(drawn).astype(int))[30:]
    assert (abs(counts - 200) < 60).all()  # 200 expected, standard deviation 11.5
    larger = replay.sample(70, generator).reward.tolist()  # than the memory: with replacement
    assert set(larger) <= set(range(30, 90))


def test_with_replacement_a_transition_may_be_twice_in_a_batch() -> None:
    recorder = Recorder(make_replay(60, 1))
    recorder.episode(60, "left")
    rewards = recorder.replay.sample(60, np.random.default_rng(0)).reward.tolist()
    assert len(set(rewards)) < 60


def test_what_is_not_a_sliding_stack_is_refused() -> None:
    replay = make_replay(10, 3)
    obs = np.array([[1, 1], [2, 2], [3, 3]], np.uint8)
    with pytest.raises(ObservationError, match="first 2 frames must be the last 2 of that one"):
        store(replay, obs, 0, 0.0, False, False, np.array([[2, 2], [9, 9], [4, 4]], np.uint8))
    assert len(replay) == 0


@pytest.mark.parametrize("stack", [1, 3])
def test_what_does_not_follow_on_the_step_before_is_refused(stack: int) -> None:
    replay = make_replay(10, stack)
    cells = np.arange(14, dtype=np.uint8).reshape(7, 2)
    first, second, fourth = (cells[i : i + stack] if stack > 1 else cells[i] for i in (0, 1, 3))
    store(replay, first, 0, 0.0, False, False, second)
    after = np.concatenate((fourth[1:], cells[:1])) if stack > 1 else first
    with pytest.raises(ObservationError, match="sub-environment 0 is not the next_obs of the step"):
        store(replay, fourth, 0, 0.0, False, False, after)
    assert len(replay) == 1
    replay.end_episodes()
    store(replay, fourth, 0, 0.0, False, False, after)
    assert len(replay) == 2


def test_an_episode_may_begin_with_a_stack_of_different_frames() -> None:
    """As one that begins in the middle of a stage does."""
    replay = make_replay(10, 3)
    frames = np.arange(12, dtype=np.uint8).reshape(6, 2)
    for number in range(3):
        store(
            replay,
            frames[number : number + 3],
            0,
            number,
            False,
            False,
            frames[number + 1 : number + 4],
        )
    batch = replay.sample(50, np.random.default_rng(0))
    assert set(batch.reward.tolist()) == {0, 1, 2}
    for obs, next_obs, number in zip(
        batch.obs, batch.next_obs, batch.reward.int().tolist(), strict=True
    ):
        np.testing.assert_array_equal(obs, frames[number : number + 3])
        np.testing.assert_array_equal(next_obs, frames[number + 1 : number + 4])


EPISODES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    ring_size=st.integers(1, 9),
    num_envs=st.integers(2, 4),
    stack=st.integers(1, 3),
    num_return_steps=st.integers(1, 4),
    kind=st.sampled_from([ReplayBuffer, PrioritizedReplay]),
    data=st.data(),
)
def test_each_sub_environment_has_a_memory_of_its_own(
    ring_size: int,
    num_envs: int,
    stack: int,
    num_return_steps: int,
    kind: type[ReplayBuffer],
    data: st.DataObject,
) -> None:
    """A memory of N sub-environments holds what N memories of one hold, through a save too."""

    def make(num_envs: int) -> ReplayBuffer:
        options: dict[str, Any] = {"num_return_steps": num_return_steps, "gamma": 0.5}
        return make_replay(num_envs * ring_size, stack, kind=kind, num_envs=num_envs, **options)

    together, alone = make(num_envs), [make(1) for _ in range(num_envs)]
    recorders = [Recorder(replay) for replay in alone]
    for index, recorder in enumerate(recorders):
        recorder.num_frames = 10_000 * index  # frames of its own
        for length, terminates in data.draw(EPISODES):
            recorder.episode(length, "terminated" if terminates else "truncated")
    num_steps = min(len(recorder.transitions) for recorder in recorders)
    saved_after = data.draw(st.integers(0, num_steps))
    alone = [make(1) for _ in range(num_envs)]
    for step in range(num_steps):
        if step == saved_after:
            copied = make(num_envs)
            copied.load_state({k: x.copy() for k, x in together.state().items()})
            together = copied
        rows = [recorder.transitions[step] for recorder in recorders]
        for replay, row in zip(alone, rows, strict=True):
            store(
                replay, row.obs, row.action, row.reward, row.terminated, row.truncated, row.next_obs
            )
        names = ("obs", "action", "reward", "terminated", "truncated", "next_obs")
        together.add(*(np.stack([getattr(row, name) for row in rows]) for name in names))

    assert len(together) == sum(len(replay) for replay in alone)

    def contents(replay: ReplayBuffer) -> set[tuple[Any, ...]]:
        batch = replay.sample(100 * len(replay), np.random.default_rng(0))
        columns = batch._replace(indices=None, importance_weight=None)
        rows = zip(
            *(
                x.flatten(1).tolist() if x.ndim > 1 else x.tolist()
                for x in columns
                if x is not None
            ),
            strict=True,
        )
        return {tuple(tuple(x) if isinstance(x, list) else x for x in row) for row in rows}

    assert contents(together) == set().union(*(contents(replay) for replay in alone))


def test_bad_input_is_named() -> None:
    replay = make_replay(10, 1)
    with pytest.raises(
        ValueError,
        match="capacity must be at least 1 transition for each of 1 sub-environment, got 0",
    ):
        make_replay(0, 1)
    with pytest.raises(ValueError, match=r"stack must be 1 or the first axis .*, got 3"):
        ReplayBuffer(10, (4, 2), np.uint8, stack=3)
    with pytest.raises(ValueError, match="cannot sample from an empty replay memory"):
        replay.sample(4, np.random.default_rng(0))
    wrong, right = np.zeros(3, np.uint8), np.zeros(2, np.uint8)
    with pytest.raises(ObservationError, match=r"obs must have shape \(1, 2\) .*got \(1, 3\) and"):
        store(replay, wrong, 0, 0.0, False, False, right)
    with pytest.raises(ObservationError, match=r"next_obs must have .* dtype uint8, got .*float64"):
        store(replay, right, 0, 0.0, False, False, right.astype(float))
    with pytest.raises(ValueError, match="1 transition for each of 4 sub-environments, got 3"):
        make_replay(3, 1, num_envs=4)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        replay.sample(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"saved replay memory has .*\(10, 1, 1, \(2,\), dtype"):
        make_replay(11, 1).load_state(replay.state())


def test_vectors_keep_their_type() -> None:
    space = gym.spaces.Box(-1, 1, (3,), np.float64)
    replay = ReplayBuffer(5, space.shape, space.dtype)
    store(replay, np.array([0.1, 0.2, 0.3]), 1, 0.5, True, False, np.array([0.4, 0.5, 0.6]))
    batch = replay.sample(1, np.random.default_rng(0))
    assert batch.obs.tolist() == [[0.1, 0.2, 0.3]]
    assert batch.next_obs.tolist() == [[0.4, 0.5, 0.6]]
