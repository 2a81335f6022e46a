"""Demonstrations: recorded, written, read and played again, to the bit."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.demonstrations.games import Demonstrations
from mario_rl_agents.demonstrations.recording import LAST_DECISIONS, record
from numpy.typing import NDArray
from safetensors.numpy import save_file
from support import flag_walk  # noqa: F401  registers FlagWalk-v0


class Pusher:
    """Pushes a pole's cart under it; counts what it is told."""

    def __init__(self) -> None:
        self.num_begun = 0
        self.advanced: list[NDArray[np.int64]] = []

    def begin(self, envs: Any, mask: NDArray[np.bool_]) -> None:
        self.num_begun += int(mask.sum())

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        tilt = obs[:, 2] + obs[:, 3] if obs.ndim == 2 else np.ones(len(obs))
        return (tilt > 0).astype(np.int64)

    def advance(self, actions: NDArray[np.int64]) -> None:
        self.advanced.append(actions.copy())


def recorded(env_id: str = "CartPole-v1", **changes: Any) -> Demonstrations:
    options: dict[str, Any] = {"num_decisions": 300, "noise": 0.4, "num_envs": 3, **changes}
    return record(Pusher(), env_id, options.pop("env_kwargs", {}), **options)


def test_observations_come_again_with_the_actions_of_the_teacher() -> None:
    games = recorded(seed=3)
    obs, action = games.replay()
    assert len(obs) == len(action) == games.num_decisions >= 300
    np.testing.assert_array_equal(Pusher().act(obs), action)
    index = int(np.argmax(games.is_used[0]))
    first, _ = gym.make("CartPole-v1").reset(seed=3 + index)
    np.testing.assert_array_equal(obs[0], first)
    again = recorded(seed=3)
    assert again.digest == games.digest
    assert recorded(seed=4).digest != games.digest


def test_noise_repeats_the_action_before() -> None:
    games = recorded(num_decisions=2_000)
    differs = games.played != games.shown
    assert 0.05 < differs.mean() < 0.4  # most repetitions are of what is shown anyway
    steps, envs = np.nonzero(differs)
    np.testing.assert_array_equal(games.played[steps, envs], games.played[steps - 1, envs])
    calm = recorded(noise=0.0)
    np.testing.assert_array_equal(calm.played, calm.shown)


def test_the_teacher_is_told_what_was_done() -> None:
    teacher = Pusher()
    games = record(teacher, "CartPole-v1", {}, num_decisions=300, noise=0.4, num_envs=3)
    np.testing.assert_array_equal(np.stack(teacher.advanced), games.played)
    assert teacher.num_begun == games.num_episodes + 3


class Lefty(Pusher):
    """Pushes to the left."""

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        return np.zeros(len(obs), np.int64)


def test_a_learner_plays_and_the_teacher_is_recorded() -> None:
    learner, teacher = Lefty(), Pusher()
    options: dict[str, Any] = {"num_decisions": 1_000, "noise": 0.0, "num_envs": 3}
    games = record(teacher, "CartPole-v1", {}, learner=learner, **options)
    obs, action = games.replay()
    np.testing.assert_array_equal(Pusher().act(obs), action)
    assert set(games.played[games.played != games.shown].tolist()) == {0}
    assert 0.1 < (games.played != games.shown).mean() < 0.6
    np.testing.assert_array_equal(np.stack(learner.advanced), games.played)
    assert learner.num_begun == teacher.num_begun
    never = record(Pusher(), "CartPole-v1", {}, learner=Lefty(), share=0.0, **options)
    np.testing.assert_array_equal(never.played, never.shown)


def test_the_end_of_a_failure_is_left_out() -> None:
    cleared = recorded("FlagWalk-v0", env_kwargs={"flag_probability": 1.0}, num_decisions=20)
    assert cleared.num_successes == cleared.num_episodes > 0
    assert cleared.num_decisions == 5 * cleared.num_episodes
    with pytest.raises(ValueError, match="none of the first"):
        recorded("FlagWalk-v0", env_kwargs={"flag_probability": 0.0}, num_decisions=20)
    assert LAST_DECISIONS > 5  # all of its episodes


def test_what_is_truncated_short_of_its_goal_is_left_out() -> None:
    limit = {"max_episode_steps": 10}
    with pytest.raises(ValueError, match="none of the first"):
        recorded(env_kwargs=limit, num_decisions=20)


def test_a_file_holds_all(tmp_path: Path) -> None:
    games = recorded()
    path = tmp_path / "new" / "games.safetensors"
    games.save(path)
    read = Demonstrations.load(path)
    for field in dataclasses.fields(games):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(games, field.name))
    assert read.summary == (
        f"{games.num_decisions:,} decisions of {games.num_episodes} episodes on CartPole-v1, 0 of "
        "which reached their goal"
    )
    assert path.stat().st_size < 30_000


def test_an_environment_that_does_not_repeat_is_refused(tmp_path: Path) -> None:
    games = dataclasses.replace(recorded(), seed=8)
    with pytest.raises(ValueError, match="does not repeat what was recorded"):
        games.replay()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "is damaged"),
        (lambda path: path.write_bytes(b"no tensors"), "is damaged"),
        (lambda path: save_file({"shown": np.zeros((2, 2))}, path), "no file of demonstrations"),
        (lambda path: path.unlink(), "mario-rl demonstrate records some"),
    ],
)
def test_a_damaged_file_is_refused(
    tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    path = tmp_path / "games.safetensors"
    recorded().save(path)
    damage(path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Demonstrations.load(path)


def test_arrays_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    games = recorded()
    path = tmp_path / "games.safetensors"
    dataclasses.replace(games, played=games.played[:-1]).save(path)
    with pytest.raises(ValueError, match="played has shape"):
        Demonstrations.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_id": "Pendulum-v1"}, "discrete actions, 256 at most"),
        ({"num_decisions": 0}, "num_decisions must be a whole number >= 1"),
        ({"noise": 1.5}, "noise must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_what_cannot_be_recorded_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recorded(**changes)
