"""Locks: one holder at a time, and none after its death."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mario_rl_agents.lock import is_locked, lock

HOLDER = """
import sys, time
from pathlib import Path
from mario_rl_agents.lock import lock
with lock(Path(sys.argv[1])) as is_free:
    print(is_free, flush=True)
    time.sleep(600)
"""


def test_one_holder_at_a_time_and_no_file_after_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock(path) as first, lock(path) as second:
        assert (first, second) == (True, False)
        assert is_locked(path)
    assert not is_locked(path)
    assert list(tmp_path.iterdir()) == []
    with lock(path) as again:
        assert again


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with lock(path) as is_free:
            assert not is_free
        holder.kill()
    assert not is_locked(path)
    with lock(path) as is_free:
        assert is_free


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are a POSIX feature")
def test_a_forked_process_does_not_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    read_end, write_end = os.pipe()
    with lock(path):
        child = os.fork()
        if child == 0:
            os.write(write_end, b"1")
            signal.pause()
        assert os.read(read_end, 1) == b"1"
    assert not is_locked(path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="Windows follows links")
def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("somebody's")
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="lock"), lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "other").read_text() == "somebody's"
