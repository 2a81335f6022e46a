"""Processes that do the same work, watched over: one that dies is reported and replaced.

Nothing that they share can be left in a bad state by a process that is killed: each has a pipe of
its own to the main process (a queue for all has a lock, which dies with its holder), and the
memory that they share changes in transactions (`shared_adam.py`).
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

import numpy as np
import torch
import torch.multiprocessing  # makes tensors in shared memory arguments of a process
from numpy.typing import NDArray
from torch import Tensor

from mario_rl_agents.algorithms.a3c.shared_adam import shared
from mario_rl_agents.errors import ObservationError, RewardError, SetupError, WorkerError

# A server that has imported torch once forks each process off, in milliseconds instead of seconds;
# it runs nothing else, so that no thread is lost in a fork. Elsewhere every process starts afresh.
START_METHOD: Final = "forkserver" if sys.platform == "linux" else "spawn"
_POLL_SECONDS: Final = 0.1  # at most until `receive` returns with nothing
_STOP_SECONDS: Final = 10.0  # for a worker to end when it should, before it is killed
_SEND_SECONDS: Final = 0.02  # reports are collected for so long: a pipe costs more than a report
# Errors that the next worker would meet too.
FINAL: Final = (FloatingPointError, ObservationError, RewardError, SetupError)
_SERVERS: Final = 3  # attempts to start a process
_STARTS: Final = 3  # attempts in one place as long as no worker at all has come to its work


class StepBudget:
    """Environment steps that the workers of one `learn` divide among themselves.

    Each claims a few before it takes them, so that all together take exactly as many as asked for.
    `claim` is for the holder of the lock alone.
    """

    def __init__(self, num_steps: int, num_workers: int) -> None:
        """Set out `num_steps`."""
        limit, claimed = torch.tensor([num_steps]), torch.zeros(num_workers, dtype=torch.int64)
        self.__setstate__((shared(limit), shared(claimed)))

    def __getstate__(self) -> tuple[Tensor, Tensor]:
        """Pickle the memory itself."""
        return self._memory

    def __setstate__(self, memory: tuple[Tensor, Tensor]) -> None:
        """Look at the memory as numpy does, which is quicker with single numbers."""
        self._memory = memory
        self._limit: NDArray[np.int64] = memory[0].numpy()  # [1]
        self._claimed: NDArray[np.int64] = memory[1].numpy()  # [W]

    def claim(self, slot: int, most: int, taken: int) -> int:
        """Return how many steps a worker may take next, 0 if none are left.

        Args:
            slot: Of the worker; what it claimed before is taken, or given back.
            most: What it asks for.
            taken: Steps that all have taken so far.
        """
        self._claimed[slot] = 0
        left = int(self._limit[0] - self._claimed.sum()) - taken
        self._claimed[slot] = num_steps = max(0, min(most, left))
        return num_steps

    def close(self) -> None:
        """Set the number of steps to 0: no further claim is granted."""
        self._limit[0] = 0


@dataclass
class Worker:
    """A worker's slot, start number and connection, in its own process."""

    slot: int  # 0 to num_workers - 1; its replacement has the same
    start: int  # workers that were started before it: what its seed comes from
    in_step: bool  # each report waits until the main process has dealt with it
    connection: Connection
    _unsent: list[Any] | None = None
    _sent: float = 0.0  # when, on the monotonic clock

    def report(self, report: Any) -> None:
        """Tell the main process something that can be pickled."""
        self._unsent = [*(self._unsent or ()), report]
        if self.in_step:
            self.flush()
            self.connection.recv()
        elif time.monotonic() - self._sent >= _SEND_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what was reported and is not yet sent."""
        unsent, self._unsent, self._sent = self._unsent, None, time.monotonic()
        if unsent:
            self.connection.send(unsent)


@dataclass(frozen=True)
class _Began:
    """A process has begun its work."""


@dataclass(frozen=True)
class _Ended:
    """A worker has done all its work."""


@dataclass(frozen=True)
class _Failed:
    """An exception has ended a worker."""

    summary: str  # "ValueError: ..."
    text: str  # with its traceback
    final: type[Exception] | None  # to be raised at once: no other worker could do better


@dataclass
class _Place:
    """A slot for a worker, and the process that runs in it now."""

    process: BaseProcess
    connection: Connection
    failure: _Failed | None = None
    has_begun: bool = False
    has_ended: bool = False
    num_crashes: int = 0  # in a row, without progress


class WorkerPool:
    """A number of workers, each in its own process.

    Use it in a `with` block: at its end no process is left, whatever ended it.
    """

    def __init__(
        self,
        work: Callable[..., None],
        arguments: Sequence[Any],
        *,
        num_workers: int,
        budget: StepBudget,
        next_start: Callable[[], int],
        on_crash: Callable[[int], None],
        on_orphaned: Callable[[], None],
        max_restarts: int,
    ) -> None:
        """Prepare; entering the `with` block starts the processes.

        Args:
            work: Called in each process with a `Worker` and `arguments`; all can be pickled.
            arguments: The same for each.
            num_workers: How many. A single one runs in step with the main process.
            budget: What they have to do; it is closed to stop them.
            next_start: Returns a number that no worker before has had.
            on_crash: Called in the main process with the slot of a worker that has died.
            on_orphaned: Called in a worker when the main process has died.
            max_restarts: Replacements in a row of a worker without progress.
        """
        self._work, self._arguments = work, tuple(arguments)
        self._num_workers, self._budget, self._next_start = num_workers, budget, next_start
        self._on_crash, self._on_orphaned = on_crash, on_orphaned
        self._max_restarts = max_restarts
        self._places: list[_Place] = []
        self._deadline: float | None = None  # for the processes to end, once they should
        self._have_any_begun = False
        self.num_restarts = 0

    def __enter__(self) -> "WorkerPool":
        """Start the processes."""
        try:
            for slot in range(self._num_workers):
                self._places.append(self._start(slot))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self._end()

    @property
    def is_running(self) -> bool:
        """Whether a worker still has work to do."""
        return not all(place.has_ended for place in self._places)

    @property
    def num_running(self) -> int:
        """The number of workers that have begun and not ended."""
        return sum(place.has_begun and not place.has_ended for place in self._places)

    def receive(self) -> list[tuple[int, list[Any]]]:
        """Return the slots that have reported, and their reports, within a tenth of a second.

        Workers that have died are replaced meanwhile.

        Raises:
            WorkerError: One dies again and again.
            SetupError, ObservationError, RewardError, FloatingPointError: Of a worker, as it
                raised it.
        """
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._kill()
        by_connection = {p.connection: slot for slot, p in self._places_running()}
        received = []
        for ready in wait(list(by_connection), _POLL_SECONDS):
            assert isinstance(ready, Connection)
            slot = by_connection[ready]
            try:
                message = ready.recv()
            except (EOFError, OSError):  # the end, perhaps in the middle of a message
                self._handle_exit(slot)
                continue
            match message:
                case _Began():
                    self._places[slot].has_begun = self._have_any_begun = True
                case _Ended():
                    self._places[slot].has_ended = True
                case _Failed():
                    self._places[slot].failure = message
                case _:
                    received.append((slot, message))
        return received

    def go_on(self, slot: int) -> None:
        """Let a worker that runs in step take its next one."""
        if self._num_workers == 1:
            with contextlib.suppress(OSError):  # it has died; `receive` will see to it
                self._places[slot].connection.send(None)

    def made_progress(self, slot: int) -> None:
        """Reset the crash counter of a slot."""
        self._places[slot].num_crashes = 0

    def stop(self) -> None:
        """Ask the workers to end; start no others, and kill those that miss the deadline."""
        self._budget.close()
        if self._deadline is None:
            self._deadline = time.monotonic() + _STOP_SECONDS

    def _places_running(self) -> list[tuple[int, _Place]]:
        return [(slot, place) for slot, place in enumerate(self._places) if not place.has_ended]

    def _start(self, slot: int) -> _Place:
        context: Any = multiprocessing.get_context(START_METHOD)
        if START_METHOD == "forkserver":
            function = getattr(self._work, "func", self._work)  # of functools.partial
            context.set_forkserver_preload([function.__module__])
        ours, theirs = context.Pipe()
        worker = Worker(slot, self._next_start(), self._num_workers == 1, theirs)
        arguments = (self._work, worker, self._arguments, self._on_orphaned)
        # A daemon is ended with the main process, should that skip the end of the `with` block.
        process = context.Process(target=_run, args=arguments, name=f"worker-{slot}", daemon=True)
        try:
            start_process(process)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()  # or its end would never be heard of
        return _Place(process, ours)

    def _handle_exit(self, slot: int) -> None:
        """Report a worker that has crashed, and start another unless its failure is final."""
        place = self._places[slot]
        _join(place.process)
        who = f"worker {slot} (process {place.process.pid})"
        reason = _reason(place)
        self._on_crash(slot)
        place.has_ended = True
        if place.failure is not None and place.failure.final is not None:
            raise place.failure.final(f"{who}: {place.failure.summary}")
        if self._deadline is not None:
            return
        num_crashes = place.num_crashes + 1
        if num_crashes > (self._max_restarts if self._have_any_begun else _STARTS - 1):
            raise WorkerError(self._crash_message(who, num_crashes, reason, place.failure))
        warnings.warn(
            f"{who} {reason}. What it had not handed in is lost, nothing else; a new worker with a "
            "new seed takes its place",
            RuntimeWarning,
            stacklevel=5,
        )
        successor = self._start(slot)
        successor.num_crashes = num_crashes
        _close(place)
        self._places[slot] = successor
        self.num_restarts += 1

    def _crash_message(
        self, who: str, num_crashes: int, reason: str, failure: _Failed | None
    ) -> str:
        text = (
            f"{who} {reason}; it was the {num_crashes}. worker in its place to die without progress"
        )
        if not self._have_any_begun:
            return (
                f"{text}, and no worker came to its work: if a script calls learn, it must do so "
                'under `if __name__ == "__main__":`, since processes import it'
            )
        return text if failure is None else f"{text}:\n\n{failure.text}"

    def _end(self) -> None:
        """Wait for the processes to end, kill those that do not, and free what they had."""
        self.stop()
        for slot, _ in self._places_running():
            self.go_on(slot)
        while self.is_running:
            with contextlib.suppress(*FINAL):  # something has ended training already
                self.receive()
        for place in self._places:
            _join(place.process)
            _close(place)

    def _kill(self) -> None:
        for _, place in self._places_running():
            place.process.kill()


def start_process(process: BaseProcess) -> None:
    """Start a process, by another fork server if the one there has ended.

    Raises:
        SetupError: One server after the other has ended.
    """
    for _ in range(_SERVERS):
        try:
            if START_METHOD == "forkserver":
                resource_tracker.ensure_running()  # its start would let interrupts through again
                with _interrupts_held():
                    forkserver.ensure_running()
            process.start()
        except (EOFError, ConnectionError):
            time.sleep(_POLL_SECONDS)  # until it has exited, so that the next call replaces it
        else:
            return
    raise SetupError(
        f"{_SERVERS} fork servers, which start the workers, ended one after the other: look for "
        "what ends them (a signal, a lack of memory), and run it again"
    )


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Have Ctrl-C wait, and not reach what is started meanwhile at all.

    It is sent to the fork server too, which would end while it is importing what it preloads. How
    to stop is the main process's to decide.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _join(process: BaseProcess) -> None:
    process.join(_STOP_SECONDS)
    process.kill()  # does nothing to one that has ended
    process.join()


def _close(place: _Place) -> None:
    place.connection.close()
    place.process.close()


def _reason(place: _Place) -> str:
    code = place.process.exitcode
    if place.failure is not None:
        return f"failed with {place.failure.summary}"
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _run(
    work: Callable[..., None],
    worker: Worker,
    arguments: Sequence[Any],
    on_orphaned: Callable[[], None],
) -> None:
    """Do the work of one process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the main process decides
    threading.Thread(target=_die_with_parent, args=(on_orphaned,), daemon=True).start()
    torch.set_num_threads(1)
    try:
        worker.connection.send(_Began())
        work(worker, *arguments)
        worker.flush()
        worker.connection.send(_Ended())
    except BaseException as error:
        final = next((kind for kind in FINAL if isinstance(error, kind)), None)
        summary = str(error) if final else f"{type(error).__name__}: {error}"
        with contextlib.suppress(Exception):  # what it had to report, or nobody to report to
            worker.flush()
        with contextlib.suppress(OSError):
            worker.connection.send(_Failed(summary, traceback.format_exc(), final))
        sys.exit(1)


def _die_with_parent(on_orphaned: Callable[[], None]) -> None:
    """Wait for the death of the main process, which may be killed, and follow it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    on_orphaned()
    os._exit(1)
