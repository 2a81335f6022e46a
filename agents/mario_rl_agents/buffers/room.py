"""Memory for arrays whose sizes come from settings, and so may be anything."""

import contextlib
import errno
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def room_for(what: str, num_bytes: int, choice: str) -> Iterator[None]:
    """Turn what happens where there is too little memory into an error that says what to do.

    Args:
        what: Is allocated inside the block.
        num_bytes: Its size.
        choice: What to choose instead.

    Raises:
        OSError: There is too little.
    """
    message = f"there is no room for {what} of {num_bytes:,} bytes: choose {choice}"
    if num_bytes > sys.maxsize:
        raise OSError(errno.ENOMEM, message)
    try:
        yield
    except MemoryError as error:
        raise OSError(errno.ENOMEM, message) from error
