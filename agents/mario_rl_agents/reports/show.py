"""An episode as a sequence of pictures: played and drawn step by step, for videos and windows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.agent import Agent
from mario_rl_agents.envs import Env, as_number, position_of, success_of
from mario_rl_agents.reports import mario
from mario_rl_agents.reports.actions import action_names
from mario_rl_agents.reports.decisions import DecisionLog, Decisions, Kind
from mario_rl_agents.reports.drawing import Frame, Overlay, banner
from mario_rl_agents.reports.moment import Moment
from mario_rl_agents.reports.panel import Panel, beside
from mario_rl_agents.runs.evaluation import policy_name
from mario_rl_agents.runs.playing import EvaluationPolicy
from mario_rl_envs.routes import Route

HOLD_SECONDS: Final = 1.0  # the last picture stays, so that its numbers can be read
STALL_SECONDS: Final = 10.0  # of game time

_STALL_PIXELS: Final = 32  # two of Mario's blocks
_DEFAULT_FPS: Final = 30.0


@runtime_checkable
class _HasActionValues(Protocol):
    def action_values(self, obs: Any) -> NDArray[Any]: ...


@runtime_checkable
class _HasActionProbabilities(Protocol):
    def action_probabilities(self, obs: Any) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Decision:
    """What a player does, and how it came to that."""

    action: Any
    is_random: bool = False
    ratings: NDArray[Any] | None = None  # [A], values or probabilities of all actions
    scale: tuple[float, float] = (0.0, 1.0)  # the ends of the axis of ratings
    kind: Kind | None = None  # of what is kept of it beside a video; None: nothing is
    value: float | None = None  # the return to come that the player expects


class Player(Protocol):
    """What plays an episode."""

    def decide(self, obs: Any) -> Decision | None:
        """Return the next decision; None ends the show."""


class AgentPlayer:
    """An agent, acting as `evaluate` has it act."""

    def __init__(
        self, agent: Agent, env: Env, *, epsilon: float = 0.0, sample: bool = False, seed: int = 0
    ) -> None:
        """Make the player of one episode.

        Args:
            agent: The agent.
            env: Its environment.
            epsilon: The probability of a random action.
            sample: Whether the other actions are drawn as in training, instead of greedy.
            seed: Of all that is random.

        Raises:
            ValueError: `sample` is asked of an agent that has no exploration.
        """
        self._agent = agent
        self._policy = EvaluationPolicy(agent, env, epsilon=epsilon, sample=sample, seed=seed)
        self._policy.begin()
        self._is_discrete = isinstance(env.action_space, gym.spaces.Discrete)
        self._kind = self._kind_of(env.action_space)
        # Probabilities have their own; that of values grows with those seen.
        self._scale = (0.0, 1.0 if isinstance(agent, _HasActionProbabilities) else 1e-9)

    def decide(self, obs: Any) -> Decision:
        """Return the agent's decision."""
        with self._agent.playing():
            ratings = self._ratings(obs)
            values = None if self._kind is None else self._agent.state_values(np.asarray(obs)[None])
        if ratings is not None:
            low, high = self._scale
            self._scale = min(low, float(ratings.min())), max(high, float(ratings.max()))
        action = self._policy(obs)
        return Decision(
            action,
            self._policy.was_random,
            ratings,
            self._scale,
            self._kind,
            None if values is None else float(values[0]),
        )

    def _kind_of(self, space: gym.Space[Any]) -> Kind | None:
        """Return what there is to tell of a decision."""
        if not self._is_discrete:
            is_numbers = isinstance(space, gym.spaces.Box) and len(space.shape) == 1
            return "numbers" if is_numbers else None
        if isinstance(self._agent, _HasActionProbabilities):
            return "probabilities"
        return "values" if isinstance(self._agent, _HasActionValues) else None

    def _ratings(self, obs: Any) -> NDArray[Any] | None:
        """Return a number for each action; None where actions are continuous, or it has none."""
        if not self._is_discrete:
            return None
        batch = np.asarray(obs)[None]
        if isinstance(self._agent, _HasActionProbabilities):
            return np.asarray(self._agent.action_probabilities(batch)[0])
        if isinstance(self._agent, _HasActionValues):
            return np.asarray(self._agent.action_values(batch)[0])
        return None


class RoutePlayer:
    """A recorded route, a frame a step."""

    def __init__(self, route: Route) -> None:
        """Take the route."""
        self._frames = iter(route.frames.tolist())

    def decide(self, obs: Any) -> Decision | None:
        """Return the next frame's joypad byte; None at the end of the route."""
        joypad = next(self._frames, None)
        return None if joypad is None else Decision(joypad)


def agent_panel(agent: Agent, env: Env, *, epsilon: float, sample: bool) -> Panel:
    """Return the panel that names an agent and how it plays."""
    return Panel(
        env,
        title=title_of(env),
        subtitle=f"{agent.algorithm} · {policy_name(epsilon, sampled=sample)}",
        has_probabilities=isinstance(agent, _HasActionProbabilities),
    )


def title_of(env: Env) -> str:
    """Return the id of an environment, or the name of its class."""
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__


class NoPicturesError(ValueError):
    """An environment draws nothing that could be shown."""


class Showable(Protocol):
    """What videos and windows show."""

    fps: float  # pictures a second

    @property
    def shows_panel(self) -> bool:
        """Whether the panel stands beside the game; may change at any time."""

    @shows_panel.setter
    def shows_panel(self, shows: bool) -> None: ...

    @property
    def episodic_return(self) -> float:
        """So far."""

    @property
    def length(self) -> int:
        """Environment steps so far."""

    @property
    def info(self) -> dict[str, Any]:
        """Of the last step."""

    @property
    def result(self) -> str:
        """How it ended; empty before that."""

    def frames(self, seed: int | None, *, max_seconds: float | None = None) -> Iterator[Frame]:
        """Yield the pictures."""

    def frame(self, overlay: Overlay | None = None) -> Frame:
        """Return the picture as it is now."""

    def decisions(self) -> Decisions | None:
        """Return what was decided so far, for a video; None where nothing is told of decisions."""


class Show:
    """One episode, played and drawn picture by picture.

    Attributes:
        fps: Pictures a second.
        shows_panel: Whether the panel stands beside the game; may change at any time.
        episodic_return: So far.
        length: Environment steps so far.
        num_frames: Pictures of the game so far, the last one held not counted.
        info: Of the last step.
        result: How it ended; "" before that.
    """

    def __init__(
        self, env: Env, player: Player, panel: Panel, *, stall_seconds: float = STALL_SECONDS
    ) -> None:
        """Take what is shown.

        Args:
            env: With `render_mode="rgb_array_list"`.
            player: Of this one episode.
            panel: The panel.
            stall_seconds: The show ends when the player stays within two blocks (where infos have
                x_pos) for so much game time; 0: it never does.
        """
        self._env = env
        self._player = player
        self._panel = panel
        self.fps = float(env.metadata.get("render_fps") or _DEFAULT_FPS)
        self._stall_seconds = stall_seconds
        self._stall = _Stall(stall_seconds * self.fps, num_frames_of_a_scene=self.fps / 2)
        self._picture: Frame | None = None
        self._moment: Moment | None = None
        self._drawn: tuple[Moment, Frame] | None = None
        self._log = DecisionLog()
        self.shows_panel = True
        self.episodic_return = 0.0
        self.length = 0
        self.num_frames = 0
        self.info: dict[str, Any] = {}
        self.result = ""

    def frames(self, seed: int | None, *, max_seconds: float | None = None) -> Iterator[Frame]:
        """Yield the pictures; the last one, with the result, is repeated for a second.

        Args:
            seed: Of the reset.
            max_seconds: Of game time, after which the show is cut.

        Raises:
            NoPicturesError: The environment draws none.
        """
        most = None if max_seconds is None else int(max_seconds * self.fps)
        try:
            obs, self.info = self._env.reset(seed=seed)
            waiting = _rendered(self._env)  # of the reset: shown with the first decision
        except NotImplementedError:  # what render() is where an environment has none
            waiting = []
        if not waiting:
            raise NoPicturesError(
                f"{title_of(self._env)} draws no pictures: its render() returns none in "
                "render_mode 'rgb_array_list'"
            )
        self._picture = waiting[0]
        decision: Decision | None = None
        while not self.result:
            following = self._player.decide(obs)
            if following is None:
                self.result = "end of the route"
                break
            decision = following
            self._moment = self._moment_of(obs, decision)
            obs, reward, terminated, truncated, self.info = self._env.step(decision.action)
            self._note(decision, as_number(reward))
            self.episodic_return += as_number(reward)
            self.length += 1
            waiting += _rendered(self._env)
            for picture in waiting:
                self._picture = picture
                self.num_frames += 1
                yield self.frame()
            x_pos = position_of(self.info)
            if terminated or truncated:
                self.result = self._ending(is_over=bool(terminated))
            elif x_pos is not None and self._stall.is_reached(x_pos, len(waiting)):
                self.result = f"stood still for {self._stall_seconds:g} s"
            elif most is not None and self.num_frames >= most:
                self.result = f"cut after {max_seconds:g} s"
            waiting = []
        if decision is not None:
            self._moment = self._moment_of(obs, decision)
        for _ in range(round(HOLD_SECONDS * self.fps)):
            yield self.frame()

    def frame(self, overlay: Overlay | None = None) -> Frame:
        """Return the picture as it is now.

        Args:
            overlay: What is drawn over the game; None: the result, once there is one.
        """
        assert self._picture is not None, "the first frame comes from frames()"
        if overlay is None and self.result:
            overlay = banner(self.result)
        return beside(self._picture, self._draw_panel(), overlay)

    def decisions(self) -> Decisions | None:
        """Return what was decided so far, for a video; None where nothing is told of decisions."""
        space = self._env.action_space
        if isinstance(space, gym.spaces.Discrete):
            count = int(space.n)
        else:
            count = math.prod(space.shape or ())
        return self._log.decisions(action_names(self._env, count), self.fps)

    def _note(self, decision: Decision, reward: float) -> None:
        """Keep a decision, of which nothing is shown yet."""
        if decision.kind is None:
            return
        assert self._moment is not None
        space = self._env.action_space
        chosen = None
        if isinstance(space, gym.spaces.Discrete):
            chosen = int(decision.action) - int(space.start)
        self._log.add(
            decision.kind,
            frame=self.num_frames,
            numbers=decision.action if decision.ratings is None else decision.ratings,
            chosen=chosen,
            is_random=decision.is_random,
            value=decision.value,
            x_pos=self._moment.x_pos,
            reward=reward,
        )

    def _draw_panel(self) -> Frame | None:
        """Return the panel of the moment, drawn once."""
        if not self.shows_panel or self._moment is None:
            return None
        if self._drawn is None or self._drawn[0] is not self._moment:
            self._drawn = self._moment, self._panel.draw(self._moment)
        return self._drawn[1]

    def _moment_of(self, obs: Any, decision: Decision) -> Moment:
        return Moment(
            ratings=decision.ratings,
            scale=decision.scale,
            action=decision.action,
            is_random=decision.is_random,
            obs=obs,
            step=self.length,
            episodic_return=self.episodic_return,
            x_pos=position_of(self.info),
        )

    def _ending(self, *, is_over: bool) -> str:
        result = mario.how_it_ended(self._env) if is_over else None
        if result is None and success_of(self.info):
            return "success"
        return result or ("episode over" if is_over else "truncated")


class _Stall:
    """Tells when the player has stayed within two blocks for long."""

    def __init__(self, num_frames: float, *, num_frames_of_a_scene: float) -> None:
        """Set after how many frames; 0: never.

        Args:
            num_frames: So many.
            num_frames_of_a_scene: A step with more is a scene that no player controls.
        """
        self._most = num_frames
        self._scene = num_frames_of_a_scene
        self._frames = 0
        self._x_pos: int | None = None  # where the player has been since

    def is_reached(self, x_pos: int, num_frames: int) -> bool:
        """Return whether it is so after a step to a place, of so many frames."""
        has_moved = self._x_pos is None or abs(x_pos - self._x_pos) > _STALL_PIXELS
        if has_moved or num_frames > self._scene:
            self._x_pos, self._frames = x_pos, 0
            return False
        self._frames += num_frames
        return 0 < self._most <= self._frames


def _rendered(env: gym.Env[Any, Any]) -> list[Frame]:
    frames: Any = env.render()
    return list(frames) if isinstance(frames, list | tuple) else []
