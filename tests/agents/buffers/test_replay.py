"""The replay memory against a list of transitions."""

import gc
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_rl_agents.buffers.replay import ReplayBuffer
from numpy.typing import NDArray
from support.agent_toys import side
from support.replay_toys import Recorder, Transition, make_replay


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
    replay.begin_episode(obs)
    for number in range(150):
        next_obs, _, terminated, truncated, _ = env.step(number % 2)
        replay.add(0, number, terminated, truncated, next_obs)
        transitions[number] = obs, next_obs
        obs = next_obs
        if terminated or truncated:
            obs, _ = env.reset()
            replay.begin_episode(obs)
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
    assert len(list(tmp_path.glob("replay-*/frames.bin"))) == 1
    del recorder, replay, mapped, b, y
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_file_that_does_not_fit_on_the_disk_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot map a replay memory of [\d,]+ bytes in .*free disk"):
        ReplayBuffer(10**13, (2,), np.uint8, directory=tmp_path)
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


def test_what_is_not_a_sliding_stack_is_refused() -> None:
    replay = make_replay(10, 3)
    with pytest.raises(ValueError, match="must repeat one frame 3 times"):
        replay.begin_episode(np.array([[1, 1], [1, 1], [2, 2]], np.uint8))
    replay.begin_episode(np.array([[1, 1], [1, 1], [1, 1]], np.uint8))
    with pytest.raises(ValueError, match="first 2 frames must be the last 2 of that one"):
        replay.add(0, 0.0, False, False, np.array([[1, 1], [9, 9], [2, 2]], np.uint8))
    assert len(replay) == 0


def test_bad_input_is_named() -> None:
    replay = make_replay(10, 1)
    with pytest.raises(ValueError, match="capacity must be at least 1 transition, got 0"):
        make_replay(0, 1)
    with pytest.raises(ValueError, match=r"stack must be 1 or the first axis .*, got 3"):
        ReplayBuffer(10, (4, 2), np.uint8, stack=3)
    with pytest.raises(ValueError, match="cannot sample from an empty replay memory"):
        replay.sample(4, np.random.default_rng(0))
    with pytest.raises(RuntimeError, match="call begin_episode"):
        replay.add(0, 0.0, False, False, np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match=r"shape \(2,\) and dtype uint8, got \(3,\) and uint8"):
        replay.begin_episode(np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        replay.sample(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"saved replay memory has .*\(10, 1, \(2,\), dtype"):
        make_replay(11, 1).load_state(replay.state())


def test_vectors_keep_their_type() -> None:
    space = gym.spaces.Box(-1, 1, (3,), np.float64)
    replay = ReplayBuffer(5, space.shape, space.dtype)
    replay.begin_episode(np.array([0.1, 0.2, 0.3]))
    replay.add(1, 0.5, True, False, np.array([0.4, 0.5, 0.6]))
    batch = replay.sample(1, np.random.default_rng(0))
    assert batch.obs.tolist() == [[0.1, 0.2, 0.3]]
    assert batch.next_obs.tolist() == [[0.4, 0.5, 0.6]]
