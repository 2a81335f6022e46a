"""What can be imported from the package itself."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import mario_rl_agents
import pytest


def test_every_name_is_there_and_declared_to_type_checkers() -> None:
    tree = ast.parse(Path(mario_rl_agents.__file__).read_text(encoding="utf-8"))
    declared = {
        alias.asname: (node.module or "").removeprefix("mario_rl_agents.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mario_rl_agents.")
        for alias in node.names
    }
    assert declared == mario_rl_agents._MODULES
    for name in mario_rl_agents.__all__:
        assert getattr(mario_rl_agents, name).__name__ == name
    assert set(dir(mario_rl_agents)) == set(mario_rl_agents.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'mario_rl_agents' has no attribute 'PP0'"):
        mario_rl_agents.PP0  # noqa: B018


def test_importing_the_package_or_the_command_line_does_not_load_torch() -> None:
    code = "import mario_rl_agents.cli, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_of_torch_wait_asleep_unless_the_user_says_otherwise() -> None:
    code = "import mario_rl_agents, os; print(os.environ['OMP_WAIT_POLICY'])"
    plain = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for environment, policy in (
        (plain, "PASSIVE"),
        ({**plain, "OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
    ):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == policy


def test_ids_of_mario_need_no_import_of_their_package() -> None:
    code = (
        "from mario_rl_agents import RandomAgent, make_vec_env; "
        "envs = make_vec_env('MarioRL-1-1-v0', 2, {'observation': 'tiles'}); "
        "print(envs.observation_space.shape); "
        "print(RandomAgent.create('MarioRL-1-1-v0').single_env.spec.id)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["(2, 13, 16)", "MarioRL-1-1-v0"]
