"""How many processors this process may use, counted in one place."""

import os
import subprocess
import sys
from pathlib import Path

import mario_rl_agents
import pytest
from mario_rl_agents.processors import num_processors

from mario_rl_envs.processors import num_processors as num_of_envs


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process")
def test_those_that_it_may_use_are_counted():
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from mario_rl_agents.processors import num_processors; print(num_processors())"
    )
    paths = os.pathsep.join(sys.path)
    output = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert output == "1\n"


def test_where_no_system_tells_it_is_one(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert num_processors() == num_of_envs() == 1


def test_no_other_module_counts_them():
    folder = Path(mario_rl_agents.__file__).parent
    counting = [
        path for path in folder.rglob("*.py") if "sched_getaffinity" in path.read_text("utf-8")
    ]
    assert counting == [folder / "processors.py"]
