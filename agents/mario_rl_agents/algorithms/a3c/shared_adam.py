"""Adam whose weights and moments lie in memory that many processes read and change.

A process may be killed at any instruction, also in the middle of a step. A step is therefore a
transaction: there are two copies of everything, a step reads the current one and writes the other,
and the last thing that it writes is one whole number of eight bytes, which says that the other one
is current now. Whoever dies before that store has changed nothing that anyone will read.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """A lock between processes that the system opens when its holder dies, however it dies.

    A semaphore, which `multiprocessing.Lock` is made of, would stay shut for ever.
    """

    def __init__(self) -> None:
        """Make the file that is locked; `remove` deletes it."""
        descriptor, path = tempfile.mkstemp(prefix="mario-rl-", suffix=".lock")
        self._path = Path(path)
        self._file: BinaryIO = os.fdopen(descriptor, "r+b")

    def __getstate__(self) -> Path:
        """Pickle the path: each process opens the file for itself, since locks belong to it."""
        return self._path

    def __setstate__(self, path: Path) -> None:
        """Open the file in another process."""
        self._path = path
        self._file = path.open("r+b")

    def __enter__(self) -> None:
        """Wait until no other process holds the lock."""
        if sys.platform == "win32":
            while True:  # it gives up after ten seconds
                with contextlib.suppress(OSError):
                    self._file.seek(0)
                    msvcrt.locking(self._file.fileno(), msvcrt.LK_LOCK, 1)
                    return
        else:
            fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        """Let the next process in."""
        if sys.platform == "win32":
            self._file.seek(0)
            msvcrt.locking(self._file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def remove(self) -> None:
        """Close and delete the file; processes that have it open can go on."""
        self._file.close()
        # Windows keeps files that another process has open.
        with contextlib.suppress(OSError):
            self._path.unlink()


class SharedAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) for one vector of weights in shared memory.

    Pass it to a process as an argument: memory and lock are then the same ones there. Every method
    is for the holder of `lock` alone.

    Attributes:
        lock: Held by whoever reads or steps.
    """

    def __init__(self, optimizer: torch.optim.Adam, num_counts: tuple[int, ...]) -> None:
        """Begin with the weights, moments and settings of `optimizer`.

        Args:
            optimizer: Of one parameter, a vector of P weights.
            num_counts: Shape of the whole numbers that change with the weights, in one transaction.
        """
        (group,) = optimizer.param_groups
        (weights,) = group["params"]
        state = optimizer.state[weights]
        number = int(state["step"]) if state else 0
        copies = torch.zeros(2, 3, len(weights))  # [2, (w, m, v), P]
        copies[number % 2, 0] = weights.detach()
        if state:
            copies[number % 2, 1], copies[number % 2, 2] = state["exp_avg"], state["exp_avg_sq"]
        counts = torch.zeros(2, *num_counts, dtype=torch.int64)
        memory = tuple(shared(x) for x in (copies, counts, torch.tensor([number])))
        self.__setstate__((FileLock(), (group["betas"], group["eps"]), memory))

    def __getstate__(self) -> tuple[Any, ...]:
        """Pickle the memory itself, without the views of it."""
        return self.lock, self._settings, self._memory

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Make the views, once: a step is short enough for that to matter."""
        self.lock: FileLock
        self._settings: tuple[tuple[float, float], float]  # betas and epsilon
        self.lock, self._settings, self._memory = state
        copies, counts, number = self._memory
        self._copies = [tuple(copy) for copy in copies]  # 2 of (w, m, v), each of shape [P]
        self._counts: NDArray[np.int64] = counts.numpy()  # [2, ...]
        self._number: NDArray[np.int64] = number.numpy()  # [1]

    @property
    def num_steps(self) -> int:
        """Steps taken over the life of the optimizer; an even number means the first copy."""
        return int(self._number[0])

    @property
    def weights(self) -> Tensor:
        """The current weights, shape [P]: memory that the step after the next writes over."""
        weights: Tensor = self._copies[self.num_steps % 2][0]
        return weights

    @property
    def counts(self) -> NDArray[np.int64]:
        """The counts that belong to these weights: memory, as above."""
        counts: NDArray[np.int64] = self._counts[self.num_steps % 2]
        return counts

    def step(
        self, gradient: Tensor, learning_rate: float, place: tuple[int, ...], counts: Sequence[int]
    ) -> None:
        """Take one step, all of it or nothing.

        Args:
            gradient: Of the loss, shape [P].
            learning_rate: Of this step.
            place: An index into `counts`.
            counts: What to add there.
        """
        t = self.num_steps + 1
        weights, mean, square = self._copies[(t - 1) % 2]
        new_weights, new_mean, new_square = self._copies[t % 2]
        (beta1, beta2), epsilon = self._settings
        torch.lerp(mean, gradient, 1 - beta1, out=new_mean)  # m <- beta1 m + (1 - beta1) g
        torch.mul(square, beta2, out=new_square).addcmul_(gradient, gradient, value=1 - beta2)
        root = (new_square / (1 - beta2**t)).sqrt_().add_(epsilon)  # sqrt(v_hat) + epsilon
        size = learning_rate / (1 - beta1**t)
        torch.addcdiv(weights, new_mean, root, value=-size, out=new_weights)
        self._counts[t % 2] = self._counts[(t - 1) % 2]
        self._counts[(t % 2, *place)] += counts
        self._number[0] = t  # the transaction is complete

    def copy_to(self, optimizer: torch.optim.Adam) -> None:
        """Give weights and moments to the optimizer that they came from."""
        ((weights,),) = (group["params"] for group in optimizer.param_groups)
        number = self.num_steps
        current, mean, square = self._copies[number % 2]
        with torch.no_grad():
            weights.copy_(current)
        if number > 0:
            step = torch.tensor(float(number))
            moments = {"exp_avg": mean.clone(), "exp_avg_sq": square.clone()}
            optimizer.state[weights] = {"step": step, **moments}


def shared(x: Tensor) -> Tensor:
    """Return `x` moved to memory that processes share, where they get it as an argument."""
    x.untyped_storage().share_memory_()
    return x


def as_vector(module: nn.Module) -> tuple[nn.Parameter, Tensor]:
    """Move all weights of a module into one vector, and their gradients into another.

    The module's parameters stay what they are, but their memory is a part of that vector: what
    changes the one changes the other.

    Returns:
        The weights and the gradients, both of shape [P].
    """
    parameters: list[Any] = list(module.parameters())
    vector = torch.empty(sum(x.numel() for x in parameters))  # [P]
    gradient = torch.zeros_like(vector)  # [P]
    start = 0
    for x in parameters:
        # Strides are kept, so that images stay channels last.
        part = torch.as_strided(vector, x.shape, x.stride(), start)
        part.copy_(x.data)
        x.data = part
        x.grad = torch.as_strided(gradient, x.shape, x.stride(), start)
        start += x.numel()
    return nn.Parameter(vector), gradient
