"""The loop of an agent whose workers act and learn in processes of their own."""

import pickle
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
import torch

from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.algorithms.a3c.shared_adam import SharedAdam
from mario_rl_agents.algorithms.a3c.workers import StepBudget, WorkerPool
from mario_rl_agents.config import Count, Interval, convert, read
from mario_rl_agents.errors import SetupError
from mario_rl_agents.loops.callbacks import LoopState, told_of_training
from mario_rl_agents.loops.interrupt import DeferredInterrupt

EnvFactory = Callable[[], gym.Env[Any, Any]]

# Columns of the counts that change with the weights, a row for each worker.
STEPS, UPDATES, EPISODES = range(3)


class FinishedEpisode(NamedTuple):
    """What a worker says of an episode: `Episode` without what only the main process knows."""

    episodic_return: float
    length: int  # environment steps
    terminated: bool
    truncated: bool
    info: dict[str, Any]


class Report(NamedTuple):
    """What a worker says of one gradient step, once it has taken it."""

    num_steps: int  # environment steps that it learned from
    losses: dict[str, float]
    episode: FinishedEpisode | None  # that the last of them ended


@dataclass(frozen=True)
class _Starts:
    """What a checkpoint holds of this loop."""

    num_starts: Annotated[int, Interval(0, 2**32 - 1)]  # workers started; a key of their seeds


class Shared(NamedTuple):
    """What all processes have in common."""

    adam: SharedAdam
    budget: StepBudget
    make_env: EnvFactory
    spaces: tuple[gym.Space[Any], gym.Space[Any]]  # of observations and actions
    seed: int
    first_step: int  # environment steps that the agent had taken before

    def open_env(self) -> gym.Env[Any, Any]:
        """Return a new environment for one worker.

        Raises:
            SetupError: If it cannot be made, or has other spaces than the agent's.
        """
        try:
            env = self.make_env()
        except Exception as error:  # of the user's code
            raise SetupError(
                f"it cannot make its environment ({type(error).__name__}: {error})"
            ) from error
        if (env.observation_space, env.action_space) != self.spaces:
            found = env.observation_space, env.action_space
            env.close()
            raise SetupError(
                f"its environment has the spaces {found}, the agent's has {self.spaces}: "
                "env_factory must make environments of the same kind"
            )
        return env


class AsynchronousLoop:
    """Has workers act and learn at once, and tells callbacks of what they report."""

    def __init__(
        self, optimizer: torch.optim.Adam, num_workers: int, max_restarts: int, seed: int
    ) -> None:
        """Prepare.

        Args:
            optimizer: Of the weights, one vector.
            num_workers: Processes.
            max_restarts: Of a worker in a row, without an episode finished in between.
            seed: What the workers' seeds come from.
        """
        self.num_restarts = 0  # over all calls of `run`
        self._optimizer, self._seed = optimizer, seed
        self._num_workers, self._max_restarts = num_workers, max_restarts
        self._num_starts = 0  # workers that were ever started: each has a seed of its own
        self._shared: Shared | None = None  # while workers run
        self._pool: WorkerPool | None = None
        self._reported = np.zeros((num_workers, 3), np.int64)  # of the counts of this `run`

    def run(
        self,
        agent: Agent,
        work: Callable[..., None],
        make_env: EnvFactory,
        total_steps: int,
        callbacks: Sequence[Callback],
    ) -> None:
        """Have workers take `total_steps` environment steps.

        Callbacks hear of steps when their worker reports them, a segment at a time. If one answers
        False, workers finish the segments they are at, callbacks hear of these, too, and it ends.
        Ctrl-C and errors end it as quickly; what workers have done and not reported by then counts,
        but callbacks do not hear of it. A single worker waits for them and does nothing meanwhile.

        Args:
            agent: Whose counters and callbacks these are.
            work: Called with a `Worker`, `Shared` and the agent's config in every process.
            make_env: Makes the environment of one worker, in its process.
            total_steps: Environment steps of all workers together.
            callbacks: Who watches.

        Raises:
            ValueError: If `total_steps` is no whole number >= 1.
            SetupError, ObservationError, RewardError, FloatingPointError: If a worker raises it.
            WorkerError: If workers die again and again.
        """
        total_steps = convert(Count, total_steps, "total_steps")
        with ExitStack() as stack:
            interrupt = stack.enter_context(DeferredInterrupt())
            stack.enter_context(told_of_training(agent, callbacks))
            stack.callback(self._unshare, agent)
            self._shared = self._share(agent, make_env, total_steps)
            self._pool = WorkerPool(
                work,
                (self._shared, agent.config),
                num_workers=self._num_workers,
                budget=self._shared.budget,
                next_start=self._next_start,
                on_crash=lambda slot: self._count_unreported(agent, slot),
                on_orphaned=self._shared.adam.lock.remove,
                max_restarts=self._max_restarts,
            )
            stack.enter_context(self._pool)
            while self._pool.is_running:
                received = self._pool.receive()
                for slot, reports in received:
                    for report in reports:
                        if not self._record(agent, slot, report, callbacks):
                            self._pool.stop()
                        if report.episode is not None:
                            self._pool.made_progress(slot)
                interrupt.raise_if_requested()
                for slot, _ in received:
                    self._pool.go_on(slot)

    def fetch(self) -> None:
        """Give the optimizer weights and moments as they are now, if workers are changing them."""
        if self._shared is not None:
            with self._shared.adam.lock:
                self._shared.adam.copy_to(self._optimizer)

    def metrics(self) -> dict[str, float]:
        """Return `charts/workers` at work, and `charts/worker_restarts` in all calls of `run`."""
        num_running = 0 if self._pool is None else self._pool.num_running
        num_restarts = self.num_restarts + (0 if self._pool is None else self._pool.num_restarts)
        return {"charts/workers": float(num_running), "charts/worker_restarts": float(num_restarts)}

    def state(self, *, replay: bool) -> LoopState:
        """Return what the next worker's seed depends on; with replay and without it is the same."""
        return LoopState(asdict(_Starts(self._num_starts)), {})

    def load_state(self, state: LoopState) -> None:
        """Go on with seeds that no worker has had.

        Raises:
            ValueError: If it is no state that `state` returned.
        """
        self._num_starts = read(_Starts, state.values).num_starts

    def _next_start(self) -> int:
        self._num_starts += 1
        return self._num_starts - 1

    def _share(self, agent: Agent, make_env: EnvFactory, total_steps: int) -> Shared:
        self._reported[:] = 0
        return Shared(
            SharedAdam(self._optimizer, (self._num_workers, 3)),
            StepBudget(total_steps, self._num_workers),
            make_env,
            (agent.observation_space, agent.action_space),
            self._seed,
            agent.num_steps,
        )

    def _unshare(self, agent: Agent) -> None:
        """Take back what the workers have learned, once they have ended."""
        if self._shared is None:
            return
        for slot in range(self._num_workers):
            self._count_unreported(agent, slot)
        self.fetch()
        self._shared.adam.lock.remove()
        self.num_restarts += 0 if self._pool is None else self._pool.num_restarts
        self._shared = self._pool = None

    def _record(
        self, agent: Agent, slot: int, report: Report, callbacks: Sequence[Callback]
    ) -> bool:
        """Count the steps of one report and tell of each; return whether to go on."""
        go_on = True
        for step in range(report.num_steps):
            agent.num_steps += 1
            if step == report.num_steps - 1:
                self._record_update(agent, slot, report, callbacks)
            answers = [callback.on_step(agent) for callback in callbacks]  # all are asked
            go_on = go_on and not any(answer is False for answer in answers)
        return go_on

    def _record_update(
        self, agent: Agent, slot: int, report: Report, callbacks: Sequence[Callback]
    ) -> None:
        self._reported[slot] += (report.num_steps, 1, report.episode is not None)
        agent.num_updates += 1
        episode = None
        if report.episode is not None:
            episode = Episode(agent.num_episodes, agent.num_steps, *report.episode, slot)
            agent.num_episodes += 1
        for callback in callbacks:
            callback.on_update(agent, report.losses)
            if episode is not None:
                callback.on_episode_end(agent, episode)

    def _count_unreported(self, agent: Agent, slot: int) -> None:
        """Count what a worker has done that ended before it could report."""
        assert self._shared is not None
        with self._shared.adam.lock:
            counts = self._shared.adam.counts[slot].copy()
            self._shared.budget.claim(slot, 0, taken=0)  # what it had claimed is free again
        num_steps, num_updates, num_episodes = (counts - self._reported[slot]).tolist()
        self._reported[slot] = counts
        agent.num_steps += num_steps
        agent.num_updates += num_updates
        agent.num_episodes += num_episodes


def env_maker(algorithm: str, env: gym.Env[Any, Any], env_factory: EnvFactory | None) -> EnvFactory:
    """Return what makes environments like `env` in another process.

    Args:
        algorithm: The name of the algorithm that asks.
        env: The agent's own.
        env_factory: Taken if there is one; otherwise the spec of `env` is.

    Raises:
        ValueError: If there is neither, or if it cannot be sent to another process.
    """
    what_to_do = (
        "pass env_factory to create or load, a function at the top level of a module that returns "
        "a new environment; or register the environment and make it by gymnasium.make"
    )
    make_env = env_factory
    if make_env is None:
        if env.spec is None:
            raise ValueError(
                f"every worker of {algorithm} makes an environment of its own, and {env} does not "
                f"know how it was made: {what_to_do}"
            )
        spec = deepcopy(env.spec)
        spec.kwargs.pop("render_mode", None)  # one window is enough
        make_env = partial(gym.make, spec, disable_env_checker=True)
        try:
            make_env().close()
        except Exception as error:  # of a wrapper that does not record its arguments, for instance
            raise ValueError(
                f"{env} cannot be made again in the workers of {algorithm}, where nothing is drawn "
                f"({error}): {what_to_do}; or derive a wrapper of your own from "
                "gymnasium.utils.RecordConstructorArgs too"
            ) from error
    check_picklable(make_env, f"what makes the environments of {algorithm}", what_to_do)
    return make_env


def check_picklable(value: object, what: str, what_to_do: str) -> None:
    """Check that a process can be given `value`.

    Raises:
        ValueError: If not; the message says what it is and what to do.
    """
    try:
        pickle.dumps(value)
    except Exception as error:  # pickle raises what it likes
        raise ValueError(f"{what} cannot be sent to a process ({error}): {what_to_do}") from error


_WORKER_STREAMS: Final = 1_000  # far from the streams of the agent's own generators


def worker_generator(seed: int, start: int) -> np.random.Generator:
    """Return the generator of one worker: of its exploration, and of its environment's seed.

    Args:
        seed: The agent's.
        start: Workers that were started before.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(_WORKER_STREAMS, start))
    return np.random.Generator(np.random.PCG64(sequence))


def picklable(info: dict[str, Any]) -> dict[str, Any]:
    """Return an info without the entries that cannot be sent to another process."""

    def can_be_sent(value: Any) -> bool:
        try:
            pickle.dumps(value)
        except Exception:  # pickle raises what it likes
            return False
        return True

    return {key: value for key, value in info.items() if can_be_sent(value)}
