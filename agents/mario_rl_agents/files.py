"""Files that are replaced whole: at every moment the old one or the new one is there."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write, which takes the place of `path` when the block ends without an error.

    Its name is nobody else's: several processes may replace one file, and the last one wins. It
    has the ending of `path`, and it is no link that somebody planted.

    Args:
        path: What to write or replace, in a folder that exists.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp{path.suffix}")
    new.open("xb").close()
    try:
        yield new
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in place of `path`; a crash leaves the old one."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
