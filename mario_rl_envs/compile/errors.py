"""What goes wrong around the compiled library, each in one sentence that says what to do."""

from typing import Final

NOT_ON_WINDOWS: Final = "on Windows the game is interpreted: its code is not compiled there"


class LibraryError(Exception):
    """The library cannot be made, kept, found or loaded."""


class MissingError(LibraryError):
    """There is no library, and nothing is wrong."""
