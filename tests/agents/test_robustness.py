"""The campaign of kills, full disks, damaged files, forks and threads, in small."""

import os
import subprocess
import sys

import pytest
from support.agent_toys import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_a_small_campaign_comes_out_as_it_should() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "robustness.py"), "--quick"]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "agents")))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("| ")]
    tries = [cells[1].strip() for cells in rows[1:]]
    assert tries == ["4", "2", "40", "3", "3"]
    assert all(cells[-1].strip() == "0" for cells in rows[1:])
