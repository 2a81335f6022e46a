"""Checkpoints: tensors in one safetensors file, all else as JSON in its metadata.

Loading one runs no code. A replay memory goes to a second file beside it, which the checkpoint
names together with its size and digest.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from mario_rl_agents.envs import Env, VecEnv, single_spaces
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.files import replacing

FORMAT = "mario-rl-checkpoint"
FORMAT_VERSION = 2

Arrays = Mapping[str, NDArray[Any]]
if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")


@dataclasses.dataclass(frozen=True)
class ReplayFile:
    """The replay memory that belongs to a checkpoint."""

    name: str  # in the folder of the checkpoint
    num_bytes: int
    digest: str


@dataclasses.dataclass(frozen=True)
class CheckpointHeader:
    """Everything in a checkpoint but its tensors."""

    algorithm: str
    config: dict[str, Any]
    env_id: str | None  # None for an environment that was not made by gymnasium.make
    env_kwargs: dict[str, Any]
    observation_space: str
    action_space: str
    num_envs: int  # sub-environments
    seed: int
    num_steps: int  # environment steps
    num_updates: int  # gradient steps
    num_episodes: int
    generators: dict[str, Any]  # name -> state of a numpy bit generator
    episode: dict[str, Any]  # how to go on in the environments: Loop.state
    encoder: str | None = None  # the name of what made the user's own
    replay: ReplayFile | None = None


class Checkpoint(NamedTuple):
    """A checkpoint as read from the disk."""

    header: CheckpointHeader
    tensors: dict[str, NDArray[Any]]
    replay: dict[str, NDArray[Any]] | None


def describe_space(space: gym.Space[Any]) -> str:
    """Return a description of `space` that is equal for spaces that a network cannot tell apart."""
    if isinstance(space, gym.spaces.Box):
        return f"Box(shape={space.shape}, dtype={space.dtype})"
    return str(space)


def describe_env(env: Env | VecEnv) -> dict[str, Any]:
    """Return the fields of a header that tell of the environment."""
    observation_space, action_space = single_spaces(env)
    return {
        "env_id": None if env.spec is None else env.spec.id,
        "env_kwargs": {} if env.spec is None else dict(env.spec.kwargs),
        "observation_space": describe_space(observation_space),
        "action_space": describe_space(action_space),
        "num_envs": env.num_envs if isinstance(env, VectorEnv) else 1,
    }


def save(
    path: str | os.PathLike[str], header: CheckpointHeader, tensors: Arrays, replay: Arrays | None
) -> None:
    """Write a checkpoint; at every moment the old or the new one is whole on the disk.

    Args:
        path: The file to write or replace.
        header: What goes beside the tensors; its `replay` field is filled in here.
        tensors: Weights and optimizer state.
        replay: The replay memory, if it is to be saved.

    Raises:
        OSError: If writing fails; the old checkpoint is untouched and no temporary file is left.
    """
    path = Path(path)
    old = _replay_name(path)
    new: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if replay is not None:
            digest = _digest("", replay)
            new = f"{path.stem}.replay-{header.num_steps}-{digest[:8]}.safetensors"
            replay_path = path.with_name(new)
            _write(replay_path, replay, {"format": f"{FORMAT}-replay", "digest": digest})
            reference = ReplayFile(new, replay_path.stat().st_size, digest)
            header = dataclasses.replace(header, replay=reference)
        text = json.dumps(dataclasses.asdict(header), default=repr)
        metadata = {"format": FORMAT, "version": str(FORMAT_VERSION), "header": text}
        _write(path, tensors, {**metadata, "digest": _digest(text, tensors)})
    except OSError as error:
        if new is not None and new != old:
            path.with_name(new).unlink(missing_ok=True)
        raise OSError(
            error.errno,
            f"cannot write checkpoint {path} ({error.strerror}); "
            + ("the previous checkpoint is kept" if path.exists() else "nothing was written")
            + "; free disk space or save elsewhere, then save again",
        ) from error
    if old is not None and old != new:
        path.with_name(old).unlink(missing_ok=True)


def read_header(path: str | os.PathLike[str]) -> CheckpointHeader:
    """Read all but the tensors, in a few milliseconds.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, not a checkpoint, or of a newer format.
    """
    with _open(Path(path)) as file:
        return _parse_header(Path(path), file.metadata())


def load(path: str | os.PathLike[str], algorithm: str, env: Env | VecEnv) -> Checkpoint:
    """Read a checkpoint and check that it is whole and fits.

    Args:
        path: The file.
        algorithm: The name of the algorithm that asks.
        env: The environment that the agent is to act in.

    Raises:
        FileNotFoundError: If the file or the replay memory it names is missing.
        CheckpointError: If it is damaged, of another algorithm, or of other spaces than `env`.
    """
    path = Path(path)
    header = read_header(path)
    if header.algorithm != algorithm:
        raise CheckpointError(
            f"{path} holds an agent of algorithm {header.algorithm!r}, not {algorithm!r}: "
            "load it with the class of that algorithm"
        )
    description = describe_env(env)
    for name in ("observation", "action"):
        saved = getattr(header, f"{name}_space")
        _check_space(path, name, saved, description[f"{name}_space"])
    tensors = _read(path)
    if header.replay is None:
        return Checkpoint(header, tensors, None)
    replay_path = path.with_name(header.replay.name)
    if not replay_path.is_file():
        raise FileNotFoundError(
            f"{path} needs the replay memory {replay_path.name} in the same folder: copy it there"
        )
    num_bytes = replay_path.stat().st_size
    if num_bytes != header.replay.num_bytes:
        raise CheckpointError(
            f"{replay_path} has {num_bytes:,} bytes instead of {header.replay.num_bytes:,}: "
            "it is truncated or of another checkpoint; use a copy that is whole"
        )
    return Checkpoint(header, tensors, _read(replay_path, header.replay.digest))


def make_config(config_class: type[ConfigT], values: Mapping[str, Any], path: Any) -> ConfigT:
    """Return the config that a header holds.

    Raises:
        CheckpointError: If a key is unknown to `config_class` or a value is not accepted by it.
    """
    known = [field.name for field in dataclasses.fields(config_class)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise CheckpointError(
            f"{path} has unknown config keys {unknown}; {config_class.__name__} knows {known}: "
            "load it with the version of mario_rl_agents that wrote it"
        )
    restored = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    try:
        return config_class(**restored)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has a config that is not accepted: {error}") from error


def check_encoder(path: Any, header: CheckpointHeader, encoder: str | None) -> None:
    """Check that the user's own encoder is given if, and only if, the agent was trained with it.

    Raises:
        CheckpointError: If not.
    """
    if header.encoder is not None and encoder is None:
        raise CheckpointError(
            f"{path} was trained with an encoder of your own, {header.encoder}: a checkpoint holds "
            f"its weights and no code; load it with encoder={header.encoder}"
        )
    if header.encoder != encoder:
        raise CheckpointError(
            f"{path} was trained with encoder {header.encoder or 'of its config'}, got {encoder}: "
            + (f"give {header.encoder}" if header.encoder else "leave encoder out")
        )


def _check_space(path: Path, name: str, saved: str, actual: str) -> None:
    if saved != actual:
        raise CheckpointError(
            f"{path} does not fit the environment: the agent was trained with {name} space "
            f"{saved}, the environment has {actual}; make it with the arguments of the training"
        )


def _digest(text: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(_raw(array))
    return digest.hexdigest()


def _raw(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write(path: Path, arrays: Arrays, metadata: dict[str, str]) -> None:
    """Write a safetensors file in place of `path` (format: github.com/huggingface/safetensors).

    Written here and not by the library to stream a replay memory without a second copy in RAM, and
    to have an OSError that says why writing failed.
    """
    # Large items first: every array then begins at a multiple of its item size.
    ordered = dict(sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))
    table: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, array in ordered.items():
        kind = array.dtype.kind.upper()
        dtype = "BOOL" if kind == "B" else f"{kind}{8 * array.dtype.itemsize}"
        start, end = end, end + array.nbytes
        table[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": (start, end)}
    head = json.dumps(table).encode()
    head += b" " * (-len(head) % 8)
    with replacing(path) as new, new.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for array in ordered.values():
            file.write(_raw(array))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, digest: str | None = None) -> dict[str, NDArray[Any]]:
    with _open(path) as file:
        metadata = file.metadata() or {}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if _digest(metadata.get("header", ""), arrays) != (digest or metadata.get("digest")):
        raise CheckpointError(f"{path} is corrupted (its checksum is wrong): use another copy")
    return arrays


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}: check the path")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is truncated, corrupted or no checkpoint at all ({error}): use another copy"
        ) from error


def _parse_header(path: Path, metadata: Mapping[str, str] | None) -> CheckpointHeader:
    if metadata is None or metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of mario_rl_agents: give a file that Agent.save wrote"
        )
    if metadata.get("version") != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has checkpoint format {metadata.get('version')}, this version of "
            f"mario_rl_agents reads {FORMAT_VERSION}: use the version that wrote it"
        )
    try:
        values = json.loads(metadata["header"])
        replay = values.pop("replay")
        return CheckpointHeader(**values, replay=None if replay is None else ReplayFile(**replay))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is corrupted (its header cannot be read): use another copy"
        ) from error


def _replay_name(path: Path) -> str | None:
    try:
        replay = read_header(path).replay
    except (OSError, CheckpointError):
        return None
    return None if replay is None else replay.name
