"""The loop of an agent that Stable-Baselines3 trains: SB3 acts and learns, callbacks are told."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.config import Count, convert
from mario_rl_agents.envs import VecEnv
from mario_rl_agents.loops.callbacks import (
    Callback,
    Episode,
    LoopState,
    Step,
    told_of_training,
)
from mario_rl_agents.loops.collect import TrainingLoop, notify
from mario_rl_agents.loops.interrupt import DeferredInterrupt

if TYPE_CHECKING:
    from mario_rl_agents.algorithms.sb3.agent import SB3Agent

_MEMORY: Final = "memory/"  # before the names of arrays that belong to episodes in progress


class Ended(Exception):
    """Leaves SB3's `learn` between two rollouts."""


class SB3Loop(TrainingLoop):
    """The training loop of one agent, over as many calls of `run` as the user likes.

    SB3's own `learn` runs it, on the agent's environments. It can be left, saved and gone on with
    only between two rollouts: there callbacks hear of the gradient steps and the episodes since the
    rollout before, and are asked once whether to go on. A rollout is `n_steps` steps of all
    sub-environments, off-policy `train_freq`.
    """

    def __init__(self, envs: VecEnv, seed: int) -> None:
        """Prepare for first episodes; see `TrainingLoop`."""
        super().__init__(envs, seed)
        self._episodes: list[Episode] = []  # that ended in the rollout in progress
        self._memory: dict[str, NDArray[Any]] = {}  # of episodes in progress: `SB3Agent.memory`

    def run(self, agent: Any, total_steps: int, callbacks: Sequence[Callback]) -> None:
        """Have SB3 take `total_steps` environment steps, rounded up to a rollout.

        Ctrl-C raises KeyboardInterrupt when the rollout in progress has been learned from; a second
        one raises at once. What a rollout recorded that an error ended is dropped.

        Raises:
            ValueError: If `total_steps` is no whole number >= 1.
        """
        total_steps = convert(Count, total_steps, "total_steps")
        with ExitStack() as stack:
            interrupt = stack.enter_context(DeferredInterrupt())
            stack.enter_context(told_of_training(agent, callbacks))
            is_between = False

            def between() -> None:
                nonlocal is_between
                is_between = True
                self._tell(agent, callbacks)
                interrupt.raise_if_requested()
                is_between = False

            try:
                agent.run_model(total_steps, between)
            except Ended:
                pass
            except BaseException:
                if not is_between:
                    # The environments may be a step ahead of SB3.
                    self._obs = None
                    self._episodes = []
                    agent.reset()
                raise
            finally:
                self._memory = agent.memory()

    def begin(self, agent: SB3Agent) -> NDArray[Any]:
        """Begin episodes in all sub-environments, or go on in those of a checkpoint.

        Returns:
            Observations, [N, ...], in memory of their own.
        """
        self._obs = self._begin(agent)
        return self._obs.copy()

    def step(self, agent: SB3Agent, action: NDArray[Any]) -> tuple[Step, NDArray[Any]]:
        """Take a step of all sub-environments, and begin new episodes where it ended some.

        Args:
            agent: Whose counters these are.
            action: Shape [N, ...].

        Returns:
            The step, and the observations to act on next, [N, ...], in memory of their own.
        """
        step, episodes = self._collect(agent, action, self._envs.step(action))
        self._episodes += episodes
        assert self._obs is not None
        return step, self._obs.copy()

    @property
    def begins(self) -> NDArray[np.bool_]:
        """Whether the observation to act on next is the first of its episode, shape [N]."""
        return np.equal(self._log.lengths, 0)

    @property
    def kept_memory(self) -> dict[str, NDArray[Any]]:
        """What the agent remembered of the episodes in progress when it stopped."""
        return self._memory

    def state(self, *, replay: bool) -> LoopState:
        """Return how the environments go on; with replay also what the agent remembers of them."""
        state = super().state(replay=replay)
        if "actions" not in state.arrays:  # the episodes in progress are not gone on with
            return state
        memory = {f"{_MEMORY}{name}": x for name, x in self._memory.items()}
        return LoopState(state.values, {**state.arrays, **memory})

    def load_state(self, state: LoopState) -> None:
        """Go on from a state that `state` returned, at the next call of `run`.

        Raises:
            ValueError: If it is none, or of other environments.
        """
        arrays = dict(state.arrays)
        memory = {name: arrays.pop(name) for name in state.arrays if name.startswith(_MEMORY)}
        super().load_state(LoopState(state.values, arrays))
        self._memory = {name.removeprefix(_MEMORY): x for name, x in memory.items()}

    def _tell(self, agent: SB3Agent, callbacks: Sequence[Callback]) -> None:
        """Tell callbacks of what happened since SB3 was last between two rollouts.

        Raises:
            FloatingPointError: A loss is not finite.
            Ended: A callback wants no more.
        """
        losses = agent.read_losses()
        episodes, self._episodes = self._episodes, []
        self._memory = agent.memory()
        if losses:
            notify(callbacks, "on_update", agent, losses)
        for episode in episodes:
            notify(callbacks, "on_episode_end", agent, episode)
        if any(answer is False for answer in notify(callbacks, "on_step", agent)):
            raise Ended
