"""Compare our replay memory with TorchRL's, as the PyTorch Mario tutorial uses it, in one run.

    python benchmarks/replay_buffer.py                   # 100,000 transitions of (4, 84, 84)
    python benchmarks/replay_buffer.py --capacity 5000 --rounds 3

TorchRL's part is what that tutorial does: `TensorDictReplayBuffer` over `LazyMemmapStorage`, one
`add` of a `TensorDict` for each step, `sample(32)`. Every memory is first filled to its capacity;
then the rounds alternate between the memories, so that a slow moment of the machine hits all of
them. Needs the extra `bench`.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mario_rl_agents.buffers.replay import ReplayBuffer
from numpy.typing import NDArray

STACK, HEIGHT, WIDTH = 4, 84, 84
EPISODE = 200  # steps
BATCH_SIZE = 32


class Memory(NamedTuple):
    """A replay memory under test."""

    name: str
    add: Callable[[int], None]  # the transition with this number
    sample: Callable[[], Any]


class Result(NamedTuple):
    """Speeds of one memory, one number for each round."""

    name: str
    adds: list[float]  # per second
    samples: list[float]  # batches per second


def main() -> None:
    """Run the comparison and print it as a table."""
    parser = argparse.ArgumentParser(description="Replay memory: ours against TorchRL's.")
    parser.add_argument("--capacity", type=int, default=100_000, help="transitions")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each memory")
    parser.add_argument("--adds", type=int, default=2000, help="transitions added in a round")
    parser.add_argument("--samples", type=int, default=300, help="batches drawn in a round")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    with tempfile.TemporaryDirectory() as folder:
        frames = np.random.default_rng(0).integers(0, 256, (5000, HEIGHT, WIDTH), dtype=np.uint8)
        memories = [
            ours("ours, RAM", arguments.capacity, frames, None),
            ours("ours, mapped", arguments.capacity, frames, Path(folder)),
            torchrl("TorchRL, mapped", arguments.capacity, frames, Path(folder, "torchrl")),
        ]
        results = compare(memories, arguments)

    table = f"{describe_setup(arguments)}\n\n{describe_results(results)}\n"
    print(table)
    if arguments.markdown:
        arguments.markdown.write_text(table)
    if arguments.json:
        measurements = [result._asdict() for result in results]
        record = {"setup": vars(arguments), "results": measurements}
        arguments.json.write_text(json.dumps(record, default=str))


def stacked(frames: NDArray[np.uint8], number: int, *, after: bool = False) -> NDArray[np.uint8]:
    """Return the observation before or after step `number`; all episodes are equally long."""
    first, newest = number - number % EPISODE, number + after
    return frames[[max(newest - age, first) % len(frames) for age in reversed(range(STACK))]]


def ours(name: str, capacity: int, frames: NDArray[np.uint8], directory: Path | None) -> Memory:
    """Return our memory."""
    shape = (STACK, HEIGHT, WIDTH)
    replay = ReplayBuffer(capacity, shape, np.uint8, stack=STACK, directory=directory)
    generator = np.random.default_rng(0)

    def add(number: int) -> None:
        obs, next_obs = stacked(frames, number), stacked(frames, number, after=True)
        end = np.array([number % EPISODE == EPISODE - 1])
        action, reward = np.array([number % 5]), np.ones(1)
        replay.add(obs[None], action, reward, end, ~end & False, next_obs[None])

    return Memory(name, add, lambda: replay.sample(BATCH_SIZE, generator))


def torchrl(name: str, capacity: int, frames: NDArray[np.uint8], directory: Path) -> Memory:
    """Return TorchRL's memory, used as in the tutorial."""
    from tensordict import TensorDict
    from torchrl.data import LazyMemmapStorage, TensorDictReplayBuffer

    storage = LazyMemmapStorage(capacity, scratch_dir=directory, device=torch.device("cpu"))
    replay = TensorDictReplayBuffer(storage=storage)

    def add(number: int) -> None:
        step = {
            "state": torch.from_numpy(stacked(frames, number)),
            "next_state": torch.from_numpy(stacked(frames, number, after=True)),
            "action": torch.tensor([number % 5]),
            "reward": torch.tensor([1.0]),
            "done": torch.tensor([number % EPISODE == EPISODE - 1]),
        }
        replay.add(TensorDict(step, batch_size=[]))

    def sample() -> tuple[torch.Tensor, ...]:
        batch = replay.sample(BATCH_SIZE)
        keys = ("state", "next_state", "action", "reward", "done")
        state, next_state, action, reward, done = (batch.get(key) for key in keys)
        return state, next_state, action.squeeze(), reward.squeeze(), done.squeeze()

    return Memory(name, add, sample)


def compare(memories: list[Memory], arguments: argparse.Namespace) -> list[Result]:
    """Fill every memory, then measure them in turn."""
    results = [Result(memory.name, [], []) for memory in memories]
    for memory in memories:
        start = time.perf_counter()
        for number in range(arguments.capacity):
            memory.add(number)
        memory.sample()
        print(f"{memory.name}: filled in {time.perf_counter() - start:.1f} s", flush=True)
    number = arguments.capacity
    for _ in range(arguments.rounds):
        for memory, result in zip(memories, results, strict=True):
            start = time.perf_counter()
            for index in range(number, number + arguments.adds):
                memory.add(index)
            result.adds.append(arguments.adds / (time.perf_counter() - start))
            start = time.perf_counter()
            for _ in range(arguments.samples):
                memory.sample()
            result.samples.append(arguments.samples / (time.perf_counter() - start))
        number += arguments.adds
    return results


def describe_setup(arguments: argparse.Namespace) -> str:
    """Return one paragraph on what was measured with what."""
    packages = ("numpy", "torch", "torchrl", "tensordict")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"{arguments.capacity:,} transitions of ({STACK}, {HEIGHT}, {WIDTH}) uint8, batches of "
        f"{BATCH_SIZE}, median [lowest to highest] of {arguments.rounds} rounds of "
        f"{arguments.adds:,} adds and {arguments.samples:,} samples. Python "
        f"{platform.python_version()}, {versions}; {cpu_name()}, {os.cpu_count()} cores, "
        f"torch threads: {arguments.threads}; {platform.system()}."
    )


def cpu_name() -> str:
    """Return what the machine calls its processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe_results(results: list[Result]) -> str:
    """Return a Markdown table, each memory beside how many times as fast as the last one it is."""
    reference = results[-1]
    lines = ["| memory | adds/s | | samples/s | |", "|---|---:|---:|---:|---:|"]
    for result in results:
        adds = statistics.median(result.adds) / statistics.median(reference.adds)
        samples = statistics.median(result.samples) / statistics.median(reference.samples)
        lines.append(
            f"| {result.name} | {spread(result.adds)} | {adds:.1f}x "
            f"| {spread(result.samples)} | {samples:.1f}x |"
        )
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return median and range."""
    return f"{statistics.median(values):,.0f} [{min(values):,.0f} to {max(values):,.0f}]"


if __name__ == "__main__":
    main()
