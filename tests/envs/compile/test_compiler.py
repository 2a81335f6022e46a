"""The C compiler: which one is taken, how many run at once, and what is told when one fails."""

import os
import shlex
import sys
import sysconfig
from pathlib import Path

import pytest
from support.waiting import wait_for

from mario_rl_envs.compile import compiler
from mario_rl_envs.compile.compiler import Compiler, build, find_command, find_compiler
from mario_rl_envs.compile.errors import LibraryError

UNITS = {f"unit{number}.c": f"int secret{number}(void) {{ return 7; }}\n" for number in range(5)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder to compile in."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def program(path: Path, text: str) -> Compiler:
    """Return a compiler that is a program in Python; `out` is the file that it should write."""
    start = f"#!{sys.executable}\nimport os, signal, sys, time\nout = sys.argv[-1]\n"
    path.write_text(start + text)
    path.chmod(0o755)
    return Compiler((str(path),), "made up")


def said(stand_in: Compiler, folder: Path) -> str:
    """Return what the error says when a compiler fails."""
    with pytest.raises(LibraryError) as caught:
        build(stand_in, UNITS, folder, folder)
    return str(caught.value)


def test_files_become_one_library(folder):
    library = build(find_compiler(), UNITS, folder, folder)
    assert library.parent == folder
    assert library.stat().st_mode & 0o077 == 0  # nobody else's
    assert library.read_bytes()[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")


def test_the_header_is_found(tmp_path, folder):
    (tmp_path / "seven.h").write_text("#define SEVEN 7\n")
    units = {"unit.c": '#include "seven.h"\nint seven(void) { return SEVEN; }\n'}
    assert build(find_compiler(), units, tmp_path, folder).is_file()


def test_as_many_run_at_once_as_there_are_processors(tmp_path, folder, monkeypatch):
    """Each waits until as many have begun; all begin before the first ends."""
    monkeypatch.setattr(compiler, "num_processors", lambda: len(UNITS))
    stand_in = program(
        tmp_path / "cc",
        f"""
if "-shared" not in sys.argv:
    open(out + ".begun", "x")
    while sum(name.endswith(".begun") for name in os.listdir()) < {len(UNITS)}: time.sleep(0.01)
open(out, "x")
""",
    )
    assert build(stand_in, UNITS, folder, folder).is_file()


def test_not_more_run_at_once_than_there_are_processors(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(compiler, "num_processors", lambda: 2)
    stand_in = program(
        tmp_path / "cc",
        """
open(out + ".running", "x")
assert sum(name.endswith(".running") for name in os.listdir()) <= 2
time.sleep(0.05)
os.unlink(out + ".running")
open(out, "x")
""",
    )
    assert build(stand_in, UNITS, folder, folder).is_file()


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("int secret(void) { return hidden }", ()),  # the compiler quotes it
        ("int hidden(void); int secret(void) { return hidden(); }", ("-Wl,-z,defs",)),  # the linker
    ],
)
def test_nothing_of_the_files_is_told(folder, text, options):
    """They are made from the ROM."""
    saying = Compiler((*find_command(), *options), "the usual one")
    with pytest.raises(LibraryError, match="the C compiler failed, code 1") as caught:
        build(saying, {"unit.c": text}, folder, folder)
    assert not any(word in str(caught.value) for word in ("secret", "hidden", "unit.c"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "the C compiler was killed by SIGKILL"),
        ("sys.exit('cc1: out of memory')", "failed, code 1; cc1: out of memory"),
        ("sys.exit(out + ': No space left on device')", "; No space left on device"),
    ],
)
def test_it_is_told_why_a_compiler_failed(tmp_path, folder, text, reason):
    assert said(program(tmp_path / "cc", text), folder).endswith(reason)


def test_when_one_fails_the_others_and_what_they_started_are_killed(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(compiler, "num_processors", lambda: 2)
    (folder / "alive").mkdir()
    stand_in = program(
        tmp_path / "cc",
        """
if "unit0" in out:
    while len(os.listdir("alive")) < 2: time.sleep(0.01)
    sys.exit(1)
os.fork()
open(f"alive/{os.getpid()}", "x")
time.sleep(600)
""",
    )
    said(stand_in, folder)
    children = [int(path.name) for path in (folder / "alive").iterdir()]
    assert len(children) == 2
    wait_for(lambda: not any(is_running(child) for child in children))


def is_running(process: int) -> bool:
    """Return whether a process lives; a zombie does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_temporary_files_are_written_into_the_folder(tmp_path, folder):
    stand_in = program(
        tmp_path / "cc",
        "assert os.environ['TMPDIR'] == os.getcwd() == os.path.dirname(os.path.abspath(out))\n"
        "open(out, 'x')",
    )
    assert build(stand_in, UNITS, folder, folder).parent == folder


def test_cc_names_the_compiler_with_options(tmp_path, monkeypatch):
    path = tmp_path / "my compiler"
    program(path, "print('mine 1.0')\nprint('more')")
    monkeypatch.setenv("CC", f"{shlex.quote(str(path))} -O1")
    found = find_compiler()
    assert found == Compiler((str(path), "-O1"), "mine 1.0")
    assert str(found) == f"mine 1.0 ('{path}' -O1)"


def test_cc_may_be_relative_to_where_the_command_is_given(tmp_path, folder, monkeypatch):
    program(tmp_path / "mine", "import sys; out = sys.argv[-1]\nopen(out, 'x')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CC", "./mine -O1")
    command = find_command()
    assert command == (str(tmp_path / "mine"), "-O1")
    assert build(Compiler(command, "mine 1.0"), UNITS, folder, folder).is_file()


@pytest.mark.parametrize("named", ["no-such-compiler", "'"])
def test_a_wrong_cc_is_named(monkeypatch, named):
    monkeypatch.setenv("CC", named)
    with pytest.raises(LibraryError, match=r"the environment variable CC is .*, and there is no"):
        find_command()


def test_without_cc_pythons_own_compiler_is_taken_and_then_the_usual_ones(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "clang", "")
    monkeypatch.setattr(sysconfig, "get_config_var", {"CC": "mycc -pthread"}.get)
    assert find_command() == ("clang",)
    program(tmp_path / "cc", "")
    assert find_command() == ("cc",)
    program(tmp_path / "mycc", "")
    assert find_command() == ("mycc", "-pthread")


def test_without_a_compiler_it_is_said_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LibraryError, match="there is no C compiler: install gcc or clang"):
        find_compiler()


def test_a_compiler_that_does_not_run_is_told(tmp_path, monkeypatch):
    program(tmp_path / "cc", "sys.exit(3)")
    monkeypatch.setenv("CC", str(tmp_path / "cc"))
    with pytest.raises(LibraryError, match=r"the C compiler does not run: .* exit status 3"):
        find_compiler()
