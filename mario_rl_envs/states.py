"""Save states as bytes: what frames a machine's state so that nothing wrong is ever loaded.

| bytes | content |
|---|---|
| 4 | `MRLS` |
| 2 | format version, little-endian |
| 32 | SHA-256 of all that follows |
| 4 | length of the header |
| | header: JSON with the ROM's hash, the emulator's name, and the environment's own memory |
| | the emulator's state |
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any, Final, NamedTuple

from mario_rl_envs.game import rom

FORMAT_VERSION: Final = 1

_MAGIC: Final = b"MRLS"
_PREFIX: Final = struct.Struct("<4sH32s")
_LENGTH: Final = struct.Struct("<I")


class SaveState(NamedTuple):
    """A save state, taken apart."""

    environment: dict[str, Any]  # what the environment remembers, JSON-safe
    machine: bytes  # what the emulator's save_state returned


def pack(state: SaveState, emulator: str) -> bytes:
    """Return the save state as bytes."""
    header = {"rom": rom.SHA256, "emulator": emulator, "environment": state.environment}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    body = _LENGTH.pack(len(encoded)) + encoded + state.machine
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
    if version != FORMAT_VERSION:
        raise ValueError(
            f"the save state has format version {version}, this version of mario_rl_envs reads "
            f"{FORMAT_VERSION}; "
            "make it anew, or load it with the version that wrote it"
        )
    body = data[_PREFIX.size :]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError(
            f"the save state is truncated or corrupted: its {len(data)} bytes do not match the "
            "checksum in them; "
            "give exactly what save_state() returned"
        )
    try:
        (length,) = _LENGTH.unpack_from(body)
        header = json.loads(body[_LENGTH.size : _LENGTH.size + length])
        rom_hash, environment = header["rom"], dict(header["environment"])
        saved_by = header["emulator"]
    except (struct.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"the save state's header is damaged ({error!r}); give what save_state() returned"
        ) from error
    if rom_hash != rom.SHA256:
        raise ValueError(
            f"the save state is from the ROM with SHA-256 {rom_hash}, this one has {rom.SHA256}"
        )
    if saved_by != emulator:
        raise ValueError(
            f"the save state is from emulator={saved_by!r}, this environment has "
            f"emulator={emulator!r}; "
            f"load it in one made with emulator={saved_by!r}"
        )
    return SaveState(environment, body[_LENGTH.size + length :])
