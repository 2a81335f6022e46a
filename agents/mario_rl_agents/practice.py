"""Practice: a learner plays Super Mario Bros, and where it fails it is shown what would have done.

The game goes back to before the failure, a planner finds a way on from there, and the learner takes
over again. So nearly every episode ends at the flag, most of it played by the learner itself, and
it is fitted to all of it: to what it does already, and to what it was shown. It is expert iteration
(Anthony et al. 2017, "Thinking fast and slow with deep learning and tree search") whose search
begins where the learner failed, by save states.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from mario_rl_agents.algorithms.ppo import PPO
from mario_rl_agents.config import Count, Fraction, Seed, convert
from mario_rl_agents.demonstrations.cloning import BATCH_SIZE
from mario_rl_agents.demonstrations.games import Demonstrations, digest_of, open_envs
from mario_rl_agents.envs import reset_some, save_state_of
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.processors import num_processors
from mario_rl_agents.teachers import games_of, joypad_bytes
from mario_rl_envs.routes import Planner

MEMORY: Final = 60_000  # decisions that are learned from, the latest
ROUND: Final = 5_000  # decisions that are played before each learning
NUM_BATCHES: Final = 150  # that are learned from in a round
LEARNING_RATE: Final = 5e-4  # at first; it falls to 0
TEMPERATURE: Final = 0.3  # at which actions are drawn: few that the learner holds for bad

_STALL: Final = 60  # decisions without new ground that count as a failure
_PAUSE: Final = 16  # decisions without new ground that may lead on, as a jump up or a wait
_SAVED_EVERY: Final = 4  # decisions
# How many decisions before a failure the game goes back to, tried one after the other; where the
# same place fails again, from the next one on. A plan that begins late has little room for error.
_BACK: Final = (16, 24, 10, 34, 6, 48, 64)
_SAME_PLACE: Final = 64  # pixels of new ground within which the next failure is of the same place
_MOST_TRIES: Final = 14  # of the same place
_BEYOND: Final = 14  # decisions that a plan has to survive after the failure
_LONGEST: Final = 30  # and no more than so many in all
_FOLLOWED: Final = 6  # decisions after the failure for which a plan is followed
_LEAST_FOLLOWED: Final = 16  # in all
_USELESS: Final = 40  # last decisions of an episode that nothing corrected

Tell = Callable[[str], None]


class _Decision(NamedTuple):
    """A decision of an episode in progress."""

    obs: NDArray[Any]
    shown: int  # the action to learn
    played: int  # the action that was taken
    furthest: int  # x position of the episode so far, after it


@dataclass
class _Game:
    """An episode in progress, without what was taken back."""

    decisions: list[_Decision] = field(default_factory=list)
    states: list[tuple[int, bytes]] = field(default_factory=list)  # and the decisions before it
    plan: deque[int] = field(default_factory=deque)  # actions for the next decisions
    num_corrections: int = 0
    failed_at: int = -_SAME_PLACE  # x position, the furthest, of the last failure
    num_tries: int = 0  # corrections of that place
    is_lost: bool = False  # nothing corrects it: it is played to its end

    @property
    def furthest(self) -> int:
        """The furthest x position of the episode so far."""
        return self.decisions[-1].furthest if self.decisions else 0

    @property
    def is_stuck(self) -> bool:
        """Whether the player has come no further for long."""
        if len(self.decisions) <= _STALL:
            return False
        return self.furthest <= self.decisions[-1 - _STALL].furthest

    @property
    def failure(self) -> int:
        """The decisions before a failure, without most of a standstill that came before it.

        A standstill leads nowhere, and is not to be learned.
        """
        last_progress = bisect_left(self.decisions, self.furthest, key=attrgetter("furthest"))
        return min(last_progress + _PAUSE, len(self.decisions))

    def add(self, obs: NDArray[Any], shown: int, played: int, x_pos: int) -> None:
        """Note a decision and where it led to."""
        self.decisions.append(_Decision(obs, shown, played, max(self.furthest, x_pos)))


class _Correction(NamedTuple):
    """How a failure is avoided."""

    num_kept: int  # decisions from the beginning
    state: bytes  # after these
    plan: list[int]  # actions from there
    place: int  # in the order of those that are tried


class Episode(NamedTuple):
    """An episode that has ended."""

    decisions: list[_Decision]
    num_used: int  # of these, those worth learning, from the beginning
    is_cleared: bool
    num_corrections: int


class Practice:
    """A learner at practice on Super Mario Bros, with a planner at its side."""

    def __init__(
        self,
        learner: PPO,
        env_id: str,
        env_kwargs: Mapping[str, Any],
        *,
        seed: int = 0,
        noise: float = 0.02,
        num_envs: int = 32,
    ) -> None:
        """Make the games.

        Args:
            learner: An agent for such games; it is trained.
            env_id: The id of a stage, or of several.
            env_kwargs: Keywords of gym.make, without sticky actions.
            seed: Sub-environment i is first reset with seed + i.
            noise: The probability that the action before is taken once more, whatever is chosen.
            num_envs: Episodes that are played side by side.

        Raises:
            ImportError: The native core is not built.
            ValueError: An argument is not as above, or a planner cannot play such games.
        """
        self._seed = convert(Seed, seed, "seed")
        self._noise = convert(Fraction, noise, "noise")
        self._env_id, self._env_kwargs = env_id, dict(env_kwargs)
        self._action_of = {byte: action for action, byte in enumerate(joypad_bytes(env_kwargs))}
        self._learner = learner
        self._generator = np.random.default_rng(seed)
        with ExitStack() as stack:
            self._envs = stack.enter_context(open_envs(env_id, env_kwargs, num_envs))
            games_of(self._envs)  # or they are refused
            self._threads = stack.enter_context(ThreadPoolExecutor(num_processors()))
            self._stack = stack.pop_all()
        self._planners = [Planner(seed=seed + i) for i in range(num_envs)]
        parameters = [*learner.encoder.parameters(), *learner.actor.parameters()]
        self._optimizer = Adam(parameters, LEARNING_RATE)
        shape = learner.observation_space.shape
        assert shape is not None, "observations are boxes"
        self._obs = torch.zeros((MEMORY, *shape), dtype=torch.uint8)
        self._actions = torch.zeros(MEMORY, dtype=torch.int64)
        self._num_seen = 0
        self._games: list[_Game] = []
        self._current: NDArray[Any] = np.zeros(0)  # observations, [N, ...]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the games."""
        self._stack.close()

    def learn_from(self, demonstrations: Demonstrations, *, num_epochs: int = 8) -> None:
        """Fit the learner to demonstrations, which its memory then holds.

        Raises:
            ValueError: Their environment does not repeat them.
            UntrustedError: They name a module that the user has neither named in a training nor
                imported.
        """
        for obs, action in zip(*demonstrations.replay(), strict=True):
            self._remember(obs, int(action))
        self._learn(max(1, num_epochs * demonstrations.num_decisions // BATCH_SIZE), 2e-3)

    def learn(self, num_rounds: int, tell: Tell = lambda line: None) -> None:
        """Play, be corrected and learn from both.

        Args:
            num_rounds: Of `ROUND` decisions.
            tell: Told what came of each round.
        """
        num_rounds = convert(Count, num_rounds, "num_rounds")
        self._begin(self._seed)
        for number in range(num_rounds):
            episodes = [
                episode
                for _ in range(-(-ROUND // self._envs.num_envs))
                for _, episode in self._play()
            ]
            for episode in episodes:
                for each in episode.decisions[: episode.num_used]:
                    self._remember(each.obs, each.shown)
            loss = self._learn(NUM_BATCHES, LEARNING_RATE * (1 - number / num_rounds))
            tell(_describe(number + 1, num_rounds, episodes, loss))

    def record(self, num_decisions: int) -> Demonstrations:
        """Return whole episodes, played and corrected as in practice, but not learned from.

        Args:
            num_decisions: To be shown, at least.
        """
        num_decisions = convert(Count, num_decisions, "num_decisions")
        seed = self._seed + self._envs.num_envs
        self._begin(seed)
        played: list[list[Episode]] = [[] for _ in self._games]
        num_used = 0
        while num_used < num_decisions:
            for index, episode in self._play():
                played[index].append(episode)
                num_used += episode.num_used
        episodes = [episode for each in played for episode in each]
        rows = _in_rows(played)
        demonstrations = Demonstrations(
            env_id=self._env_id,
            env_kwargs=self._env_kwargs,
            seed=seed,
            shown=rows[0],
            played=rows[1],
            is_used=rows[2].astype(np.bool_),
            num_episodes=len(episodes),
            num_successes=sum(episode.is_cleared for episode in episodes),
        )
        return demonstrations.with_digest(digest_of(demonstrations.replay()))

    # Playing

    def _begin(self, seed: int) -> None:
        """Begin an episode in every game."""
        num_envs = self._envs.num_envs
        self._current = reset_some(self._envs, {index: seed + index for index in range(num_envs)})
        self._games = [_Game() for _ in range(num_envs)]

    def _play(self) -> list[tuple[int, Episode]]:
        """Take a step in every game; return the episodes that ended, each with its game."""
        shown = self._choose()
        played = self._disturb(shown)
        obs = self._current.copy()
        self._current, _, terminated, truncated, infos = self._envs.step(played)
        for index, game in enumerate(self._games):
            x_pos = int(infos["x_pos"][index])
            game.add(obs[index], int(shown[index]), int(played[index]), x_pos)
        ended = terminated | truncated
        cleared = ended & infos["flag_get"]
        failed = [
            index
            for index, game in enumerate(self._games)
            if not cleared[index] and not game.is_lost and (ended[index] or game.is_stuck)
        ]
        states = self._correct(failed)
        for index in failed:
            self._games[index].is_lost = index not in states
        ended[list(states)] = False
        over = np.flatnonzero(ended).tolist()
        episodes = [(index, self._finish(index, bool(cleared[index]))) for index in over]
        self._go_on(states, over)
        return episodes

    def _choose(self) -> NDArray[np.int64]:
        """Return what the learner would do, [N], or a plan that is followed."""
        probabilities = self._learner.action_probabilities(self._current) ** (1 / TEMPERATURE)
        totals = probabilities.cumsum(axis=1)  # [N, A]
        drawn = self._generator.random(len(totals))[:, None] * totals[:, -1:]
        actions: NDArray[np.int64] = (totals <= drawn).sum(axis=1)
        for index, game in enumerate(self._games):
            if len(game.decisions) % _SAVED_EVERY == 0:
                game.states.append((len(game.decisions), save_state_of(self._envs, index)))
            if game.plan:
                actions[index] = game.plan.popleft()
        return actions

    def _disturb(self, shown: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what is played, [N]: at times the action before, which ends a plan."""
        played = shown.copy()
        for index in np.flatnonzero(self._generator.random(len(shown)) < self._noise).tolist():
            game = self._games[index]
            if game.decisions and game.decisions[-1].played != shown[index]:
                played[index] = game.decisions[-1].played
                game.plan.clear()
        return played

    def _correct(self, failed: list[int]) -> dict[int, bytes]:
        """Take failures back as far as plans are found; return where these games go on."""
        corrections = self._threads.map(self._find_correction, failed)
        states = {}
        for index, correction in zip(failed, corrections, strict=True):
            if correction is None:
                continue
            game, now = self._games[index], self._games[index].failure
            kept, furthest = correction.num_kept, game.furthest
            del game.decisions[kept:]
            game.states = [each for each in game.states if each[0] < kept]
            game.plan = deque(correction.plan[: max(now - kept + _FOLLOWED, _LEAST_FOLLOWED)])
            game.num_corrections += 1
            game.failed_at, game.num_tries = furthest, correction.place + 1
            states[index] = correction.state
        return states

    def _find_correction(self, index: int) -> _Correction | None:
        """Return how the failure at which a game is could be avoided; None: nothing is found."""
        game = self._games[index]
        now = game.failure
        first = game.num_tries if game.furthest - game.failed_at < _SAME_PLACE else 0
        for place in range(first, min(first + len(_BACK), _MOST_TRIES)):
            back = _BACK[place % len(_BACK)]
            earlier = [each for each in game.states if each[0] <= now - back] or game.states[:1]
            kept, state = earlier[-1]
            plan = self._planners[index].rescue(state, min(now - kept + _BEYOND, _LONGEST))
            if plan is not None:
                return _Correction(kept, state, [self._action_of[each] for each in plan], place)
        return None

    def _finish(self, index: int, is_cleared: bool) -> Episode:
        """Return the episode that ended in a game."""
        game = self._games[index]
        num_used = len(game.decisions) if is_cleared else game.failure - _USELESS
        return Episode(game.decisions, max(0, num_used), is_cleared, game.num_corrections)

    def _go_on(self, states: Mapping[int, bytes], over: Iterable[int]) -> None:
        """Load games where they were corrected, and begin episodes where others ended."""
        begun = dict.fromkeys(over)
        for index in begun:
            self._games[index] = _Game()
        if states or begun:
            self._current = reset_some(self._envs, dict.fromkeys([*states, *begun]), states)

    # Learning

    def _remember(self, obs: NDArray[Any], action: int) -> None:
        place = self._num_seen % MEMORY
        self._obs[place] = torch.from_numpy(obs)
        self._actions[place] = action
        self._num_seen += 1

    def _learn(self, num_batches: int, learning_rate: float) -> float:
        """Fit the learner to its memory; return the mean loss of the batches, nats."""
        self._optimizer.param_groups[0]["lr"] = learning_rate
        total = min(self._num_seen, MEMORY)
        losses = []
        for _ in range(num_batches if total else 0):
            indices = torch.from_numpy(self._generator.integers(total, size=BATCH_SIZE))
            loss = self._learner.cloning_loss(
                self._obs.index_select(0, indices).to(self._learner.device),
                self._actions.index_select(0, indices).to(self._learner.device),
            )
            self._optimizer.zero_grad()
            torch.autograd.backward(loss)
            self._optimizer.step()
            losses.append(loss.item())
        if self._learner.average is not None:  # these are no gradient steps of its training
            self._learner.average.restart()
        return float(np.mean(losses)) if losses else float("nan")


def _describe(number: int, num_rounds: int, episodes: list[Episode], loss: float) -> str:
    """Return what came of a round, for people to read."""
    num_cleared = sum(each.is_cleared for each in episodes)
    num_alone = sum(each.is_cleared and each.num_corrections == 0 for each in episodes)
    mean = sum(each.num_corrections for each in episodes) / max(1, len(episodes))
    return (
        f"round {number} of {num_rounds}: {num_cleared} of {len(episodes)} episodes cleared, "
        f"{num_alone} without help, {mean:.1f} corrections in each; loss {loss:.2f}"
    )


def _in_rows(played: list[list[Episode]]) -> NDArray[np.uint8]:
    """Return the episodes of each game one after the other, [3, T, N], and zeros after them.

    What was shown, what was played, and whether that is worth learning.
    """
    columns = [
        [
            (each.shown, each.played, number < episode.num_used)
            for episode in episodes
            for number, each in enumerate(episode.decisions)
        ]
        for episodes in played
    ]
    rows = np.zeros((3, max(map(len, columns)), len(columns)), np.uint8)
    for index, column in enumerate(columns):
        if column:
            rows[:, : len(column), index] = np.array(column, np.uint8).T
    return rows
