"""`mario-rl compile`, and the line by which `mario-rl train` tells of it."""

import pytest
from mario_rl_agents.cli.compile import compile_hint
from mario_rl_agents.runs.run import RunSpec
from support.commands import fail, succeed
from support.tiny_library import tiny_units

from mario_rl_envs.compile.cache import FOLDER_VARIABLE
from mario_rl_envs.compile.library import load

ENV_ID = "MarioRL-1-1-v0"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """Have nothing compiled, and what is compiled in no time."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("mario_rl_envs.compile.c_code.write_units", lambda *_: tiny_units())
    load.cache_clear()
    yield
    load.cache_clear()


def spec(env_id=ENV_ID, **env_kwargs):
    return RunSpec(
        algorithm="ppo",
        env_id=env_id,
        env_kwargs=env_kwargs,
        num_envs=1,
        seed=0,
        total_steps=1,
        config={},
    )


def test_it_compiles_once_and_removes(tmp_path):
    began, made = succeed("compile")
    assert began.startswith("compiling the game's code with ")
    assert made.startswith(f"the game is compiled: {tmp_path / 'cache'}/compiled-")
    assert succeed("compile") == [made]
    removed, left = succeed("compile", "--remove")
    assert removed == "libraries removed: 1"
    assert left.startswith("the game is interpreted: ")


def test_a_failure_is_one_line(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert "CC is 'no-such-compiler', and there is no such program" in fail(1, "compile")


def test_to_compile_and_to_remove_is_refused():
    assert fail(2, "compile", "--force", "--remove") == "give --force or --remove, not both"


def test_training_tells_of_it_where_it_helps(monkeypatch):
    hint = "the game is interpreted; mario-rl compile, once, makes it several times faster"
    assert compile_hint(spec()) == hint
    for other in (spec("CartPole-v1"), spec(emulator="nes-py"), spec(emulator="interpreted")):
        assert compile_hint(other) is None
    with monkeypatch.context() as patch:
        patch.setenv("CC", "no-such-compiler")
        assert compile_hint(spec()) is None
    succeed("compile")
    assert compile_hint(spec()) is None


def test_training_prints_that_line(tmp_path):
    arguments = (
        "--steps",
        "8",
        "--num-envs",
        "1",
        "--eval-episodes",
        "0",
        "--out",
        tmp_path / "run",
    )
    lines = succeed("train", "random", ENV_ID, *arguments)
    assert lines[1].startswith("the game is interpreted; mario-rl compile, once")
