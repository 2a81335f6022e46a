"""Ctrl-C that waits for the step in progress, so that nothing is left half done."""

import signal
import threading
from types import FrameType


class DeferredInterrupt:
    """Turns Ctrl-C into a request that is granted between two steps."""

    def __init__(self) -> None:
        """Prepare; entering the `with` block begins it."""
        self._requested = False
        self._installed = False

    def __enter__(self) -> "DeferredInterrupt":
        """Take over Ctrl-C, if it is nobody else's."""
        # Signals belong to the main thread, and a handler that the user has set is left alone.
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._request)
            self._installed = True
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        """Give it back, and grant a request that came too late for a step."""
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if exception is None:
            self.raise_if_requested()

    def raise_if_requested(self) -> None:
        """Raise the KeyboardInterrupt that was held back."""
        if self._requested:
            self._requested = False
            raise KeyboardInterrupt

    def _request(self, signal_number: int, frame: FrameType | None) -> None:
        if self._requested:
            signal.default_int_handler(signal_number, frame)
        self._requested = True
