"""What every agent offers: create, act, observe, learn, save, load."""

import contextlib
import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol, Self

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor, nn

from mario_rl_agents import checkpoint
from mario_rl_agents.config import Whole, convert, plain
from mario_rl_agents.envs import Env, NoEnv, VecEnv, as_env, as_vector_env, single_spaces
from mario_rl_agents.errors import CheckpointError, NoEnvError
from mario_rl_agents.loops.callbacks import Callback as Callback
from mario_rl_agents.loops.callbacks import Episode as Episode
from mario_rl_agents.loops.callbacks import LoopState
from mario_rl_agents.loops.callbacks import Step as Step
from mario_rl_agents.loops.collect import TrainingLoop
from mario_rl_agents.loops.starts import Starts
from mario_rl_agents.networks.acting import Acting
from mario_rl_agents.networks.averaging import WeightAverage, with_averages
from mario_rl_agents.networks.encoders import EncoderFactory
from mario_rl_agents.networks.state import load_network, load_optimizer
from mario_rl_agents.seeding import generator_state, make_generators, set_generator_state
from mario_rl_agents.spaces import (
    ARRAY,
    Accepts,
    check_elements,
    flattened,
    is_one_of,
    is_vector,
)

_EPISODE: Final = "episode/"  # before the names of a loop's arrays in a checkpoint


class Loop(Protocol):
    """The training loop of an agent, over as many calls of `learn` as the user likes."""

    def state(self, *, replay: bool) -> LoopState:
        """Return how the environments go on after `load_state`.

        Args:
            replay: Whether what the agent has recorded of its episodes is saved, too.
        """

    def load_state(self, state: LoopState) -> None:
        """Go on from a state that `state` returned.

        Raises:
            ValueError: If it is none, or does not fit the environments.
        """


class Memory(Protocol):
    """What an agent has recorded and learns from: a replay memory, or a rollout in progress."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that matters as arrays."""

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError: If it is none, or of another memory.
        """


@dataclass(frozen=True)
class NoConfig:
    """The configuration of an agent that has nothing to set."""


class Agent(ABC):
    """A learner bound to its environments.

    A subclass has `act` and `observe`, and sets `networks`, `optimizers` and, if it has one,
    `replay` when it is made: what a checkpoint holds.

    Attributes:
        algorithm: The name stored in checkpoints and used on the command line.
        config_class: The frozen dataclass of the algorithm's settings; each has a default.
        accepts: The spaces that it is made for; None: any.
        config: One of them.
        encoder_factory: What makes the user's own encoder, if that is used.
        is_stochastic: Whether it learns a distribution over actions, to be drawn from in play too.
        resumes_exactly: Whether a training that is resumed from a checkpoint with its replay memory
            ends as one that was never interrupted; where it does not, experiments begin it again.
        learns_while_stepping: Whether its gradient steps may be taken while the environments take
            the next step: it does not need them to choose the next action.
        env: The environment as it was given, single or vector.
        envs: The same as a vector environment of N sub-environments.
        num_envs: The number of these, N.
        observation_space: Of a single sub-environment.
        action_space: Of a single sub-environment.
        num_steps: Environment steps taken over the whole life of the agent.
        num_updates: Gradient steps taken over the whole life of the agent.
        num_episodes: Episodes finished over the whole life of the agent.
        generators: Everything random comes from these.
        networks: Modules under the names that a checkpoint gives them.
        optimizers: Optimizers under the names that a checkpoint gives them.
        copies: Networks that follow another one, by name: of which.
        demonstration_files: What it begins by imitating, read when it learns. A run gives it copies
            that are the run's own.
        demonstration_digests: Of these, in their order, once it has imitated them.
        own_networks: Those that hold what an agent's own episodes came to, and no weights.
        has_begun: Whether `begin_with` has given it weights.
        average: Of the weights, which it plays with; None: it plays with those that learn.

    Example:
        >>> import numpy as np
        >>> from mario_rl_agents import Agent
        >>> class Left(Agent):
        ...     algorithm = "left"
        ...
        ...     def act(self, obs, *, greedy=True):
        ...         return np.zeros(len(obs), np.int64)
        ...
        ...     def observe(self, step):
        ...         return ()
        >>> agent = Left.create("CartPole-v1", seed=0)
        >>> agent.learn(20)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str]
    config_class: ClassVar[type[Any]] = NoConfig
    accepts: ClassVar[Accepts | None] = None
    is_stochastic: ClassVar[bool] = False
    resumes_exactly: ClassVar[bool] = True
    learns_while_stepping: bool = False
    copies: Mapping[str, str] = MappingProxyType({})
    demonstration_files: tuple[Path, ...] = ()
    demonstration_digests: tuple[str, ...] = ()
    own_networks: frozenset[str] = frozenset()
    has_begun: bool = False
    average: WeightAverage | None = None
    loop: Loop

    def __init__(
        self,
        env: Env | VecEnv,
        config: Any,
        *,
        seed: int,
        device: torch.device,
        generators: Sequence[str] = ("exploration",),
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Set what every agent has; `create` is the usual way in.

        Args:
            env: A Gymnasium environment, or a vector environment.
            config: A `config_class`.
            seed: See `create`.
            device: Where the networks are.
            generators: The purposes that random numbers are drawn for; their order matters.
            encoder: See `create`.
        """
        self.env, self.envs = env, as_vector_env(env)
        self.num_envs = self.envs.num_envs
        self.observation_space = self.envs.single_observation_space
        self.action_space = self.envs.single_action_space
        self.config, self.seed, self.device = config, seed, device
        self.encoder_factory = encoder
        self.num_steps = self.num_updates = self.num_episodes = 0
        retries = float(getattr(config, "retries", 0.0))
        demonstrated = 0.0
        if getattr(config, "demonstrations", ()):
            demonstrated = float(getattr(config, "demonstration_starts", 0.0))
        has_starts = max(retries, demonstrated) > 0
        purposes = [*generators, "retries"] if has_starts else generators
        self.generators = make_generators(seed, purposes)
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._replay: Memory | None = None
        self._unread_replay: tuple[Path, checkpoint.ReplayFile] | None = None
        overlap = bool(getattr(config, "overlap", False))
        self.starts: Starts | None = None  # the states that episodes may begin in
        if has_starts:
            generator = self.generators["retries"]
            self.starts = Starts(self.envs, generator, retries=retries, demonstrated=demonstrated)
        self.loop = TrainingLoop(self.envs, seed, overlap=overlap, starts=self.starts)

    @property
    def replay(self) -> Memory | None:
        """What it has recorded; of a loaded agent it is read from its file when it is first used.

        Raises:
            FileNotFoundError: If that file is missing.
            CheckpointError: If it is damaged.
        """
        if self._unread_replay is not None:
            self.load_replay()
        return self._replay

    @replay.setter
    def replay(self, memory: Memory | None) -> None:
        self._replay = memory

    @property
    def single_env(self) -> Env:
        """The environment that the agent was given.

        Raises:
            TypeError: It was given a vector environment.
        """
        if isinstance(self.env, VectorEnv):
            raise TypeError(f"the agent was given a vector environment: {self.env}")
        return self.env

    @classmethod
    def create(
        cls,
        env: Env | VecEnv | str,
        config: Any = None,
        *,
        seed: int = 0,
        device: str = "auto",
        encoder: EncoderFactory | None = None,
    ) -> Self:
        """Return an untrained agent.

        Args:
            env: A Gymnasium environment, or a vector environment of N sub-environments; or the id
                of one, which is made, to be closed as `agent.env`.
            config: The algorithm's config; its defaults when None.
            seed: Decides the weights, exploration, sampling and the environments' first resets.
            device: `"auto"` or a torch device such as `"cpu"` or `"cuda:0"`.
            encoder: Takes the observation space and returns a module with `num_features`, which
                reads observations in place of the one that the config names.

        Raises:
            ValueError: If the spaces do not suit the algorithm, an argument is not accepted, the
                device is not there, or a checkpoint could not hold the config.
            TypeError: If `env` is neither an environment nor an id.
        """
        seed = convert(Whole, seed, "seed")
        env = as_env(env)
        cls.check_spaces(env, encoder)
        if config is None:
            config = cls.config_class()
        if not isinstance(config, cls.config_class):
            raise ValueError(
                f"{cls.algorithm} takes a {cls.config_class.__name__} as config, got {config!r}"
            )
        own: dict[str, Any] = {} if encoder is None else {"encoder": encoder}
        agent = cls(env, config, seed=seed, device=select_device(device), **own)
        agent.check_envs()
        if agent.starts is not None:
            agent.starts.check()
        agent._saved_config()
        return agent

    @classmethod
    def check_spaces(cls, env: Env | VecEnv, encoder: EncoderFactory | None = None) -> None:
        """Check that the algorithm is made for the spaces of `env`.

        Args:
            env: The environment.
            encoder: See `create`.

        Raises:
            ValueError: If not; the message names the algorithms that are.
        """
        if cls.accepts is None:
            return
        observation_space, action_space = single_spaces(env)
        observations = cls.accepts.observations if encoder is None else (ARRAY,)
        for what, space, kinds in (
            ("actions", action_space, cls.accepts.actions),
            ("observations", observation_space, observations),
        ):
            if not is_one_of(kinds, space):
                wrapper = "the environment"
                if what == "observations" and is_one_of(kinds, flattened(space)):
                    wrapper = "it in gymnasium.wrappers.FlattenObservation"
                raise ValueError(
                    f"{cls.algorithm} needs {what} {' or '.join(map(str, kinds))}, the environment "
                    f"has {space}: {_accepted_by(env)}wrap {wrapper}"
                )

    def check_envs(self) -> None:  # noqa: B027  (most agents learn in any number of them)
        """Check that the configuration can be trained in N sub-environments.

        Raises:
            ValueError: If it cannot.
        """

    @abstractmethod
    def act(self, obs: NDArray[Any], *, greedy: bool = True) -> NDArray[Any]:
        """Return one action for each observation of a batch.

        Args:
            obs: Observations, shape [B, ...].
            greedy: Whether to act without exploration.
        """

    def playing(self) -> AbstractContextManager[None]:
        """Have the agent act by the weights that it plays with, explore as it may.

        They are the average of those that learn, where it keeps one; else nothing changes. `act`
        without exploration uses them in any case.
        """
        return contextlib.nullcontext() if self.average is None else self.average.in_use()

    def state_values(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return what the agent's critic expects from each observation on, shape [B].

        It is a return, discounted and on the scale that the agent learns rewards on. None: the
        agent has no critic, or one that an observation alone is not enough for.
        """
        return None

    @abstractmethod
    def observe(self, step: Step) -> Iterable[dict[str, float]]:
        """Record what the actions of the last `act` led to.

        Args:
            step: One step of all sub-environments.

        Returns:
            The losses of each gradient step that is due; iterating takes them.
        """

    def updates(self) -> Iterable[dict[str, float]]:
        """Return the losses of each gradient step that is due and not taken; iterating takes them.

        `learn` begins with it, where a checkpoint may have been saved between a step and the
        gradient steps due to it.
        """
        return ()

    def reset(self) -> None:  # noqa: B027  (nothing to drop unless a subclass records)
        """Drop what was recorded of episodes in progress: no observation follows on it."""

    def begin_episodes(self, mask: NDArray[np.bool_]) -> None:  # noqa: B027  (most have no memory)
        """Forget what `act` remembers of earlier observations, where episodes begin.

        Whoever plays calls it before the first `act` of an episode. An agent whose actions depend
        on the latest observation alone has nothing to forget.

        Args:
            mask: For each observation of the next batch, whether it begins an episode, [B].
        """

    def check_has_env(self) -> None:
        """Check that there is an environment to learn in: `learn` begins with it.

        Raises:
            NoEnvError: If the agent was loaded without one.
        """
        if isinstance(self.env, NoEnv):
            raise NoEnvError(
                f"{self.algorithm} was loaded without an environment, to act alone, and cannot "
                "learn: load it with one, as load_agent(path) or "
                f"{type(self).__name__}.load(path, env)"
            )

    def learn(self, total_steps: int, callbacks: Sequence[Callback] = ()) -> None:
        """Take `total_steps` more environment steps, rounded up to all N, and learn from them.

        Raises:
            NoEnvError: If the agent was loaded without an environment.
            ValueError: If `total_steps` is no whole number >= 1.
            FileNotFoundError: If the agent was loaded and its replay memory's file is missing.
            CheckpointError: If that file is damaged.
            OSError: If there is no room for the replay memory.
            AgentError: If `act` or `observe` return something else than what they are to.
        """
        self.check_has_env()
        self.check_envs()
        self.load_replay()
        assert isinstance(self.loop, TrainingLoop)
        self.loop.run(self, total_steps, callbacks)

    def save(
        self, path: str | PathLike[str], *, replay: bool = False, overwrite: bool = True
    ) -> None:
        """Write a checkpoint, all of it or nothing.

        Args:
            path: The checkpoint, one `.safetensors` file.
            replay: Whether to save the replay memory beside it, which makes a resumed run exact.
            overwrite: Whether a file that is already there is replaced.

        Raises:
            FileExistsError: There is a file at `path` and `overwrite` is False.
            OSError: If it cannot be written; a checkpoint already at `path` is kept.
            CheckpointError: If what was written cannot be read back; the same holds.
        """
        if not overwrite and Path(path).expanduser().exists():
            raise FileExistsError(
                f"{path} is already there: choose another path, or give overwrite=True"
            )
        unread = self._unread_replay
        if unread is not None and not replay and unread[0] == Path(path).expanduser():
            # Its file goes away with the checkpoint that names it.
            with contextlib.suppress(FileNotFoundError):
                self.load_replay()
        state = self.loop.state(replay=replay)
        header = self._header(
            generators={name: generator_state(g) for name, g in self.generators.items()},
            episode=state.values,
            demonstrations=self.demonstration_digests,
            has_begun=self.has_begun,
        )
        tensors = {name: x.numpy(force=True) for name, x in self.tensors().items()}
        tensors |= {f"{_EPISODE}{name}": x for name, x in state.arrays.items()}
        memory = self.replay.state() if replay and self.replay is not None else None
        checkpoint.save(path, header, tensors, memory)

    def save_weights(self, path: str | PathLike[str], origin: Mapping[str, Any]) -> None:
        """Write the weights alone, in half precision: `load` reads them as it reads a checkpoint.

        Optimizers, generators, episodes in progress and `copies` of other networks are left out.
        What is loaded plays, or learns on in new episodes, without the demonstrations that it may
        have begun with. Numbers that half precision cannot hold are kept as they are.

        Args:
            path: The file, one `.safetensors`.
            origin: Where the weights come from, as JSON values; a reader finds it in the header.

        Raises:
            OSError: If it cannot be written; a file already at `path` is kept.
            CheckpointError: If what was written cannot be read back; the same holds.
            ValueError: If JSON has no form for something in `origin`.
        """
        header = self._header(generators={}, episode={}, origin=dict(origin))
        left_out = {*self.optimizers, *self.copies}
        with self.playing():
            tensors = {
                name: x.numpy(force=True)
                for name, x in self.tensors().items()
                if _group(name) not in left_out
            }
        checkpoint.save(path, header, checkpoint.halved(tensors), None)

    def _header(self, **fields: Any) -> checkpoint.CheckpointHeader:
        """Return the header of a file, with what it says of the agent as it is now."""
        return checkpoint.CheckpointHeader(
            algorithm=self.algorithm,
            config=self._saved_config(),
            **checkpoint.describe_env(self.env),
            seed=self.seed,
            num_steps=self.num_steps,
            num_updates=self.num_updates,
            num_episodes=self.num_episodes,
            encoder=None if self.encoder_factory is None else _name_of(self.encoder_factory),
            **fields,
        )

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        env: Env | VecEnv | str | None = None,
        *,
        device: str = "auto",
        encoder: EncoderFactory | None = None,
    ) -> Self:
        """Return the agent saved at `path`, ready to act and, in an environment, to go on learning.

        With as many sub-environments as it was saved with it goes on exactly where it was; with
        another number it goes on with new episodes, and without what it had recorded. What it had
        recorded is read when it is first needed: an agent plays without its replay memory.

        Args:
            path: The checkpoint.
            env: An environment like that of the training, or a vector environment of such; or the
                id of one, which is made, to be closed as `agent.env`; or None: the agent acts, by
                the spaces that the file names, and cannot learn.
            device: See `create`.
            encoder: See `create`; what the agent was created with, if it was.

        Raises:
            FileNotFoundError: If there is no such file.
            CheckpointError: If the file is damaged, of another algorithm, does not fit `env`, or
                is to be loaded without one and does not say all that is needed of its spaces.
        """
        env = _stand_in(path) if env is None else as_env(env)
        header, tensors = checkpoint.load(path, cls.algorithm, env)
        checkpoint.check_encoder(path, header, None if encoder is None else _name_of(encoder))
        config = checkpoint.make_config(cls.config_class, header.config, path)
        if header.origin is not None and hasattr(config, "demonstrations"):
            config = replace(config, demonstrations=())  # weights alone have imitated already
        if isinstance(env, NoEnv):
            with checkpoint.errors_of(path):
                cls.check_spaces(env, encoder)
        if encoder is None:  # with one of the user's own an algorithm need not have these layers
            with checkpoint.errors_of(path):
                _check_size(asdict(config), env, tensors)
        own: dict[str, Any] = {} if encoder is None else {"encoder": encoder}
        agent = cls(env, config, seed=header.seed, device=select_device(device), **own)
        with checkpoint.errors_of(path):
            if header.origin is None:
                agent._load(header, tensors)
            else:
                agent._load_weights(header, tensors)
        if agent._goes_on_from(header) and header.replay is not None:
            agent._unread_replay = Path(path).expanduser(), header.replay
        return agent

    def begin_with(self, path: str | PathLike[str]) -> None:
        """Take over the weights of a trained agent, and nothing else: its training begins anew.

        Counters and schedules begin at 0, the optimizers know nothing. What the agent imitates it
        does not clone first: these weights can do more than demonstrations show.

        Args:
            path: A checkpoint or a policy of the same algorithm, of the same spaces and networks.

        Raises:
            RuntimeError: The agent has learned already.
            FileNotFoundError: There is no such file.
            CheckpointError: It is damaged, of another algorithm, or does not fit.
        """
        if self.num_steps > 0:
            raise RuntimeError(
                f"it has learned for {self.num_steps:,} steps: begin with weights before that"
            )
        header, tensors = checkpoint.load(path, self.algorithm, self.env)
        own = {name: x.clone() for name, x in self.tensors().items()}
        taken = self.networks.keys() - self.own_networks
        weights = {name: x for name, x in own.items() if _group(name) not in taken}
        weights |= {
            name: torch.from_numpy(x)
            for name, x in self._with_copies(with_averages(tensors)).items()
            if _group(name) in taken
        }
        try:
            self.load_tensors(weights)
        except ValueError as error:
            self.load_tensors(own)  # some may be taken over
            others = {
                name: value
                for name, value in header.config.items()
                if self._saved_config().get(name) != value
            }
            raise CheckpointError(
                f"{path} does not fit: {error}; give its agent's settings, which differ in {others}"
            ) from error
        self.has_begun = True

    def _load(
        self, header: checkpoint.CheckpointHeader, tensors: Mapping[str, NDArray[Any]]
    ) -> None:
        """Take over a checkpoint, but for its replay memory.

        Raises:
            ValueError: If it does not fit the agent.
        """
        self._count_as(header)
        if header.generators.keys() != self.generators.keys():
            raise ValueError(f"it has generators {[*header.generators]}, not {[*self.generators]}")
        for name, state in header.generators.items():
            set_generator_state(self.generators[name], state)
        num_digests, num_files = len(header.demonstrations), len(self.demonstration_files)
        if num_digests not in (0, num_files):
            raise ValueError(
                f"it has digests of {num_digests} files of demonstrations, not of {num_files}"
            )
        self.demonstration_digests = header.demonstrations
        self.has_begun = header.has_begun
        episode = {
            name.removeprefix(_EPISODE): x
            for name, x in tensors.items()
            if name.startswith(_EPISODE)
        }
        weights = {name: x for name, x in tensors.items() if not name.startswith(_EPISODE)}
        self.load_tensors({name: torch.from_numpy(x) for name, x in weights.items()})
        if self._goes_on_from(header):
            self.loop.load_state(LoopState(header.episode, episode))

    def _goes_on_from(self, header: checkpoint.CheckpointHeader) -> bool:
        """Return whether the episodes of a checkpoint go on here, and what was recorded of them."""
        return self.num_envs == header.num_envs and not isinstance(self.env, NoEnv)

    def _load_weights(
        self, header: checkpoint.CheckpointHeader, tensors: Mapping[str, NDArray[Any]]
    ) -> None:
        """Take over what `save_weights` wrote.

        Raises:
            ValueError: If it does not fit the agent.
        """
        self._count_as(header)
        weights = self._with_copies(tensors)
        self.load_tensors({name: torch.from_numpy(x) for name, x in weights.items()})

    def _with_copies(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return weights in 32 bits, with every copy of a network equal to it."""
        weights = checkpoint.widened(
            {name: x for name, x in tensors.items() if _group(name) not in self.copies}
        )
        for copy, source in self.copies.items():
            weights |= {
                f"{copy}/{name.partition('/')[2]}": x
                for name, x in weights.items()
                if _group(name) == source
            }
        return weights

    def _count_as(self, header: checkpoint.CheckpointHeader) -> None:
        """Take over the counters of a file."""
        self.num_steps, self.num_updates = header.num_steps, header.num_updates
        self.num_episodes = header.num_episodes

    def load_replay(self) -> None:
        """Read what the agent had recorded when it was saved, unless it is read; `learn` does.

        Raises:
            FileNotFoundError: If the file is missing.
            CheckpointError: If it is damaged.
        """
        if self._unread_replay is None:
            return
        path, file = self._unread_replay
        if self._replay is not None:
            state = checkpoint.read_replay(path, file)
            with checkpoint.errors_of(path.with_name(file.name)):
                if isinstance(self.action_space, gym.spaces.Discrete) and "action" in state:
                    check_elements(self.action_space, state["action"], "recorded actions")
                self._replay.load_state(state)
        self._unread_replay = None

    def load_demonstrations(self) -> None:  # noqa: B027  (most agents begin with none)
        """Read what the agent begins by imitating, unless it is read; `learn` does.

        Raises:
            FileNotFoundError: If a file is missing.
            DemonstrationsError: If one is damaged, or does not fit.
            UntrustedError: If one names a module that the user has neither named in a training nor
                imported.
        """

    def _saved_config(self) -> dict[str, Any]:
        """Return the configuration as a checkpoint holds it.

        Raises:
            ValueError: If JSON has no form for it.
        """
        config: dict[str, Any] = plain(asdict(self.config))
        return config

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
        """Take over what `tensors` returned.

        Raises:
            ValueError: If they are of another agent, or not finite.
        """
        groups: dict[str, dict[str, Tensor]] = {}
        for name, x in tensors.items():
            groups.setdefault(_group(name), {})[name.partition("/")[2]] = x
        unknown = groups.keys() - self.networks.keys() - self.optimizers.keys()
        if unknown:
            raise ValueError(f"it has tensors of {sorted(unknown)}, which the agent has not")
        for name, network in self.networks.items():
            load_network(name, network, groups.get(name, {}))
        for name, optimizer in self.optimizers.items():
            load_optimizer(name, optimizer, groups.get(name, {}))

    def acting(self) -> Acting:
        """Return what `act` does without exploration, as one network; its weights are the agent's.

        Raises:
            TypeError: If nothing of the kind is known of the algorithm.
        """
        raise TypeError(
            f"{self.algorithm} has no network that acts by one observation alone: it cannot be "
            f"exported, unless {type(self).__name__} has a method acting()"
        )

    def metrics(self) -> dict[str, float]:
        """Return what a log wants to know besides losses and returns, such as `charts/epsilon`."""
        return {}

    def to_batch(self, obs: NDArray[Any]) -> Tensor:
        """Return observations on the agent's device, shape [B, ...].

        Raises:
            ValueError: If they are no batch of the environment's observations.
        """
        shape = self.observation_space.shape
        if obs.shape[1:] != shape:
            batch = ", ".join(map(str, ("B", *(shape or ()))))
            raise ValueError(f"obs must be a batch of shape ({batch}), got {obs.shape}")
        return torch.as_tensor(obs, device=self.device)


def _group(name: str) -> str:
    """Return the network or optimizer that a tensor of a checkpoint is of."""
    return name.partition("/")[0]


def _check_size(
    config: Mapping[str, Any], env: Env | VecEnv, tensors: Mapping[str, NDArray[Any]]
) -> None:
    """Check that a network of the configuration is not larger than the file: it is made first.

    Raises:
        ValueError: If it is.
    """
    if isinstance(env, NoEnv) and not config.keys().isdisjoint(("encoder", "net_arch")):
        _check_numbers(env, tensors)
    name = "net_arch" if "net_arch" in config else "hidden_sizes"
    sizes = config.get(name) or ()
    if single_spaces(env)[0].shape is None or not is_vector(single_spaces(env)[0]):
        return  # encoders of images have sizes of their own
    layers = (*(single_spaces(env)[0].shape or ()), *sizes)
    num_weights = sum(first * second for first, second in pairwise(layers))
    num_saved = sum(x.size for x in tensors.values())
    if num_weights + sum(sizes) > num_saved:
        raise ValueError(
            f"{name} {sizes} make a network of more than the {num_saved:,} numbers in it"
        )


def _check_numbers(env: NoEnv, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Check that spaces are not larger than the file that names them: networks read all of them.

    Raises:
        ValueError: If they are.
    """
    num_saved = sum(x.size for name, x in tensors.items() if not name.startswith(_EPISODE))
    for space in (env.observation_space, env.action_space):
        size = space.n if isinstance(space, gym.spaces.Discrete) else math.prod(space.shape or ())
        if size > num_saved:
            raise ValueError(f"{space} has more numbers than the {num_saved:,} in it")


def _stand_in(path: str | PathLike[str]) -> NoEnv:
    """Return what an agent has in place of an environment.

    Raises:
        CheckpointError: If the file does not say all that is needed of the spaces.
    """
    env = checkpoint.stand_in(path)
    if env is None:
        raise CheckpointError(
            f"{path} does not say between which bounds its spaces lie: load it with its "
            "environment, load(path, env), and save it again where an older version wrote it"
        )
    return env


def _accepted_by(env: Env | VecEnv) -> str:
    """Return the part of a message that names the algorithms of the package that accept `env`."""
    # By name, since its modules import this one; nothing but this message needs it.
    algorithms = importlib.import_module("mario_rl_agents.algorithms").load_algorithms()
    observation_space, action_space = single_spaces(env)
    names = [
        name
        for name, agent in sorted(algorithms.items())
        if agent.accepts is not None
        and is_one_of(agent.accepts.actions, action_space)
        and is_one_of(agent.accepts.observations, observation_space)
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
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if convert(str, name, "device") == "auto":
        return torch.device(accelerator or "cpu")
    there = '"cpu"' if accelerator is None else f'"cpu" and "{accelerator.type}"'
    try:
        device = torch.device(name)
    except RuntimeError as error:  # it lists all that there are anywhere
        raise ValueError(
            f'there is no device {name!r}: use "auto", or what is here, {there}'
        ) from error
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = "PyTorch is built without it"  # of which the last error says a page
        if not isinstance(error, NotImplementedError):
            reason = str(error).splitlines()[0]
        raise ValueError(
            f'device {name!r} cannot be used here ({reason}): use "auto", or what is here, {there}'
        ) from error
    return device
