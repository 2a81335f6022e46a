"""Without Stable-Baselines3 everything else works, and its agents say what to install."""

from pathlib import Path

import pytest
from support.agent_toys import run_python

BLOCK = """
import os
import sys

os.chdir({folder!r})

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""
ALL = {"stable_baselines3", "sb3_contrib"}


def test_everything_else_works(tmp_path: Path) -> None:
    code = BLOCK.format(packages=ALL, folder=str(tmp_path)) + (
        "from typer.testing import CliRunner\n"
        "from mario_rl_agents.algorithms import load_algorithms\n"
        "from mario_rl_agents.cli.app import app\n"
        "from mario_rl_agents.recipes import ALGORITHMS, find_recipe\n"
        "assert load_algorithms().keys() == ALGORITHMS.keys()\n"
        "assert find_recipe('sb3-ppo', 'CartPole-v1', 'like').remarks\n"
        "for command in (['recipes'], ['envs']):\n"
        "    result = CliRunner().invoke(app, command)\n"
        "    assert result.exit_code == 0, result.output\n"
        "result = CliRunner().invoke(app, ['train', 'sb3-ppo', 'CartPole-v1', '--out', 'run'])\n"
        "assert result.exit_code == 1\n"
        "print(' '.join(result.output.split()))\n"
        "result = CliRunner().invoke(app, ['train', 'ppo', 'Pendulum-v9', '--out', 'run'])\n"
        "assert result.exit_code == 2, result.output\n"
        "assert not any('stable_baselines3' in name for name in sys.modules)\n"
    )
    assert run_python(code).strip() == (
        "error: sb3-ppo needs stable_baselines3, which is not installed: pip install "
        '"mario-rl-envs[sb3]"'
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("algorithm", "missing"), [("sb3-qrdqn", "sb3_contrib"), ("sb3-dqn", "")])
def test_two_need_sb3_contrib(algorithm: str, missing: str, tmp_path: Path) -> None:
    code = BLOCK.format(packages={"sb3_contrib"}, folder=str(tmp_path)) + (
        "from mario_rl_agents.recipes import ALGORITHMS\n"
        "try:\n"
        f"    ALGORITHMS[{algorithm!r}].create('CartPole-v1', device='cpu')\n"
        "except ImportError as error:\n"
        "    print(error.name)\n"
    )
    assert run_python(code).strip() == missing
