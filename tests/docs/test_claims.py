"""The claims: each is whole, verdicts by hand, the page is what the kept results give, a kill."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'agents'")

from mario_rl_agents.experiments import JobFolder
from mario_rl_agents.experiments.running import run_job
from mario_rl_agents.runs.run import Run
from support import tiny_claims

from benchmarks import claim_results, claims
from benchmarks.claim_agents import ESTIMATE, TRUTH
from benchmarks.claim_list import ARMS, CLAIMS, MEASURES, SEEDS, find_claims, judge
from benchmarks.claim_page import MARK, PAGE, PICTURES, curves_of, render, values_of, verdict_of
from benchmarks.claim_results import RESULTS, Results

# Gymnasium would rather have version 1; the tutorials played version 0, which ends at 200 steps.
pytestmark = pytest.mark.filterwarnings("ignore:.*CartPole-v0 is out of date:DeprecationWarning")

[TINY] = tiny_claims.CLAIMS


def run_of(all_games, values=()):
    """Return a run as it is kept."""
    return {
        "test": 2.0 * all_games,
        "all": all_games,
        "last_100": None,
        "games": [1, 2],
        "averages": [all_games, all_games],
        "values": [{"step": step, "estimate": e, "truth": t} for step, e, t in values],
        "num_games": 2,
        "num_steps": 40,
        "minutes": 1.0,
        "cpu_minutes": 0.5,
        "commits": ["abc"],
        "hardware": "a machine",
        "versions": {"python": "3"},
        "date": "2026-01-02T03:04:05",
    }


def results_of(first, second):
    """Return kept results of the tiny claim, a value a seed on each side."""
    results = Results()
    for side, values in ((TINY.first, first), (TINY.second, second)):
        for seed, value in enumerate(values):
            results.add(side.arm, seed, run_of(value))
    return results


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_claim_has_all_that_was_to_be_written_before(claim):
    assert re.fullmatch(r"[a-z0-9-]+", claim.id)
    assert all((claim.title, claim.source, claim.task, claim.remark))
    assert claim.margin > 0
    assert len({side.label for side in claim.sides}) == len(claim.sides) >= 2
    for side in claim.sides:
        assert side.measure in MEASURES
        assert side.arm == ARMS[side.arm.id]
        assert side.arm.budget
        # A measure of the last 100 games needs as many, of values an agent that logs them.
        assert side.measure != "last_100" or side.arm.games >= 100
        is_rated = side.measure in ("estimate", "truth", "accuracy")
        assert is_rated == ("Rated" in side.arm.algorithm) == (claim.over == "steps")
    pairs = {(side.arm.id, side.measure) for side in claim.sides}
    assert len(pairs) == len(claim.sides)


def test_claims_come_by_cost_and_differ_in_id():
    minutes = [claim.minutes for claim in CLAIMS]
    assert minutes == sorted(minutes)
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS) == 14
    used = {arm.id: arm for claim in CLAIMS for arm in claim.arms}
    assert used == dict(ARMS)
    assert sum(len(SEEDS) * arm.minutes for arm in used.values()) <= 150


def test_every_arm_makes_jobs_of_its_budget_and_settings():
    for arm in ARMS.values():
        job = arm.job(3)
        assert job.name == f"{arm.id}-seed3"
        assert (job.spec.seed, job.spec.total_steps) == (3, arm.steps)
        assert (job.max_episodes, job.spec.num_envs) == (arm.games, 1)
        assert arm.settings.items() <= job.spec.config.items()
    # What the author has in the recipe is there, but for what is said to differ.
    config = ARMS["actor-critic-replay"].job(0).spec.config
    assert (config["adam_epsilon"], config["detach"], config["batch_size"]) == (1e-7, False, 64)
    assert ARMS["ppo-clip-0.1"].job(0).spec.config["rollout_steps"] == 20


def test_the_arms_of_a_claim_differ_in_what_it_is_about():
    def config_of(name):
        return ARMS[name].job(0).spec.config

    def differing(first, second):
        pairs = config_of(first), config_of(second)
        return {key for key in pairs[0] if pairs[0][key] != pairs[1].get(key, pairs[0][key])}

    assert differing("sac", "sac-likelihood") == {"reparameterize"}
    assert differing("actor-critic", "actor-critic-detached") == {"detach"}
    assert differing("ppo-clip-0.2", "ppo-clip-0.1") == {"clip_range"}
    assert differing("a3c-1", "a3c-8") == {"num_workers"}
    for first, second in (
        ("ddpg", "ddpg-ou"),
        ("ddpg", "ddpg-batch-norm"),
        ("ddpg", "td3"),
        ("actor-critic", "actor-critic-replay"),
        ("actor-critic", "actor-critic-separate"),
        ("ppo-clip-0.2", "ppo-layers"),
        ("dqn-rated", "double-dqn-rated"),
        ("dqn-3-torques", "dqn-81-torques"),
    ):
        assert differing(first, second) == set()


# With equal differences every resample has the same mean: the interval is the difference itself.
@pytest.mark.parametrize(
    ("kind", "difference", "word"),
    [
        ("better", 12.0, "holds"),
        ("better", 10.0, "holds"),
        ("better", 9.0, "does not hold"),  # above 0, but less than counts
        ("better", 0.0, "does not hold"),
        ("better", -30.0, "does not hold"),
        ("as good", 30.0, "holds"),
        ("as good", 0.0, "holds"),
        ("as good", -9.0, "holds"),  # worse by less than counts
        ("as good", -10.0, "does not hold"),
        ("as good", -30.0, "does not hold"),
    ],
)
def test_a_verdict_on_equal_differences(kind, difference, word):
    second = [100.0, 120.0, 90.0, 150.0, 110.0]
    first = [value + difference for value in second]
    verdict = judge(kind, first, second, 10.0)
    assert verdict.word == word
    assert verdict.difference == pytest.approx((difference,) * 3)


def test_a_verdict_with_an_interval():
    # Differences 0, 0, 0, 0 and 100: the mean is 20. A resample has k hundreds with probability
    # C(5, k) 0.2^k 0.8^(5 - k): none in 32.8 %, more than 3 in 0.7 %, more than 2 in 5.8 %. So 95 %
    # lie between 0 and 60.
    first, second = [0.0, 0.0, 0.0, 0.0, 100.0], [0.0] * 5
    verdict = judge("better", first, second, 10.0)
    assert verdict.difference == pytest.approx((20.0, 0.0, 60.0))
    assert verdict.word == "cannot tell"
    assert judge("better", first, second, 61.0).word == "does not hold"
    assert judge("as good", first, second, 10.0).word == "holds"
    assert judge("as good", second, first, 10.0).word == "cannot tell"
    assert judge("as good", second, first, 61.0).word == "holds"
    # Of 25 pairs 5 are won and 20 are ties.
    assert verdict.improvement.value == pytest.approx((5 + 20 / 2) / 25)


def test_a_claim_and_its_opposite_never_both_hold():
    first, second = [3.0, 9.0, 4.0, 8.0, 5.0], [2.0, 2.5, 9.0, 1.0, 3.0]
    opposite = {"holds": "does not hold", "does not hold": "holds", "cannot tell": "cannot tell"}
    for margin in (0.5, 1.0, 2.3, 4.0, 9.0):
        better, as_good = (
            judge(*each, margin)
            for each in (
                ("better", first, second),
                ("as good", second, first),
            )
        )
        assert as_good.word == opposite[better.word]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("better", [1.0, 2.0], [1.0], 1.0), "two at least, on both sides; received 2 and 1"),
        (("better", [1.0], [1.0], 1.0), "received 1 and 1"),
        (("better", [1.0, 2.0], [1.0, 2.0], 0.0), "margin must be above 0, received 0.0"),
        (("worse", [1.0, 2.0], [1.0, 2.0], 1.0), "received 'worse'"),
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        judge(*arguments)


def test_values_are_those_of_the_second_half():
    run = run_of(1.0, [(20, 90.0, 1.0), (30, 8.0, 5.0), (40, 6.0, 5.0)])  # of 40 steps
    assert MEASURES["estimate"].value(run) == 7.0
    assert MEASURES["truth"].value(run) == 5.0
    assert MEASURES["accuracy"].value(run) == -2.0
    assert (MEASURES["all"].value(run), MEASURES["test"].value(run)) == (1.0, 2.0)


def test_claims_are_found_by_id_and_pattern():
    assert [claim.id for claim in find_claims(["ppo-*"], CLAIMS)] == ["ppo-clip", "ppo-sequential"]
    assert find_claims([], CLAIMS) == list(CLAIMS)
    with pytest.raises(ValueError, match="no claim is called 'luck': known are torques, "):
        find_claims(["ppo-clip", "luck"], CLAIMS)


def test_claims_that_share_an_arm_run_it_once():
    arms = claims.arms_of(find_claims(["discretized", "ou-noise", "batch-norm"], CLAIMS))
    assert [arm.id for arm in arms] == ["ddpg", "dqn-3-torques", "ddpg-ou", "ddpg-batch-norm"]


def test_the_page_is_what_the_kept_results_give():
    text, results = PAGE.read_text(), Results.read()
    between = text.split(f"<!-- {MARK} -->")[1].split(f"<!-- /{MARK} -->")[0]
    pictures = os.path.relpath(PICTURES, PAGE.parent)
    assert between.strip() == render(CLAIMS, results, pictures), (
        "run python benchmarks/claims.py --page"
    )
    complete = {claim.id for claim in CLAIMS if results.is_complete(claim)}
    assert {path.stem for path in PICTURES.glob("*.png")} == complete
    for claim in CLAIMS:
        assert (f"({pictures}/{claim.id}.png)" in text) == (claim.id in complete)


def test_kept_results_are_of_arms_that_there_are():
    kept = json.loads(RESULTS.read_text())
    assert kept.keys() <= ARMS.keys()
    assert all(entry["arm"] == ARMS[id].to_json() for id, entry in kept.items())
    assert all(set(entry["seeds"]) <= {str(seed) for seed in SEEDS} for entry in kept.values())


def test_results_of_an_arm_that_has_changed_do_not_count(tmp_path):
    results = results_of([1.0] * 5, [2.0] * 5)
    results.write(tmp_path / "kept.json")
    again = Results.read(tmp_path / "kept.json")
    assert again.to_json() == results.to_json()
    assert again.is_complete(TINY)
    changed = dataclasses.replace(TINY.first.arm, steps=1_600)
    assert again.runs(changed) == {}
    again.add(changed, 0, run_of(3.0))
    assert again.runs(TINY.first.arm) == {}
    assert list(again.runs(changed)) == [0]
    # What it costs is not what it is.
    dearer = dataclasses.replace(TINY.second.arm, minutes=9.0)
    assert len(again.runs(dearer)) == 5


def test_a_section_has_the_verdict_and_what_it_rests_on():
    results = results_of([12.0, 13.0, 14.0, 15.0, 16.0], [10.0, 11.0, 12.0, 13.0, 14.0])
    text = render([TINY], results, "pictures")
    assert "| [A tiny claim](#a-tiny-claim) | holds | 2.00 [2.00 to 2.00] | 1 |" in text
    assert "**holds.** The difference is 2.00 [2.00 to 2.00]; a run of" in text
    # Of 25 pairs 12 over 10 to 14 wins 2 and ties 1, 13: 3 and 1, 14: 4 and 1, 15 and 16: all 5.
    assert f"probability {(2.5 + 3.5 + 4.5 + 5 + 5) / 25:.2f} [" in text
    assert "| quick | 14.0 ± 1.58 (12.0, 13.0, 14.0, 15.0, 16.0) | 2 | 40 | 0.5 |" in text
    assert "![A tiny claim](pictures/tiny.png)" in text
    assert "10 runs in all, 5 minutes of one core" in text


def test_what_has_not_run_is_said_to_be_so_with_its_command():
    results = results_of([12.0] * 5, [10.0] * 4)
    assert verdict_of(TINY, results) is None
    text = render([TINY], results, "pictures")
    assert "| [A tiny claim](#a-tiny-claim) | not run yet |  | 1 |" in text
    assert "`python benchmarks/claims.py tiny`, about 1 minutes of one core" in text
    assert "**not run yet**: 9 of 10 runs are there." in text
    assert "tiny.png" not in text


def test_curves_of_values_have_both_lines_of_every_arm():
    claim = next(claim for claim in CLAIMS if claim.id == "double-dqn")
    results = Results()
    for side, excess in ((claim.first, 1.0), (claim.second, 3.0)):
        for seed in SEEDS:
            values = [(step, 5.0 + excess, 5.0) for step in (10, 30, 40)]
            results.add(side.arm, seed, run_of(1.0, values))
    drawn = curves_of(claim, results)
    assert [label for label, _ in drawn] == [
        "Double DQN, estimate",
        "Double DQN, truth",
        "DQN, estimate",
        "DQN, truth",
    ]
    steps, values = drawn[2][1][0]
    assert (steps.tolist(), values.tolist()) == ([10.0, 30.0, 40.0], [8.0] * 3)
    assert values_of(claim.first, results) == [-1.0] * 5
    assert verdict_of(claim, results).difference.value == 2.0


def test_values_are_read_from_the_log_of_a_rated_agent(tmp_path):
    arm = dataclasses.replace(ARMS["dqn-rated"], id="rated", steps=2_000)
    job = dataclasses.replace(arm.job(0), num_test_episodes=1)
    run_job(job, tmp_path)
    folder = JobFolder(tmp_path, job.name)
    rows = claim_results.read_values(folder.run)
    assert [row["step"] for row in rows] == [1_000, 2_000]
    logged = {(row.step, row.metric): row.value for row in Run.open(folder.run).metrics()}
    assert rows[1]["estimate"] == pytest.approx(logged[2_000, ESTIMATE], abs=1e-3)
    assert rows[1]["truth"] == pytest.approx(logged[2_000, TRUTH], abs=1e-3)


def timeless(path):
    """Return kept results without times, dates and who made them."""
    kept = json.loads(path.read_text())
    for entry in kept.values():
        for run in entry["seeds"].values():
            for name in ("minutes", "cpu_minutes", "commits", "date"):
                del run[name]
    return kept


def start(folder):
    """Start the tiny claim as a command."""
    places = {"out": "runs", "results": "kept.json", "write-to": "page.md", "pictures": "pictures"}
    options = [x for key, name in places.items() for x in (f"--{key}", str(folder / name))]
    return subprocess.Popen(
        [
            sys.executable,
            tiny_claims.__file__,
            *options,
            "--jobs",
            "1",
            "--checkpoint-seconds",
            "0.1",
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_claim_runs_and_one_that_was_killed_ends_the_same(tmp_path):
    """Killed with -9 when the first of its last two jobs has a checkpoint."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    jobs = [arm.job(seed) for arm in TINY.arms for seed in SEEDS]
    for job in jobs:
        run_job(job, whole / "runs")
    kept = Results()
    claim_results.collect(TINY.arms, whole / "runs", kept)
    kept.write(whole / "kept.json")
    for job in jobs[:-2]:
        shutil.copytree(whole / "runs" / job.name, killed / "runs" / job.name)
    command = start(killed)
    last = JobFolder(killed / "runs", jobs[-2].name)
    while command.poll() is None and not Run(last.run, jobs[-2].spec).checkpoint.is_file():
        time.sleep(0.02)
    command.kill()
    command.communicate()
    assert command.returncode == -signal.SIGKILL
    assert not (killed / "kept.json").exists()
    resumed = start(killed)
    _, said = resumed.communicate()
    assert resumed.returncode == 0, said
    assert not any(f"{job.name}: started" in said for job in jobs[:-2])
    assert f"{jobs[-1].name}: finished" in said
    assert timeless(killed / "kept.json") == timeless(whole / "kept.json")
    assert f"**{verdict_of(TINY, kept).word}.**" in (killed / "page.md").read_text()
    assert (killed / "pictures" / "tiny.png").stat().st_size > 5_000
    run = kept.runs(TINY.first.arm)[2]
    episodes = JobFolder(whole / "runs", "quick-seed2").read_episodes()
    returns = [row.episodic_return for row in episodes]
    assert run["all"] == pytest.approx(sum(returns) / len(returns))
    assert (run["num_games"], run["num_steps"]) == (len(returns), 200)
    game, average = run["games"][-1], run["averages"][-1]
    assert average == pytest.approx(np.mean(returns[max(game - 20, 0) : game]), abs=0.01)


def test_arguments_that_make_no_sense_are_refused(capsys):
    for arguments in (["luck"], ["--jobs", "0"]):
        with pytest.raises(SystemExit, match="2"):
            claims.main(arguments)
    assert "--jobs must be at least 1, received 0" in capsys.readouterr().err
