"""What the shell completes, and that a question without an answer is no traceback."""

import json
import sys
from pathlib import Path

import pytest
from mario_rl_agents.cli.app import app
from mario_rl_agents.recipes import ALGORITHMS
from mario_rl_agents.runs.run import Run, RunSpec
from mario_rl_agents.trust import remember
from support import code_of_others
from typer.testing import CliRunner

import mario_rl_envs
from mario_rl_envs import routes


def complete(line: str) -> list[str]:
    """Return the words that bash is given at the end of a line."""
    words = line.split(" ")
    asked = {
        "_MARIO_RL_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    result = CliRunner().invoke(app, env=asked, prog_name="mario-rl")
    assert result.exit_code == 0, result.output
    return result.output.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mario-rl tr", ["train"]),
        ("mario-rl train d", ["ddpg", "double_dqn", "dqn"]),
        ("mario-rl train dqn MarioRL-1-", [f"MarioRL-1-{stage}-v0" for stage in range(1, 5)]),
        ("mario-rl train dqn CartPole-", ["CartPole-v0", "CartPole-v1"]),
        ("mario-rl train dqn CartPole-v1 --recipe ", ["default", "tutorial"]),
        ("mario-rl train ppo MarioRL-1-1-v0 --recipe d", ["default", "demo"]),
        ("mario-rl train dqn CartPole-v1 --set ga", ["gamma="]),
        ("mario-rl train ppo CartPole-v1 --set gamma=0.9 --set clip", ["clip_range="]),
        ("mario-rl train dqn CartPole-v1 --env su", ["sutton_barto_reward="]),
        (
            "mario-rl train dqn MarioRL-1-1-v0 --env st",
            ["stage=", "stages=", "stack=", "sticky=", "stall="],
        ),
        ("mario-rl train dqn CartPole-v1 --env max", ["max_episode_steps="]),
        ("mario-rl recipes sa", ["sac", "sarsa"]),
        ("mario-rl recipes sb3-q", ["sb3-qrdqn"]),
        ("mario-rl train sb3-ppo CartPole-v1 --recipe l", ["like"]),
        ("mario-rl train sb3-ppo CartPole-v1 --set n_s", ["n_steps="]),
        ("mario-rl play MarioRL-R", ["MarioRL-Random-v0"]),
        ("mario-rl play Cart", []),
        ("mario-rl watch --route 8-", [stage for stage in routes.stages() if stage[0] == "8"]),
        ("mario-rl train dqnn CartPole-v1 --set ga", []),
        ("mario-rl train --set ga", []),
        ("mario-rl train dqn nowhere:Env-v0 --env st", []),
        ("mario-rl evaluate nowhere --env st", []),
    ],
)
def test_words_that_go_on(line: str, words: list[str]) -> None:
    assert sorted(complete(line)) == sorted(words)


def test_all_of_them() -> None:
    assert complete("mario-rl train ") == list(ALGORITHMS)
    ids = complete("mario-rl train dqn ")
    assert ids[: len(mario_rl_envs.ENV_IDS)] == list(mario_rl_envs.ENV_IDS)
    assert "Pendulum-v1" in ids


def test_keywords_of_the_environment_of_a_run(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", RunSpec("dqn", "MarioRL-1-1-v0", {}, {}, 0, total_steps=9))
    for path in (run.folder, run.checkpoint):
        assert complete(f"mario-rl evaluate {path} --env act") == ["actions="]
    content = json.loads((run.folder / "config.json").read_text())
    (run.folder / "config.json").write_text(json.dumps({**content, "env_id": 3}))
    assert complete(f"mario-rl evaluate {run.folder} --env act") == []


def test_a_run_of_others_runs_nothing_on_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = code_of_others.plant(tmp_path, monkeypatch)
    env_id = "code_of_others:CartPole-v1"
    run = Run.create(tmp_path / "run", RunSpec("dqn", env_id, {}, {}, 0, total_steps=9))
    for command in ("evaluate", "watch"):
        for path in (run.folder, run.checkpoint):
            assert complete(f"mario-rl {command} {path} --env su") == []
    assert not ran.exists()
    remember(env_id)  # in a training of the user's own
    assert complete(f"mario-rl evaluate {run.folder} --env su") == ["sutton_barto_reward="]
    assert ran.exists()
    sys.modules.pop("code_of_others")
