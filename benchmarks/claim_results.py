"""What the runs of the claims came to: read from their folders, kept in one small file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mario_rl_agents.experiments import JobFolder, JobReport, JobResult, read_report
from mario_rl_agents.files import write_json
from mario_rl_agents.runs.metrics import running_average
from mario_rl_agents.runs.run import Run

from benchmarks.claim_agents import ESTIMATE, TRUTH
from benchmarks.claim_list import SEEDS, Arm, Claim
from benchmarks.throughput import ROOT

RESULTS: Final = ROOT / "benchmarks" / "claims.json"
WINDOW: Final = 20  # training games in a running average
_NUM_POINTS: Final = 50  # of a learning curve
_VERSIONED: Final = ("python", "torch", "gymnasium", "numpy")


class Results:
    """The runs that are finished, by arm and seed."""

    def __init__(self, content: Mapping[str, Any] | None = None) -> None:
        """Take what `to_json` returned; None: there are none."""
        self._arms: dict[str, dict[str, Any]] = dict(content or {})

    @classmethod
    def read(cls, path: Path = RESULTS) -> Results:
        """Return what a file holds; none where there is no file."""
        return cls(json.loads(path.read_text())) if path.is_file() else cls()

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return dict(sorted(self._arms.items()))

    def write(self, path: Path = RESULTS) -> None:
        """Write the file."""
        write_json(path, self.to_json())

    def add(self, arm: Arm, seed: int, run: Mapping[str, Any]) -> None:
        """Take what `summarize` returned. Runs of an earlier form of the arm are dropped."""
        content = arm.to_json()
        if self._arms.get(arm.id, {}).get("arm") != content:
            self._arms[arm.id] = {"arm": content, "seeds": {}}
        seeds = self._arms[arm.id]["seeds"]
        seeds[str(seed)] = dict(run)
        self._arms[arm.id]["seeds"] = dict(sorted(seeds.items(), key=lambda item: int(item[0])))

    def runs(self, arm: Arm) -> dict[int, Mapping[str, Any]]:
        """Return the runs of an arm as it is now, by seed."""
        entry = self._arms.get(arm.id)
        if entry is None or entry["arm"] != arm.to_json():
            return {}
        return {int(seed): run for seed, run in entry["seeds"].items() if int(seed) in SEEDS}

    def is_complete(self, claim: Claim) -> bool:
        """Return whether every arm of a claim has run with every seed."""
        return all(len(self.runs(arm)) == len(SEEDS) for arm in claim.arms)


def collect(arms: Sequence[Arm], out: Path, results: Results) -> None:
    """Add every run of these arms that is finished in a folder of jobs."""
    for arm in arms:
        for seed in SEEDS:
            report = read_report(arm.job(seed), out)
            if report.result is not None:
                results.add(arm, seed, summarize(report, report.result, out))


def summarize(report: JobReport, result: JobResult, out: Path) -> dict[str, Any]:
    """Return what a finished run came to, as JSON values.

    Args:
        report: On its job.
        result: Of that.
        out: Where the jobs' folders are.
    """
    folder = JobFolder(out, report.job.name)
    returns = [row.episodic_return for row in folder.read_episodes()][: report.job.max_episodes]
    average = running_average(returns, WINDOW)
    stride = max(len(returns) // _NUM_POINTS, 1)
    games = [*range(stride, len(returns) + 1, stride)]
    return {
        "test": result.final.return_mean,
        "all": result.training.mean,
        "last_100": result.training.last_100,
        "games": games,
        "averages": [round(float(average[game - 1]), 2) for game in games],
        "values": read_values(folder.run),
        "num_games": len(returns),
        "num_steps": result.num_steps,
        "minutes": round(result.minutes, 2),
        "cpu_minutes": round(report.progress.cpu_seconds / 60, 2),
        "commits": list(result.commits),
        "hardware": result.hardware,
        "versions": {name: result.versions[name] for name in _VERSIONED},
        "date": result.date,
    }


def read_values(run: Path) -> list[dict[str, float]]:
    """Return the estimates and truths that a rated agent has logged, by step; others have none."""
    found: dict[int, dict[str, float]] = {}
    names = {ESTIMATE: "estimate", TRUTH: "truth"}
    for row in Run.open(run).metrics():
        if row.metric in names:
            found.setdefault(row.step, {"step": row.step})[names[row.metric]] = round(row.value, 3)
    return list(found.values())
