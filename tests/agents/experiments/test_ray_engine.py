"""The engine of a Ray cluster: two nodes on this machine, one of which is killed."""

import _thread
import contextlib
import os
import re
import secrets
import signal
import sys
import threading

import pytest
import ray
from mario_rl_agents.experiments import JobFolder, JobState, ray_engine, read_report
from mario_rl_agents.experiments.ray_engine import RayEngine, default_num_gpus
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.experiments.tables import Comparison
from mario_rl_agents.runs.run import Run
from ray._private.authentication_test_utils import reset_auth_token_state
from ray.cluster_utils import Cluster
from support import gate
from support.commands import succeed
from support.jobs import learner_job, random_job
from support.waiting import wait_for

FINISHED, UNFINISHED, FAILED = JobState.FINISHED, JobState.UNFINISHED, JobState.FAILED


def start_cluster():
    """Return a cluster of two nodes of one core each; this process is connected to the first."""
    light = {"num_cpus": 1, "include_dashboard": False, "include_log_monitor": False}
    with contextlib.ExitStack() as undo:
        cluster = Cluster(initialize_head=True, connect=True, head_node_args=light)
        undo.callback(cluster.shutdown)
        undo.callback(ray.shutdown)
        cluster.add_node(num_cpus=1)
        undo.pop_all()
    return cluster


@pytest.fixture(scope="module")
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # or Ray leaves one in ~/.ray
        reset_auth_token_state()
        try:
            cluster = start_cluster()
        except Exception:  # Ray gives its processes 15 seconds, too few where many others run
            cluster = start_cluster()
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()
    reset_auth_token_state()


@pytest.mark.slow
def test_jobs_of_a_killed_node_are_run_again(cluster, tmp_path):
    [second] = cluster.worker_nodes
    jobs = [
        learner_job(
            "support.gate:GatedCartPole-v0",
            seed=seed,
            env_kwargs={"folder": str(tmp_path)},
            total_steps=1_100,
        )
        for seed in range(2)
    ]
    said, reports = [], []
    engine = RayEngine(tell=said.append)
    thread = threading.Thread(target=lambda: reports.extend(engine.run(jobs, tmp_path / "ray")))
    thread.start()
    wait_for(lambda: gate.num_waiting(tmp_path) == 2, seconds=300)  # one on each node
    cluster.remove_node(second, allow_graceful=False)
    (tmp_path / "open").touch()
    thread.join()
    assert [report.state for report in reports] == [FINISHED] * 2
    assert [line.partition(": ")[2] for line in said].count("finished") == 2
    assert sum("started again" in line for line in said) == 1
    for job, report in zip(jobs, reports, strict=True):
        local = run_job(job, tmp_path / "local")
        for field in ("final", "kept", "training", "num_steps", "num_episodes", "num_updates"):
            assert getattr(report.result, field) == getattr(local, field), field
        here, there = (JobFolder(tmp_path / out, job.name) for out in ("ray", "local"))
        assert Run.open(here.run).episodes() == Run.open(there.run).episodes()
        assert not here.is_locked()


@pytest.mark.slow
def test_a_job_that_fails_stops_no_other_and_is_reported(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "_TELL_PERIOD", 0.0)
    broken, other = random_job(seed=0), random_job(seed=1)
    run = JobFolder(tmp_path, broken.name).run
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    Run(run, broken.spec).checkpoint.write_text("no checkpoint")
    said, reports = [], []
    engine = RayEngine(tell=said.append)
    thread = threading.Thread(target=lambda: reports.extend(engine.run([broken, other], tmp_path)))
    with JobFolder(tmp_path, other.name).locked():  # as where another engine is at it
        thread.start()
        wait_for(lambda: any(f"{broken.name}: failed" in line for line in said), seconds=300)
        result = run_job(other, tmp_path)
    thread.join()
    assert [report.state for report in reports] == [FAILED, FINISHED]
    assert "exit code 1" in reports[0].error
    assert "config.json is damaged" in reports[0].error
    assert "config.json is damaged" in JobFolder(tmp_path, broken.name).log.read_text()
    assert reports[1].result == result
    assert f"{broken.name}: started" in said
    assert f"{other.name}: started" not in said
    assert f"waiting for {broken.name}, {other.name}" in said
    [report] = engine.run([broken], tmp_path, fresh=True)
    assert report.state is FINISHED
    assert report.progress.num_jobs is None  # the cluster decides how many run at once
    # What is finished is left alone.
    said.clear()
    assert engine.run([broken], tmp_path) == [report]
    assert said == []


def test_a_comparison_on_a_cluster_does_not_claim_a_number_of_trainings_at_once(cluster, tmp_path):
    plan = ["random", "--env", "CartPole-v1", "--steps", "20", "--seeds", "1", "--episodes", "1"]
    said = succeed("compare", *plan, "--final-episodes", "1", "--engine", "ray", "--out", tmp_path)
    assert "20 steps, as many as the cluster has cores for at once, into" in said[0]
    comparison, _ = Comparison.read(tmp_path)
    assert comparison.runs[0].state == "finished"
    assert comparison.header.num_jobs is None


def test_ctrl_c_saves_every_job_and_the_next_run_goes_on(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "_TELL_PERIOD", 0.0)
    job = random_job(max_episodes=None, total_steps=10**9)
    folder = JobFolder(tmp_path, job.name)

    def told_steps(said):
        found = [re.search(r": ([\d,]+) steps, [\d,]+ episodes$", line) for line in said]
        return max((int(match[1].replace(",", "")) for match in found if match), default=0)

    def interrupt(said, num_steps):
        wait_for(lambda: told_steps(said) > num_steps, seconds=300)
        os.kill(os.getpid(), signal.SIGINT)

    num_steps = 0
    for num_runs in (1, 2):
        said = []
        thread = threading.Thread(target=interrupt, args=(said, num_steps))
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            RayEngine(tell=said.append).run([job], tmp_path)
        thread.join()
        assert not folder.is_locked()
        report = read_report(job, tmp_path)
        assert report.state is UNFINISHED
        assert report.progress.num_steps > num_steps
        num_steps = report.progress.num_steps
        run = Run.open(folder.run)
        assert run.checkpoint.is_file()
        assert len(run.episodes()) == report.progress.num_episodes
        assert len(list(run.tensorboard.iterdir())) == num_runs  # a process that trains leaves one


def test_a_task_that_is_cancelled_is_interrupted_nowhere():
    """Ray cancels it so: by a KeyboardInterrupt wherever its process is."""
    with ray_engine._cancellable() as cancelled:
        assert not cancelled()
        _thread.interrupt_main()
        assert cancelled()
    with pytest.raises(KeyboardInterrupt):
        _thread.interrupt_main()


def test_time_that_is_over_leaves_jobs_unfinished(cluster, tmp_path):
    """The second waits for more graphics cards than there are: it is dropped."""
    job, needy = random_job(seed=0), random_job(seed=1)
    assert RayEngine().run([job], tmp_path, minutes=0)[0].state is UNFINISHED
    said = []
    engine = RayEngine(num_gpus=1, tell=said.append)
    [report] = engine.run([needy], tmp_path, minutes=0)
    assert report.state is UNFINISHED
    assert report.progress.num_steps == 0
    assert said == [f"{needy.name}: unfinished"]
    assert not JobFolder(tmp_path, needy.name).is_locked()


def test_jobs_take_a_graphics_card_where_their_device_is_one():
    assert default_num_gpus("cpu", num_in_cluster=8) == 0
    assert default_num_gpus("cuda", num_in_cluster=8) == 1
    assert default_num_gpus("cuda:0", num_in_cluster=0) == 1  # the job waits for one
    assert default_num_gpus("auto", num_in_cluster=8) == 1
    assert default_num_gpus("auto", num_in_cluster=0) == 0


def test_engines_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(ValueError, match="num_gpus must be at least 0, received -1"):
        RayEngine(num_gpus=-1)
    with pytest.raises(ValueError, match="max_retries must be at least -1, received -2"):
        RayEngine(max_retries=-2)
    with pytest.raises(ValueError, match="checkpoint_seconds must be above 0, received 0"):
        RayEngine(checkpoint_seconds=0)
    with pytest.raises(ValueError, match="received twice: random-CartPole-v1-seed0"):
        RayEngine().run([random_job(), random_job()], tmp_path)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install \"mario-rl-envs\[ray\]\""):
        RayEngine()
