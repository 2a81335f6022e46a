"""The cross-entropy method: search for the weights of a policy, without a gradient.

A generation of networks is drawn around a mean; each plays; mean and deviation of the few best
become those that the next generation is drawn from (Rubinstein 1999; for reinforcement learning
Mannor et al. 2003, and Szita & Lőrincz 2006, whose extra deviation keeps the search from ending too
soon). Rewards inside an episode are never told apart: nothing is learned of single actions.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils import vector_to_parameters

from mario_rl_agents.agent import Agent, Step
from mario_rl_agents.checks import read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    NonNegative,
    Positive,
    PositiveFraction,
    Schedule,
    Sizes,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv
from mario_rl_agents.networks.acting import Acting, Highest
from mario_rl_agents.networks.encoders import MLP, EncoderFactory, make_encoder, num_features
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import (
    DISCRETE,
    GRID,
    IMAGE,
    VECTOR,
    Accepts,
    is_image,
    num_discrete_actions,
)

_NOBODY: Final = -2  # an episode begins: who plays it is not decided yet
_MEAN: Final = -1  # the mean plays it, since all candidates are at it or done; it does not count


@dataclass(frozen=True)
class CEMConfig(Config):
    """Settings of the cross-entropy method.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import CEMConfig
        >>> config = CEMConfig(population_size=32)
    """

    population_size: Count = 32  # candidates in a generation
    elite_fraction: PositiveFraction = 0.25  # of them, that the next one is drawn from
    episodes_per_candidate: Count = 1  # episodes that a candidate is rated by
    initial_std: Positive = 1.0  # standard deviation of each weight in the first generation
    extra_std: NonNegative | Schedule = 0.0  # of noise added to the elites' deviation
    hidden_sizes: Sizes = ()  # units, for vectors; without any the policy is linear
    encoder: Encoder = "tiny"  # for images; or your own, by create(encoder=)


class Generation:
    """Candidates, how they fared, and who plays in each of N sub-environments.

    Attributes:
        weights: Of each candidate, shape [P, W].
        returns: Sum of the returns of its finished episodes, shape [P].
        num_episodes: That it has finished, shape [P].
        player: The candidate in each sub-environment, shape [N]; less than 0: none.
        so_far: The return so far of the episode in progress, shape [N].
    """

    def __init__(self, weights: NDArray[np.float32], num_envs: int) -> None:
        """Begin with candidates of whom none has played."""
        size = len(weights)
        self.weights = weights
        self.returns, self.num_episodes = np.zeros(size), np.zeros(size, np.int64)
        self.player, self.so_far = np.full(num_envs, _NOBODY), np.zeros(num_envs)

    def assign(self, episodes_per_candidate: int) -> None:
        """Decide who plays the episodes that begin."""
        for index in np.flatnonzero(self.player == _NOBODY).tolist():
            playing = self.player[self.player >= 0]
            begun = self.num_episodes + np.bincount(playing, minlength=len(self.weights))
            waiting = np.flatnonzero(begun < episodes_per_candidate)
            self.player[index] = waiting[0] if len(waiting) else _MEAN

    def add(self, step: Step) -> None:
        """Record a step of all sub-environments."""
        self.so_far += step.reward
        for index in step.infos:
            if self.player[index] >= 0:
                self.returns[self.player[index]] += self.so_far[index]
                self.num_episodes[self.player[index]] += 1
            self.player[index], self.so_far[index] = _NOBODY, 0.0

    def drop_unfinished(self) -> None:
        """Forget the episodes in progress: nothing follows on them."""
        self.player[:], self.so_far[:] = _NOBODY, 0.0

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all of it as arrays."""
        return dict(vars(self))

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is of another population, or contradicts itself.
        """
        for name, own in self.state().items():
            array = state.get(name)
            if array is None or array.shape != own.shape or array.dtype != own.dtype:
                raise ValueError(f"the saved generation must have {name} of shape {own.shape}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"the saved generation has {name} that are not finite")
        player = state["player"]
        if not ((player >= _NOBODY) & (player < len(self.weights))).all():
            raise ValueError("the saved generation is played by candidates that it has not")
        for name in self.state():
            setattr(self, name, state[name].copy())


class Deviation(nn.Module):
    """The standard deviation of each weight, shape [W]."""

    std: Tensor

    def __init__(self, size: int, std: float) -> None:
        """Begin with the same for all."""
        super().__init__()
        self.register_buffer("std", torch.full((size,), std))


class CEM(Agent):
    """The cross-entropy method over the weights of a network, for discrete actions.

    Example:
        >>> from mario_rl_agents import CEM, CEMConfig
        >>> config = CEMConfig(population_size=8)
        >>> agent = CEM.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "cem"
    config_class: ClassVar[type[Any]] = CEMConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, GRID, IMAGE), (DISCRETE,))
    config: CEMConfig

    def __init__(
        self,
        env: Env | VecEnv,
        config: CEMConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        super().__init__(
            env, config, seed=seed, device=device, generators=("candidates",), encoder=encoder
        )
        space = self.observation_space
        with torch_seed(seed):
            reader = make_encoder(space, encoder or config.encoder)
            num_actions = num_discrete_actions(self.action_space)
            hidden_sizes = () if encoder or is_image(space) else config.hidden_sizes
            heads = MLP(num_features(reader), hidden_sizes, num_actions)
        self.policy = nn.Sequential(reader, heads).requires_grad_(False).to(device)
        vector_to_parameters(torch.zeros_like(self.mean), self.policy.parameters())
        self.deviation = Deviation(len(self.mean), config.initial_std).to(device)
        self.networks = {"policy": self.policy, "deviation": self.deviation}
        self._draw_generation()

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        env: Env | VecEnv | str | None = None,
        *,
        device: str = "auto",
        encoder: EncoderFactory | None = None,
    ) -> Self:
        """Return the agent saved at `path`; see `Agent.load`.

        Where the candidates at play were not saved, or do not go on, others are drawn.
        """
        agent = super().load(path, env, device=device, encoder=encoder)
        if agent._unread_replay is None:
            agent._draw_generation()
        return agent

    def begin_with(self, path: str | PathLike[str]) -> None:
        """Take over mean and deviation, of which candidates are drawn; see `Agent.begin_with`."""
        super().begin_with(path)
        self._draw_generation()

    @property
    def generation(self) -> Generation:
        """The candidates at play; a checkpoint holds them as a replay memory."""
        assert isinstance(self.replay, Generation)
        return self.replay

    @property
    def mean(self) -> Tensor:
        """The weights that candidates are drawn around, shape [W]."""
        return torch.cat([x.reshape(-1) for x in self.policy.parameters()])

    @property
    def num_elites(self) -> int:
        """How many of a generation the next one is drawn from."""
        return max(1, round(self.config.elite_fraction * self.config.population_size))

    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[np.int64]:
        """Return the actions of the mean, or each sub-environment's of its candidate, shape [B]."""
        with torch.inference_mode():
            batch = self.to_batch(obs)
            scores = self.policy(batch)  # [B, A]
            if not greedy:
                player = self._players(len(obs))  # [B]
                playing = np.flatnonzero(player >= 0)
                if len(playing):
                    weights = self.generation.weights[player[playing]]  # [K, W]
                    scores[playing] = self.scores_by(weights, batch[playing])
            best: NDArray[np.int64] = scores.argmax(dim=1).numpy(force=True)
        return best

    def acting(self) -> Acting:
        """Return the action of the mean's highest score, and the score of each, as one network."""
        return Highest(self.policy, "scores", "the score of each action, of no scale of its own")

    def scores_by(self, weights: NDArray[np.float32], obs: Tensor) -> Tensor:
        """Return what networks say, each of one observation, shape [K, A].

        Args:
            weights: Of each, shape [K, W].
            obs: Shape [K, ...].
        """
        shapes = {name: x.shape for name, x in self.policy.named_parameters()}
        sizes = [shape.numel() for shape in shapes.values()]
        split = torch.split(torch.from_numpy(weights).to(self.device), sizes, dim=1)
        parameters = {
            name: part.reshape(-1, *shape)
            for (name, shape), part in zip(shapes.items(), split, strict=True)
        }

        def one(parameters: dict[str, Tensor], obs: Tensor) -> Tensor:
            scores: Tensor = functional_call(self.policy, parameters, (obs[None],))
            return scores[0]

        scores: Tensor = vmap(one)(parameters, obs)
        return scores

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Record a step; once all candidates have played, iterating makes the next generation."""
        self.generation.add(step)
        return self.updates()

    def updates(self) -> Iterator[dict[str, float]]:
        """Make the next generation, if all candidates of this one have played."""
        if (self.generation.num_episodes >= self.config.episodes_per_candidate).all():
            yield self.update()

    def reset(self) -> None:
        """Drop the episodes in progress."""
        self.generation.drop_unfinished()

    def update(self) -> dict[str, float]:
        """Move mean and deviation to those of the elites, and draw candidates from them.

        Returns:
            `charts/candidate_return` and `charts/elite_return`, means over all candidates and over
            the elites, and `charts/std`, the mean deviation of a weight.

        Raises:
            FloatingPointError: If one is not finite; the weights are left as they were.
        """
        generation = self.generation
        returns = generation.returns / generation.num_episodes  # [P]
        best = np.argsort(-returns, kind="stable")[: self.num_elites]  # [E]
        elites = generation.weights[best]  # [E, W]
        extra = value_at(self.config.extra_std, self.num_steps)
        std = np.sqrt(elites.var(axis=0) + np.float32(extra) ** 2)  # [W]
        found = {
            "charts/candidate_return": returns.mean(),
            "charts/elite_return": returns[best].mean(),
            "charts/std": std.mean(),
        }
        losses = read_losses(self, {key: torch.as_tensor(x) for key, x in found.items()})
        mean = torch.from_numpy(elites.mean(axis=0)).to(self.device)
        vector_to_parameters(mean, self.policy.parameters())
        self.deviation.std.copy_(torch.from_numpy(std))
        # Episodes in progress are the mean's of before, which do not count.
        generation.weights = self._drawn()
        generation.returns[:], generation.num_episodes[:] = 0.0, 0
        self.num_updates += 1
        return losses

    def metrics(self) -> dict[str, float]:
        """Return `charts/std`, the mean deviation of a weight."""
        return {"charts/std": self.deviation.std.mean().item()}

    def _players(self, num_obs: int) -> NDArray[np.int64]:
        """Return who decides on each of a batch of observations, shape [B]."""
        if num_obs == self.num_envs:
            self.generation.assign(self.config.episodes_per_candidate)
            return self.generation.player
        # Of other games than it learns from: anyone.
        return self.generators["candidates"].integers(self.config.population_size, size=num_obs)

    def _draw_generation(self) -> None:
        """Draw candidates, of whom none has played, around the mean as it is now."""
        self.replay = Generation(self._drawn(), self.num_envs)

    def _drawn(self) -> NDArray[np.float32]:
        """Return the weights of a generation, shape [P, W]."""
        mean, std = self.mean.numpy(force=True), self.deviation.std.numpy(force=True)
        shape = (self.config.population_size, len(mean))
        noise = self.generators["candidates"].standard_normal(shape, np.float32)
        return mean + std * noise
