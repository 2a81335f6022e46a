"""Every example runs, as a user would run it.

Those of libraries that are not installed here run in `tests/integration`.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.libraries import LIBRARIES

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# The arguments that keep it short, and what it must print.
RUNS = {
    "agent_of_your_own.py": (["--steps", "300", "--out", "agent.safetensors"], "after 1"),
    "cleanrl_style_ppo.py": (
        ["--num-envs", "2", "--num-steps", "64", "--steps", "200", "--out", "agent.pt"],
        "trained 256 steps, saved agent.pt",
    ),
    "pipeline_by_hand.py": ([], "equal for 100 steps"),
    "draw_observation.py": (["--out", "picture.png"], "wrote picture.png: 1464 x 1220"),
    "sb3_contrib_qrdqn.py": (["--steps", "200", "--out", "agent.zip"], "steps, saved agent.zip"),
    "stable_baselines3_ppo.py": (["--steps", "512", "--out", "agent.zip"], "total_timesteps"),
    "train_double_dqn.py": (["--steps", "120", "--out", "agent.safetensors"], "of 3 episodes"),
    "why_naive_q_fails.py": (
        ["--seeds=1", "--steps=50", "--jobs=1", "--rungs", "naive", "double", "--out=ladder"],
        "wrote ladder/why_naive_q_fails.png",
    ),
}
SLOW = ("sb3_contrib_qrdqn.py", "stable_baselines3_ppo.py", "why_naive_q_fails.py")


def test_every_example_is_run():
    libraries = {library.example for library in LIBRARIES.values()}
    assert {path.name for path in EXAMPLES.glob("*.py")} == libraries.union(RUNS)


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow if x in SLOW else []) for x in RUNS]
)
def test_example(name, tmp_path):
    arguments, expected = RUNS[name]
    result = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert expected in result.stdout


def test_each_library_has_its_example_its_command_and_lines_that_stand_in_it():
    text = (ROOT / "docs" / "libraries.md").read_text()
    sections = [part for part in re.split(r"^## ", text, flags=re.M) if "](../examples/" in part]
    quoted = set()
    for section in sections[1:]:  # after the table of all
        (name, *_) = re.findall(r"\]\(\.\./examples/(\w+\.py)\)", section)
        assert f"\npython examples/{name} --steps" in section
        source = (EXAMPLES / name).read_text()
        for block in re.findall(r"^```py\n(.*?)^```$", section, flags=re.M | re.S):
            assert all(part in source for part in re.split(r"^\.\.\.\n", block, flags=re.M)), name
            quoted.add(name)
    assert len(sections) == 8
    assert len(quoted) == 6  # Stable-Baselines3's lines run
