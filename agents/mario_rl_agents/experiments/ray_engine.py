"""An engine of a Ray cluster: each job is a task, on whichever node has room for it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mario_rl_agents.config import read
from mario_rl_agents.errors import JobError, RunError
from mario_rl_agents.experiments.engine import (
    JobReport,
    JobState,
    check_demonstrations,
    check_names,
    end_of,
    read_report,
    settled,
)
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job
from mario_rl_agents.experiments.local import LocalEngine
from mario_rl_agents.experiments.result import Progress
from mario_rl_agents.experiments.shipping import ShippedFile, read_files, write_files
from mario_rl_agents.runs.run import Run

_POLL_PERIOD: Final = 0.5  # seconds
_NEWS_PERIOD: Final = 2.0  # seconds between two messages from a task on its job's progress
_TELL_PERIOD: Final = 60.0  # seconds between two lines on what is running


class RayEngine:
    """Runs each job as a task of a Ray cluster.

    A task gets the job's files, runs a `LocalEngine` on them in a temporary folder of its node (so
    the job has a process of its own, with one torch thread), and returns them. They are in `out`
    then, as that engine leaves them. A task whose node is lost is run again by Ray, from the files
    that it got: what the job did on the lost node is done once more.

    Jobs are locked from the moment when they are handed to the cluster. Ctrl-C (KeyboardInterrupt)
    lets every running job save, fetches their files, and is raised again then.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        device: str = "cpu",
        num_gpus: float | None = None,
        checkpoint_seconds: float = 60.0,
        max_retries: int = 3,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Take the settings; nothing is started.

        Args:
            address: Of the cluster, as `ray.init` takes it: "auto" is the one that this machine
                belongs to. None: that one where there is one, else a new one of this machine alone,
                while the jobs run. A process that has initialized Ray stays where it is.
            device: A torch device for every job, or "auto".
            num_gpus: Graphics cards that a job takes; with 0.25 four jobs share one. None: one with
                a device "cuda", and with "auto" where the cluster has any; else none.
            checkpoint_seconds: Time between checkpoints: what a kill of the job's own process can
                cost.
            max_retries: How often a task is run again whose node was lost; -1 is no limit.
            tell: Called with a line on each job that starts or ends, and once a minute with how
                far the running ones are.

        Raises:
            ImportError: Ray is not installed.
            ValueError: A number is out of range.
        """
        if num_gpus is not None and num_gpus < 0:
            raise ValueError(f"num_gpus must be at least 0, received {num_gpus}")
        if max_retries < -1:
            raise ValueError(f"max_retries must be at least -1, received {max_retries}")
        self._ray = _import_ray()
        self._task = self._ray.remote(_run_job)
        self._address = address
        self._device = device
        self._num_gpus = num_gpus
        self._max_retries = max_retries
        self._on_node = LocalEngine(
            1,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
            is_one_of_many=True,
            trust=True,  # or the jobs would have been refused here
        )
        self._tell = tell or (lambda line: None)

    def run(
        self,
        jobs: Sequence[Job],
        out: str | Path,
        *,
        minutes: float | None = None,
        fresh: bool = False,
    ) -> list[JobReport]:
        """Run every job that is not finished; see `Engine.run`.

        Raises:
            ValueError: Two jobs have one name.
            UntrustedError: See `Engine.run`.
            ConnectionError: There is no cluster at the address.
        """
        check_names(jobs)
        check_demonstrations(jobs, out)
        deadline = None if minutes is None else time.time() + 60 * minutes
        queue = _Queue(self._ray, Path(out).expanduser().resolve(), fresh, self._tell)
        queue.add(jobs)
        if queue.waiting:
            with self._connected():
                self._run(queue, deadline)
        return [queue.reports[job.name] for job in jobs]

    def _run(self, queue: _Queue, deadline: float | None) -> None:
        """Run the jobs that wait."""
        news = self._open_news()
        told = time.monotonic()
        try:
            while queue.waiting or queue.away:
                if time.monotonic() - told >= _TELL_PERIOD:
                    told = time.monotonic()
                    self._tell(queue.describe())
                queue.send(functools.partial(self._submit, deadline=deadline, news=news))
                ended = queue.wait(_POLL_PERIOD)
                queue.hear(news.get_nowait_batch(news.qsize()))
                queue.collect(ended)
                if deadline is not None and time.time() >= deadline:
                    queue.drop_waiting()
        except BaseException:
            queue.stop()
            raise
        finally:
            queue.release()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """Be connected to the cluster inside the block."""
        if self._ray.is_initialized():
            yield
            return
        self._ray.init(address=self._address)
        try:
            yield
        finally:
            self._ray.shutdown()

    def _open_news(self) -> Any:
        """Return the queue in which tasks say how far they are; it lives on this very node."""
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=False
        )
        return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})

    def _submit(
        self, job: Job, files: list[ShippedFile], *, deadline: float | None, news: Any
    ) -> Any:
        """Hand a job to the cluster; return the reference to what its task will return."""
        # Its modules come from where this process has them, as in LocalEngine.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        task = self._task.options(
            name=job.name,
            num_cpus=self._num_cpus(job),
            num_gpus=self._num_gpus_of_a_job(),
            max_retries=self._max_retries,
            runtime_env={"env_vars": {"PYTHONPATH": paths}},
        )
        return task.remote(job, files, self._on_node, deadline, news)

    def _num_cpus(self, job: Job) -> float:
        """Return the cores of a job; not more than a node has, or it would wait forever."""
        nodes = [node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["Alive"]]
        return min(job.num_cores, max(nodes, default=0) or job.num_cores)

    def _num_gpus_of_a_job(self) -> float:
        if self._num_gpus is not None:
            return self._num_gpus
        return default_num_gpus(self._device, self._ray.cluster_resources().get("GPU", 0))


def default_num_gpus(device: str, num_in_cluster: float) -> int:
    """Return how many graphics cards a job takes: one, where its torch device is or may be one."""
    return int(device.startswith("cuda") or (device == "auto" and num_in_cluster >= 1))


# What a task says of its job: the job's name; the id of Ray's process, another one after a loss;
# the fields of its `Progress`. They are plain values, so that the queue's process imports no torch.
_News = tuple[str, str, dict[str, Any]]


@dataclass
class _Away:
    """A job that the cluster has, while this process holds the lock of its folder."""

    job: Job
    folder: JobFolder
    files: list[str]  # names of those that its task has got
    task: Any  # a reference to what the task will return
    lock: contextlib.ExitStack
    worker: str | None = None  # that is at it; None before one is


@dataclass
class _Queue:
    """The jobs of one call: those that wait, those that the cluster has, reports on the others."""

    ray: Any
    out: Path
    fresh: bool
    tell: Callable[[str], None]
    waiting: list[Job] = field(default_factory=list)
    away: dict[str, _Away] = field(default_factory=dict)  # by the job's name
    reports: dict[str, JobReport] = field(default_factory=dict)

    def add(self, jobs: Sequence[Job]) -> None:
        """Queue those that are not finished."""
        self.waiting += [job for job in jobs if not self._is_settled(job)]

    def send(self, submit: Callable[[Job, list[ShippedFile]], Any]) -> None:
        """Hand those jobs to the cluster that are to be run and that no other engine is at."""
        for job in list(self.waiting):
            folder = JobFolder(self.out, job.name)
            with contextlib.ExitStack() as lock:
                if not lock.enter_context(folder.locked()):
                    continue
                if not self._is_settled(job):  # another engine may have finished it
                    self._send(job, folder, submit, lock)
            self.waiting.remove(job)

    def wait(self, timeout: float | None) -> list[_Away]:
        """Return the jobs whose tasks have ended, after at most so many seconds."""
        tasks = {each.task: each for each in self.away.values()}
        if not tasks:
            time.sleep(timeout or 0.0)
            return []
        ended, _ = self.ray.wait(list(tasks), num_returns=len(tasks), timeout=timeout)
        return [tasks[task] for task in ended]

    def collect(self, ended: Sequence[_Away]) -> None:
        """Fetch what tasks that have ended return."""
        for each in ended:
            report = self._fetch(each)
            each.lock.close()
            del self.away[each.job.name]
            self._settle(report)

    def hear(self, news: Sequence[_News]) -> None:
        """Note how far jobs are, where those look who read their folders."""
        for name, worker, progress in news:
            each = self.away.get(name)
            if each is None:
                continue
            if each.worker != worker:
                again = "" if each.worker is None else " again, since its node or process was lost"
                self.tell(f"{name}: started{again}")
            each.worker = worker
            each.folder.write_progress(read(Progress, progress))

    def drop_waiting(self) -> None:
        """Run no job that no process is at yet."""
        for job in self.waiting:
            self.reports[job.name] = read_report(job, self.out)
        self.waiting.clear()
        for each in self.away.values():
            if each.worker is None:
                self.ray.cancel(each.task)

    def describe(self) -> str:
        """Return how far the running jobs are, in one line."""
        parts = []
        for each in self.away.values():
            if each.worker is not None:
                progress = each.folder.read_progress()
                parts.append(
                    f"{each.job.name}: {progress.num_steps:,} steps, "
                    f"{progress.num_episodes:,} episodes"
                )
        waiting = [*self.away, *(job.name for job in self.waiting)]
        return "; ".join(parts) or f"waiting for {', '.join(waiting)}"

    def stop(self) -> None:
        """Let every running job save, and fetch what it has done."""
        for each in self.away.values():
            self.ray.cancel(each.task)
        self.collect(self.wait(None))

    def release(self) -> None:
        """Give the jobs up that the cluster still has."""
        for each in self.away.values():
            each.lock.close()

    def _is_settled(self, job: Job) -> bool:
        """Return whether a job is not to be run; report on it then."""
        report = settled(job, self.out, fresh=self.fresh)
        if report is not None:
            self.reports[job.name] = report
        return report is not None

    def _send(
        self,
        job: Job,
        folder: JobFolder,
        submit: Callable[[Job, list[ShippedFile]], Any],
        lock: contextlib.ExitStack,
    ) -> None:
        """Hand a job to the cluster, whose folder is locked."""
        try:
            Run(folder.run, job.spec).check_unlocked()
            if self.fresh:
                folder.clear()
        except (JobError, RunError) as error:
            self._settle(JobReport(job, JobState.FAILED, Progress(), error=str(error)))
            return
        folder.write_job(job)
        files = read_files(folder)
        names = [file.name for file in files]
        task = submit(job, files)
        self.away[job.name] = _Away(job, folder, names, task, lock.pop_all())

    def _fetch(self, each: _Away) -> JobReport:
        """Write what a task returned into the job's folder; return how the job stands."""
        error = None
        try:
            files, error = self.ray.get(each.task)
            write_files(each.folder, files, replaced=each.files)
        except self.ray.exceptions.TaskCancelledError:
            pass  # before it had begun
        except self.ray.exceptions.RayError as lost:
            error = end_of(str(lost))
        report = read_report(each.job, self.out)
        if error is not None:
            report = JobReport(each.job, JobState.FAILED, report.progress, error=error)
        return report

    def _settle(self, report: JobReport) -> None:
        self.reports[report.job.name] = report
        self.tell(": ".join(filter(None, (report.job.name, report.state.value, report.error))))


def _run_job(
    job: Job, files: list[ShippedFile], engine: LocalEngine, deadline: float | None, news: Any
) -> tuple[list[ShippedFile], str | None]:
    """Run a job on a node of the cluster; return its files, and why it failed if it did.

    Args:
        job: What is run.
        files: What the job has done so far.
        engine: Runs it.
        deadline: Of `time.time`: the nodes' clocks agree to the second.
        news: A queue for `_News`.
    """
    minutes = None if deadline is None else max(deadline - time.time(), 0.0) / 60
    with _cancellable() as cancelled, tempfile.TemporaryDirectory(prefix="mario-rl-") as out:
        folder = JobFolder(out, job.name)
        write_files(folder, files)
        with _telling(job, folder, news):
            [report] = engine.run([job], out, minutes=minutes, stop=cancelled)
        return read_files(folder), report.error


@contextlib.contextmanager
def _cancellable() -> Iterator[Callable[[], bool]]:
    """Yield whether Ray has cancelled the task, which raises nothing inside the block.

    Ray cancels by Python's handler of SIGINT. A KeyboardInterrupt there could come anywhere, also
    where another error is made of it, as in the removal of a folder whose file it leaves closed.
    """
    cancelled = False

    def note(signum: int, frame: Any) -> None:
        nonlocal cancelled
        cancelled = True

    handler = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: cancelled
    finally:
        signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _telling(job: Job, folder: JobFolder, news: Any) -> Iterator[None]:
    """Say how far a job is, now and then, inside the block."""
    worker = _import_ray().get_runtime_context().get_worker_id()
    over = threading.Event()

    def tell() -> None:
        while True:
            progress = dataclasses.asdict(folder.read_progress())
            news.put_nowait((job.name, worker, progress))
            if over.wait(_NEWS_PERIOD):
                return

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _import_ray() -> Any:
    try:
        import ray.exceptions  # a folder called "ray" is taken for a package too: it has no modules
    except ImportError as error:
        raise ImportError(
            'an engine of Ray needs Ray: pip install "mario-rl-envs[ray]", on every node of the '
            "cluster"
        ) from error
    return ray
