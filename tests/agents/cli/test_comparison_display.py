"""What a terminal shows of a comparison: every side, its runs that are done, what came out."""

from pathlib import Path

from mario_rl_agents.cli.comparison_display import ComparisonDisplay
from mario_rl_agents.experiments import JobFolder
from mario_rl_agents.experiments.plan import Plan
from mario_rl_agents.experiments.result import ConditionScore, Progress
from mario_rl_agents.experiments.running import run_job
from rich.console import Console


def score(step: int, value: float, policy: str = "greedy") -> ConditionScore:
    return ConditionScore(step, 1.0, 1.0, "plain", policy, 10, 10, value, 0.0, 20.0, None, None)


def shown(display: ComparisonDisplay) -> str:
    console = Console(width=90)
    with console.capture() as capture:
        console.print(display.table())
    return capture.get()


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the words of each row of a table, by the first of them."""
    return {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}


def test_all_runs_are_shown_by_what_their_folders_say(tmp_path: Path) -> None:
    plan = Plan.make(["random", "ppo"], "CartPole-v1", total_steps=100, num_seeds=2)
    random, ppo, _, again = plan.jobs()
    folder = JobFolder(tmp_path, ppo.name)
    folder.write_progress(Progress(seconds=4.0, num_steps=60, num_episodes=3))
    JobFolder(tmp_path, again.name).write_progress(Progress(seconds=1.0, num_steps=25))
    folder.write_evaluations([score(10, 5.0), score(20, 30.5), score(20, 7.0, "sampled")])
    display = ComparisonDisplay(Console(), plan, tmp_path)
    text = shown(display)
    rows = rows_of(text)
    assert rows["random"][:2] == ["random", "0/2"]
    assert rows["ppo"][:2] == ["ppo", "0/2"]
    # The mean of 15 and 25 steps a second, not 85 in 5 seconds; the last greedy return.
    assert rows["ppo"][-2:] == ["20", "30.5"]
    assert "85 of 400 steps" in text
    run_job(random, tmp_path)
    (tmp_path / ppo.name / "progress.json").write_text("{")
    text = shown(display)
    rows = rows_of(text)
    assert rows["random"][:2] == ["random", "1/2"]
    assert rows["ppo"][:4] == ["ppo", "0/2,", "1", "failed"]
    assert "125 of 400 steps" in text


def test_away_from_a_terminal_lines_are_told(tmp_path: Path) -> None:
    plan = Plan.make(["random"], "CartPole-v1", total_steps=100, num_seeds=1)
    console = Console(record=True, force_terminal=False)
    with ComparisonDisplay(console, plan, tmp_path) as display:
        display.tell("random-seed0: started")
    assert console.export_text() == "random-seed0: started\n"
