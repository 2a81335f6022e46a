"""The loop of every off-policy agent: act, step the environment, remember, update."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.buffers.replay import Batch, ReplayBuffer
from mario_rl_agents.checks import check_obs, check_reward
from mario_rl_agents.loops.episode_log import Journal, digest
from mario_rl_agents.loops.interrupt import DeferredInterrupt
from mario_rl_agents.seeding import generator_state, set_generator_state
from mario_rl_agents.spaces import is_image

Update = Callable[[Batch], dict[str, float]]  # takes one gradient step, returns its losses


class OffPolicyConfig(Protocol):
    """What the loop needs to know."""

    @property
    def batch_size(self) -> int:
        """Transitions in a gradient step."""

    @property
    def learning_starts(self) -> int:
        """Transitions in memory before the first gradient step."""

    @property
    def update_period(self) -> int:
        """Environment steps for each gradient step."""

    @property
    def overlap(self) -> bool:
        """Whether the environment steps in a second thread during a gradient step."""


class ReplayConfig(Protocol):
    """What a replay memory is made by."""

    @property
    def replay_capacity(self) -> int:
        """Transitions."""

    @property
    def replay_dir(self) -> str | None:
        """Where frames are mapped to a file; None keeps them in RAM."""

    @property
    def frame_stack(self) -> bool:
        """Whether an image's first axis is a stack of frames, each to be stored once."""


def replay_settings(config: ReplayConfig, space: gym.Space[Any]) -> dict[str, Any]:
    """Return the arguments of a `ReplayBuffer` for observations of `space`."""
    assert isinstance(space, gym.spaces.Box)  # no network accepts anything else
    return {
        "capacity": config.replay_capacity,
        "obs_shape": space.shape,
        "obs_dtype": space.dtype,
        "stack": space.shape[0] if is_image(space) and config.frame_stack else 1,
        "directory": config.replay_dir,
    }


class OffPolicyLoop:
    """Drives one agent in its environment, over as many calls of `run` as the user likes."""

    def __init__(
        self,
        env: gym.Env[Any, Any],
        replay: ReplayBuffer,
        config: OffPolicyConfig,
        generator: np.random.Generator,
        seed: int,
    ) -> None:
        """Prepare for a first episode.

        Args:
            env: Where the agent acts.
            replay: Where its transitions go.
            config: When to update, and with how many transitions.
            generator: Draws the batches.
            seed: Of the first reset; later ones go on with the environment's own generator.
        """
        self._env = env
        self._replay = replay
        self._config = config
        self._generator = generator
        self._seed = seed
        self._obs: NDArray[Any] | None = None  # None between episodes
        self._journal: Journal | None = None
        self._episodic_return = 0.0
        self._resume: dict[str, Any] | None = None  # a state loaded and not yet acted on
        self._started = False

    def run(
        self, agent: Agent, update: Update, total_steps: int, callbacks: Sequence[Callback]
    ) -> None:
        """Take `total_steps` environment steps, with a call of `update` for each batch.

        Ctrl-C raises KeyboardInterrupt when the step in progress is complete; a second one raises
        at once.

        Raises:
            ValueError: If `total_steps` is below 1.
        """
        if total_steps < 1:
            raise ValueError(f"total_steps must be at least 1 environment step, got {total_steps}")
        with ExitStack() as stack:
            executor = stack.enter_context(ThreadPoolExecutor(1)) if self._config.overlap else None
            interrupt = stack.enter_context(DeferredInterrupt())
            for callback in callbacks:
                stack.callback(callback.on_training_end, agent)
                callback.on_training_start(agent)
            for _ in range(total_steps):
                if not self._step(agent, update, callbacks, executor):
                    break
                interrupt.raise_if_requested()

    def state(self, *, replay: bool) -> dict[str, Any]:
        """Return as JSON-safe values how the environment goes on after `load_state`.

        Args:
            replay: Whether to go on inside the current episode, which needs the replay memory too.
        """
        if self._resume is not None:
            return self._resume if replay else {**self._resume, "journal": None, "obs_digest": None}
        inside = replay and self._obs is not None and self._journal is not None
        return {
            "generator": generator_state(self._env.unwrapped.np_random) if self._started else None,
            "journal": asdict(self._journal) if inside and self._journal else None,
            "obs_digest": digest(self._obs) if inside and self._obs is not None else None,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state` returned, at the next call of `run`."""
        self._resume = state

    def _step(
        self,
        agent: Agent,
        update: Update,
        callbacks: Sequence[Callback],
        executor: Executor | None,
    ) -> bool:
        """Take one step; return whether to go on."""
        try:
            if self._obs is None:
                self._begin(agent.num_steps)
            assert self._obs is not None
            assert self._journal is not None
            action = agent.act(self._obs[None], greedy=False)[0]
            enough = len(self._replay) >= self._config.learning_starts
            if enough and agent.num_steps % self._config.update_period == 0:
                losses, outcome = self._update_and_step(update, action, executor)
            else:
                losses, outcome = None, self._env.step(action)
            next_obs, reward, terminated, truncated, info = outcome
            next_obs, reward = np.asarray(next_obs), float(reward)
            check_reward(reward, agent.num_steps)
            check_obs(next_obs, agent.num_steps)
            self._replay.add(action, reward, terminated, truncated, next_obs)
        except BaseException:
            # The environment may be a step ahead of the memory: without this episode, a save is
            # consistent.
            self._obs = self._journal = None
            raise
        agent.num_steps += 1
        self._obs = next_obs
        self._journal.actions.append(np.asarray(action).tolist())
        self._episodic_return += reward
        episode = None
        if terminated or truncated:
            episode = Episode(
                index=agent.num_episodes,
                step=agent.num_steps,
                episodic_return=self._episodic_return,
                length=len(self._journal.actions),
                terminated=bool(terminated),
                truncated=bool(truncated),
                info=info,
            )
            agent.num_episodes += 1
            self._obs = self._journal = None
        return _notify(agent, callbacks, losses, episode)

    def _update_and_step(
        self, update: Update, action: Any, executor: Executor | None
    ) -> tuple[dict[str, float], Any]:
        """Do both, at once if there is an executor: neither touches what the other does."""
        batch = self._replay.sample(self._config.batch_size, self._generator)
        if executor is None:
            return update(batch), self._env.step(action)
        future = executor.submit(self._env.step, action)
        try:
            losses = update(batch)
        finally:
            wait([future])
        return losses, future.result()

    def _begin(self, step: int) -> None:
        resume, self._resume = self._resume, None
        if resume is not None and resume["journal"] is not None:
            if self._play_again(Journal(**resume["journal"]), resume["obs_digest"]):
                return
            warnings.warn(
                "the environment did not repeat the episode that the checkpoint was saved in: it "
                "depends on more than its generator and the actions. Training goes on with a new "
                "episode, and differs from a run that was never interrupted",
                RuntimeWarning,
                stacklevel=5,
            )
        generator = None if resume is None else resume["generator"]
        if generator is None and self._started:
            generator = generator_state(self._env.unwrapped.np_random)
        self._reset(Journal(None if generator else self._seed, generator))
        assert self._obs is not None
        check_obs(self._obs, step)
        self._replay.begin_episode(self._obs)

    def _reset(self, journal: Journal) -> None:
        if journal.generator is not None:
            set_generator_state(self._env.unwrapped.np_random, journal.generator)
        obs, _ = self._env.reset(seed=journal.seed)
        self._obs, self._journal, self._episodic_return = np.asarray(obs), journal, 0.0
        self._started = True

    def _play_again(self, journal: Journal, obs_digest: str) -> bool:
        """Get back to the middle of an episode; return whether the observation is the same."""
        self._reset(journal)
        dtype = self._env.action_space.dtype
        for action in journal.actions:
            obs, reward, terminated, truncated, _ = self._env.step(np.asarray(action, dtype)[()])
            self._obs = np.asarray(obs)
            self._episodic_return += float(reward)
            if terminated or truncated:
                return False
        assert self._obs is not None
        return digest(self._obs) == obs_digest


def _notify(
    agent: Agent,
    callbacks: Sequence[Callback],
    losses: dict[str, float] | None,
    episode: Episode | None,
) -> bool:
    for callback in callbacks:
        if losses is not None:
            callback.on_update(agent, losses)
        if episode is not None:
            callback.on_episode_end(agent, episode)
    answers = [callback.on_step(agent) for callback in callbacks]  # all are asked
    return not any(answer is False for answer in answers)
