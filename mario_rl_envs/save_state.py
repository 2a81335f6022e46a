"""Save states as bytes: the format, and the checks that keep anything wrong from being loaded.

| bytes | content |
|---|---|
| 4 | `MRLS` |
| 2 | format version, little-endian |
| 32 | SHA-256 of all that follows |
| 4 | length of the header |
| | header: JSON with the ROM's hash, the emulator's name, what the environment remembers |
| | of a frame stack, where one is saved: its frames without the newest, by zlib |
| | the emulator's state |

Version 1 had no frames. It is read, too.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from reprlib import repr as short_repr  # damaged values may be long
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_rl_envs.game import rom
from mario_rl_envs.history import FrameFormat, Frames

FORMAT_VERSION: Final = 2

_READ_VERSIONS: Final = (1, 2)
_MAGIC: Final = b"MRLS"
_PREFIX: Final = struct.Struct("<4sH32s")
_LENGTH: Final = struct.Struct("<I")
_COMPRESSION: Final = 1  # zlib's fastest level makes a gray frame a tenth


class CompressedFrames(NamedTuple):
    """The frames of a stack, as they lie in a save state."""

    format: FrameFormat
    data: bytes  # zlib

    def decompress(self) -> NDArray[np.uint8]:
        """Return the frames, in the shape of their format.

        Raises:
            ValueError: They are damaged.
        """
        size = math.prod(self.format.shape)
        decompressor = zlib.decompressobj()
        try:
            pixels = decompressor.decompress(self.data, size + 1)
        except zlib.error as error:
            raise ValueError(f"the save state's frames are damaged ({error})") from error
        if len(pixels) != size or not decompressor.eof:
            raise ValueError(
                f"the save state's frames are damaged: they are not {size} bytes, as their shape "
                f"{self.format.shape} says"
            )
        return np.frombuffer(pixels, np.uint8).reshape(self.format.shape)


class SaveState(NamedTuple):
    """A save state, taken apart."""

    machine: bytes  # what the emulator's `save_state` returned
    reward: object  # what the reward remembers, JSON-safe
    in_episode: bool
    frames: CompressedFrames | None = None

    def frames_for(self, frame_format: FrameFormat) -> NDArray[np.uint8] | None:
        """Return the frames if they are of this format; None: a stack repeats the first frame.

        Raises:
            ValueError: They are damaged.
        """
        if self.frames is None or self.frames.format != frame_format:
            return None
        return self.frames.decompress()


def pack(
    machine: bytes, reward: object, *, in_episode: bool, emulator: str, frames: Frames | None = None
) -> bytes:
    """Return a save state as bytes.

    Args:
        machine: What the emulator's `save_state` returned.
        reward: What the reward remembers, JSON-safe.
        in_episode: Whether the episode goes on from here.
        emulator: The emulator's name.
        frames: Those of a frame stack; None leaves them out.
    """
    header = {
        "rom": rom.SHA256,
        "emulator": emulator,
        "environment": {"reward": reward, "in_episode": in_episode},
    }
    data = b""
    if frames is not None:
        data = zlib.compress(frames.pixels.tobytes(), _COMPRESSION)
        header["frames"] = {**frames.format._asdict(), "num_bytes": len(data)}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    body = _LENGTH.pack(len(encoded)) + encoded + data + machine
    return _PREFIX.pack(_MAGIC, FORMAT_VERSION, hashlib.sha256(body).digest()) + body


def unpack(data: object, emulator: str) -> SaveState:
    """Return the save state that `pack` wrote, checked before anything of it is used.

    Raises:
        TypeError: `data` is not bytes.
        ValueError: It is no save state, truncated, corrupted, or from another version, ROM or
            emulator.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"a save state is bytes, as save_state() returns; got {type(data).__name__}"
        )
    data = bytes(data)
    body = _checked_body(data)
    try:
        (length,) = _LENGTH.unpack_from(body)
        end = _LENGTH.size + length
        header = json.loads(body[_LENGTH.size : end])
        rom_hash, saved_by = header["rom"], header["emulator"]
        reward, in_episode = header["environment"]["reward"], header["environment"]["in_episode"]
        frames = _read_frames(header.get("frames"), body[end:])
    except (struct.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"the save state's header is damaged ({error!r}); give what save_state() returned"
        ) from error
    if rom_hash != rom.SHA256:
        raise ValueError(
            f"the save state is from the ROM with SHA-256 {rom_hash!s:.64}, this one has "
            f"{rom.SHA256}"
        )
    if saved_by != emulator:
        raise ValueError(
            f"the save state is from emulator={short_repr(saved_by)}, this environment has "
            f"emulator={emulator!r}; load it in one made with emulator={short_repr(saved_by)}"
        )
    if not isinstance(in_episode, bool):
        raise ValueError(f"the save state is damaged: in_episode is {short_repr(in_episode)}")
    machine = body[end + (0 if frames is None else len(frames.data)) :]
    return SaveState(machine, reward, in_episode, frames)


def _checked_body(data: bytes) -> bytes:
    """Return what follows the checksum, which it matches."""
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError(
            "these bytes are no save state: they do not begin with 'MRLS'; give what save_state() "
            "returned"
        )
    if len(data) < _PREFIX.size:
        raise ValueError(
            f"the save state is truncated: {len(data)} bytes; give all that save_state() returned"
        )
    _, version, digest = _PREFIX.unpack_from(data)
    if version not in _READ_VERSIONS:
        raise ValueError(
            f"the save state has format version {version}, this version of mario_rl_envs reads "
            f"{' and '.join(map(str, _READ_VERSIONS))}; make it anew, or load it with the version "
            "that wrote it"
        )
    body = data[_PREFIX.size :]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError(
            f"the save state is truncated or corrupted: its {len(data)} bytes do not match the "
            "checksum in them; give exactly what save_state() returned"
        )
    return body


def _read_frames(header: Any, data: bytes) -> CompressedFrames | None:
    """Return the frames at the beginning of some bytes, which their header describes."""
    if header is None:
        return None
    view, shape = tuple(header["view"]), tuple(header["shape"])
    num_bytes, skip = header["num_bytes"], header["skip"]
    if not all(isinstance(name, str) for name in view):
        raise ValueError(f"the frames' view is {short_repr(view)}")
    for number in (num_bytes, skip, *shape):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"the frames' numbers are {short_repr(header)}")
    if num_bytes > len(data):
        raise ValueError(f"the frames are {num_bytes} bytes; there are {len(data)}")
    return CompressedFrames(FrameFormat(view, skip, shape), data[:num_bytes])
