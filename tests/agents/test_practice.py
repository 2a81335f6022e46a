"""Practice on the real game: failures are taken back, and what is left reaches the flag."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents import practice
from mario_rl_agents.algorithms.ppo import PPO, PPOConfig
from mario_rl_agents.demonstrations.games import Demonstrations
from mario_rl_agents.demonstrations.recording import record
from mario_rl_agents.envs import make_vec_env, reset_some
from mario_rl_agents.practice import Practice
from mario_rl_agents.teachers import PlannerTeacher

ENV = "MarioRL-1-1-v0"
SMALL: dict[str, Any] = {"size": 42, "channels": "last", "noop_max": 30, "stall": 150}


@contextlib.contextmanager
def practicing(**options: Any) -> Iterator[tuple[PPO, Practice]]:
    envs = make_vec_env(ENV, 2, SMALL)
    config = PPOConfig(encoder="tiny", rollout_steps=4, batch_size=8)
    learner = PPO.create(envs, config, seed=0, device="cpu")
    with Practice(learner, ENV, SMALL, **{"num_envs": 4, **options}) as games:
        yield learner, games
    envs.close()


def play(demonstrations: Demonstrations) -> tuple[int, int]:
    """Play what was played; return how many episodes ended, and how many at the flag."""
    num_envs = demonstrations.played.shape[1]
    is_over = ~demonstrations.is_used[::-1].cumsum(axis=0, dtype=bool)[::-1]  # [T, N]
    envs = make_vec_env(ENV, num_envs, SMALL)
    reset_some(envs, {i: demonstrations.seed + i for i in range(num_envs)})
    num_ended = num_cleared = 0
    for row, played in enumerate(demonstrations.played.astype(np.int64)):
        _, _, terminated, truncated, infos = envs.step(played)
        ended = terminated | truncated
        counts = ended & ~is_over[row]
        num_ended += int(counts.sum())
        num_cleared += int((infos["flag_get"] & counts).sum())
        if ended.any():
            reset_some(envs, dict.fromkeys(np.flatnonzero(ended).tolist()))
    envs.close()
    return num_ended, num_cleared


def test_an_untrained_learner_is_led_to_the_flag() -> None:
    with practicing() as (_, games):
        shown = games.record(400)
    assert shown.num_decisions >= 400
    assert shown.num_successes >= 0.75 * shown.num_episodes > 0
    assert play(shown) == (shown.num_episodes, shown.num_successes)
    obs, _ = shown.replay()
    assert obs.shape == (shown.num_decisions, 42, 42, 4)


def test_a_standstill_is_not_learned() -> None:
    with practicing() as (learner, games):
        with torch.no_grad():
            list(learner.actor.parameters())[-1][0] = 100.0  # of its first action: it stands still
        shown = games.record(400)
    assert shown.num_successes > 0
    stands = shown.shown[shown.is_used] == 0
    assert stands.mean() < 0.3


def test_a_seed_decides_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(practice, "ROUND", 200)
    monkeypatch.setattr(practice, "NUM_BATCHES", 3)

    def shown(seed: int) -> tuple[Demonstrations, list[str]]:
        lines: list[str] = []
        with practicing(seed=seed, noise=0.2) as (_, games):
            games.learn(2, lines.append)
            return games.record(50), lines

    first, lines = shown(0)
    again, repeated = shown(0)
    np.testing.assert_array_equal(first.played, again.played)
    assert (first.digest, lines) == (again.digest, repeated)
    assert len(lines) == 2
    assert lines[0].startswith("round 1 of 2: ")
    assert shown(1)[0].digest != first.digest
    assert (first.shown != first.played)[first.is_used].any()  # the noise


@pytest.mark.slow
def test_it_learns_what_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(practice, "ROUND", 800)
    monkeypatch.setattr(practice, "NUM_BATCHES", 40)
    teacher = PlannerTeacher(SMALL)
    with contextlib.closing(teacher):
        taught = record(teacher, ENV, SMALL, num_decisions=800, noise=0.1, num_envs=4)

    def loss(learner: PPO, shown: Demonstrations) -> float:
        obs, action = map(torch.from_numpy, shown.replay())
        with torch.no_grad():
            return float(learner.cloning_loss(obs, action))

    with practicing() as (learner, games):
        untrained = loss(learner, taught)
        games.learn_from(taught)
        assert loss(learner, taught) < 0.8 * untrained
        before = copy.deepcopy(learner.networks)
        games.learn(3)
        shown = games.record(200)
        after = loss(learner, shown)
        for name, network in before.items():
            learner.networks[name].load_state_dict(network.state_dict())
        assert after < loss(learner, shown)


def test_what_a_planner_cannot_play_is_refused() -> None:
    for changes, message in (
        ({"sticky": 0.1}, "sticky=0 and skip=4 alone"),
        ({"skip": 2}, "sticky=0 and skip=4 alone"),
        ({"actions": [["right"]]}, "accepted are actions that have all of them"),
    ):
        with pytest.raises(ValueError, match=message):
            Practice(None, ENV, {**SMALL, **changes})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="noise must be"):
        Practice(None, ENV, SMALL, noise=2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="plays several games of MarioRL side by side"):
        Practice(None, "CartPole-v1", {})  # type: ignore[arg-type]
