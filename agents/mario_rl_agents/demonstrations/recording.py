"""The recording of demonstrations: a teacher plays, and is disturbed in it.

The disturbance leads where a learner's own mistakes will lead, and the teacher shows the way out
(Laskey et al. 2017, "DART: noise injection for robust imitation learning"). Or a learner plays at
times, and the teacher says what it should do (Ross et al. 2011, "A reduction of imitation learning
and structured prediction to no-regret online learning", DAgger).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.config import Count, Fraction, Seed, convert
from mario_rl_agents.demonstrations.games import Demonstrations, digest_of, open_envs
from mario_rl_agents.envs import VecEnv, read_end, reset_some, success_of

LAST_DECISIONS: Final = 12  # before a failure: they may have led to it

_CHANGE: Final = 0.05  # the probability that it is drawn anew who plays
_MOST_USELESS: Final = 64  # episodes without a decision to imitate

Tell = Callable[[int], None]


class Teacher(Protocol):
    """Plays in every sub-environment of a vector environment."""

    def begin(self, envs: VecEnv, mask: NDArray[np.bool_]) -> None:
        """Look at the sub-environments of a mask, [N], in which an episode begins."""

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        """Return what should be done now, [N], for observations [N, ...]."""

    def advance(self, actions: NDArray[np.int64]) -> None:
        """Learn what was done, [N]."""


def record(
    teacher: Teacher,
    env_id: str,
    env_kwargs: Mapping[str, Any],
    *,
    num_decisions: int,
    noise: float = 0.25,
    learner: Teacher | None = None,
    share: float = 0.5,
    seed: int = 0,
    num_envs: int = 16,
    tell: Tell = lambda num_decisions: None,
) -> Demonstrations:
    """Return what a teacher shows in whole episodes.

    Of an episode that fails the last decisions are left out; one that is truncated, all of it.

    Args:
        teacher: It is asked before every step.
        env_id: A Gymnasium id whose actions are discrete, 256 at most.
        env_kwargs: Keywords of gym.make.
        num_decisions: To be shown, at least.
        noise: The probability that the action before is taken once more, whatever is shown.
        learner: Plays at times in place of the teacher, whose actions are recorded all the same;
            None: it never does.
        share: The part of the time in which it does.
        seed: Of the environments and of the noise.
        num_envs: Episodes that are played side by side.
        tell: Told how many decisions there are, after each episode.

    Raises:
        ValueError: An argument is not as above, or the environment cannot be made.
    """
    num_decisions = convert(Count, num_decisions, "num_decisions")
    noise = convert(Fraction, noise, "noise")
    share = convert(Fraction, share, "share")
    seed = convert(Seed, seed, "seed")
    generator = np.random.default_rng(seed)
    shown_rows: list[NDArray[Any]] = []
    played_rows: list[NDArray[Any]] = []
    used_rows: list[NDArray[np.bool_]] = []
    num_used = num_episodes = num_successes = 0
    with open_envs(env_id, env_kwargs, num_envs) as envs:
        obs = reset_some(envs, {index: seed + index for index in range(num_envs)})
        begun_at = np.zeros(num_envs, np.int64)
        players = [teacher] if learner is None else [teacher, learner]
        for player in players:
            player.begin(envs, np.ones(num_envs, np.bool_))
        by_learner = generator.random(num_envs) < share
        while num_used < num_decisions:
            shown = teacher.act(obs)
            played = shown.copy()
            if learner is not None:
                changes = generator.random(num_envs) < _CHANGE
                by_learner[changes] = generator.random(num_envs)[changes] < share
                played[by_learner] = learner.act(obs)[by_learner]
            if played_rows:
                repeats = generator.random(num_envs) < noise
                repeats &= begun_at < len(played_rows)
                played[repeats] = played_rows[-1][repeats]
            shown_rows.append(shown)
            played_rows.append(played)
            used_rows.append(np.zeros(num_envs, np.bool_))
            obs, _, terminated, truncated, infos = envs.step(played)
            for player in players:
                player.advance(played)
            ended = terminated | truncated
            if not ended.any():
                continue
            for index in np.flatnonzero(ended).tolist():
                success = success_of(read_end(infos, index)[0])
                begin, end = int(begun_at[index]), len(used_rows)
                if truncated[index] and not success:
                    end = begin
                elif success is False:
                    end = max(begin, end - LAST_DECISIONS)
                for row in used_rows[begin:end]:
                    row[index] = True
                num_used += end - begin
                num_episodes += 1
                num_successes += bool(success)
                begun_at[index] = len(used_rows)
                tell(num_used)
            if num_used == 0 and num_episodes >= _MOST_USELESS:
                raise ValueError(
                    f"none of the first {num_episodes} episodes on {env_id} has anything to "
                    "imitate: all failed at once, or were truncated; take another teacher, or less "
                    "noise"
                )
            obs = reset_some(envs, dict.fromkeys(np.flatnonzero(ended).tolist()))
            for player in players:
                player.begin(envs, ended)
    games = Demonstrations(
        env_id=env_id,
        env_kwargs=dict(env_kwargs),
        seed=seed,
        shown=np.array(shown_rows, np.uint8),
        played=np.array(played_rows, np.uint8),
        is_used=np.array(used_rows),
        num_episodes=num_episodes,
        num_successes=num_successes,
    )
    return games.with_digest(digest_of(games.replay()))
