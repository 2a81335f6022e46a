"""The loop of every on-policy agent: act in all lanes, step them, hand over what came of it."""

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.agent import Callback, Episode
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.buffers.rollout import Rollout
from mario_rl_agents.checks import check_obs, check_reward
from mario_rl_agents.envs import Lanes, LaneStep, make_lanes
from mario_rl_agents.loops.episode_log import Journal, digest
from mario_rl_agents.loops.interrupt import DeferredInterrupt
from mario_rl_agents.seeding import generator_state, set_generator_state


class Transition(NamedTuple):
    """One step of N lanes, as an agent learns from it."""

    reward: NDArray[np.float64]  # [N]
    terminated: NDArray[np.bool_]  # [N]
    truncated: NDArray[np.bool_]  # [N]
    obs: NDArray[Any]  # [N, ...], after it; where an episode ended, the first of the next one
    final_obs: dict[int, NDArray[Any]]  # by lane: the true last observation, where truncated


class OnPolicyAgent(PolicyAgent):
    """An agent that learns from its own latest actions alone.

    Attributes:
        replay: The rollout in progress, if the algorithm has rollouts: saved as a memory is.
    """

    loop: "OnPolicyLoop"
    replay: Rollout | None  # type: ignore[assignment]

    @abstractmethod
    def choose(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return an action of the environment for each lane, with exploration.

        Args:
            obs: Shape [N, ...]; its memory is used again after the step.
        """

    @abstractmethod
    def learn_from(self, transition: Transition) -> Iterable[dict[str, float]]:
        """Record what the chosen actions led to; yield the losses of each gradient step taken."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what was recorded and not learned from: no observation follows on it."""

    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Take `total_steps` more environment steps, rounded up to all lanes, and learn."""
        self.loop.run(self, total_steps, callbacks)


class OnPolicyLoop:
    """Drives one agent in its lanes, over as many calls of `run` as the user likes."""

    def __init__(self, env: gym.Env[Any, Any], num_envs: int, seed: int) -> None:
        """Prepare for first episodes; lanes are made when the agent first learns.

        Args:
            env: The agent's environment; with one lane it is stepped itself.
            num_envs: Lanes.
            seed: Lane i is first reset with seed + i; later resets go on with its own generator.

        Raises:
            ValueError: If there are to be several lanes, and `env` does not know how it was made.
        """
        if num_envs > 1 and env.spec is None:
            make_lanes(env, num_envs)  # says why not
        self._env = env
        self._num_envs = num_envs
        self._seed = seed
        self._lanes: Lanes | None = None
        self._obs: NDArray[Any] | None = None  # [N, ...]; None before the first reset
        self._journals: list[Journal] = []
        self._returns = np.zeros(num_envs)
        self._resume: dict[str, Any] | None = None  # a state loaded and not yet acted on

    def run(self, agent: OnPolicyAgent, total_steps: int, callbacks: Sequence[Callback]) -> None:
        """Take `total_steps` environment steps, rounded up to a whole step of all lanes.

        Ctrl-C raises KeyboardInterrupt when the step in progress is complete; a second one raises
        at once.

        Raises:
            ValueError: If `total_steps` is below 1.
        """
        if total_steps < 1:
            raise ValueError(f"total_steps must be at least 1 environment step, got {total_steps}")
        with ExitStack() as stack:
            interrupt = stack.enter_context(DeferredInterrupt())
            for callback in callbacks:
                stack.callback(callback.on_training_end, agent)
                callback.on_training_start(agent)
            for _ in range(-(-total_steps // self._num_envs)):
                if not self._step(agent, callbacks):
                    break
                interrupt.raise_if_requested()

    def state(self, *, replay: bool) -> dict[str, Any]:
        """Return as JSON-safe values how the environment goes on after `load_state`.

        Args:
            replay: Whether to go on inside the current episodes; what was recorded of them is then
                saved too.
        """
        if self._resume is not None:
            return self._resume if replay else {**self._resume, "journals": None}
        if self._lanes is None:
            return {"generators": None, "journals": None, "obs_digest": None}
        inside = replay and self._obs is not None
        return {
            "generators": [generator_state(g) for g in self._lanes.generators()],
            "journals": [asdict(journal) for journal in self._journals] if inside else None,
            "obs_digest": digest(self._obs) if inside and self._obs is not None else None,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state` returned, at the next call of `run`."""
        self._resume = state if state["generators"] is not None else None

    def _step(self, agent: OnPolicyAgent, callbacks: Sequence[Callback]) -> bool:
        """Take one step of all lanes; return whether to go on."""
        try:
            if self._obs is None:
                self._begin(agent)
            assert self._obs is not None
            assert self._lanes is not None
            actions = agent.choose(self._obs)  # [N, ...]
            step = self._lanes.step(actions)
            check_reward(float(step.reward.sum()), agent.num_steps)
            check_obs(step.obs, agent.num_steps)
            agent.num_steps += self._num_envs
            self._returns += step.reward
            for journal, action in zip(self._journals, actions.tolist(), strict=True):
                journal.actions.append(action)
            self._obs, episodes, final_obs = step.obs, [], {}
            if step.infos:
                episodes = [self._finish(agent, step, lane) for lane in step.infos]
                # A copy, since the reset writes over it. Nothing follows a termination.
                final_obs = {
                    lane: step.obs[lane].copy() for lane in step.infos if not step.terminated[lane]
                }
                self._obs = self._reset(self._lanes, dict.fromkeys(step.infos))
                check_obs(self._obs, agent.num_steps)
            ended = (step.terminated, step.truncated)
            for losses in agent.learn_from(Transition(step.reward, *ended, self._obs, final_obs)):
                for callback in callbacks:
                    callback.on_update(agent, losses)
        except BaseException:
            # The lanes may be a step ahead of what was recorded: without it, a save is consistent.
            self._obs = None
            agent.forget()
            raise
        for episode in episodes:
            for callback in callbacks:
                callback.on_episode_end(agent, episode)
        answers = [callback.on_step(agent) for callback in callbacks]  # all are asked
        return not any(answer is False for answer in answers)

    def _finish(self, agent: OnPolicyAgent, step: LaneStep, lane: int) -> Episode:
        """Return the episode that ended in a lane, and count it."""
        episode = Episode(
            index=agent.num_episodes,
            step=agent.num_steps,
            episodic_return=float(self._returns[lane]),
            length=len(self._journals[lane].actions),
            terminated=bool(step.terminated[lane]),
            truncated=bool(step.truncated[lane]),
            info=step.infos[lane],
        )
        agent.num_episodes += 1
        return episode

    def _begin(self, agent: OnPolicyAgent) -> None:
        """Begin episodes in all lanes, or go on in those of a checkpoint."""
        fresh = self._lanes is None
        if self._lanes is None:
            self._lanes = make_lanes(self._env, self._num_envs)
        every = range(self._num_envs)
        resume, self._resume = self._resume, None
        if resume is not None:
            if resume["journals"] is not None:
                if self._play_again(self._lanes, resume):
                    return
                agent.forget()
                warnings.warn(
                    "the environment did not repeat the episodes that the checkpoint was saved in: "
                    "it depends on more than its generator and the actions. Training goes on with "
                    "new episodes, and differs from a run that was never interrupted",
                    RuntimeWarning,
                    stacklevel=4,
                )
            for generator, state in zip(
                self._lanes.generators(), resume["generators"], strict=True
            ):
                set_generator_state(generator, state)
        first = fresh and resume is None
        seeds = {lane: self._seed + lane if first else None for lane in every}
        self._obs = self._reset(self._lanes, seeds)
        check_obs(self._obs, agent.num_steps)

    def _reset(self, lanes: Lanes, seeds: dict[int, int | None]) -> NDArray[Any]:
        """Begin an episode in some lanes, and write down how."""
        if not self._journals:
            self._journals = [Journal(None, None) for _ in range(self._num_envs)]
        generators = lanes.generators()
        for lane, seed in seeds.items():
            state = generator_state(generators[lane]) if seed is None else None
            self._journals[lane] = Journal(seed, state)
            self._returns[lane] = 0.0
        return lanes.reset(seeds)

    def _play_again(self, lanes: Lanes, resume: dict[str, Any]) -> bool:
        """Get back to the middle of episodes; return whether the observations are the same.

        All lanes step together, so one with few actions is first reset when as many are left. What
        it does before does not matter.
        """
        journals = [Journal(**journal) for journal in resume["journals"]]
        longest = max(journals, key=lambda journal: len(journal.actions))
        obs = self._reset(lanes, dict.fromkeys(range(self._num_envs)))
        for left in range(len(longest.actions), -1, -1):
            starting = {i: x for i, x in enumerate(journals) if len(x.actions) == left}
            if starting:
                obs = self._restart(lanes, starting)
            if left == 0:
                break
            started = [len(journal.actions) >= left for journal in journals]
            players = [
                journal if has_started else longest
                for journal, has_started in zip(journals, started, strict=True)
            ]
            actions = [journal.actions[-left] for journal in players]
            step = lanes.step(np.array(actions, self._env.action_space.dtype))
            if any(started[lane] for lane in step.infos):
                return False
            self._returns += step.reward
            obs = lanes.reset(dict.fromkeys(step.infos)) if step.infos else step.obs
        self._obs = obs
        return bool(digest(obs) == resume["obs_digest"])

    def _restart(self, lanes: Lanes, journals: dict[int, Journal]) -> NDArray[Any]:
        """Reset some lanes as their journals say."""
        generators = lanes.generators()
        for lane, journal in journals.items():
            if journal.generator is not None:
                set_generator_state(generators[lane], journal.generator)
            self._journals[lane], self._returns[lane] = journal, 0.0
        return lanes.reset({lane: journal.seed for lane, journal in journals.items()})
