"""Teachers for demonstrations: the planner of Super Mario Bros, and agents that have learned."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.agent import Agent
from mario_rl_agents.envs import VecEnv
from mario_rl_agents.processors import num_processors
from mario_rl_envs.game.actions import check_actions, joypad_byte
from mario_rl_envs.routes import FRAMES_PER_STEP, Planner
from mario_rl_envs.vector_env import MarioVectorEnv

_DEFAULT_ACTIONS: Final = "right_only"  # of gym.make


class PlannerTeacher:
    """A planner for each game, in as many threads as there are processors."""

    def __init__(self, env_kwargs: Mapping[str, Any], *, seed: int = 0) -> None:
        """Make ready for games.

        Args:
            env_kwargs: The keywords of gym.make that they are made with.
            seed: Planner i of each game draws from seed + i.

        Raises:
            ImportError: The native core is not built.
            ValueError: A planner cannot play or follow such games.
        """
        self._bytes = joypad_bytes(env_kwargs)
        self._action_of = {joypad: action for action, joypad in enumerate(self._bytes)}
        self._seed = seed
        self._planners: list[Planner] = []
        self._threads = ThreadPoolExecutor(num_processors())

    def begin(self, envs: VecEnv, mask: NDArray[np.bool_]) -> None:
        """Look at the games of a mask, [N].

        Raises:
            ValueError: They are no games of Super Mario Bros in one vector environment.
        """
        games = games_of(envs)
        if not self._planners:
            self._planners = [Planner(seed=self._seed + i) for i in range(games.num_envs)]
        for index in np.flatnonzero(mask).tolist():
            self._planners[index].begin(games.save_state(index))

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        """Return what the planners press, [N]."""
        pressed = self._threads.map(Planner.press, self._planners)
        return np.array([self._action_of[joypad] for joypad in pressed], np.int64)

    def advance(self, actions: NDArray[np.int64]) -> None:
        """Let the planners follow, [N]."""
        pressed = [self._bytes[action] for action in actions.tolist()]
        list(self._threads.map(Planner.advance, self._planners, pressed))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


class AgentTeacher:
    """An agent that has learned."""

    def __init__(self, agent: Agent, *, greedy: bool) -> None:
        """Take the agent, and whether it plays greedily."""
        self._agent, self._greedy = agent, greedy

    def begin(self, envs: VecEnv, mask: NDArray[np.bool_]) -> None:
        """Tell the agent of the games that begin, [N].

        Raises:
            ValueError: They have other actions or observations than those that it learned.
        """
        for what, learned, there in (
            ("actions", self._agent.action_space, envs.single_action_space),
            ("observations", self._agent.observation_space, envs.single_observation_space),
        ):
            if learned != there:
                raise ValueError(
                    f"{self._agent.algorithm} has learned {what} {learned}, the environment has "
                    f"{there}: give the keywords that it was trained with (--env)"
                )
        self._agent.begin_episodes(mask)

    def act(self, obs: NDArray[Any]) -> NDArray[np.int64]:
        """Return its actions, [N]."""
        with self._agent.playing():
            return np.asarray(self._agent.act(obs, greedy=self._greedy), np.int64)

    def advance(self, actions: NDArray[np.int64]) -> None:
        """Nothing: it sees what comes of them."""


def joypad_bytes(env_kwargs: Mapping[str, Any]) -> list[int]:
    """Return the joypad byte of each action of games that a planner can play and follow.

    Args:
        env_kwargs: The keywords of gym.make that they are made with.

    Raises:
        ValueError: It cannot.
    """
    sticky, skip = env_kwargs.get("sticky", 0.0), env_kwargs.get("skip", FRAMES_PER_STEP)
    if sticky or skip != FRAMES_PER_STEP:
        raise ValueError(
            f"a planner follows games of sticky=0 and skip={FRAMES_PER_STEP} alone, got "
            f"sticky={sticky!r} and skip={skip!r}: disturb it by noise"
        )
    actions = env_kwargs.get("actions", _DEFAULT_ACTIONS)
    joypads = [joypad_byte(each) for each in check_actions(actions)]
    if not set(Planner.BUTTONS) <= set(joypads):
        raise ValueError(
            "a planner presses nothing, right, right + A, right + B and right + A + B; "
            f"accepted are actions that have all of them, as right_only; got {actions!r}"
        )
    return joypads


def games_of(envs: VecEnv) -> MarioVectorEnv:
    """Return the games of a vector environment.

    Raises:
        ValueError: They are no games of Super Mario Bros in one vector environment.
    """
    games = envs.unwrapped
    if not isinstance(games, MarioVectorEnv):
        raise ValueError(
            "a planner plays several games of MarioRL side by side, on the native core; got "
            f"{envs}: give an agent that has learned this environment as the teacher (--agent)"
        )
    return games
