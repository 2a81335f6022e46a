"""Checkpoints: tensors in one safetensors file, all else as JSON in its metadata.

Loading one runs no code, and trusts nothing in it: what is there is checked before it is used. A
replay memory goes to a second file beside it, which the checkpoint names together with its size and
digest.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from mario_rl_agents.config import Count, Seed, Whole, check, plain, read
from mario_rl_agents.envs import Env, NoEnv, VecEnv, single_kwargs, single_spaces
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.files import parse_json, remove_abandoned, replacing, target_of
from mario_rl_agents.lock import lock
from mario_rl_agents.saved_spaces import (
    SavedSpace,
    described_actions,
    described_observations,
    saved_space,
)

FORMAT: Final = "mario-rl-checkpoint"
FORMAT_VERSION: Final = 3

_REPLAY_NAME: Final = re.compile(r"(?P<stem>[^/\\]+)\.replay-\d+-[0-9a-f]{8}\.safetensors")
_DTYPES: Final = frozenset(  # as safetensors calls those of NumPy
    ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64")
)

Arrays = Mapping[str, NDArray[Any]]
if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")


@dataclasses.dataclass(frozen=True)
class ReplayFile:
    """The replay memory that belongs to a checkpoint.

    Raises:
        ValueError: If the name is none that `save` gives: it may lead anywhere.
    """

    name: str  # in the folder of the checkpoint
    num_bytes: Whole
    digest: str

    def __post_init__(self) -> None:
        """Check the name."""
        is_ours = _REPLAY_NAME.fullmatch(self.name) is not None
        check("name", self.name, is_ours, "NAME.replay-STEPS-DIGEST.safetensors")


@dataclasses.dataclass(frozen=True)
class SavedSpaces:
    """The spaces of a sub-environment, with their bounds."""

    observation: SavedSpace
    action: SavedSpace


@dataclasses.dataclass(frozen=True)
class CheckpointHeader:
    """Everything in a checkpoint but its tensors."""

    algorithm: str
    config: dict[str, Any]
    env_id: str | None  # None for an environment that cannot be made anew from this header
    env_kwargs: dict[str, Any]
    observation_space: str
    action_space: str
    num_envs: Count  # sub-environments
    seed: Seed
    num_steps: Whole  # environment steps
    num_updates: Whole  # gradient steps
    num_episodes: Whole
    generators: dict[str, dict[str, Any]]  # name -> state of a numpy bit generator
    episode: dict[str, Any]  # how to go on in the environments: Loop.state
    encoder: str | None = None  # the name of what made the user's own
    replay: ReplayFile | None = None
    # None: a file has no form for them, or an older version wrote it. They are those named above.
    spaces: SavedSpaces | None = None
    # Of weights alone: where they come from, as whoever wrote them says it. None: all is there.
    origin: dict[str, Any] | None = None
    # What was imitated before the first step: a digest for each file that the config names. None of
    # an agent that imitated nothing, and in files that an older version wrote.
    demonstrations: tuple[str, ...] = ()
    has_begun: bool = False  # whether it began with the weights of another agent


class Checkpoint(NamedTuple):
    """A checkpoint as read from the disk, but for its replay memory."""

    header: CheckpointHeader
    tensors: dict[str, NDArray[Any]]


def halved(tensors: Arrays) -> dict[str, NDArray[Any]]:
    """Return numbers of 32 bits in 16, where all of an array fit; other arrays as they are."""
    return {name: _halved(x) if x.dtype == np.float32 else x for name, x in tensors.items()}


def widened(tensors: Arrays) -> dict[str, NDArray[Any]]:
    """Return numbers of 16 bits in 32, in which networks are made; other arrays as they are."""
    return {
        name: x.astype(np.float32) if x.dtype == np.float16 else x for name, x in tensors.items()
    }


def _halved(x: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        half = x.astype(np.float16)
    return half if np.isfinite(half).all() else x


def describe_space(space: gym.Space[Any]) -> str:
    """Return a description of `space` that is equal for spaces that a network cannot tell apart."""
    if isinstance(space, gym.spaces.Box):
        return f"Box(shape={space.shape}, dtype={space.dtype})"
    return str(space)


def describe_env(env: Env | VecEnv) -> dict[str, Any]:
    """Return the fields of a header that tell of the environment."""
    observation_space, action_space = single_spaces(env)
    env_id: str | None = None
    env_kwargs: dict[str, Any] = {}
    if env.spec is not None:
        # Keywords that JSON has no form for, such as functions: no file can say how to make it.
        with contextlib.suppress(ValueError):
            env_kwargs = plain(single_kwargs(env))
            env_id = env.spec.id
    return {
        "env_id": env_id,
        "env_kwargs": env_kwargs,
        "observation_space": describe_space(observation_space),
        "action_space": describe_space(action_space),
        "num_envs": env.num_envs if isinstance(env, VectorEnv) else 1,
        "spaces": _saved_spaces(observation_space, action_space),
    }


def stand_in(path: str | os.PathLike[str]) -> NoEnv | None:
    """Return what an agent has in place of an environment, by what its checkpoint says of spaces.

    A file that an older version wrote says less, which is enough for vectors, images and discrete
    actions. Where it is not, there is None.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged.
    """
    header = read_header(path)
    if header.spaces is None:
        observation_space = described_observations(header.observation_space)
        action_space = described_actions(header.action_space)
    else:
        observation_space, action_space = _made_spaces(path, header, header.spaces)
    if observation_space is None or action_space is None:
        return None
    try:
        return NoEnv(observation_space, action_space, header.env_id, header.env_kwargs)
    except gym.error.Error as error:
        raise CheckpointError(f"{path} is corrupted ({error}): use another copy") from error


def _saved_spaces(*spaces: gym.Space[Any]) -> SavedSpaces | None:
    """Return what a file says of spaces; None where it has no form for one of them."""
    observation, action = (saved_space(space) for space in spaces)
    return None if observation is None or action is None else SavedSpaces(observation, action)


def _made_spaces(
    path: Any, header: CheckpointHeader, spaces: SavedSpaces
) -> tuple[gym.Space[Any], gym.Space[Any]]:
    """Return the spaces that a file names.

    Raises:
        CheckpointError: If they are not those that it describes.
    """
    with errors_of(path):
        made = spaces.observation.made(), spaces.action.made()
    described = header.observation_space, header.action_space
    if tuple(map(describe_space, made)) != described:
        raise CheckpointError(
            f"{path} is corrupted (it has spaces {made} beside {described}): use another copy"
        )
    return made


def save(
    path: str | os.PathLike[str], header: CheckpointHeader, tensors: Arrays, replay: Arrays | None
) -> None:
    """Write a checkpoint; at every moment the old or the new one is whole on the disk.

    What is written is read back before it takes the place of the old one. Unfinished files and
    replay memories of this name that no checkpoint in the folder names are deleted: a killed
    process has left them. Several processes may save to one path; the last one wins.

    Args:
        path: The file to write or replace.
        header: What goes beside the tensors; its `replay` field is filled in here.
        tensors: Weights, optimizer state, and actions of the episodes in progress.
        replay: The replay memory, if it is to be saved.

    Raises:
        OSError: If writing fails; the old checkpoint is untouched and no temporary file is left.
        CheckpointError: If what was written cannot be read back; the same holds.
        ValueError: If JSON has no form for something in the header.
    """
    path = Path(path).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(_lock_path(path), wait=True):
            try:
                _save(path, header, tensors, replay)
            finally:
                _remove_leftovers(path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write checkpoint {path} ({error.strerror}); "
            + ("the previous checkpoint is kept" if path.exists() else "nothing was written")
            + "; free disk space or save elsewhere, then save again",
        ) from error


def remove_leftovers(path: Path) -> None:
    """Delete what killed processes have left of a checkpoint: see `save`."""
    with lock(_lock_path(path), wait=True):
        _remove_leftovers(path)


def is_file_of(path: Path, name: str) -> bool:
    """Return whether `save` to `path` gives a file in its folder that name."""
    replay = _REPLAY_NAME.fullmatch(name)
    return name in (path.name, _lock_path(path).name, model_path(path).name) or (
        replay is not None and replay["stem"] == path.stem
    )


def model_path(path: Path) -> Path:
    """Return where an agent of another library writes that library's own file beside a checkpoint.

    Nothing here reads it. It begins with the checkpoint's name and goes with it.
    """
    return path.with_name(f"{path.stem}.sb3.zip")


def read_header(path: str | os.PathLike[str]) -> CheckpointHeader:
    """Read all but the tensors, in a few milliseconds.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, not a checkpoint, or of another format.
    """
    return _read_header(Path(path).expanduser())


def load(path: str | os.PathLike[str], algorithm: str, env: Env | VecEnv) -> Checkpoint:
    """Read a checkpoint, but for its replay memory, and check that it is whole and fits.

    Args:
        path: The file.
        algorithm: The name of the algorithm that asks.
        env: The environment that the agent is to act in.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, of another algorithm, or of other spaces than `env`.
    """
    path = Path(path).expanduser()
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
    if header.spaces is not None:
        _made_spaces(path, header, header.spaces)
    return Checkpoint(header, _read(path))


def read_replay(path: str | os.PathLike[str], replay: ReplayFile) -> dict[str, NDArray[Any]]:
    """Read the replay memory that a checkpoint names.

    Args:
        path: The checkpoint.
        replay: What its header says of it.

    Raises:
        FileNotFoundError: If it is missing.
        CheckpointError: If it is damaged.
    """
    replay_path = Path(path).with_name(replay.name)
    if not replay_path.is_file():
        raise FileNotFoundError(
            f"{path} needs the replay memory {replay_path.name} in the same folder to go on "
            "training: copy it there"
        )
    num_bytes = replay_path.stat().st_size
    if num_bytes != replay.num_bytes:
        raise CheckpointError(
            f"{replay_path} has {num_bytes:,} bytes instead of {replay.num_bytes:,}: "
            "it is truncated or of another checkpoint; use a copy that is whole"
        )
    return _read(replay_path, replay.digest)


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


@contextlib.contextmanager
def errors_of(path: Any) -> Iterator[None]:
    """Turn the refusal of what a file holds into an error that names the file.

    Raises:
        CheckpointError: In place of a ValueError.
    """
    try:
        yield
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f"{path} does not fit: {error}; use another copy") from error


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


def _save(path: Path, header: CheckpointHeader, tensors: Arrays, replay: Arrays | None) -> None:
    if replay is not None:
        digest = _digest("", replay)
        name = f"{path.stem}.replay-{header.num_steps}-{digest[:8]}.safetensors"
        replay_path = path.with_name(name)
        # Its header alone is read back: it may have gigabytes.
        _write(replay_path, replay, {"format": f"{FORMAT}-replay", "digest": digest}, _dtypes)
        reference = ReplayFile(name, replay_path.stat().st_size, digest)
        header = dataclasses.replace(header, replay=reference)
    text = json.dumps(plain(dataclasses.asdict(header)))
    metadata = {"format": FORMAT, "version": str(FORMAT_VERSION), "header": text}
    metadata["digest"] = _digest(text, tensors)
    _write(path, tensors, metadata, lambda new: (_read_header(new), _read(new)))


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _remove_leftovers(path: Path) -> None:
    """Delete unfinished files of a checkpoint, and replay memories that no checkpoint names.

    The caller holds the lock of the checkpoint.
    """
    remove_abandoned(path.parent, lambda name: is_file_of(path, name))
    replays = [
        other
        for other in path.parent.glob("*.replay-*.safetensors")
        if other != path and is_file_of(path, other.name)
    ]
    if not replays:
        return
    # A copy of the checkpoint under another name needs it, too.
    named = {_named_replay(other) for other in (path, *path.parent.glob("*.safetensors"))}
    for other in replays:
        if other.name not in named:
            other.unlink(missing_ok=True)


def _named_replay(path: Path) -> str | None:
    """Return the name of the replay memory that a file names, if it is a checkpoint that does."""
    if target_of(path.name) is not None or _REPLAY_NAME.fullmatch(path.name):
        return None
    try:
        with _open(path) as file:
            replay = parse_json((file.metadata() or {})["header"])["replay"]
        return None if replay is None else str(replay["name"])
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _write(
    path: Path,
    arrays: Arrays,
    metadata: dict[str, str],
    read_back: Callable[[Path], object],
) -> None:
    """Write a safetensors file in place of `path` (format: github.com/huggingface/safetensors).

    Written here and not by the library to stream a replay memory without a second copy in RAM, and
    to have an OSError that says why writing failed.

    Args:
        path: The file to write or replace.
        arrays: Its tensors.
        metadata: Its metadata.
        read_back: Called with the new file before it takes the place of the old one.
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
        try:
            read_back(new)
        except CheckpointError as error:
            raise CheckpointError(
                f"cannot write checkpoint {path}: what was written cannot be read back; the "
                f"previous checkpoint is kept ({error})"
            ) from error


def _read(path: Path, digest: str | None = None) -> dict[str, NDArray[Any]]:
    unknown = {name: dtype for name, dtype in _dtypes(path).items() if dtype not in _DTYPES}
    if unknown:
        raise CheckpointError(
            f"{path} has tensors of types that no agent has, {unknown}: use another copy"
        )
    with _open(path) as file:
        metadata = file.metadata() or {}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if _digest(metadata.get("header", ""), arrays) != (digest or metadata.get("digest")):
        raise CheckpointError(f"{path} is corrupted (its checksum is wrong): use another copy")
    return arrays


def _dtypes(path: Path) -> dict[str, str]:
    """Return the types of the tensors in a file, as safetensors calls them."""
    with _open(path) as file:
        return {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118


def _read_header(path: Path) -> CheckpointHeader:
    with _open(path) as file:
        return _parse_header(path, file.metadata())


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}: check the path")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, UnicodeDecodeError) as error:
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
        return read(CheckpointHeader, parse_json(metadata.get("header", "")))
    except ValueError as error:
        raise CheckpointError(
            f"{path} is corrupted (its header cannot be read: {error}): use another copy"
        ) from error
