"""Whole episodes played without learning: one after the other, or many side by side."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mario_rl_agents.agent import Agent
from mario_rl_agents.checks import check_actions
from mario_rl_agents.config import Fraction, Measured, Seed, Whole, convert
from mario_rl_agents.envs import (
    Env,
    VecEnv,
    as_number,
    autoreset_mode,
    position_of,
    read_end,
    reset_some,
    success_of,
)

_EXPLORATION: Final = "exploration"  # the generator that agents draw actions from
_RANDOM_PLAY: Final = "actions"  # and the one of random play, which is random when greedy, too
_DRAWN_FROM: Final[tuple[str, ...]] = (_EXPLORATION, _RANDOM_PLAY)
_ONE: Final = np.ones(1, np.bool_)


@dataclass(frozen=True)
class EvaluatedEpisode:
    """One episode of an evaluation; `seed` and the evaluation's policy repeat it."""

    seed: Seed
    episodic_return: Measured
    length: Whole  # environment steps
    terminated: bool
    truncated: bool
    x_pos: int | None  # pixels from the start of the stage; None where infos do not say
    cleared: bool | None  # whether the goal was reached; None where infos do not say
    cut: bool = False  # whether the evaluation's limit ended it, not the environment
    digest: str = ""  # of its actions and rewards: that of identical episodes is equal


class PolicyOptions(TypedDict):
    """How episodes are played, but for their seeds."""

    epsilon: float  # probability of a uniformly random action
    sample: bool  # whether the agent draws the other actions, as in training
    max_steps: int | None  # environment steps after which an episode is cut; None: never


class EvaluationPolicy:
    """The agent's actions, greedy or as in training, mixed with random ones; all from one seed.

    It acts in one episode, or in a batch of episodes side by side.
    """

    def __init__(
        self,
        agent: Agent,
        env: Env | VecEnv,
        *,
        epsilon: float,
        seed: int,
        sample: bool = False,
    ) -> None:
        """Make the policy.

        Args:
            agent: The agent that takes the other actions.
            env: The environment; its action space gives the random actions.
            epsilon: The probability of a uniformly random action.
            seed: Of all that is random.
            sample: Whether the agent explores as in training.

        Raises:
            ValueError: `sample` is asked of an agent that has no exploration, or an argument is
                not accepted.
        """
        epsilon = convert(Fraction, epsilon, "epsilon")
        sample = convert(bool, sample, "sample")
        seed = convert(Whole, seed, "seed")
        if sample and not can_sample(agent):
            raise ValueError(
                f"{agent.algorithm} has no exploration to sample from: evaluate it with "
                "sample=False"
            )
        self._agent = agent
        self._epsilon = epsilon
        self._sample = sample
        self._random = np.random.default_rng(seed)
        space = env.action_space if isinstance(env, gym.Env) else env.single_action_space
        self._actions = copy.deepcopy(space)  # the environment's own must not move
        self._actions.seed(seed)
        self.was_random = False  # whether the latest action was a random one

    def begin(self) -> None:
        """Begin an episode."""
        self._agent.begin_episodes(_ONE)

    def __call__(self, obs: Any) -> Any:
        """Return the action for one observation."""
        self.was_random = bool(self._random.random() < self._epsilon)
        if self.was_random:
            return self._actions.sample()
        return self._act(np.asarray(obs)[None])[0]

    def batch(self, obs: NDArray[Any]) -> NDArray[Any]:
        """Return the actions for a batch of observations, [B, ...]."""
        actions = np.array(self._act(obs))
        for index in np.flatnonzero(self._random.random(len(obs)) < self._epsilon):
            actions[index] = self._actions.sample()
        return actions

    def _act(self, obs: NDArray[Any]) -> NDArray[Any]:
        with self._own_generator(), self._agent.playing():
            actions = self._agent.act(obs, greedy=not self._sample)
        check_actions(self._agent, actions, self._actions, len(obs))
        return actions

    @contextmanager
    def _own_generator(self) -> Iterator[None]:
        """Have the agent draw from this policy's generator."""
        generators = self._agent.generators
        own = {name: generators[name] for name in _DRAWN_FROM if name in generators}
        generators |= dict.fromkeys(own, self._random)
        try:
            yield
        finally:
            generators |= own


def can_sample(agent: Agent) -> bool:
    """Return whether an agent has exploration to draw actions from."""
    return _EXPLORATION in agent.generators


def play(
    agent: Agent, env: Env, *, epsilon: float, sample: bool, seed: int, max_steps: int | None
) -> EvaluatedEpisode:
    """Play one episode, which `seed` repeats.

    Args:
        agent: The agent; it is not changed.
        env: The environment, reset with `seed`.
        epsilon: The probability of a uniformly random action.
        sample: Whether the agent explores as in training.
        seed: Of the episode and of all random actions.
        max_steps: Environment steps after which it is cut; None: never.
    """
    policy = EvaluationPolicy(agent, env, epsilon=epsilon, sample=sample, seed=seed)
    game = _Game(seed)
    obs, info = env.reset(seed=seed)
    policy.begin()
    terminated = truncated = False
    while not (terminated or truncated) and game.length != max_steps:
        action = policy(obs)
        obs, reward, terminated, truncated, info = env.step(action)
        game.add(action, as_number(reward))
    return game.ended(bool(terminated), bool(truncated), info)


def play_side_by_side(
    agent: Agent,
    envs: VecEnv,
    *,
    num_episodes: int,
    epsilon: float,
    sample: bool,
    seed: int,
    max_steps: int | None,
) -> list[EvaluatedEpisode]:
    """Play episodes in all sub-environments at once: the next one begins where one has ended.

    Args:
        agent: The agent; it is not changed.
        envs: N sub-environments; episode i begins with a reset by seed + i in one of them.
        num_episodes: How many episodes.
        epsilon: The probability of a uniformly random action.
        sample: Whether the agent explores as in training.
        seed: Of the first episode; and of all random actions, drawn for the whole batch.
        max_steps: Environment steps after which an episode is cut; None: never.

    Returns:
        The episodes in the order of their seeds.

    Raises:
        ValueError: `envs` begins episodes by itself.
    """
    if autoreset_mode(envs) is AutoresetMode.SAME_STEP:
        raise ValueError(
            f"{envs} resets sub-environments by itself, while each episode of an evaluation begins "
            "with its seed: make it with autoreset_mode=gymnasium.vector.AutoresetMode.DISABLED"
        )
    policy = EvaluationPolicy(agent, envs, epsilon=epsilon, sample=sample, seed=seed)
    waiting = iter(range(seed, seed + num_episodes))
    games: dict[int, _Game] = {}  # by sub-environment
    played: list[EvaluatedEpisode] = []
    obs: NDArray[Any] | None = None
    ended = list(range(envs.num_envs))
    while True:
        if ended:
            seeds: dict[int, int | None] = {index: next(waiting, None) for index in ended}
            games |= {index: _Game(own) for index, own in seeds.items() if own is not None}
            if not games:
                return sorted(played, key=lambda episode: episode.seed)
            # Where no episode is left one is played that does not count: the batch keeps its size.
            obs = reset_some(envs, seeds)
            agent.begin_episodes(np.isin(np.arange(envs.num_envs), ended))
        assert obs is not None
        action = policy.batch(obs)
        obs, reward, terminated, truncated, infos = envs.step(action)
        for index, game in games.items():
            game.add(action[index], reward[index])
        is_cut = [i for i, game in games.items() if game.length == max_steps]
        ended = sorted({*np.flatnonzero(terminated | truncated).tolist(), *is_cut})
        for index in ended:
            if index in games:
                info, _ = read_end(infos, index)
                game = games.pop(index)
                played.append(game.ended(bool(terminated[index]), bool(truncated[index]), info))


class _Game:
    """An episode in progress."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.length = 0
        self._return = 0.0
        self._digest = hashlib.blake2b(digest_size=8)

    def add(self, action: Any, reward: float) -> None:
        self.length += 1
        self._return += float(reward)
        self._digest.update(np.asarray(action).tobytes())
        self._digest.update(np.float64(reward).tobytes())

    def ended(self, terminated: bool, truncated: bool, info: dict[str, Any]) -> EvaluatedEpisode:
        return EvaluatedEpisode(
            seed=self.seed,
            episodic_return=self._return,
            length=self.length,
            terminated=terminated,
            truncated=truncated,
            x_pos=position_of(info),
            cleared=success_of(info),
            cut=not (terminated or truncated),
            digest=self._digest.hexdigest(),
        )
