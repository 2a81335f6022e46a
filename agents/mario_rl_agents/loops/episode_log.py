"""How to get back to the middle of an episode in an environment that cannot be saved.

What is kept of an episode is how it was reset and which actions were taken since. To go on, the
reset and the actions are repeated. Whether that led to the same place is told by a digest of the
observations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mario_rl_agents.envs import VecEnv, autoreset_mode, generators_of, reset_some
from mario_rl_agents.seeding import generator_state, set_generator_state


@dataclass
class Recording:
    """An episode in progress in one sub-environment."""

    seed: int | None = None  # given to the reset that it began with
    generator: dict[str, Any] | None = None  # of the environment, before a reset without seed
    actions: list[Any] = field(default_factory=list)


class EpisodeLog:
    """The episodes in progress in N sub-environments.

    Attributes:
        returns: Sums of rewards so far, shape [N].
        lengths: Environment steps so far, shape [N].
    """

    def __init__(self, envs: VecEnv) -> None:
        """Prepare for the first reset."""
        self._envs = envs
        # One that resets sub-environments by itself draws for it before that can be noted.
        resets_here = autoreset_mode(envs) is not AutoresetMode.SAME_STEP
        self._can_repeat = resets_here and generators_of(envs) is not None
        self._recordings = [Recording() for _ in range(envs.num_envs)]
        self.returns = np.zeros(envs.num_envs)
        self.lengths = np.zeros(envs.num_envs, np.int64)

    def reset(self, seeds: Mapping[int, int | None]) -> NDArray[Any]:
        """Begin an episode in some sub-environments; return the observations of all, [N, ...].

        Args:
            seeds: By sub-environment, what seeds its generator; None leaves that as it is.
        """
        generators = generators_of(self._envs)
        for index, seed in seeds.items():
            state = None
            if seed is None and generators is not None:
                state = generator_state(generators[index])
            self.begin(index, Recording(seed, state))
        return reset_some(self._envs, seeds)

    def begin(self, index: int, recording: Recording | None = None) -> None:
        """Note that an episode begins in a sub-environment."""
        self._recordings[index] = recording or Recording()
        self.returns[index] = self.lengths[index] = 0

    def add(self, action: NDArray[Any], reward: NDArray[np.float64]) -> None:
        """Note a step, its actions and rewards, both [N, ...]."""
        self.returns += reward
        self.lengths += 1
        if self._can_repeat:
            for recording, choice in zip(self._recordings, action.tolist(), strict=True):
                recording.actions.append(choice)

    def state(self, obs: NDArray[Any] | None) -> dict[str, Any]:
        """Return as JSON-safe values how to go on after `repeat`.

        Args:
            obs: The observations after the last step, [N, ...]; None between episodes, or to go on
                with new ones.
        """
        generators = generators_of(self._envs)
        inside = obs is not None and self._can_repeat
        return {
            "generators": generators and [generator_state(x) for x in generators],
            "episodes": [asdict(x) for x in self._recordings] if inside else None,
            "obs_digest": _digest(obs) if obs is not None and inside else None,
        }

    def repeat(self, state: Mapping[str, Any]) -> NDArray[Any] | None:
        """Repeat the episodes of a state; return the observations, or None if they differ.

        All sub-environments step together, so an episode of few actions begins when as many are
        left. What its sub-environment does before does not matter.
        """
        recordings = [Recording(**recording) for recording in state["episodes"]]
        longest = max(recordings, key=lambda recording: len(recording.actions))
        dtype = self._envs.single_action_space.dtype
        obs = self.reset(dict.fromkeys(range(self._envs.num_envs)))
        for left in range(len(longest.actions), -1, -1):
            beginning = {i: x for i, x in enumerate(recordings) if len(x.actions) == left}
            if beginning:
                obs = self._begin_again(beginning)
            if left == 0:
                break
            is_begun = np.array([len(x.actions) >= left for x in recordings])
            actions = [
                (recording if begun else longest).actions[-left]
                for recording, begun in zip(recordings, is_begun, strict=True)
            ]
            obs, reward, terminated, truncated, _ = self._envs.step(np.array(actions, dtype))
            ended = terminated | truncated
            if (ended & is_begun).any():
                return None
            self.returns += reward * is_begun
            self.lengths += is_begun
            if ended.any():
                obs = self.reset(dict.fromkeys(np.flatnonzero(ended).tolist()))
        self._recordings = recordings
        return obs if _digest(obs) == state["obs_digest"] else None

    def restore_generators(self, states: Sequence[Mapping[str, Any]] | None) -> bool:
        """Set the generators of the sub-environments; return whether they can be reached."""
        generators = generators_of(self._envs)
        if states is None or generators is None:
            return False
        for generator, state in zip(generators, states, strict=True):
            set_generator_state(generator, state)
        return True

    def _begin_again(self, recordings: Mapping[int, Recording]) -> NDArray[Any]:
        generators = generators_of(self._envs)
        assert generators is not None  # or there would be no recordings
        for index, recording in recordings.items():
            if recording.generator is not None:
                set_generator_state(generators[index], recording.generator)
            self.begin(index)
        return reset_some(self._envs, {index: x.seed for index, x in recordings.items()})


def _digest(obs: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(obs).data).hexdigest()
