"""Retries: where an episode has failed, the next one may begin a little before that.

What is hard is then tried again at once, instead of once an episode: the states that lead to a
failure are visited as often as the failure is likely. A retry that fails soon goes back further:
what it began in may have had no way out. They are states of the agent's own play, so no route is
needed (compare Salimans & Chen 2018, "Learning Montezuma's Revenge from a single demonstration",
who start along one).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from gymnasium.vector import AutoresetMode

from mario_rl_agents.envs import VecEnv, autoreset_mode, save_state_of, saves_states

SAVED_EVERY: Final = 8  # steps
BACK: Final = (12, 56)  # steps before the failure at which a retry begins: at least, less than
NUM_KEPT: Final = 9  # states of an episode

# By the steps of an episode before them. 0: it began there; less than 0: the episode did that it
# tries again.
States = Mapping[int, bytes]
WHOLE: Final[States] = MappingProxyType({})  # what an episode from its beginning begins with


class Retries:
    """The states that retries may begin in: of the episodes in progress in N sub-environments."""

    def __init__(self, envs: VecEnv, probability: float, generator: np.random.Generator) -> None:
        """Prepare for first episodes.

        Args:
            envs: N sub-environments.
            probability: That a retry follows on a failure.
            generator: Draws whether and where.
        """
        self._envs, self._probability, self._generator = envs, probability, generator
        self._states: list[dict[int, bytes]] = [{} for _ in range(envs.num_envs)]

    def check(self) -> None:
        """Check that episodes can begin in a state.

        Raises:
            ValueError: If they cannot.
        """
        if autoreset_mode(self._envs) is AutoresetMode.SAME_STEP or not saves_states(self._envs):
            raise ValueError(
                "retries must be 0 where environments do not save their state in mid-episode, or "
                "reset themselves in the step that ends one; those of MarioRL save it; got "
                f"{self._probability} for {self._envs}"
            )

    def begin(self, index: int, states: States = WHOLE) -> None:
        """Note that an episode begins, with what `draw` returned if it is a retry."""
        self._states[index] = dict(states)

    def note(self, index: int, num_steps: int) -> None:
        """Save the state of an episode in progress after so many steps, if that is due."""
        if num_steps % SAVED_EVERY == 0:
            states = self._states[index]
            states[num_steps] = save_state_of(self._envs, index)
            if len(states) > NUM_KEPT:
                del states[min(states)]

    def draw(self, index: int, num_steps: int) -> States | None:
        """Return what a retry of an episode that failed after so many steps begins with.

        None: it is not tried again, by chance or because nothing is left of the time before.
        """
        last = num_steps - int(self._generator.integers(*BACK))
        earlier = {step: state for step, state in self._states[index].items() if step <= last}
        if self._generator.random() >= self._probability or not earlier:
            return None
        place = max(earlier)
        return {step - place: state for step, state in earlier.items()}
