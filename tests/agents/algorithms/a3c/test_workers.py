"""Shared Adam and the processes that use it: killed at any moment, replaced, leaving nothing."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig
from mario_rl_agents.algorithms.a3c.shared_adam import FileLock, SharedAdam, as_vector
from mario_rl_agents.algorithms.a3c.workers import START_METHOD, StepBudget
from mario_rl_agents.errors import WorkerError
from support import worker_toys
from support.agent_toys import ROOT, assert_same_weights, corridor, weights
from torch import nn

CONTEXT: Any = multiprocessing.get_context(START_METHOD)
CONTEXT.set_forkserver_preload(["mario_rl_agents.algorithms.a3c.a3c"])


def adam(num_weights: int) -> torch.optim.Adam:
    """Return Adam for weights 0, 1, ..."""
    x = nn.Parameter(torch.arange(float(num_weights)))
    return torch.optim.Adam([x], 0.1, (0.8, 0.95))


def test_shared_adam_is_adam() -> None:
    optimizer, reference = adam(7), adam(7)
    (weights,), (expected,) = (x.param_groups[0]["params"] for x in (optimizer, reference))
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):  # it goes on from where the one before stopped
        shared = SharedAdam(optimizer, (2, 3))
        for _ in range(20):
            expected.grad = torch.randn(7, generator=generator)
            reference.step()
            with shared.lock:
                shared.step(expected.grad, 0.1, (1,), (5, 1, 0))
                torch.testing.assert_close(shared.weights, expected.detach())
        assert shared.counts.tolist() == [[0, 0, 0], [100, 20, 0]]
        shared.copy_to(optimizer)
        shared.lock.remove()
    torch.testing.assert_close(weights, expected)
    state, other = optimizer.state[weights], reference.state[expected]
    assert float(state["step"]) == float(other["step"]) == 60
    torch.testing.assert_close(state["exp_avg"], other["exp_avg"])
    torch.testing.assert_close(state["exp_avg_sq"], other["exp_avg_sq"])


def test_weights_of_a_module_as_one_vector() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 4), nn.Flatten(), nn.Linear(75, 2))
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    strides = [x.stride() for x in module.parameters()]
    obs = torch.randn(5, 2, 8, 8)
    before = module(obs)
    vector, gradient = as_vector(module)
    assert torch.equal(module(obs), before)
    assert [x.stride() for x in module.parameters()] == strides
    module(obs).square().sum().backward()
    separate = torch.cat([x.grad.flatten() for x in module.parameters() if x.grad is not None])
    torch.testing.assert_close(gradient.sort()[0], separate.sort()[0])
    vector.data.zero_()
    assert all((x == 0).all() for x in module.parameters())


def test_a_step_is_whole_or_not_at_all_whenever_a_process_is_killed() -> None:
    """All weights take the same steps: had one step been torn, they would differ."""
    x = nn.Parameter(torch.zeros(300_000))  # a step takes long enough to be hit
    optimizer = torch.optim.Adam([x], 0.1)
    shared = SharedAdam(optimizer, (1, 3))
    generator, num_interrupted = np.random.default_rng(0), 0
    reference = nn.Parameter(torch.zeros(1))
    other = torch.optim.Adam([reference], 0.1)
    for _ in range(6):
        process = CONTEXT.Process(target=worker_toys.step_for_ever, args=(shared,))
        with shared.lock:
            before = shared.num_steps
        process.start()
        while shared.num_steps < before + 3:
            time.sleep(0.001)
        time.sleep(generator.uniform(0, 0.01))
        process.kill()
        process.join()
        with shared.lock:  # a lock that died with its holder would hang here
            after = shared.num_steps
            assert (shared.weights == shared.weights[0]).all()
            assert shared.counts.tolist() == [[2 * after, after, 0]]
            # With equal gradients the mean square only grows: it is ahead where a step had begun.
            spare, current = (shared._copies[n % 2][2] for n in (after + 1, after))
            num_interrupted += int((spare > current).any())
        for _ in range(after - before):
            reference.grad = torch.ones(1)
            other.step()
        shared.copy_to(optimizer)
        torch.testing.assert_close(x[:1], reference, rtol=1e-4, atol=1e-4)
        process.close()
    assert num_interrupted > 0  # the copy that was being written was left half done
    shared.lock.remove()


def test_a_lock_is_open_after_its_holder_was_killed() -> None:
    lock = FileLock()
    ours, theirs = CONTEXT.Pipe()
    holder = CONTEXT.Process(target=worker_toys.hold, args=(lock, theirs))
    holder.start()
    assert ours.recv() == "held"
    waiting = CONTEXT.Process(target=worker_toys.hold, args=(lock, theirs))
    waiting.start()
    assert not ours.poll(0.3)  # it is shut
    holder.kill()
    assert ours.recv() == "held"
    waiting.kill()
    for process in (holder, waiting):
        process.join()
        process.close()
    ours.close()
    theirs.close()
    lock.remove()


def test_workers_claim_the_steps_that_are_left() -> None:
    budget = StepBudget(12, 3)
    assert [budget.claim(slot, 5, 0) for slot in range(3)] == [5, 5, 2]
    assert budget.claim(2, 5, 2) == 0  # the others hold the last ten
    assert budget.claim(0, 5, 3) == 4  # an episode was over after one of five: four to give back
    assert budget.claim(1, 0, 3) == 0  # the second one died
    assert budget.claim(2, 9, 3) == 5
    budget.close()
    assert budget.claim(1, 5, 3) == 0


CONFIG = A3CConfig(num_workers=2, learning_rate=1e-3, hidden_sizes=(8,))


def make(factory: Any, config: A3CConfig = CONFIG, seed: int = 0) -> A3C:
    return A3C.create(factory(), config, seed=seed, env_factory=factory)


def processes() -> list[int]:
    """Return the processes of the workers."""
    return [process.pid or 0 for process in multiprocessing.active_children()]


class Killer(Callback):
    """Kills a worker each so many steps, none of them twice."""

    def __init__(self, every: int, num_kills: int) -> None:
        self._every, self._num_kills = every, num_kills
        self.killed: set[int] = set()

    def on_step(self, agent: Agent) -> None:
        if agent.num_steps % self._every == 0 and len(self.killed) < self._num_kills:
            living = [pid for pid in processes() if pid not in self.killed]
            if living:
                os.kill(living[0], signal.SIGKILL)
                self.killed.add(living[0])


@pytest.mark.parametrize("num_workers", [1, 2])
def test_killed_workers_are_reported_and_replaced(num_workers: int) -> None:
    agent = make(corridor, A3CConfig(num_workers=num_workers, learning_rate=1e-3))
    # Several workers go on while nobody listens: they need steps left when the last is killed.
    killer, num_steps = Killer(300, num_kills=5), 2_000 if num_workers == 1 else 10_000
    with pytest.warns(RuntimeWarning, match=r"worker \d \(process \d+\) was killed by SIGKILL"):
        agent.learn(num_steps, [killer])
    assert len(killer.killed) == 5
    assert agent.num_steps == num_steps
    assert agent.metrics() == {"charts/workers": 0.0, "charts/worker_restarts": 5.0}
    assert float(agent.optimizer.state_dict()["state"][0]["step"]) == agent.num_updates
    assert all(x.isfinite().all() for x in agent.tensors().values())
    assert not processes()


def test_workers_that_die_before_their_work_are_replaced_while_others_work(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_step(self, agent: Agent) -> bool:
            return agent.metrics()["charts/worker_restarts"] < 4

    factory = worker_toys.HardToStart(tmp_path, num_deaths=4)
    agent = A3C.create(corridor(), CONFIG, env_factory=factory)
    with pytest.warns(RuntimeWarning, match="was killed by SIGKILL"):
        agent.learn(1_000_000_000, [Stop()])
    assert agent.metrics()["charts/worker_restarts"] == 4
    assert not processes()


def test_a_replacement_has_a_new_seed() -> None:
    class Seeds(Callback):
        def __init__(self) -> None:
            self.seeds: dict[int, int] = {}  # by process

        def on_episode_end(self, agent: Agent, episode: Episode) -> None:
            self.seeds[episode.info["pid"]] = episode.info["seed"]

    seeds = Seeds()
    # A single one, so that none can take all the steps before another has begun.
    agent = make(worker_toys.Seeded, A3CConfig(num_workers=1))
    with pytest.warns(RuntimeWarning, match="a new worker with a new seed takes its place"):
        agent.learn(1200, [seeds, Killer(400, num_kills=2)])
    agent.learn(200, [seeds])  # another new one
    assert len(seeds.seeds) >= 3
    assert len(set(seeds.seeds.values())) == len(seeds.seeds)


def test_an_error_in_an_environment_costs_its_worker_alone() -> None:
    agent = make(
        worker_toys.late_error, A3CConfig(num_workers=2, learning_rate=1e-2, max_restarts=1)
    )
    with pytest.warns(RuntimeWarning, match="failed with RuntimeError: emulator lost. What it had"):
        agent.learn(700)
    assert agent.num_steps == 700
    assert agent.metrics()["charts/worker_restarts"] >= 3


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (worker_toys.error, "failed with RuntimeError: emulator lost"),
        (worker_toys.exit_, "ended with exit code 0"),
    ],
)
def test_gives_up_when_workers_die_again_and_again(factory: Any, reason: str) -> None:
    agent = make(factory, A3CConfig(num_workers=2, max_restarts=2))
    with (
        pytest.warns(RuntimeWarning, match=reason),
        pytest.raises(WorkerError, match=f"{reason}; it was the 3. worker in its place") as caught,
    ):
        agent.learn(1000)
    assert ("in step" in str(caught.value)) == (factory is worker_toys.error)  # the traceback
    assert agent.num_steps == agent.num_updates == 0
    assert not processes()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (worker_toys.obs, r"the observation at environment step \d+ is nan at index \(2,\)"),
        (worker_toys.reward, r"the reward of environment step \d+ is nan"),
        (worker_toys.loss, r"losses/value is inf at gradient step \d+, environment step \d+"),
    ],
)
def test_numbers_that_are_not_finite_stop_training(
    factory: Any, message: str, tmp_path: Path
) -> None:
    agent = make(factory)
    path = tmp_path / "agent.safetensors"

    class Saver(Callback):
        def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
            agent.save(path)

    with pytest.raises(FloatingPointError, match=rf"worker [01] \(process \d+\): {message}"):
        agent.learn(1000, [Saver()])
    assert agent.num_updates > 0
    loaded = A3C.load(path, corridor())
    for x in (*agent.tensors().values(), *loaded.tensors().values()):
        assert x.isfinite().all()
    assert not processes()


def test_one_worker_says_exactly_where() -> None:
    agent = make(worker_toys.reward, A3CConfig(num_workers=1))
    with pytest.raises(FloatingPointError, match=r"worker 0 .* environment step 33 is nan"):
        agent.learn(1000)


def test_an_error_in_a_callback_ends_the_workers() -> None:
    class Wrong(Callback):
        def on_update(self, agent: Agent, losses: dict[str, float]) -> None:
            if agent.num_updates == 40:
                raise KeyError("mine")

    agent = make(corridor)
    with pytest.raises(KeyError, match="mine"):
        agent.learn(100_000, [Wrong()])
    assert not processes()
    # Nothing that was learned is lost, reported or not.
    assert float(agent.optimizer.state_dict()["state"][0]["step"]) == agent.num_updates >= 40
    agent.learn(50)
    assert agent.num_updates >= 50


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_that_hang_are_killed_at_the_end(
    num_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mario_rl_agents.algorithms.a3c.workers._STOP_SECONDS", 0.5)
    agent = make(worker_toys.hang, A3CConfig(num_workers=num_workers))  # each, after 60 steps
    stop = 30 * num_workers

    class Stop(Callback):
        def on_step(self, agent: Agent) -> bool:
            return agent.num_steps < stop

    agent.learn(1000, [Stop()])
    assert stop <= agent.num_steps < 60 * num_workers
    assert not processes()


RUN = """
import multiprocessing, os, signal, sys, threading
import gymnasium as gym
from mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig
from mario_rl_agents.agent import Callback

class Tell(Callback):
    told = False
    def on_step(self, agent):
        if not self.told and agent.num_steps >= 200 and agent.metrics()["charts/workers"] == 2:
            self.told = True
            print(*[x.pid for x in multiprocessing.active_children()], flush=True)
    def on_training_end(self, agent):
        print("end", agent.num_steps >= 200, multiprocessing.active_children(), flush=True)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    agent = A3C.create(gym.make("CartPole-v1"), A3CConfig(num_workers=2), seed=0)
    try:
        agent.learn(10_000_000, [Tell()])
    except KeyboardInterrupt:
        step = agent.optimizer.state_dict()["state"][0]["step"]
        print("interrupted", float(step) == agent.num_updates, flush=True)
"""


@contextlib.contextmanager
def script(tmp_path: Path) -> Any:
    """Run a training in a process group of its own; give it and the processes of its workers."""
    path = tmp_path / "run.py"
    path.write_text(RUN)
    folders = os.pathsep.join([str(ROOT / "agents"), str(ROOT / "tests")])
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(path)],
        env={**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            workers = [int(x) for x in process.stdout.readline().split()]
            assert len(workers) == 2
            yield process, workers
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; a zombie has, only nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    while not all(is_gone(pid) for pid in pids):
        assert time.monotonic() < deadline, "processes are left behind"
        time.sleep(0.02)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


@needs_proc
def test_ctrl_c_ends_everything_in_good_order(tmp_path: Path) -> None:
    with script(tmp_path) as (process, workers):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it as well
        out, err = process.communicate(timeout=60)
        assert out == "end True []\ninterrupted True\n"
        assert err == ""
        assert process.returncode == 0
        wait_until_gone(workers)
        assert not list(tmp_path.glob("*.lock"))


@needs_proc
def test_workers_follow_a_main_process_that_was_killed(tmp_path: Path) -> None:
    with script(tmp_path) as (process, workers):
        in_group = [int(x.name) for x in Path("/proc").glob("[0-9]*") if group_of(x) == process.pid]
        assert set(workers) < set(in_group)
        process.kill()
        wait_until_gone(in_group)  # with all that multiprocessing had started beside them
        assert not list(tmp_path.glob("*.lock"))


def group_of(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[2])
    except (FileNotFoundError, ProcessLookupError):
        return None


def test_a_script_without_the_guard_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "run.py"
    path.write_text(
        "import gymnasium as gym\nfrom mario_rl_agents.algorithms.a3c.a3c import A3C, A3CConfig\n"
        'A3C.create(gym.make("CartPole-v1"), A3CConfig(num_workers=1)).learn(100)\n'
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "agents")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert 'under `if __name__ == "__main__":`' in result.stderr.splitlines()[-1]


def test_same_result_twice_with_one_worker() -> None:
    """Also where the main process is slow to listen: nothing depends on time."""

    class Slow(Callback):
        def on_step(self, agent: Agent) -> None:
            if agent.num_steps % 50 == 0:
                time.sleep(0.01)

    def train(callbacks: list[Callback], seed: int) -> dict[str, torch.Tensor]:
        agent = make(corridor, A3CConfig(num_workers=1), seed=seed)
        agent.learn(203, callbacks)
        return weights(agent)

    first = train([], 3)
    assert_same_weights(first, train([Slow()], 3))
    with pytest.raises(AssertionError):
        assert_same_weights(first, train([], 4))
