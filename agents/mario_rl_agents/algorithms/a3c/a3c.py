"""A3C: actors in processes of their own, one network for all (Mnih et al. 2016)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mario_rl_agents.agent import Callback, Step
from mario_rl_agents.algorithms.a3c.loop import (
    STEPS,
    AsynchronousLoop,
    EnvFactory,
    FinishedEpisode,
    Report,
    Shared,
    check_picklable,
    env_maker,
    picklable,
    worker_generator,
)
from mario_rl_agents.algorithms.a3c.shared_adam import as_vector
from mario_rl_agents.algorithms.a3c.workers import Worker
from mario_rl_agents.algorithms.policy import PolicyAgent
from mario_rl_agents.checks import check_obs, check_reward, read_losses
from mario_rl_agents.config import (
    Config,
    Count,
    Encoder,
    Fraction,
    Initialization,
    Interval,
    Loss,
    NonNegative,
    Positive,
    Precision,
    ProperFraction,
    Schedule,
    Sizes,
    Whole,
    value_at,
)
from mario_rl_agents.envs import Env, VecEnv, as_number, as_obs, single_spaces
from mario_rl_agents.networks.adam import Adam
from mario_rl_agents.networks.distributions import Distribution, make_distribution
from mario_rl_agents.networks.encoders import MLP, EncoderFactory, make_encoder, num_features
from mario_rl_agents.networks.initialization import POLICY_GAIN, VALUE_GAIN, initialize
from mario_rl_agents.networks.precision import in_precision
from mario_rl_agents.processors import num_processors
from mario_rl_agents.seeding import torch_seed
from mario_rl_agents.spaces import CONTINUOUS, DISCRETE, GRID, IMAGE, VECTOR, Accepts


@dataclass(frozen=True)
class A3CConfig(Config):
    """Settings of A3C.

    The defaults are those of the tutorial (system T10: CartPole), where not noted.

    Raises:
        ValueError: If a value is out of range; the message names it and what is accepted.

    Example:
        >>> from mario_rl_agents import A3CConfig
        >>> config = A3CConfig(num_workers=2)
    """

    num_workers: Annotated[int, Interval(1, 1024)] | None = None  # processes; None: one a core
    t_max: Count = 5  # environment steps in a gradient step, at most
    learning_rate: Positive | Schedule = 1e-4  # of Adam; Mnih et al. 2016 let it fall to 0
    betas: tuple[ProperFraction, ProperFraction] = (0.92, 0.999)  # of Adam
    adam_epsilon: Positive = 1e-8  # added to the root of Adam's mean square (Kingma and Ba 2015)
    gamma: Fraction = 0.99  # discount per environment step
    reward_scale: Positive = 1.0  # factor on rewards
    value_coefficient: NonNegative = 1.0  # of the value loss
    value_loss: Loss = "mse"  # "huber": half the square up to an error of 1, then linear
    detach: bool = True  # the advantage is a constant to the policy's loss; False: it is not
    entropy_coefficient: NonNegative | Schedule = 0.0  # of the bonus; Mnih et al. 2016: 0.01
    max_grad_norm: Positive | None = None  # L2 norm of all gradients; None: no clipping
    hidden_sizes: Sizes = (128,)  # units, of the policy and of the value
    encoder: Encoder = "nature"  # for images; or your own, by create(encoder=)
    initialization: Initialization = "pytorch"  # "orthogonal": networks/initialization.py
    precision: Precision = "float32"  # of forward passes; weights stay float32
    max_restarts: Whole = 10  # of a worker in a row, without an episode finished in between; ours


class ActorCritic(nn.Module):
    """A policy and a value: apart for vectors, with convolutions in common for images."""

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        config: A3CConfig,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build the networks for these spaces."""
        super().__init__()
        self.distribution: Distribution = make_distribution(action_space)
        reader = make_encoder(observation_space, encoder or config.encoder)
        initialize(reader, config.initialization)
        self.encoder = in_precision(reader, config.precision)
        sizes = (num_features(reader), config.hidden_sizes)
        policy, value = MLP(*sizes, self.distribution.num_params), MLP(*sizes, 1)
        initialize(policy, config.initialization, POLICY_GAIN)
        initialize(value, config.initialization, VALUE_GAIN)
        self.policy = in_precision(policy, config.precision)
        self.value = in_precision(value, config.precision)

    def dist_params(self, obs: Tensor) -> Tensor:
        """Return the parameters of the distribution over actions, shape [B, P]."""
        dist_params: Tensor = self.policy(self.encoder(obs))
        return dist_params


class Segment(NamedTuple):
    """What one worker did between two gradient steps: T steps of one episode."""

    obs: Tensor  # [T + 1, ...], with the observation after the last step
    action: Tensor  # [T, ...]
    reward: Tensor  # [T]
    terminated: bool  # whether the last step ended the episode; a truncation does not count


def n_step_returns(reward: Tensor, bootstrap: float, gamma: float) -> Tensor:
    """Return R_t = r_t + gamma R_{t+1} with R_T = bootstrap, shape [T] (Mnih et al. 2016, alg. S3).

    Args:
        reward: r_t, shape [T].
        bootstrap: The value of what follows the last step; 0 if nothing does.
        gamma: Discount per environment step.
    """
    returns = []
    for r in reversed(reward.tolist()):
        bootstrap = r + gamma * bootstrap
        returns.append(bootstrap)
    return reward.new_tensor(returns[::-1])


def a3c_loss(
    network: ActorCritic, segment: Segment, config: A3CConfig, num_steps: int = 0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a segment, and its parts under their log keys, all scalars.

        L = mean_t(- log pi(a_t|s_t) (R_t - V(s_t)) + c_v (R_t - V(s_t))^2 - c_e H(pi(.|s_t)))

    R_t is a constant, and so is R_t - V(s_t) in the first term, unless `detach` is false. Mnih et
    al. 2016 add up over the segment where this takes the mean: to Adam a constant factor is the
    same, and clipping has its own scale. But a segment that its episode's end cuts short counts as
    much as a whole one.

    Args:
        network: Of the worker.
        segment: What it did.
        config: The coefficients.
        num_steps: Environment steps of all workers before it, for a schedule.
    """
    features = network.encoder(segment.obs)  # [T + 1, F]
    value = network.value(features).squeeze(1)  # [T + 1]
    dist_params = network.policy(features[:-1])  # [T, P]
    # Terminated: nothing follows. Truncated, or not over yet: what follows is worth V.
    bootstrap = 0.0 if segment.terminated else value[-1].item()
    returns = n_step_returns(config.reward_scale * segment.reward, bootstrap, config.gamma)  # [T]
    advantage = returns - value[:-1]  # [T]
    log_prob = network.distribution.log_prob(dist_params, segment.action)  # [T]
    policy_loss = -(log_prob * (advantage.detach() if config.detach else advantage)).mean()
    value_loss = advantage.square().mean()
    if config.value_loss == "huber":
        value_loss = F.smooth_l1_loss(value[:-1], returns)
    entropy = network.distribution.entropy(dist_params).mean()
    entropy_coefficient = value_at(config.entropy_coefficient, num_steps)
    loss = policy_loss + config.value_coefficient * value_loss - entropy_coefficient * entropy
    return loss, {
        "losses/policy": policy_loss,
        "losses/value": value_loss,
        "charts/entropy": entropy,
    }


def work(
    worker: Worker, shared: Shared, config: A3CConfig, encoder: EncoderFactory | None = None
) -> None:
    """Act and learn in a process until no steps are left."""
    env = shared.open_env()
    try:
        Actor(worker, shared, config, env, encoder).run()
    finally:
        env.close()


class Actor:
    """A worker at its work: acts with a copy of the weights, and adds what it learns to them."""

    def __init__(
        self,
        worker: Worker,
        shared: Shared,
        config: A3CConfig,
        env: gym.Env[Any, Any],
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Prepare to act in `env`, with a seed that no other worker has."""
        self._worker, self._shared, self._config, self._env = worker, shared, config, env
        self._generator = worker_generator(shared.seed, worker.start)
        self._network = ActorCritic(*single_spaces(env), config, encoder)
        self._weights, self._gradient = as_vector(self._network)
        self.num_steps = self.num_updates = 0  # of all workers, when it took its weights

        space = env.observation_space
        assert space.shape is not None  # it is one array
        distribution = self._network.distribution
        self._obs: NDArray[Any] = np.zeros((config.t_max + 1, *space.shape), space.dtype)
        self._action: NDArray[Any] = np.zeros(
            (config.t_max, *distribution.action_shape), distribution.action_dtype
        )
        self._reward = np.zeros(config.t_max, np.float32)

    def run(self) -> None:
        """Play segment by segment, with a gradient step after each."""
        self._reset(seed=int(self._generator.integers(2**31)))
        while num_steps := self._take_weights():
            segment, episode = self._play(num_steps)
            losses = self._compute_gradient(segment)
            report = self._hand_in(len(segment.reward), losses, episode)
            self._worker.report(report)
            if episode is None:
                self._obs[0] = self._obs[report.num_steps]
            else:
                self._worker.flush()  # a reset can take its time
                self._reset(seed=None)

    def _reset(self, seed: int | None) -> None:
        begun, _ = self._env.reset(seed=seed)
        self._obs[0] = as_obs(begun, self._obs[0])
        check_obs(self._obs[0], self.num_steps)
        self._return, self._length = 0.0, 0

    def _take_weights(self) -> int:
        """Take the weights as they are now; return how many steps to act by them, at most t_max."""
        adam, budget = self._shared.adam, self._shared.budget
        with adam.lock:
            self._weights.data.copy_(adam.weights)
            num_taken = int(adam.counts[:, STEPS].sum())
            self.num_steps, self.num_updates = self._shared.first_step + num_taken, adam.num_steps
            return budget.claim(self._worker.slot, self._config.t_max, num_taken)

    def _hand_in(
        self, num_steps: int, losses: dict[str, float], episode: FinishedEpisode | None
    ) -> Report:
        """Take a step of Adam along the gradient, whatever the others have made of the weights."""
        adam = self._shared.adam
        with adam.lock:
            lag = adam.num_steps - self.num_updates
            num_taken = int(adam.counts[:, STEPS].sum())
            step = self._shared.first_step + num_taken
            learning_rate = value_at(self._config.learning_rate, step)
            counts = num_steps, 1, int(episode is not None)
            adam.step(self._gradient, learning_rate, (self._worker.slot,), counts)
        return Report(num_steps, {**losses, "charts/policy_lag": float(lag)}, episode)

    def _play(self, num_steps: int) -> tuple[Segment, FinishedEpisode | None]:
        """Take up to `num_steps` steps; an episode's end ends a segment."""
        network, episode = self._network, None
        obs, actions = torch.from_numpy(self._obs), torch.from_numpy(self._action)
        for t in range(num_steps):
            with torch.inference_mode():
                dist_params = network.dist_params(obs[t : t + 1]).numpy()  # [1, P]
            self._action[t] = network.distribution.sample(dist_params, self._generator)[0]
            env_action = network.distribution.to_env(self._action[t : t + 1])[0]
            next_obs, reward, terminated, truncated, info = self._env.step(env_action)
            paid = as_number(reward)
            self._obs[t + 1], self._reward[t] = as_obs(next_obs, self._obs[t + 1]), paid
            check_obs(self._obs[t + 1], self.num_steps + t + 1)
            check_reward(paid, self.num_steps + t + 1)
            self._return += paid
            self._length += 1
            if terminated or truncated:
                ends = bool(terminated), bool(truncated)
                episode = FinishedEpisode(self._return, self._length, *ends, picklable(info))
                break
        num_steps = t + 1
        is_over = episode is not None and episode.terminated
        rewards = torch.from_numpy(self._reward[:num_steps])
        return Segment(obs[: num_steps + 1], actions[:num_steps], rewards, is_over), episode

    def _compute_gradient(self, segment: Segment) -> dict[str, float]:
        """Return the losses as numbers, with their gradient in `self._gradient`."""
        self._gradient.zero_()
        loss, parts = a3c_loss(self._network, segment, self._config, self.num_steps)
        torch.autograd.backward(loss)
        norm = self._gradient.norm()
        if self._config.max_grad_norm is not None:
            self._gradient *= (self._config.max_grad_norm / norm).clamp(max=1.0)
        return read_losses(self, {**parts, "charts/gradient_norm": norm})


class A3C(PolicyAgent):
    """Asynchronous advantage actor-critic, for discrete and for continuous actions.

    Attributes:
        network: The policy and the value. While workers learn, it is as it was when the agent was
            last asked to act or to save.
        env_factory: Makes the environment of a worker; None: the spec of the agent's does.

    Example:
        >>> from mario_rl_agents import A3C, A3CConfig
        >>> config = A3CConfig(num_workers=1)
        >>> agent = A3C.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "a3c"
    config_class: ClassVar[type[Any]] = A3CConfig
    accepts: ClassVar[Accepts | None] = Accepts((VECTOR, GRID, IMAGE), (DISCRETE, CONTINUOUS))
    config: A3CConfig
    loop: AsynchronousLoop

    def __init__(
        self,
        env: Env | VecEnv,
        config: A3CConfig,
        *,
        seed: int,
        device: torch.device,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Build an untrained agent; `create` is the usual way in."""
        if not isinstance(env, gym.Env):
            raise ValueError(
                f"every worker of a3c makes an environment of its own: pass a single one, got {env}"
            )
        super().__init__(
            env, config, seed=seed, device=device, generators=("exploration",), encoder=encoder
        )
        if device.type != "cpu":
            raise ValueError(f'a3c computes on the cores of the CPU, got {device}: use "cpu"')
        with torch_seed(seed):
            self.network = ActorCritic(*single_spaces(env), config, encoder)
        self.distribution = self.network.distribution
        weights, _ = as_vector(self.network)
        learning_rate = value_at(config.learning_rate, 0)
        self.optimizer = Adam([weights], learning_rate, config.betas, epsilon=config.adam_epsilon)
        self.networks = dict(self.network.named_children())
        self.optimizers = {"optimizer": self.optimizer}
        self.env_factory: EnvFactory | None = None
        num_workers = config.num_workers or num_processors()
        self.loop = AsynchronousLoop(self.optimizer, num_workers, config.max_restarts, seed)

    @classmethod
    def create(
        cls,
        env: Env | VecEnv | str,
        config: Any = None,
        *,
        seed: int = 0,
        device: str = "auto",
        encoder: EncoderFactory | None = None,
        env_factory: EnvFactory | None = None,
    ) -> Self:
        """Return an untrained agent; see `Agent.create`.

        Args:
            env: Tells the spaces, and by its spec how workers make their own environments.
            config: The settings; defaults when None.
            seed: Decides the weights, and the seed of each worker.
            device: `"auto"` or `"cpu"`.
            encoder: See `Agent.create`; a class or function at the top level of a module.
            env_factory: Makes the environment of a worker where `env` was not made by
                `gymnasium.make`: a function at the top level of a module, where processes find it.
        """
        device = "cpu" if device == "auto" else device
        agent = super().create(env, config, seed=seed, device=device, encoder=encoder)
        agent.env_factory = env_factory
        return agent

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        env: Env | VecEnv | str | None = None,
        *,
        device: str = "auto",
        encoder: EncoderFactory | None = None,
        env_factory: EnvFactory | None = None,
    ) -> Self:
        """Return the agent saved at `path`; see `Agent.load` and, for env_factory, `create`."""
        device = "cpu" if device == "auto" else device
        agent = super().load(path, env, device=device, encoder=encoder)
        agent.env_factory = env_factory
        return agent

    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Have workers take `total_steps` more environment steps, from new episodes on.

        A worker that dies is reported by a RuntimeWarning and replaced.

        Raises:
            NoEnvError: If the agent was loaded without an environment.
            ValueError: If `total_steps` is no whole number >= 1, or processes cannot make
                environments or encoders.
            SetupError: If a worker cannot make its environment.
            ObservationError, RewardError: If an observation or a reward is not what it should be.
            FloatingPointError: If an observation, a reward or a loss of a worker is not finite.
            WorkerError: If a worker and its replacements die without finishing an episode.
        """
        self.check_has_env()
        assert isinstance(self.env, gym.Env)  # nothing else is accepted
        make_env = env_maker(self.algorithm, self.env, self.env_factory)
        learner = partial(work, encoder=self.encoder_factory)
        check_picklable(learner, "the encoder", "pass a class or function at the top of a module")
        self.loop.run(self, learner, make_env, total_steps, callbacks)

    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Refuse: workers observe their own environments.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a3c learns in its workers' environments alone: call learn(total_steps)")

    def dist_params(self, obs: Tensor) -> Tensor:
        """Return what the network says of observations [B, ...] as it is now, shape [B, P]."""
        with torch.inference_mode(mode=False):  # the optimizer goes on with what is fetched
            self.loop.fetch()
        return self.network.dist_params(obs)

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return V(s) of the network as it is now, shape [B]."""
        self.loop.fetch()
        with torch.inference_mode():
            value: Tensor = self.network.value(self.network.encoder(self.to_batch(obs)))  # [B, 1]
        values: NDArray[np.float32] = value.squeeze(1).numpy(force=True)
        return values

    def policy_network(self) -> nn.Module:
        """Return what `dist_params` computes, as one network."""
        self.loop.fetch()
        return nn.Sequential(self.network.encoder, self.network.policy)

    def metrics(self) -> dict[str, float]:
        """Return `charts/workers` at work, and `charts/worker_restarts` so far."""
        return self.loop.metrics()

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds, as it is now."""
        self.loop.fetch()
        return super().tensors()
