"""Retries: where an episode has failed, the next one may begin a little before that.

What is hard is then tried again at once, instead of once an episode: the states that lead to a
failure are visited as often as the failure is likely. They are states of the agent's own play, so
no route is needed (compare Salimans & Chen 2018, "Learning Montezuma's Revenge from a single
demonstration", who start along one).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from gymnasium.vector import AutoresetMode

from mario_rl_agents.envs import VecEnv, autoreset_mode, save_state_of, saves_states

SAVED_EVERY: Final = 8  # steps
BACK: Final = (12, 56)  # steps before the failure at which a retry begins: at least, less than

State = bytes


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
        # Of each episode by the steps before it: where it began, if in a state, and the latest.
        self._states: list[dict[int, State]] = [{} for _ in range(envs.num_envs)]

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

    def begin(self, index: int, state: State | None) -> None:
        """Note that an episode begins, in a state if it is a retry."""
        self._states[index] = {} if state is None else {0: state}

    def note(self, index: int, num_steps: int) -> None:
        """Save the state of an episode in progress after so many steps, if that is due."""
        if num_steps % SAVED_EVERY:
            return
        states = self._states[index]
        for step in [each for each in states if 0 < each < num_steps - BACK[1]]:
            del states[step]
        states[num_steps] = save_state_of(self._envs, index)

    def draw(self, index: int, num_steps: int) -> State | None:
        """Return where an episode that failed after so many steps is tried again; None: nowhere.

        One that failed soon after its own beginning has that as its only place; one that failed at
        once may have had no way out, and is not tried again.
        """
        back = int(self._generator.integers(*BACK))
        states = self._states[index]
        if self._generator.random() >= self._probability or num_steps < BACK[0]:
            return None
        earlier = [step for step in states if step <= num_steps - back]
        return states.get(max(earlier, default=0))
