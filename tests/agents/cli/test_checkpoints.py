"""An argument names a checkpoint, a run's folder, or a policy of the package by its id."""

from pathlib import Path

import pytest
from mario_rl_agents import policy_record
from mario_rl_agents.cli.checkpoints import find
from mario_rl_agents.weights.policies import policy_path
from support.commands import fail, succeed
from support.windows import Viewer

ID = "MarioRL-1-1-v0"


def test_an_id_names_a_policy_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find(Path(ID))
    assert (found.checkpoint, found.is_policy) == (policy_path(ID), True)
    assert (found.env_kwargs["sticky"], found.env_kwargs["noop_max"]) == (0.0, 30)
    found = find(policy_path(ID))  # as a file, as it was trained
    assert (found.checkpoint, found.env_kwargs, found.is_policy) == (policy_path(ID), {}, False)
    monkeypatch.chdir(tmp_path)
    Path(ID).write_bytes(b"")
    assert find(Path(ID)) == (Path(ID), {}, False)


def test_a_policy_is_watched_by_its_id_as_it_plays_best(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer(monkeypatch, {}, last=3)
    first, line = succeed("watch", ID, "--episodes", "1")
    record = policy_record(ID)
    rate = record.rate("no-ops")
    assert rate is not None
    assert f": {record.policy} (with no-op starts {rate.clear_rate:.1%} cleared" in first
    assert line.startswith("seed 10000: return ")
    assert viewer.frames
    Viewer(monkeypatch, {}, last=0)
    first, *_ = succeed("watch", ID, "--greedy")
    assert first.endswith("greedy (as you ask)")


@pytest.mark.parametrize("command", ["watch", "evaluate"])
def test_a_stage_without_a_policy_is_said_with_those_there_are(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Viewer(monkeypatch, {}, last=0)
    line = fail(2, command, "MarioRL-9-9-v0")
    assert line.startswith("no policy for 'MarioRL-9-9-v0' comes with the package")
    assert ID in line
    assert "there is no checkpoint at" in fail(2, command, "CartPole-v1")
