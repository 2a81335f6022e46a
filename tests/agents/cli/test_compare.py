"""`mario-rl compare`: what it leaves, that it goes on where it was killed, and every mistake."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mario_rl_agents.experiments import Job, JobFolder
from mario_rl_agents.experiments.plan import Plan, jobs_folder
from mario_rl_agents.experiments.tables import Comparison
from mario_rl_agents.runs.run import Run
from support.agent_toys import ROOT
from support.commands import fail, run_command, succeed

OWN = "agent_of_your_own:Reinforce"
COMPARE = [
    *("compare", "double_dqn", "random", "--agent", OWN, "--env", "CartPole-v1"),
    *("--steps", "1200", "--seeds", "2", "--episodes", "2", "--final-episodes", "3"),
    *("--set", "double_dqn.learning_starts=200", "--set", "learning_rate=0.002"),
]
SIDES = ("double_dqn", "random", OWN)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an agent of the user's own."""
    folder = tmp_path_factory.mktemp("compare")
    shutil.copy(ROOT / "examples" / "agent_of_your_own.py", folder)
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Run `mario-rl` in a folder, as the leader of a group of processes."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "agents")])
    return subprocess.Popen(
        [sys.executable, "-m", "mario_rl_agents", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def whole(workplace: Path) -> tuple[Path, str]:
    """The folder of a comparison that nothing disturbed, and what was printed."""
    process = start(workplace, *COMPARE, "--out", "whole", "--speed", "1", "--video")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return workplace / "whole", output


def timeless(folder: Path) -> Comparison:
    """Return the raw data of a comparison without what differs each time."""
    comparison, differing = Comparison.read(folder)
    assert differing == []
    return Comparison(
        comparison.header,
        tuple(
            row._replace(
                seconds=0, cpu_seconds=0, evaluation_seconds=0, peak_memory=0, num_processes=0
            )
            for row in comparison.runs
        ),
        tuple(row._replace(seconds=0, cpu_seconds=0) for row in comparison.evaluations),
        comparison.games,
        comparison.training,
    )


def test_tables_and_raw_data_say_what_the_jobs_left(whole: tuple[Path, str]) -> None:
    folder, output = whole
    comparison, _ = Comparison.read(folder)
    plan = Plan.read(folder)
    assert tuple(entry.label for entry in comparison.header.algorithms) == SIDES
    assert comparison.header.command[:2] == ("mario-rl", "compare")
    assert [(run.algorithm, run.seed) for run in comparison.runs] == [
        (side, seed) for side in SIDES for seed in (0, 1)
    ]
    for run, job in zip(comparison.runs, by_side(plan), strict=True):
        left = JobFolder(jobs_folder(folder), job.name)
        result, progress = left.read_result(), left.read_progress()
        assert result is not None
        assert (run.state, run.num_steps, run.num_restarts) == ("finished", 1_200, 0)
        assert (run.num_updates, run.num_episodes) == (result.num_updates, result.num_episodes)
        assert (run.seconds, run.cpu_seconds) == (progress.seconds, progress.cpu_seconds)
        assert run.peak_memory == progress.peak_memory > 100
        policies = ["greedy"] if run.algorithm == "random" else ["greedy", "sampled"]
        rows = [x for x in comparison.evaluations if x[:2] == run[:2]]
        assert [row.policy for row in rows if row.is_final] == policies
        steps = [row.step for row in rows if row.policy == "greedy"]
        assert steps == list(range(120, 1_201, 120))
        games = [game for game in comparison.games if game[:2] == run[:2]]
        assert [game.episode_seed for game in games] == list(range(10**6, 10**6 + 3)) * len(
            policies
        )
        last = rows[-1]
        returns = [game.episodic_return for game in games if game.policy == last.policy]
        assert last.return_mean == pytest.approx(sum(returns) / 3)
        curve = [point for point in comparison.training if point[:2] == run[:2]]
        assert 1 < len(curve) <= 200
        assert curve[-1].step == left.read_episodes()[-1].step
    rounds = [(row.round, row.algorithm) for row in comparison.speeds]
    assert rounds == [(0, side) for side in SIDES]
    assert {row.num_steps for row in comparison.speeds} == {comparison.speeds[0].num_steps}
    for text in ("double_dqn", "plain, greedy", "2/2", "page ", "updates per 1,000 steps"):
        assert text in output
    assert (folder / "report.html").stat().st_size > 10_000
    names = {"double_dqn.mp4", "random.mp4", "agent_of_your_own-Reinforce.mp4"}
    names.add("double_dqn.decisions.json")  # the others tell nothing of their decisions
    assert {path.name for path in (folder / "videos").iterdir()} == names


def test_finished_it_is_gathered_again_and_measured_speeds_stay(
    workplace: Path, whole: tuple[Path, str]
) -> None:
    before, _ = Comparison.read(whole[0])
    process = start(workplace, "compare", "--resume", "whole")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "started" not in output
    after, _ = Comparison.read(whole[0])
    assert after.speeds == before.speeds != ()
    assert after.runs == before.runs


def by_side(plan: Plan) -> list[Job]:
    """Return the jobs of the first side, then of the second, and so on."""
    return [plan.job(entry, seed) for entry in plan.entries for seed in plan.seeds]


@pytest.mark.slow
def test_killed_it_goes_on_and_ends_the_same(workplace: Path, whole: tuple[Path, str]) -> None:
    """With -9, the command and its jobs, once a job is finished and others are not."""
    folder = workplace / "killed"
    process = start(workplace, *COMPARE, "--seeds", "1", "--out", "killed", "--jobs", "2")
    jobs = [job for job in Plan.read(whole[0]).jobs() if job.spec.seed == 0]
    results = [folder / "jobs" / job.name / "result.json" for job in jobs]
    while process.poll() is None and not any(path.is_file() for path in results):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finished = {path: path.stat().st_mtime_ns for path in results if path.is_file()}
    assert 1 <= len(finished) < len(results)
    assert not (folder / "comparison.json").exists()
    resumed = start(workplace, "compare", "--resume", "killed")
    output, _ = resumed.communicate()
    assert resumed.returncode == 0, output
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    for path in finished:
        assert f"{path.parent.name}: started" not in output
    after_kill, undisturbed = timeless(folder), timeless(whole[0])
    for table in ("runs", "evaluations", "games", "training"):
        expected = [row for row in getattr(undisturbed, table) if row.seed == 0]
        assert list(getattr(after_kill, table)) == expected != []


def test_the_command_that_goes_on_can_be_copied(tmp_path: Path) -> None:
    folder = tmp_path / "of mine"
    command = ["compare", "random", "--env", "CartPole-v1", "--steps", "20", "--seeds", "1"]
    *_, line = succeed(*command, "--minutes", "0", "--out", folder)
    assert line == f"go on with  mario-rl compare --resume '{folder}'"


def test_an_agent_of_ones_own_is_trained_resumed_and_evaluated_alone(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(str(workplace))
    succeed("train", OWN, "CartPole-v1", "--steps", "100", "--eval-episodes", "0", "--out", "own")
    succeed("train", "--resume", "own", "--steps", "150", "--eval-episodes", "1")
    assert Run.open("own").spec.algorithm == OWN
    words = " ".join(succeed("evaluate", "own", "--episodes", "2", "--sample")).split()
    assert " ".join(words).startswith("reinforce, checkpoint.safetensors: 150 steps of training")


def test_a_run_that_fails_is_said_and_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    arguments = ["--steps", "60", "--seeds", "1", "--final-episodes", "2", "--episodes", "1"]
    process = start(
        tmp_path,
        *("compare", "random", "--agent", "faulty:Faulty", "--env", "CartPole-v1"),
        *(*arguments, "--out", "out"),
    )
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "1 of 2 runs failed, the first is faulty:Faulty with seed 0" in output
    assert "no idea" in output
    comparison, _ = Comparison.read(tmp_path / "out")
    assert [run.state for run in comparison.runs] == ["finished", "failed"]
    assert "no idea" in comparison.runs[1].error
    assert {row.algorithm for row in comparison.evaluations} == {"random"}


FAULTY = """
from mario_rl_agents.agent import Agent


class Faulty(Agent):
    algorithm = "faulty"

    def act(self, obs, *, greedy=True):
        raise RuntimeError("no idea")

    def observe(self, step):
        return ()
"""


def test_a_video_that_fails_costs_no_page(tmp_path: Path) -> None:
    (tmp_path / "sketchy.py").write_text(SKETCHY)
    process = start(
        tmp_path,
        *("compare", "random", "--env", "sketchy:Sketchy-v0", "--steps", "30", "--seeds", "1"),
        *("--final-episodes", "2", "--episodes", "1", "--video", "--out", "out"),
    )
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "error: a video could not be recorded (out of paint): out/report.html is" in output
    assert "Traceback" not in output
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


SKETCHY = """
import gymnasium as gym
import numpy as np


class Sketchy(gym.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.num_pictures = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 5
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(3, np.float32), 1.0, self.left == 0, False, {}

    def render(self):
        self.num_pictures += 1
        if self.num_pictures > 1:
            raise ValueError("out of paint")
        return np.zeros((8, 8, 3), np.uint8)


gym.register("Sketchy-v0", entry_point=Sketchy)
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ppo"], "give algorithms, --env and --steps, as in mario-rl compare ppo sb3-ppo"),
        (["pppo", "--env", "CartPole-v1", "--steps", "10"], "no algorithm 'pppo', did you mean"),
        (["ppo", "--env", "CartPole-v9", "--steps", "10"], "no environment 'CartPole-v9'"),
        (["ppo", "--env", "CartPole-v1", "--steps", "10", "--engine", "moon"], "local or ray"),
        (["ppo", "--env", "CartPole-v1", "--steps", "10", "--address", "x"], "--engine ray too"),
        (
            ["ppo", "--env", "CartPole-v1", "--steps", "10", "--engine", "ray", "--jobs", "2"],
            "--jobs is for the engine local: a Ray cluster runs as many trainings at once",
        ),
        (["ppo", "--resume", "runs/none"], "ALGO cannot change a comparison: with --resume"),
        (["--resume", "runs/none"], "there is no comparison at runs/none"),
        (
            ["ppo", "--env", "CartPole-v1", "--steps", "10", "--set", "dqn.gamma=1"],
            "--set dqn.gamma: dqn is none of the sides ppo",
        ),
        (
            ["--agent", "os:path", "--env", "CartPole-v1", "--steps", "10"],
            "it must be a subclass of mario_rl_agents.Agent",
        ),
        (
            ["--agent", "nowhere:X", "--env", "CartPole-v1", "--steps", "10"],
            "there is no algorithm nowhere:X: No module named 'nowhere'",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in fail(1 if "there is no comparison" in message else 2, "compare", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--env", "CartPole-v1"),
        ("--steps", "10"),
        ("--seeds", "5"),
        ("--agent", OWN),
        ("--set", "gamma=0.9"),
        ("--num-envs", "1"),
        ("--env-kwarg", "skip=4"),
        ("--period", "5"),
        ("--episodes", "10"),
        ("--final-episodes", "100"),
        ("--threshold", "0"),
        ("--out", "other"),
    ],
)
def test_what_was_planned_cannot_be_changed_by_resuming(option: str, value: str) -> None:
    """Its default neither: the plan may have another value."""
    line = fail(2, "compare", "--resume", "runs/none", option, value, "--jobs", "1")
    assert line.startswith(f"{option} cannot change a comparison: with --resume give only --jobs")


def test_another_comparison_in_the_folder_is_refused(whole: tuple[Path, str]) -> None:
    arguments = ["compare", "random", "--env", "CartPole-v1", "--steps", "10", "--out"]
    lines = run_command(1, *arguments, whole[0])
    assert "holds another comparison, which differs in total_steps, num_seeds" in lines[-1]
