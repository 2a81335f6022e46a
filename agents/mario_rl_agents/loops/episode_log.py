"""How to get back to the middle of an episode in an environment that cannot be saved.

What is kept of an episode is how it was reset and which actions were taken since. To go on, the
reset and the actions are repeated. Whether that led to the same place is told by a digest of the
observations.

Of an episode without end not all actions are kept: beyond `MAX_ACTION_BYTES` it cannot be repeated.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mario_rl_agents.config import Whole, read
from mario_rl_agents.envs import VecEnv, autoreset_mode, generators_of, reset_some
from mario_rl_agents.loops.callbacks import LoopState
from mario_rl_agents.loops.starts import WHOLE, Starts, States
from mario_rl_agents.seeding import generator_state, set_generator_state
from mario_rl_agents.spaces import check_elements

MAX_ACTION_BYTES: Final = 64 * 2**20  # of the episodes in progress in all sub-environments


@dataclass(frozen=True)
class Start:
    """How an episode in progress began."""

    seed: Whole | None = None  # given to the reset that it began with
    generator: dict[str, Any] | None = None  # of the environment, before a reset without seed


@dataclass
class Recording:
    """An episode in progress in one sub-environment."""

    start: Start = field(default_factory=Start)
    states: States = field(default_factory=dict)  # what it began with
    actions: bytearray | None = field(default_factory=bytearray)  # None: too many to be kept


@dataclass(frozen=True)
class SavedLog:
    """What a checkpoint holds of the episodes in progress, beside their actions."""

    generators: tuple[dict[str, Any], ...] | None  # of the sub-environments; None: out of reach
    episodes: tuple[Start, ...] | None  # None: they are not gone on with
    obs_digest: str | None  # of the observations after the last step
    is_too_long: bool = False  # whether one of them had more actions than are kept


@dataclass(frozen=True)
class Resumption:
    """How to go on: a `SavedLog`, checked."""

    log: SavedLog
    actions: tuple[NDArray[Any], ...]  # of each episode, [T, ...]
    states: tuple[States, ...]  # what each began with


class EpisodeLog:
    """The episodes in progress in N sub-environments.

    Attributes:
        returns: Sums of rewards so far, shape [N].
        lengths: Environment steps so far, shape [N].
    """

    def __init__(self, envs: VecEnv, starts: Starts | None = None) -> None:
        """Prepare for the first reset."""
        self._envs = envs
        self._starts = starts
        # One that resets sub-environments by itself draws for it before that can be noted.
        resets_here = autoreset_mode(envs) is not AutoresetMode.SAME_STEP
        self._can_repeat = resets_here and generators_of(envs) is not None
        self._recordings = [Recording() for _ in range(envs.num_envs)]
        self._max_bytes = MAX_ACTION_BYTES // envs.num_envs
        self.returns = np.zeros(envs.num_envs)
        self.lengths = np.zeros(envs.num_envs, np.int64)

    def reset(
        self, seeds: Mapping[int, int | None], states: Mapping[int, States] = MappingProxyType({})
    ) -> NDArray[Any]:
        """Begin an episode in some sub-environments; return the observations of all, [N, ...].

        Args:
            seeds: By sub-environment, what seeds its generator; None leaves that as it is.
            states: By some of these, the states that their episode begins with.
        """
        generators = generators_of(self._envs)
        for index, seed in seeds.items():
            state = None
            if seed is None and generators is not None:
                state = generator_state(generators[index])
            self.begin(index, Start(seed, state), states.get(index, WHOLE))
        return reset_some(self._envs, seeds, {index: each[0] for index, each in states.items()})

    def begin(self, index: int, start: Start | None = None, states: States = WHOLE) -> None:
        """Note that an episode begins in a sub-environment, with states unless at its beginning."""
        self._recordings[index] = Recording(start or Start(), states)
        self.returns[index] = self.lengths[index] = 0
        if self._starts is not None:
            self._starts.begin(index, states)

    def is_whole(self, index: int) -> bool:
        """Return whether the episode in a sub-environment began at its beginning."""
        return not self._recordings[index].states

    def keep_states(self, ended: NDArray[np.bool_]) -> None:
        """Save what retries need of the episodes that go on, after a step."""
        if self._starts is not None:
            for index in np.flatnonzero(~ended).tolist():
                self._starts.note(index, int(self.lengths[index]))

    def add(self, action: NDArray[Any], reward: NDArray[np.float64]) -> None:
        """Note a step, its actions and rewards, both [N, ...]."""
        self.returns += reward
        self.lengths += 1
        if not self._can_repeat:
            return
        taken = action.astype(self._envs.single_action_space.dtype, copy=False)
        for recording, choice in zip(self._recordings, taken, strict=True):
            if recording.actions is not None:
                recording.actions += choice.tobytes()
                if len(recording.actions) > self._max_bytes:
                    recording.actions = None

    def state(self, obs: NDArray[Any] | None) -> LoopState:
        """Return how to go on after `repeat`.

        Args:
            obs: The observations after the last step, [N, ...]; None between episodes, or to go on
                with new ones.
        """
        generators = generators_of(self._envs)
        states = None if generators is None else tuple(map(generator_state, generators))
        if obs is None or not self._can_repeat:
            return LoopState(asdict(SavedLog(states, None, None)), {})
        actions = [recording.actions for recording in self._recordings]
        kept = [x for x in actions if x is not None]
        if len(kept) < len(actions):
            return LoopState(asdict(SavedLog(states, None, None, is_too_long=True)), {})
        space = self._envs.single_action_space
        shape = space.shape or ()
        joined = np.frombuffer(b"".join(kept), space.dtype).reshape(-1, *shape)  # [sum T, ...]
        starts = tuple(recording.start for recording in self._recordings)
        arrays = {"actions": joined, "lengths": self.lengths.copy()}
        if self._starts is not None:
            arrays |= _joined_states([recording.states for recording in self._recordings])
        return LoopState(asdict(SavedLog(states, starts, _digest(obs))), arrays)

    def check_state(self, state: LoopState) -> Resumption:
        """Return how to go on from a state, once it is certain that it fits these environments.

        Raises:
            ValueError: If it does not.
        """
        log = read(SavedLog, state.values)
        num_envs = self._envs.num_envs
        generators = generators_of(self._envs)
        for states in (log.generators, log.episodes):
            if states is not None and len(states) != num_envs:
                raise ValueError(f"it holds {len(states)} sub-environments instead of {num_envs}")
        if generators is not None:
            begun = [start.generator for start in log.episodes or ()]
            for index, generator in enumerate(generators):
                for saved in (
                    *(log.generators or ())[index : index + 1],
                    *begun[index : index + 1],
                ):
                    if saved is not None:
                        set_generator_state(copy.deepcopy(generator), saved)
        if log.episodes is None:
            return Resumption(log, (), ())
        arrays = dict(state.arrays)
        places: tuple[States, ...] = (WHOLE,) * num_envs
        if self._starts is not None:
            places = _split_states(arrays, num_envs)
        return Resumption(log, _split(arrays, self._envs.single_action_space, num_envs), places)

    def repeat(self, resumption: Resumption) -> NDArray[Any] | None:
        """Repeat the episodes of a state; return the observations, or None if they differ.

        All sub-environments step together, so an episode of few actions begins when as many are
        left. What its sub-environment does before does not matter.
        """
        starts, taken = resumption.log.episodes, resumption.actions
        assert starts is not None
        if generators_of(self._envs) is None:
            return None
        lengths = np.array([len(actions) for actions in taken])
        longest = taken[int(lengths.argmax())]
        dtype = self._envs.single_action_space.dtype
        obs = self.reset(dict.fromkeys(range(self._envs.num_envs)))
        for left in range(len(longest), -1, -1):
            beginning = {i: starts[i] for i in np.flatnonzero(lengths == left).tolist()}
            if beginning:
                obs = self._begin_again(beginning, resumption.states)
            if left == 0:
                break
            is_begun = lengths >= left
            actions = [
                (own if begun else longest)[-left]
                for own, begun in zip(taken, is_begun, strict=True)
            ]
            obs, reward, terminated, truncated, _ = self._envs.step(np.array(actions, dtype))
            ended = terminated | truncated
            if (ended & is_begun).any():
                return None
            self.returns += reward * is_begun
            self.lengths += is_begun
            self.keep_states(ended | ~is_begun)
            if ended.any():
                obs = self.reset(dict.fromkeys(np.flatnonzero(ended).tolist()))
        self._recordings = [
            Recording(start, states, bytearray(actions.tobytes()))
            for start, states, actions in zip(starts, resumption.states, taken, strict=True)
        ]
        return obs if _digest(obs) == resumption.log.obs_digest else None

    def restore_generators(self, states: Sequence[Mapping[str, Any]] | None) -> bool:
        """Set the generators of the sub-environments; return whether they can be reached."""
        generators = generators_of(self._envs)
        if states is None or generators is None:
            return False
        for generator, state in zip(generators, states, strict=True):
            set_generator_state(generator, state)
        return True

    def _begin_again(self, starts: Mapping[int, Start], states: Sequence[States]) -> NDArray[Any]:
        generators = generators_of(self._envs)
        assert generators is not None  # or they are not repeated
        for index, start in starts.items():
            if start.generator is not None:
                set_generator_state(generators[index], start.generator)
            self.begin(index, states=states[index])
        return reset_some(
            self._envs,
            {index: start.seed for index, start in starts.items()},
            {index: states[index][0] for index in starts if states[index]},
        )


def _split(
    arrays: Mapping[str, NDArray[Any]], space: gym.Space[Any], num_envs: int
) -> tuple[NDArray[Any], ...]:
    """Return the actions of each of N episodes, [T, ...].

    Raises:
        ValueError: If `arrays` are not what `EpisodeLog.state` returned for this action space.
    """
    if arrays.keys() != {"actions", "lengths"}:
        raise ValueError(f"it holds {sorted(arrays)} of the episodes instead of actions, lengths")
    actions, lengths = arrays["actions"], arrays["lengths"]
    is_whole = lengths.dtype == np.int64 and lengths.shape == (num_envs,) and (lengths >= 0).all()
    # Whole numbers of Python, which do not overflow.
    if not is_whole or sum(lengths.tolist()) != len(actions):
        raise ValueError(f"the lengths of its episodes do not go with {len(actions):,} actions")
    check_elements(space, actions, "actions of the episodes in progress")
    return tuple(np.split(actions, np.cumsum(lengths)[:-1]))


def _joined_states(states: Sequence[States]) -> dict[str, NDArray[Any]]:
    """Return what N episodes began with: bytes, and whose, at which step, how many."""
    found = [(i, step, each) for i, own in enumerate(states) for step, each in own.items()]
    return {
        "states": np.frombuffer(b"".join(state for _, _, state in found), np.uint8),
        "state_places": np.array(
            [(index, step, len(state)) for index, step, state in found], np.int64
        ).reshape(-1, 3),
    }


def _split_states(arrays: dict[str, NDArray[Any]], num_envs: int) -> tuple[States, ...]:
    """Return what each of N episodes began with, and take it out of the arrays.

    Raises:
        ValueError: If it is not what `EpisodeLog.state` returned.
    """
    states, places = arrays.pop("states", None), arrays.pop("state_places", None)
    if states is None or places is None:
        raise ValueError(
            "it holds no states that episodes began in: it was saved without retries "
            "and starts along demonstrations"
        )
    split: tuple[dict[int, bytes], ...] = tuple({} for _ in range(num_envs))
    fits = places.dtype == np.int64 and places.shape[1:] == (3,) and states.dtype == np.uint8
    if fits:
        index, step, size = places.T
        fits = bool(((index >= 0) & (index < num_envs) & (step <= 0) & (size > 0)).all()) and sum(
            size.tolist()
        ) == len(states)
    if not fits:
        raise ValueError(
            "the places of the states that its episodes began with do not go with them"
        )
    parts = np.split(states, np.cumsum(places[:, 2])[:-1]) if len(places) else []
    for (index, step, _), part in zip(places.tolist(), parts, strict=True):
        split[index][step] = part.tobytes()
    if any(own and 0 not in own for own in split):
        raise ValueError("an episode among them has no state that it began in")
    return split


def _digest(obs: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(obs).data).hexdigest()
