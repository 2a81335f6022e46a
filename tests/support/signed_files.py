"""Files that say something else than what was saved, and whose checksums are right."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mario_rl_agents import checkpoint
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def read_signed(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the tensors of a checkpoint."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["header"]), load_file(path)


def write_signed(path: Path, header: Mapping[str, Any], tensors: dict[str, NDArray[Any]]) -> None:
    """Write a checkpoint with this header and these tensors."""
    write_signed_text(path, json.dumps(header), tensors)


def write_signed_text(path: Path, text: str, tensors: dict[str, NDArray[Any]]) -> None:
    """Write a checkpoint with this text as its header."""
    metadata = {"format": checkpoint.FORMAT, "version": str(checkpoint.FORMAT_VERSION)}
    digest = checkpoint._digest(text, tensors)
    save_file(tensors, path, {**metadata, "header": text, "digest": digest})


def write_signed_replay(
    path: Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> None:
    """Write the replay memory that a checkpoint names, and the checkpoint anew."""
    replay = header["replay"]
    replay_path = path.with_name(replay["name"])
    digest = checkpoint._digest("", arrays)
    save_file(arrays, replay_path, {"format": f"{checkpoint.FORMAT}-replay", "digest": digest})
    replay = {**replay, "num_bytes": replay_path.stat().st_size, "digest": digest}
    write_signed(path, {**header, "replay": replay}, load_file(path))
