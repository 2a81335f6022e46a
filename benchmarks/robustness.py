"""Attack runs, their files and the vector of games, and count what came of it.

    python benchmarks/robustness.py            # 200 kills, 50 full disks, 1,000 damaged files, ...
    python benchmarks/robustness.py --quick    # a tenth of a minute's worth of each
    python benchmarks/robustness.py --page     # also write the table into benchmarks/results.md

- A training is killed (SIGKILL) at random moments and resumed, again and again. At its end weights,
  optimizer, replay memory and logs must equal those of a training that was never killed, and its
  folder must hold nothing else.
- A training meets a full disk: a limit of the size of a file, at which the system refuses to write
  (RLIMIT_FSIZE, EFBIG). It must end in an OSError. Resumed with room, the same must be equal.
- A file of a run is damaged: bits flipped, cut off, or changed under a checksum that is right. It
  must be refused by an error that is documented, or the agent must act and learn.
- Processes are forked while another thread steps a vector of games, and two threads step one: a
  child must step games of its own as ever, the second thread must be refused by a RuntimeError.

Everything random comes from the seed, but for the moments at which processes are killed. It forks,
which is for POSIX alone.
"""

import argparse
import contextlib
import csv
import dataclasses
import datetime
import os
import platform
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from mario_rl_agents.errors import CheckpointError, ObservationError, RunError, UntrustedError
from mario_rl_agents.runs.loading import new_run, resume_run
from mario_rl_agents.runs.provenance import describe_machine
from mario_rl_agents.runs.run import Run, RunSpec
from mario_rl_agents.runs.trainer import train
from safetensors.numpy import load_file
from torch.utils.tensorboard import SummaryWriter

import mario_rl_envs

assert mario_rl_envs.__name__  # imported for its ids
assert SummaryWriter is not None  # imported here: every child would take a second for it

ROOT: Final = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- robustness -->", "<!-- /robustness -->"
LONGEST: Final = 120.0  # seconds that a child may take
_DOCUMENTED: Final = (
    CheckpointError,
    FileNotFoundError,
    FloatingPointError,
    ObservationError,
    RunError,
    UntrustedError,
)
FINISHED, FULL, OTHER = 0, 3, 4  # exit codes of children

_SMALL: Final[dict[str, Any]] = {"hidden_sizes": [16]}
_REPLAY: Final[dict[str, Any]] = {**_SMALL, "replay_capacity": 700, "learning_starts": 100}
_ROLLOUT: Final[dict[str, Any]] = {**_SMALL, "rollout_steps": 20, "batch_size": 20}
SPECS: Final = {
    "dqn": RunSpec(
        "dqn",
        "CartPole-v1",
        {},
        {**_REPLAY, "prioritized": True, "num_return_steps": 2},
        seed=1,
        total_steps=800,
    ),
    "ppo": RunSpec("ppo", "CartPole-v1", {}, _ROLLOUT, seed=2, total_steps=1_500, num_envs=2),
    "sac": RunSpec("sac", "Pendulum-v1", {}, _REPLAY, seed=3, total_steps=300),
    "ppo on Mario": RunSpec(
        "ppo",
        "MarioRL-1-1-v0",
        {"observation": "tiles", "max_episode_steps": 90},
        _ROLLOUT,
        seed=4,
        total_steps=500,
        num_envs=2,
    ),
}


class Counts(NamedTuple):
    """How many attacks of each kind."""

    kills: int
    kills_of_a_run: int
    full_disks: int
    damaged: int
    forks: int
    threads: int
    specs: tuple[str, ...]


WHOLE: Final = Counts(200, 10, 50, 1_000, 50, 50, tuple(SPECS))
QUICK: Final = Counts(4, 4, 2, 40, 3, 3, ("ppo",))


@dataclass
class Row:
    """One kind of attack."""

    what: str
    expected: str
    tries: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)  # those that are expected
    failures: list[str] = field(default_factory=list)

    def add(self, outcome: str) -> None:
        """Count a try that came out as it should."""
        self.tries += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def fail(self, failure: str) -> None:
        """Count a try that did not."""
        self.tries += 1
        self.failures.append(failure)
        print(f"FAILED: {self.what}: {failure}", file=sys.stderr, flush=True)

    def __str__(self) -> str:
        """Return the row of the table."""
        outcomes = ", ".join(f"{count:,} {name}" for name, count in self.outcomes.items())
        cells = (self.what, f"{self.tries:,}", self.expected, outcomes, len(self.failures))
        return f"| {' | '.join(map(str, cells))} |"


# Children.


def start(work: Callable[[], None]) -> int:
    """Start `work` in a forked process, which has nothing to import; return its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        work()
    except OSError:
        os._exit(FULL)
    except BaseException:
        os._exit(OTHER)
    os._exit(FINISHED)


def wait(child: int, seconds: float = LONGEST) -> int | None:
    """Return a child's exit code, negative for a signal; None if it had to be killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def go_on(folder: Path, spec: RunSpec, *, limit: int | None = None) -> None:
    """Train a run to its end, from its checkpoint if there is one."""
    torch.set_num_threads(1)
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if (folder / "checkpoint.safetensors").is_file():
        run, agent = resume_run(folder, device="cpu")
        if agent.num_steps >= run.spec.total_steps:
            return
    else:
        run, agent = new_run(spec, folder, device="cpu", overwrite=True)
    train(agent, run, checkpoint_seconds=0.0)


def warm_up(counts: Counts, out: Path) -> None:
    """Train a little here: what is imported on the way is then there in every child."""
    for name in counts.specs:
        folder = out / f"warm {name}"
        go_on(folder, dataclasses.replace(SPECS[name], total_steps=200))
        shutil.rmtree(folder)


# What must be equal.


def trace(folder: Path) -> dict[str, Any]:
    """Return everything of a finished run that must not depend on how it was interrupted."""
    run = Run.open(folder)
    files = sorted(path for path in folder.glob("*.safetensors"))
    arrays = {
        f"{'replay' if 'replay-' in path.name else path.stem}/{name}": (x.dtype, x.tobytes())
        for path in files
        for name, x in load_file(path).items()
    }
    speed = "charts/steps_per_second"
    with run.metrics_path.open(newline="") as file:
        metrics = [tuple(row) for row in csv.reader(file) if row[1] != speed]
    names = {"replay" if "replay-" in path.name else path.name for path in folder.iterdir()}
    return {"arrays": arrays, "episodes": run.episodes(), "metrics": metrics, "files": names}


def difference(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Return what differs between two traces; None if nothing does."""
    return next((key for key in one if one[key] != other[key]), None)


def straight(folder: Path, spec: RunSpec) -> dict[str, Any]:
    """Train without an interruption, in a child of its own; return the trace."""
    assert wait(start(lambda: go_on(folder, spec)), 10 * LONGEST) == FINISHED
    return trace(folder)


# Attacks.


def kill(counts: Counts, out: Path, rng: random.Random) -> Row:
    """Kill trainings and resume them."""
    row = Row("kill (SIGKILL) of a training, resumed", "bit-equal at the end, nothing left over")
    wholes = {name: straight(out / f"whole {name}", SPECS[name]) for name in counts.specs}
    for index in range(counts.kills // counts.kills_of_a_run):
        name = counts.specs[index % len(counts.specs)]
        folder, num_killed = out / f"killed {index}", 0
        while num_killed < counts.kills_of_a_run:
            child = start(lambda folder=folder, name=name: go_on(folder, SPECS[name]))  # type: ignore[misc]
            time.sleep(rng.uniform(0.02, 0.5))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            code = wait(child)
            if code == -signal.SIGKILL:
                num_killed += 1
            elif code != FINISHED:
                break
            else:
                shutil.rmtree(folder)  # it was faster: once more, from its beginning
        code = wait(start(lambda folder=folder, name=name: go_on(folder, SPECS[name])))  # type: ignore[misc]
        differs = f"exit code {code}" if code else difference(wholes[name], trace(folder))
        for _ in range(num_killed):
            row.add("equal") if differs is None else row.fail(f"{name}: {differs}")
        shutil.rmtree(folder)
    return row


def fill_disk(counts: Counts, out: Path, rng: random.Random) -> Row:
    """Let trainings run into a full disk, and resume them with room."""
    row = Row("full disk (EFBIG) while training", "OSError, bit-equal when resumed with room")
    for index in range(counts.full_disks):
        name = counts.specs[index % len(counts.specs)]
        whole = out / f"whole {name}"
        largest = max(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        limit, folder = int(largest * rng.random() ** 2), out / f"full {index}"
        code = wait(start(lambda f=folder, n=name, size=limit: go_on(f, SPECS[n], limit=size)))  # type: ignore[misc]
        outcome = {FULL: "refused and equal", FINISHED: "fitted and equal"}.get(code or 0)
        differs: str | None = f"exit code {code} at {limit:,} bytes"
        if outcome is not None:
            again = wait(start(lambda f=folder, n=name: go_on(f, SPECS[n])))  # type: ignore[misc]
            differs = f"resumed: exit code {again}" if again else None
            differs = differs or difference(trace(whole), trace(folder))
        row.add(outcome or "") if differs is None else row.fail(f"{name}: {differs}")
        shutil.rmtree(folder, ignore_errors=True)
    return row


def damage(counts: Counts, out: Path, rng: random.Random) -> Row:
    """Damage a file of a run and resume it."""
    row = Row("damaged file of a run", "a documented error, or it acts and learns")
    runs = {name: unfinished(out / f"half {name}", SPECS[name]) for name in counts.specs}
    for index in range(counts.damaged):
        name = counts.specs[index % len(counts.specs)]
        folder = out / "damaged"
        shutil.copytree(runs[name], folder)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        path = rng.choice(files)
        how = rng.choice((flip, cut, sign) if path.name.startswith("checkpoint") else (flip, cut))
        how(path, rng)
        read_end, write_end = os.pipe()
        code = wait(start(lambda f=folder, end=write_end: try_to_learn(f, end)))  # type: ignore[misc]
        os.close(write_end)
        with os.fdopen(read_end, "rb") as answer:
            outcome = answer.read().decode()
        what = f"{name}, {path.name}: {how.__name__}: exit code {code}, {outcome}"
        is_expected = code == FINISHED and not outcome.startswith("!")
        row.add(outcome) if is_expected else row.fail(what)
        shutil.rmtree(folder)
    return row


def unfinished(folder: Path, spec: RunSpec) -> Path:
    """Train the first part of a run; return its folder."""

    def begin() -> None:
        torch.set_num_threads(1)
        run, agent = new_run(spec, folder, device="cpu")
        half = Run.open(folder).extended_to(301 - 301 % spec.num_envs)
        train(agent, half)
        run.extended_to(spec.total_steps)

    assert wait(start(begin)) == FINISHED
    return folder


def try_to_learn(folder: Path, answer: int) -> None:
    """Resume a run and take some steps; write what came of it, with ! before what should not be."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    try:
        run, agent = resume_run(folder, device="cpu")
        run = run.extended_to(agent.num_steps + 40)
        train(agent, run)
    except _DOCUMENTED as error:
        outcome = type(error).__name__
    except Exception as error:
        # Settings that are allowed and cannot be trained, or made, are a ValueError or an OSError.
        is_documented = type(error) in (ValueError, OSError)
        outcome = type(error).__name__ if is_documented else f"!{error!r}"
    else:
        outcome = "went on"
    os.write(answer, outcome.encode())


def flip(path: Path, rng: random.Random) -> None:
    """Flip a few bits."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 3, 20)) if content else 0):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut(path: Path, rng: random.Random) -> None:
    """Cut the end off."""
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) + 1)])


def sign(path: Path, rng: random.Random) -> None:
    """Change one thing, and give the file a checksum that is right."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support import mutations, signed_files

    if "replay-" in path.name:
        checkpoint = path.with_name("checkpoint.safetensors")
        header, _ = signed_files.read_signed(checkpoint)
        _, arrays = rng.choice(list(mutations.mutated_arrays(load_file(path))))
        signed_files.write_signed_replay(checkpoint, header, arrays)
        return
    header, tensors = signed_files.read_signed(path)
    if rng.random() < 0.5:
        _, header = rng.choice(list(mutations.mutated_values(header, 3)))
    else:
        _, tensors = rng.choice(list(mutations.mutated_arrays(tensors)))
    signed_files.write_signed(path, header, tensors)


def make_games() -> Any:
    """Return two games on two threads."""
    return gym.make_vec("MarioRL-1-1-v0", 2, observation="ram", num_threads=2)


def play(envs: Any, num_steps: int) -> bytes:
    """Return the observations after some steps from a reset."""
    envs.reset(seed=5)
    for step in range(num_steps):
        obs, *_ = envs.step(np.full(2, step % envs.single_action_space.n))
    return np.asarray(obs).tobytes()


def fork(counts: Counts) -> Row:
    """Fork while another thread steps a vector of games."""
    row = Row("fork while another thread steps a vector", "the child's own games step as ever")
    envs = make_games()
    expected = play(envs, 30)
    is_over = threading.Event()

    def step_on() -> None:
        while not is_over.is_set():
            play(envs, 30)

    stepper = threading.Thread(target=step_on)
    stepper.start()

    def child() -> None:
        own = make_games()
        assert play(own, 30) == expected
        own.close()

    try:
        for _ in range(counts.forks):
            code = wait(start(child), 20.0)
            row.add("equal") if code == FINISHED else row.fail(f"exit code {code}")
    finally:
        is_over.set()
        stepper.join()
    return row


def step_often(envs: Any, errors: list[str]) -> None:
    """Step games, and note the names of the errors that this raises."""
    for _ in range(40):
        try:
            envs.step(np.zeros(2, np.int64))
        except Exception as error:
            errors.append(type(error).__name__)


def thread(counts: Counts) -> Row:
    """Step one vector from two threads at once."""
    row = Row("two threads step one vector", "RuntimeError in one; after a reset all is as ever")
    envs = make_games()
    expected = play(envs, 30)
    for _ in range(counts.threads):
        errors: list[str] = []
        threads = [threading.Thread(target=step_often, args=(envs, errors)) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        others = sorted({error for error in errors if error != "RuntimeError"})
        if others or play(envs, 30) != expected:
            row.fail(f"{others or 'differs after a reset'}")
        else:
            row.add("refused and equal" if errors else "equal")
    return row


def main(arguments: list[str] | None = None) -> int:
    """Attack, print the table, and return 1 if something came out otherwise than it should."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few attacks of each kind")
    parser.add_argument("--page", action="store_true", help="write benchmarks/results.md")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counts = QUICK if options.quick else WHOLE
    begun = time.monotonic()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        out = Path(folder)
        # Before any thread of this process: what is forked has no lock held by one.
        warm_up(counts, out)
        rows = [attack(counts, out, rng) for attack in (kill, fill_disk, damage)]
    rows += [fork(counts), thread(counts)]
    minutes = (time.monotonic() - begun) / 60
    table = [
        "| attack | tries | expected | what came of it | failures |",
        "|---|---:|---|---|---:|",
        *map(str, rows),
    ]
    date = datetime.datetime.now(datetime.UTC).date()
    machine = f"{describe_machine()}; Python {platform.python_version()}, torch {torch.__version__}"
    text = "\n".join(table) + f"\n\n{minutes:.1f} minutes, seed {options.seed}. {date}; {machine}."
    print(text)
    if options.page:
        write_page(ROOT / "benchmarks" / "results.md", text)
    return int(any(row.failures for row in rows))


def write_page(page: Path, text: str) -> None:
    """Put the table between its markers."""
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")


if __name__ == "__main__":
    sys.exit(main())
