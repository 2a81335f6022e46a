"""Episodes that do not begin at their beginning: retries, and starts along demonstrations.

Where an episode has failed, the next one may begin a little before that. What is hard is then tried
again at once, instead of once an episode: the states that lead to a failure are visited as often as
the failure is likely. A retry that fails soon goes back further: what it began in may have had no
way out. They are states of the agent's own play, so no route is needed.

Where a teacher has been, an episode may begin anywhere along its way (Salimans & Chen 2018,
"Learning Montezuma's Revenge from a single demonstration"): what comes late is then learned at the
same time as what comes early, and not after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Starts:
    """The states that episodes may begin in, in N sub-environments.

    Attributes:
        shown: Those along demonstrations.
    """

    def __init__(
        self,
        envs: VecEnv,
        generator: np.random.Generator,
        *,
        retries: float = 0.0,
        demonstrated: float = 0.0,
    ) -> None:
        """Prepare for first episodes.

        Args:
            envs: N sub-environments.
            generator: Draws whether and where.
            retries: The probability that a retry follows on a failure.
            demonstrated: That an episode which is no retry begins along a demonstration.
        """
        self._envs, self._generator = envs, generator
        self._retries, self._demonstrated = retries, demonstrated
        self._states: list[dict[int, bytes]] = [{} for _ in range(envs.num_envs)]
        self.shown: Sequence[bytes] = ()

    def check(self) -> None:
        """Check that episodes can begin in a state.

        Raises:
            ValueError: If they cannot.
        """
        if autoreset_mode(self._envs) is AutoresetMode.SAME_STEP or not saves_states(self._envs):
            raise ValueError(
                "retries and demonstration_starts must be 0 where environments do not save their "
                "state in mid-episode, or reset themselves in the step that ends one; those of "
                f"MarioRL save it; got {self._retries} and {self._demonstrated} for {self._envs}"
            )

    def begin(self, index: int, states: States = WHOLE) -> None:
        """Note that an episode begins, with what was drawn if it begins in a state."""
        self._states[index] = dict(states)

    def note(self, index: int, num_steps: int) -> None:
        """Save the state of an episode in progress after so many steps, if that is due."""
        if self._retries > 0 and num_steps % SAVED_EVERY == 0:
            states = self._states[index]
            states[num_steps] = save_state_of(self._envs, index)
            if len(states) > NUM_KEPT:
                del states[min(states)]

    def draw_retry(self, index: int, num_steps: int) -> States | None:
        """Return what a retry of an episode that failed after so many steps begins with.

        None: it is not tried again, by chance or because nothing is left of the time before.
        """
        if self._retries == 0:
            return None
        last = num_steps - int(self._generator.integers(*BACK))
        earlier = {step: state for step, state in self._states[index].items() if step <= last}
        if self._generator.random() >= self._retries or not earlier:
            return None
        place = max(earlier)
        return {step - place: state for step, state in earlier.items()}

    def draw_shown(self) -> States | None:
        """Return what an episode begins with that begins along a demonstration.

        None: by chance, or because there is none, it begins at its beginning.
        """
        if not self.shown or self._generator.random() >= self._demonstrated:
            return None
        return {0: self.shown[int(self._generator.integers(len(self.shown)))]}
