"""What a training loop hands to agents and to callbacks: steps, episodes, losses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Step(NamedTuple):
    """One step of N sub-environments; its arrays are valid until the next step is taken.

    Example:
        >>> from mario_rl_agents import RandomAgent, make_vec_env
        >>> class Watching(RandomAgent):
        ...     def observe(self, step):
        ...         assert step.obs.shape == step.next_obs.shape == (4, 4)
        ...         return ()
        >>> agent = Watching.create(make_vec_env("CartPole-v1", 4), seed=0)
        >>> agent.learn(40)
        >>> agent.env.close()
    """

    obs: NDArray[Any]  #: [N, ...], that the actions were chosen for
    action: NDArray[Any]  #: [N, ...], as the environment was given them
    reward: NDArray[np.float64]  #: [N]
    terminated: NDArray[np.bool_]  #: [N], where an episode ended by the environment's own rules
    truncated: NDArray[np.bool_]  #: [N], where a limit cut an episode short
    next_obs: NDArray[Any]  #: [N, ...]; where an episode ended, its true last observation
    infos: Mapping[int, dict[str, Any]]  #: by sub-environment, where an episode ended


@dataclass(frozen=True)
class Episode:
    """A finished training episode.

    Example:
        >>> from mario_rl_agents import Callback, RandomAgent
        >>> class Returns(Callback):
        ...     def on_episode_end(self, agent, episode):
        ...         assert episode.episodic_return == episode.length  # of CartPole
        >>> agent = RandomAgent.create("CartPole-v1", seed=0)
        >>> agent.learn(100, [Returns()])
        >>> agent.env.close()
    """

    index: int  #: finished episodes before this one
    step: int  #: environment steps the agent had taken when it ended
    episodic_return: float  #: sum of rewards, not discounted
    length: int  #: environment steps
    terminated: bool  #: whether it ended by the environment's own rules
    truncated: bool  #: whether a limit cut it short
    info: dict[str, Any]  #: the info of the last step
    worker: int = 0  #: the sub-environment that it was played in, or the process (A3C)


class LoopState(NamedTuple):
    """How a training loop goes on, as a checkpoint holds it."""

    values: dict[str, Any]  # what JSON has a form for
    arrays: Mapping[str, NDArray[Any]]  # what grows with the steps of an episode


class Learner(Protocol):
    """What a training loop needs of an agent."""

    num_steps: int  # environment steps taken
    num_episodes: int  # episodes finished
    learns_while_stepping: bool  # whether `updates` may run while environments take a step

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return an action for each observation."""

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Record a step; iterating takes the gradient steps that are due, and returns losses."""

    def updates(self) -> Iterable[dict[str, float]]:
        """Iterating takes the gradient steps that are due and not taken yet."""

    def reset(self) -> None:
        """Drop what was recorded of episodes in progress: no observation follows on it."""


class Callback:
    """Watches an agent learn. Override what you need.

    The calls for one step of the sub-environments come in this order, once the step is counted:
    `on_update` for each gradient step that was taken, `on_episode_end` for each episode that ended,
    `on_step`. The agent may be saved in each of them but the first.

    Example:
        >>> from mario_rl_agents import Callback, RandomAgent
        >>> class Stop(Callback):
        ...     def on_step(self, agent):
        ...         return agent.num_episodes < 3  # False ends it
        >>> agent = RandomAgent.create("CartPole-v1", seed=0)
        >>> agent.learn(10_000, [Stop()])
        >>> agent.num_episodes
        3
        >>> agent.env.close()
    """

    def on_training_start(self, agent: Any) -> None:
        """Run before the first step of `learn`."""

    def on_step(self, agent: Any) -> bool | None:
        """Run after each step of the sub-environments; return False to end `learn` here."""

    def on_update(self, agent: Any, losses: dict[str, float]) -> None:
        """Run after each gradient step with what `update` returned."""

    def on_episode_end(self, agent: Any, episode: Episode) -> None:
        """Run after each episode."""

    def on_training_end(self, agent: Any) -> None:
        """Run when `learn` ends, also when an exception or Ctrl-C ends it.

        Not where `on_training_start` of this callback has raised, or has not run yet.
        """


@contextlib.contextmanager
def told_of_training(agent: Any, callbacks: Sequence[Callback]) -> Iterator[None]:
    """Tell callbacks that training starts, and when the block ends that it ends, the last first.

    One whose start raises is told of no end: it may lack what its end is about.
    """
    with contextlib.ExitStack() as stack:
        for callback in callbacks:
            callback.on_training_start(agent)
            stack.callback(callback.on_training_end, agent)
        yield
