"""Objects that one thread uses at a time."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class OneThread:
    """A context that one thread enters at a time; others are refused instead of made to wait."""

    def __init__(self, refusal: str) -> None:
        """Let anybody in.

        Args:
            refusal: What a second thread is told.
        """
        self._refusal = refusal
        self._let_anybody_in()

    def __enter__(self) -> None:
        """Enter.

        Raises:
            RuntimeError: Another thread of this process is inside.
        """
        if self._lock.acquire(blocking=False):
            return
        if self._process == os.getpid():
            raise RuntimeError(self._refusal)
        # The thread that was inside at the fork is not in this process, and never leaves.
        self._let_anybody_in()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        """Leave."""
        self._lock.release()

    def _let_anybody_in(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()


class HasOneThread(Protocol):
    """An object with methods that are `in_one_thread`."""

    one_thread: OneThread


_S = TypeVar("_S", bound=HasOneThread)


def in_one_thread(
    method: Callable[Concatenate[_S, _P], _R],
) -> Callable[Concatenate[_S, _P], _R]:
    """Let a method run in one thread at a time, of all the methods of an object that are so."""

    @functools.wraps(method)
    def entered(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self.one_thread:
            return method(self, *args, **kwargs)

    return entered
