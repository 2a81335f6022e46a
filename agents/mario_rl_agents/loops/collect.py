"""The training loop of every agent: act, step the environments, observe."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mario_rl_agents.checks import (
    check_actions,
    check_losses,
    check_obs,
    check_reward,
    check_updates,
)
from mario_rl_agents.config import Count, convert
from mario_rl_agents.envs import VecEnv, autoreset_mode, read_end, success_of
from mario_rl_agents.errors import DemonstrationsError
from mario_rl_agents.loops.callbacks import (
    Callback,
    Episode,
    Learner,
    LoopState,
    Step,
    told_of_training,
)
from mario_rl_agents.loops.episode_log import MAX_ACTION_BYTES, EpisodeLog, Resumption
from mario_rl_agents.loops.interrupt import DeferredInterrupt
from mario_rl_agents.loops.starts import Starts, States

Losses = dict[str, float]

_NO_EPISODES: Final = {"episodes": None, "obs_digest": None}  # go on with new ones
_DIFFERS: Final = (
    "the environment did not repeat the episodes that the checkpoint was saved in: it depends on "
    "more than its generator and the actions"
)
_TOO_LONG: Final = (
    "an episode was too long for its actions to be kept in the checkpoint "
    f"({MAX_ACTION_BYTES // 2**20} MiB for all sub-environments)"
)


class TrainingLoop:
    """The training loop of one agent, over as many calls of `run` as the user likes.

    An agent that learns from what it did last has to learn before it acts again. One that learns
    from a replay memory (`learns_while_stepping`) takes its gradient steps while the environments
    take the next step, in another thread if `overlap` says so: the results are the same.
    """

    def __init__(
        self,
        envs: VecEnv,
        seed: int,
        *,
        overlap: bool = False,
        starts: Starts | None = None,
    ) -> None:
        """Prepare for first episodes.

        Args:
            envs: N sub-environments.
            seed: Sub-environment i is first reset with seed + i; later resets go on with its own
                generator.
            overlap: Whether environments step in a second thread during gradient steps.
            starts: The states that episodes may begin in; None: all begin at their beginning. Those
                that do not are no episodes of their own: they are not counted.
        """
        self._envs = envs
        self._seed = seed
        self._overlap = overlap
        self._starts = starts
        self._log = EpisodeLog(envs, starts)
        self._shares_obs = not getattr(envs.unwrapped, "copy", True)  # a step writes over the last
        self._resets_itself = autoreset_mode(envs) is AutoresetMode.SAME_STEP
        self._obs: NDArray[Any] | None = None  # [N, ...]; None before a reset
        self._has_begun = False
        self._loaded: LoopState | None = None  # a state loaded and not yet acted on
        self._resume: Resumption | None = None  # the same, checked

    def run(self, agent: Learner, total_steps: int, callbacks: Sequence[Callback]) -> None:
        """Take `total_steps` environment steps, rounded up to a step of all sub-environments.

        Ctrl-C raises KeyboardInterrupt when the step in progress is complete; a second one raises
        at once.

        Raises:
            ValueError: If `total_steps` is no whole number >= 1, or episodes are to begin in states
                of environments that do not save them.
            AgentError: If the agent returns something else than actions, or losses by name.
        """
        total_steps = convert(Count, total_steps, "total_steps")
        if self._starts is not None:
            self._starts.check()
        with ExitStack() as stack:
            executor = stack.enter_context(ThreadPoolExecutor(1)) if self._overlap else None
            interrupt = stack.enter_context(DeferredInterrupt())
            stack.enter_context(told_of_training(agent, callbacks))
            updates = agent.updates()
            space = self._envs.single_action_space
            for _ in range(-(-total_steps // self._envs.num_envs)):
                try:
                    if self._obs is None:
                        self._obs = self._begin(agent)
                    if self._shares_obs:
                        self._obs = self._obs.copy()
                    action = agent.act(self._obs, greedy=False)  # [N, ...]
                    check_actions(agent, action, space, self._envs.num_envs)
                    losses, outcome = self._step_and_update(agent, action, updates, executor)
                    step, episodes = self._collect(agent, action, outcome)
                    updates = agent.observe(step)
                    check_updates(agent, updates)
                    for loss in losses if agent.learns_while_stepping else updates:
                        check_losses(agent, loss)
                        notify(callbacks, "on_update", agent, loss)
                except BaseException:
                    # The environments may be a step ahead of the agent: without these episodes, a
                    # save is consistent.
                    self._obs = None
                    agent.reset()
                    raise
                for episode in episodes:
                    notify(callbacks, "on_episode_end", agent, episode)
                answers = notify(callbacks, "on_step", agent)  # all are asked
                if any(answer is False for answer in answers):
                    break
                interrupt.raise_if_requested()

    def state(self, *, replay: bool) -> LoopState:
        """Return how the environments go on after `load_state`.

        Args:
            replay: Whether to go on inside the current episodes, which needs what the agent has
                recorded of them too.
        """
        if self._loaded is not None:
            return (
                self._loaded if replay else LoopState({**self._loaded.values, **_NO_EPISODES}, {})
            )
        if not self._has_begun:
            return LoopState({"generators": None, **_NO_EPISODES}, {})
        return self._log.state(self._obs if replay else None)

    def load_state(self, state: LoopState) -> None:
        """Go on from a state that `state` returned, at the next call of `run`.

        Raises:
            ValueError: If it is none, or of other environments.
        """
        self._resume = self._log.check_state(state)
        self._loaded = state

    def _step_and_update(
        self,
        agent: Learner,
        action: NDArray[Any],
        updates: Iterable[Losses],
        executor: Executor | None,
    ) -> tuple[list[Losses], Any]:
        """Step the environments, and take the gradient steps that can be taken meanwhile."""
        if not agent.learns_while_stepping:
            return [], self._envs.step(action)
        if executor is None:
            return list(updates), self._envs.step(action)
        future = executor.submit(self._envs.step, action)
        try:
            losses = list(updates)
        finally:
            wait([future])
        return losses, future.result()

    def _collect(
        self, agent: Learner, action: NDArray[Any], outcome: Any
    ) -> tuple[Step, list[Episode]]:
        """Count a step, and begin new episodes where it ended some."""
        obs = self._obs
        assert obs is not None
        next_obs, reward, terminated, truncated, infos = outcome
        check_reward(float(reward.sum()), agent.num_steps)
        check_obs(next_obs, agent.num_steps, is_batch=True)
        agent.num_steps += self._envs.num_envs
        self._log.add(action, reward)
        self._obs = next_obs
        self._log.keep_states(terminated | truncated)
        ended = np.flatnonzero(terminated | truncated).tolist()
        if not ended:
            return Step(obs, action, reward, terminated, truncated, next_obs, {}), []
        last_obs = next_obs.copy()  # [N, ...]: a reset writes over it
        last_infos = {}
        for index in ended:
            last_infos[index], final_obs = read_end(infos, index)
            if final_obs is not None:
                last_obs[index] = final_obs
        step = Step(obs, action, reward, terminated, truncated, last_obs, last_infos)
        whole = [index for index in ended if self._log.is_whole(index)]
        episodes = [self._finish(agent, step, index) for index in whole]
        if self._resets_itself:
            for index in ended:
                self._log.begin(index)
        else:
            self._obs = self._begin_anew(ended, self._draw_starts(step, ended))
            check_obs(self._obs, agent.num_steps, is_batch=True)
        return step, episodes

    def _begin_anew(self, ended: Iterable[int], states: Mapping[int, States]) -> NDArray[Any]:
        """Begin new episodes, some of them in a state; return the observations of all.

        Raises:
            DemonstrationsError: The states of the demonstrations do not fit the environments.
        """
        try:
            return self._log.reset(dict.fromkeys(ended), states)
        except ValueError as error:
            if self._starts is None or not self._starts.shown:
                raise
            raise DemonstrationsError(
                f"an episode cannot begin along the demonstrations: {error}; record them in "
                "environments made as those of the training, or set demonstration_starts to 0"
            ) from error

    def _draw_starts(self, step: Step, ended: Iterable[int]) -> dict[int, States]:
        """Return what the next episodes begin with that do not begin at their beginning."""
        states: dict[int, States] = {}
        if self._starts is not None:
            for index in ended:
                drawn = None
                if step.terminated[index] and not success_of(step.infos[index]):
                    drawn = self._starts.draw_retry(index, int(self._log.lengths[index]))
                if drawn is None:
                    drawn = self._starts.draw_shown()
                if drawn is not None:
                    states[index] = drawn
        return states

    def _finish(self, agent: Learner, step: Step, index: int) -> Episode:
        """Return the episode that ended in a sub-environment, and count it."""
        episode = Episode(
            index=agent.num_episodes,
            step=agent.num_steps,
            episodic_return=float(self._log.returns[index]),
            length=int(self._log.lengths[index]),
            terminated=bool(step.terminated[index]),
            truncated=bool(step.truncated[index]),
            info=step.infos[index],
            worker=index,
        )
        agent.num_episodes += 1
        return episode

    def _begin(self, agent: Learner) -> NDArray[Any]:
        """Begin episodes in all sub-environments, or go on in those of a checkpoint."""
        resume, self._resume, self._loaded = self._resume, None, None
        all_envs = range(self._envs.num_envs)
        is_seeded = self._has_begun
        self._has_begun = True
        if resume is not None:
            can_repeat = resume.log.episodes is not None
            obs = self._log.repeat(resume) if can_repeat else None
            if obs is not None:
                return obs
            agent.reset()  # what it recorded of the episodes in progress does not go on
            if can_repeat or resume.log.is_too_long:
                reason = _TOO_LONG if resume.log.is_too_long else _DIFFERS
                warnings.warn(
                    f"{reason}. Training goes on with new episodes, and differs from a run that "
                    "was never interrupted",
                    RuntimeWarning,
                    stacklevel=4,
                )
            is_seeded = self._log.restore_generators(resume.log.generators)
        # Environments whose generators cannot be restored get seeds that they have not had.
        first = self._seed + agent.num_steps
        begun = self._log.reset({i: None if is_seeded else first + i for i in all_envs})
        check_obs(begun, agent.num_steps, is_batch=True)
        return begun


def notify(callbacks: Sequence[Callback], event: str, *arguments: Any) -> list[bool | None]:
    """Tell every callback of an event; return their answers."""
    return [getattr(callback, event)(*arguments) for callback in callbacks]
