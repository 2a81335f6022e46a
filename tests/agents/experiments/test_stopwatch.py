"""What a training takes: evaluations are counted apart, processes add up."""

import multiprocessing
import os
import sys
import time

import pytest
from mario_rl_agents.algorithms.random import RandomAgent
from mario_rl_agents.experiments import JobFolder
from mario_rl_agents.experiments import stopwatch as stopwatch_module
from mario_rl_agents.experiments.stopwatch import Stopwatch, Times, peak_memory
from support.waiting import wait_for


class Clocks:
    """Two clocks that are set by hand."""

    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0

    def advance(self, seconds, cpu_seconds):
        self.seconds += seconds
        self.cpu_seconds += cpu_seconds

    def now(self):
        return Times(self.seconds, self.cpu_seconds)


@pytest.fixture
def clocks(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(Times, "now", clocks.now)
    monkeypatch.setattr(time, "monotonic", lambda: clocks.seconds)
    return clocks


def test_evaluations_are_counted_apart_and_processes_add_up(clocks, tmp_path):
    agent = RandomAgent.create("CartPole-v1", device="cpu")
    folder = JobFolder(tmp_path, "job")
    for process in (1, 2):
        stopwatch = Stopwatch(folder, begins_again=process == 2)
        clocks.advance(100, 100)  # before the training: making environments
        stopwatch.on_training_start(agent)
        clocks.advance(10, 15)
        with stopwatch.evaluating():
            clocks.advance(5, 6)
        assert stopwatch.times == (10 * process + (process - 1), 15 * process + (process - 1))
        clocks.advance(1, 1)
        agent.num_steps, agent.num_episodes = 50 * process, 7
        stopwatch.on_training_end(agent)
        clocks.advance(100, 100)
        with stopwatch.evaluating():
            clocks.advance(3, 3)
        stopwatch.write(agent)
        progress = folder.read_progress()
        assert progress.seconds == 11 * process
        assert progress.cpu_seconds == 16 * process
        assert progress.evaluation_seconds == 8 * process
        assert progress.num_processes == process
        assert progress.num_restarts == process - 1
        assert (progress.num_steps, progress.num_episodes) == (50 * process, 7)
        assert progress.peak_memory == pytest.approx(peak_memory(), rel=0.01)
    agent.env.close()


def test_processes_that_differ_are_all_told(monkeypatch, tmp_path):
    agent = RandomAgent.create("CartPole-v1", device="cpu")
    folder = JobFolder(tmp_path, "job")
    for torch, num_jobs, load in (("2.9.0", 2, 5.0), ("2.13.0", 8, 3.0), ("2.9.0", 1, 1.0)):
        monkeypatch.setattr(stopwatch_module, "versions", lambda torch=torch: {"torch": torch})
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        stopwatch = Stopwatch(folder, num_jobs=num_jobs)
        stopwatch.on_training_start(agent)
        stopwatch.on_training_end(agent)
    progress = folder.read_progress()
    assert progress.versions == {"torch": "2.9.0, 2.13.0"}
    assert progress.num_jobs == 8  # the most
    assert progress.load == 1.0  # the last
    stopwatch = Stopwatch(folder)
    stopwatch.write(agent)
    assert folder.read_progress().num_jobs is None  # one does not tell
    agent.env.close()


def test_progress_is_written_now_and_then(clocks, tmp_path):
    agent = RandomAgent.create("CartPole-v1", device="cpu")
    folder = JobFolder(tmp_path, "job")
    stopwatch = Stopwatch(folder)
    stopwatch.on_training_start(agent)
    written = []
    for steps in range(1, 7):
        clocks.advance(1, 1)
        agent.num_steps = steps
        stopwatch.on_step(agent)
        written.append(folder.read_progress().num_steps)
    assert written == [0, 2, 2, 4, 4, 6]  # every two seconds
    agent.env.close()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells of workers")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])  # A3C's is the second
def test_workers_are_counted_and_once(method):
    start = Times.now()
    child = multiprocessing.get_context(method).Process(target=sum, args=(range(10**12),))
    child.start()
    wait_for(lambda: Times.now().since(start).cpu_seconds > 2, seconds=120)
    own = time.process_time()
    assert child.is_alive()
    child.terminate()
    child.join()
    ended = Times.now()
    spent = ended.since(start).cpu_seconds
    assert 1.9 < spent < 10
    assert Times.now().since(ended).cpu_seconds < 1
    assert time.process_time() - own < 1  # it was the child that took them


def test_no_time_is_negative():
    """Where workers are killed with the process that knows of them their time is lost."""
    assert Times(5.0, 3.0).since(Times(1.0, 4.0)) == (4.0, 0.0)


def test_memory_is_that_of_the_process():
    before = peak_memory()
    block = bytearray(200_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory() >= max(before, 200)
