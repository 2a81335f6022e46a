"""What every agent offers: create, learn, act, save, load; and callbacks to watch it learn."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, ClassVar, Protocol, Self

import gymnasium as gym
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents import checkpoint
from mario_rl_agents.buffers.replay import ReplayBuffer
from mario_rl_agents.networks.encoders import EncoderFactory
from mario_rl_agents.seeding import generator_state, make_generators, set_generator_state
from mario_rl_agents.spaces import ARRAY, Accepts, is_one_of


@dataclass(frozen=True)
class Episode:
    """A finished training episode."""

    index: int  # finished episodes before this one
    step: int  # environment steps the agent had taken when it ended
    episodic_return: float  # sum of rewards, not discounted
    length: int  # environment steps
    terminated: bool
    truncated: bool
    info: dict[str, Any]  # the info of the last step


class Callback:
    """Watches an agent learn. Override what you need.

    The calls for one environment step come in this order, once the step is recorded: `on_update`
    if a gradient step was taken, `on_episode_end` if an episode ended, `on_step`. The agent may be
    saved in each of them.
    """

    def on_training_start(self, agent: "Agent") -> None:
        """Run before the first step of `learn`."""

    def on_step(self, agent: "Agent") -> bool | None:
        """Run after each environment step; return False to end `learn` here."""

    def on_update(self, agent: "Agent", losses: dict[str, float]) -> None:
        """Run after each gradient step with what `update` returned."""

    def on_episode_end(self, agent: "Agent", episode: Episode) -> None:
        """Run after each episode."""

    def on_training_end(self, agent: "Agent") -> None:
        """Run when `learn` ends, also when an exception or Ctrl-C ends it."""


class Loop(Protocol):
    """What drives an agent in its environment, over as many calls of `learn` as the user likes."""

    def state(self, *, replay: bool) -> dict[str, Any]:
        """Return as JSON-safe values how the environment goes on after `load_state`.

        Args:
            replay: Whether the replay memory is saved, too.
        """

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state` returned."""


class Agent(ABC):
    """A learner bound to one environment.

    A subclass sets `networks`, `optimizers`, `loop` and, if it has one, `replay` when it is made:
    what a checkpoint holds.

    Attributes:
        algorithm: The name stored in checkpoints and used on the command line.
        config_class: The frozen dataclass of the algorithm's settings; each has a default.
        accepts: The spaces that it is made for; None: any.
        config: One of them.
        encoder_factory: What makes the user's own encoder, if that is used.
        is_stochastic: Whether it learns a distribution over actions, to be drawn from in play too.
        num_steps: Environment steps taken over the whole life of the agent.
        num_updates: Gradient steps taken over the whole life of the agent.
        num_episodes: Episodes finished over the whole life of the agent.
        generators: Everything random comes from these.
        networks: Modules under the names that a checkpoint gives them.
        optimizers: Optimizers under the names that a checkpoint gives them.
        replay: The replay memory, if the algorithm has one.
    """

    algorithm: ClassVar[str]
    config_class: ClassVar[type[Any]]
    accepts: ClassVar[Accepts | None] = None
    is_stochastic: ClassVar[bool] = False
    loop: Loop

    def __init__(
        self,
        env: gym.Env[Any, Any],
        config: Any,
        *,
        seed: int,
        device: torch.device,
        generators: Sequence[str] = (),
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Set what every agent has; `create` is the usual way in.

        Args:
            env: A single Gymnasium environment.
            config: A `config_class`.
            seed: See `create`.
            device: Where the networks are.
            generators: The purposes that random numbers are drawn for; their order matters.
            encoder: See `create`.
        """
        self.env, self.config, self.seed, self.device = env, config, seed, device
        self.encoder_factory = encoder
        self.num_steps = self.num_updates = self.num_episodes = 0
        self.generators = make_generators(seed, generators)
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.replay: ReplayBuffer | None = None

    @classmethod
    def create(
        cls,
        env: gym.Env[Any, Any],
        config: Any = None,
        *,
        seed: int = 0,
        device: str = "auto",
        encoder: EncoderFactory | None = None,
    ) -> Self:
        """Return an untrained agent.

        Args:
            env: A single Gymnasium environment.
            config: The algorithm's config; its defaults when None.
            seed: Decides the weights, exploration, sampling and the environment's first reset.
            device: `"auto"` or a torch device such as `"cpu"` or `"cuda:0"`.
            encoder: Takes the observation space and returns a module with `num_features`, which
                reads observations in place of the one that the config names.

        Raises:
            ValueError: If the spaces do not suit the algorithm, or the device is not there.
        """
        cls._check_spaces(env, encoder)
        if config is None:
            config = cls.config_class()
        if not isinstance(config, cls.config_class):
            raise ValueError(
                f"{cls.algorithm} takes a {cls.config_class.__name__} as config, got {config!r}"
            )
        own: dict[str, Any] = {} if encoder is None else {"encoder": encoder}
        return cls(env, config, seed=seed, device=select_device(device), **own)

    @classmethod
    def _check_spaces(cls, env: gym.Env[Any, Any], encoder: EncoderFactory | None) -> None:
        """Check that the algorithm is made for the spaces of `env`.

        Raises:
            ValueError: If not; the message names the algorithms that are.
        """
        if cls.accepts is None:
            return
        observations = cls.accepts.observations if encoder is None else (ARRAY,)
        for what, space, kinds in (
            ("actions", env.action_space, cls.accepts.actions),
            ("observations", env.observation_space, observations),
        ):
            if not is_one_of(kinds, space):
                raise ValueError(
                    f"{cls.algorithm} needs {what} {' or '.join(map(str, kinds))}, the environment "
                    f"has {space}: {_accepted_by(env)}wrap the environment"
                )

    @abstractmethod
    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Take `total_steps` more environment steps and learn from them."""

    @abstractmethod
    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return one action for each observation of a batch.

        Args:
            obs: Observations, shape [B, ...].
            greedy: Whether to act without exploration.
        """

    def save(self, path: str | PathLike[str], *, replay: bool = False) -> None:
        """Write a checkpoint, all of it or nothing.

        Args:
            path: The checkpoint, one `.safetensors` file.
            replay: Whether to save the replay memory beside it, which makes a resumed run exact.

        Raises:
            OSError: If it cannot be written; a checkpoint already at `path` is kept.
        """
        header = checkpoint.CheckpointHeader(
            algorithm=self.algorithm,
            config=asdict(self.config),
            **checkpoint.describe_env(self.env),
            seed=self.seed,
            num_steps=self.num_steps,
            num_updates=self.num_updates,
            num_episodes=self.num_episodes,
            generators={name: generator_state(g) for name, g in self.generators.items()},
            episode=self.loop.state(replay=replay),
            encoder=None if self.encoder_factory is None else _name_of(self.encoder_factory),
        )
        tensors = {name: x.numpy(force=True) for name, x in self.tensors().items()}
        memory = self.replay.state() if replay and self.replay is not None else None
        checkpoint.save(path, header, tensors, memory)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        env: gym.Env[Any, Any],
        *,
        device: str = "auto",
        encoder: EncoderFactory | None = None,
    ) -> Self:
        """Return the agent saved at `path`, ready to act and to go on learning.

        Args:
            path: The checkpoint.
            env: An environment like that of the training.
            device: See `create`.
            encoder: See `create`; what the agent was created with, if it was.

        Raises:
            FileNotFoundError: If there is no such file.
            CheckpointError: If the file is damaged, of another algorithm, or does not fit `env`.
        """
        header, tensors, replay = checkpoint.load(path, cls.algorithm, env)
        checkpoint.check_encoder(path, header, None if encoder is None else _name_of(encoder))
        config = checkpoint.make_config(cls.config_class, header.config, path)
        own: dict[str, Any] = {} if encoder is None else {"encoder": encoder}
        agent = cls.create(env, config, seed=header.seed, device=device, **own)
        agent.num_steps, agent.num_updates = header.num_steps, header.num_updates
        agent.num_episodes = header.num_episodes
        for name, state in header.generators.items():
            set_generator_state(agent.generators[name], state)
        agent.load_tensors({name: torch.from_numpy(x) for name, x in tensors.items()})
        agent.loop.load_state(header.episode)
        if replay is not None and agent.replay is not None:
            agent.replay.load_state(replay)
        return agent

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds: the networks, and the optimizers once they have state."""
        tensors = {
            f"{name}/{key}": x
            for name, network in self.networks.items()
            for key, x in network.state_dict().items()
        }
        for name, optimizer in self.optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"{name}/{index}/{key}": x for key, x in state.items()}
        return tensors

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` returned."""
        groups: dict[str, dict[str, Tensor]] = {}
        for name, x in tensors.items():
            group, _, key = name.partition("/")
            groups.setdefault(group, {})[key] = x
        for name, network in self.networks.items():
            network.load_state_dict(groups.get(name, {}))
        for name, optimizer in self.optimizers.items():
            _load_optimizer(optimizer, groups.get(name, {}))

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Return what a log wants to know besides losses and returns, such as `charts/epsilon`."""


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [x for group in optimizer.param_groups for x in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, x in tensors.items():
        index, _, key = name.partition("/")
        parameter = parameters[int(index)]
        if x.shape == parameter.shape:
            # Fused Adam takes memory in the parameter's order, which may be channels last.
            x = torch.empty_like(parameter, device="cpu").copy_(x)
        state.setdefault(int(index), {})[key] = x
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _accepted_by(env: gym.Env[Any, Any]) -> str:
    """Return the part of a message that names the algorithms of the package that accept `env`."""
    from mario_rl_agents.algorithms import load_algorithms  # its modules import this one

    names = [
        name
        for name, agent in sorted(load_algorithms().items())
        if agent.accepts is not None
        and is_one_of(agent.accepts.actions, env.action_space)
        and is_one_of(agent.accepts.observations, env.observation_space)
    ]
    return f"it is accepted by {', '.join(names)}; or " if names else ""


def _name_of(encoder: EncoderFactory) -> str:
    """Return the name of a class or a function that makes encoders."""
    return str(getattr(encoder, "__qualname__", type(encoder).__qualname__))


def select_device(name: str) -> torch.device:
    """Return the torch device called `name`, or the fastest one present for `"auto"`.

    Raises:
        ValueError: If the name is no device or that device is not on this machine.
    """
    if name == "auto":
        return torch.device(torch.accelerator.current_accelerator(check_available=True) or "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'device {name!r} cannot be used here ({reason}); use "auto", "cpu", "cuda" or "mps"'
        ) from error
    return device
