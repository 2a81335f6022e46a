"""The compiled library: made, kept, found, loaded; whatever goes wrong, the game is interpreted."""

import itertools
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from support.tiny_library import ROM, tiny_units
from support.waiting import wait_for

from mario_rl_envs import native_info
from mario_rl_envs.compile import command, library
from mario_rl_envs.compile.cache import FOLDER_VARIABLE, open_cache
from mario_rl_envs.compile.compiler import (
    RECORD_PROFILE,
    USE_PROFILE,
    build,
    find_command,
    find_compiler,
)
from mario_rl_envs.compile.errors import LibraryError
from mario_rl_envs.compile.library import (
    HEADERS,
    INCLUDE,
    compile_library,
    load,
    remove_libraries,
    target,
)
from mario_rl_envs.emulators import create_emulator, native
from mario_rl_envs.game.rom import find_rom
from mario_rl_envs.vector_env import MarioVectorEnv

ROM_PATH = find_rom()
ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return the path of a cache folder, which does not exist yet; nothing is loaded."""
    path = tmp_path / "cache"
    monkeypatch.setenv(FOLDER_VARIABLE, str(path))
    load.cache_clear()
    yield path
    load.cache_clear()


@pytest.fixture
def tiny(monkeypatch):
    """Have a library made that takes little time."""
    write(monkeypatch, tiny_units())


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return a cache folder in which such a library was made."""
    path = tmp_path_factory.mktemp("kept") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(path))
        write(patch, tiny_units())
        compile_quietly()
    return path


@pytest.fixture
def compiled(path, tiny, kept):
    """Have that library in the cache folder: it takes seconds to make."""
    shutil.copytree(kept, path)


def write(monkeypatch, units):
    monkeypatch.setattr("mario_rl_envs.compile.c_code.write_units", lambda *_: units)


def compile_quietly(**keywords):
    """Compile and return the lines that are told."""
    lines = []
    compile_library(ROM, report=lines.append, **keywords)
    return lines


def plays():
    """Return whether `emulator="native"` plays."""
    console = create_emulator("native", ROM_PATH)
    for _ in range(30):
        console.advance(0)
    return bytes(console.ram) != bytes(0x800)


def libraries(path):
    return sorted(each.name for each in path.glob("compiled-*"))


# Made, and loaded.


def test_it_is_made_once(path, tiny):
    assert native_info().runs == "interpreted"
    assert re.match(r"compiling the game's code with .+\)", *compile_quietly())
    info = native_info()
    assert info.runs == "compiled"
    assert str(info) == f"the game is compiled: {info.reason}"
    [kept] = path.glob("*.so")
    assert info.reason.startswith(f"{kept}, 0.0 MB, compiled in ")
    assert compile_quietly() == []  # it is there
    assert len(compile_quietly(force=True)) == 1
    assert len(libraries(path)) == 2
    assert [each.name for each in path.iterdir() if "compiling" in each.name] == ["compiling.lock"]


def test_what_is_kept_was_laid_out_by_a_profile(path, tiny, monkeypatch):
    if not find_compiler().is_gcc:
        pytest.skip("the compiler of this machine is not gcc")
    profiles = []

    def build_and_look(compiler, units, include, folder, options):
        profiles.append((options, sorted(each.name for each in folder.glob("*.gcda"))))
        return build(compiler, units, include, folder, options)

    monkeypatch.setattr(library, "build", build_and_look)
    compile_quietly()
    assert profiles == [(RECORD_PROFILE, []), (USE_PROFILE, ["library.c.gcda", "more.c.gcda"])]
    [kept] = path.glob("*.so")
    assert b"gcov" not in kept.read_bytes()
    assert plays()


def test_the_command_says_what_runs(path, tiny):
    lines = []
    command.run(force=False, remove=False, report=lines.append)
    assert lines[-1] == str(native_info())
    assert native_info().runs == "compiled"
    command.run(force=False, remove=True, report=lines.append)
    assert lines[-2] == "libraries removed: 1"
    assert lines[-1].startswith("the game is interpreted: ")
    assert libraries(path) == []


def test_removing_where_nothing_is(path):
    lines = []
    command.run(force=False, remove=True, report=lines.append)
    assert lines[0] == "libraries removed: 0"
    assert not path.exists()


def test_another_compiler_makes_it_anew(path, compiled, monkeypatch):
    monkeypatch.setenv("CC", " ".join((*find_command(), "-O1")))
    assert len(compile_quietly()) == 1
    assert native_info().reason.endswith("-O1)")
    assert len(libraries(path)) == 2


@pytest.mark.parametrize("place", ["rom", "header", "writer", "version", "abi"])
def test_its_name_says_what_it_is_made_of(compiled, monkeypatch, tmp_path, place):
    before = target(ROM)
    target.cache_clear()
    rom = ROM
    if place == "rom":
        rom = ROM[:-1] + bytes([ROM[-1] ^ 1])
    elif place == "header":
        for name in HEADERS:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes((INCLUDE / name).read_bytes())
        (tmp_path / HEADERS[0]).write_text("// changed")
        monkeypatch.setattr(library, "INCLUDE", tmp_path)
    elif place == "writer":
        monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    elif place == "version":
        monkeypatch.setattr(library, "__version__", "99.0")
    else:
        monkeypatch.setattr(library._core, "COMPILED_ABI", 99)
    try:
        assert target(rom) != before
    finally:
        target.cache_clear()


def test_the_headers_that_the_code_includes_are_declared():
    """They belong to the wheel, and to the library's name."""
    found, new = set(), {"machine/blocks.h"}
    while new:
        found |= new
        texts = [(INCLUDE / name).read_text() for name in new]
        new = {name for text in texts for name in re.findall(r'#\s*include "(.+)"', text)} - found
    assert found == set(HEADERS)
    setup = (ROOT / "setup.cfg").read_text()
    assert all(f"    {name}\n" in setup for name in HEADERS)


def test_all_consoles_are_of_one_kind(compiled):
    """Save states and snapshots pass between them."""
    names = ("native", "compiled", "interpreted")
    consoles = [create_emulator(name, ROM_PATH) for name in names]
    assert [each.name for each in consoles] == ["native"] * 3
    consoles[0].advance(8)
    for one, other in itertools.pairwise(consoles):
        other.load_state(one.save_state())
        assert other.ram == one.ram
    envs = [gym.make("MarioRL-1-1-v0", emulator=name) for name in names]
    starts = [env.reset(seed=0)[0] for env in envs]
    states = [env.get_wrapper_attr("save_state")() for env in envs]
    for env, state in zip(envs, reversed(states), strict=True):
        np.testing.assert_array_equal(env.reset(options={"state": state})[0], starts[0])
        env.close()


def test_a_pickle_keeps_what_was_asked_for(compiled):
    for name in ("native", "compiled", "interpreted"):
        env = gym.make("MarioRL-1-1-v0", emulator=name).unwrapped
        assert pickle.loads(pickle.dumps(env))._emulator.keyword == name


@pytest.mark.parametrize("name", ["native", "compiled", "interpreted"])
def test_many_games_run_natively(compiled, name):
    envs = gym.make_vec("MarioRL-1-1-v0", num_envs=2, emulator=name)
    assert isinstance(envs, MarioVectorEnv)
    assert type(envs._games._emulators[0]) is native.NATIVE_EMULATORS[name]
    envs.reset(seed=0)
    envs.close()


# What goes wrong.


def test_where_nothing_is_compiled_it_is_interpreted_without_a_word(path):
    with warnings.catch_warnings(action="error"):
        assert plays()
    assert native_info().runs == "interpreted"
    assert "`python -m mario_rl_envs.compile` makes it" in native_info().reason


def test_compiled_is_an_error_where_nothing_is_compiled(path):
    with pytest.raises(
        ImportError, match=r"emulator='compiled' is not .* -m mario_rl_envs.compile"
    ):
        gym.make("MarioRL-1-1-v0", emulator="compiled")
    with pytest.raises(ImportError, match="emulator='compiled' is not there"):
        gym.make_vec("MarioRL-1-1-v0", num_envs=2, emulator="compiled")


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


FAULTS = {
    "a byte": (lambda path: flip(next(path.glob("*.so"))), "does not have the SHA-256"),
    "truncated": (
        lambda path: os.truncate(next(path.glob("*.so")), 5_000),
        "does not have the SHA",
    ),
    "missing": (lambda path: next(path.glob("*.so")).unlink(), "is missing"),
    "record": (lambda path: next(path.glob("*.json")).write_text("{"), "cannot be read"),
    "mode": (lambda path: path.chmod(0o755), "is open to others (mode 0755)"),
}


@pytest.mark.parametrize(("harm", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_once_and_the_game_is_interpreted(path, compiled, harm, reason):
    harm(path)
    load.cache_clear()
    with pytest.warns(RuntimeWarning, match="the game is interpreted, with the same") as told:
        assert [plays(), plays()] == [True, True]
    assert len(told) == 1
    assert reason in str(told[0].message)
    assert native_info() == ("interpreted", load(ROM).reason)
    with pytest.raises(ImportError, match=re.escape(reason)):
        create_emulator("compiled", ROM_PATH)


@pytest.mark.parametrize("harm", [harm for harm, _ in list(FAULTS.values())[:4]])
def test_what_is_damaged_is_made_anew(path, compiled, harm):
    harm(path)
    load.cache_clear()
    compile_quietly()
    assert native_info().runs == "compiled"


FOREIGN = {
    "another interface": (tiny_units(abi=99), "not compiled code for this version"),
    "another ROM": (tiny_units(prg=b"another"), "compiled from another ROM"),
    "no compiled code": ({"library.c": "int seven = 7;"}, "not compiled code for this version"),
}


@pytest.mark.parametrize(("units", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_library_is_not_kept(path, monkeypatch, units, reason):
    write(monkeypatch, units)
    with pytest.raises(LibraryError, match=f"does not work: OSError: .*{reason}.*it is not kept"):
        compile_quietly()
    assert libraries(path) == []


@pytest.mark.parametrize(("units", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_library_in_the_place_of_ours_is_not_run(path, units, reason):
    with open_cache(make=True) as opened, opened.build_folder() as folder:
        opened.store(target(ROM), build(find_compiler(), units, INCLUDE, folder), "cc", 1.0)
    with pytest.warns(RuntimeWarning, match=f"cannot be loaded .*{reason}.*compile --force"):
        assert plays()


def test_a_text_in_the_place_of_a_library_is_not_run(path, tmp_path):
    with open_cache(make=True) as opened, opened.build_folder() as folder:
        (folder / "library.so").write_text("a text")
        opened.store(target(ROM), folder / "library.so", "cc", 1.0)
    with pytest.warns(RuntimeWarning, match="cannot be loaded"):
        assert plays()


BROKEN = {
    "crashes": ("*(volatile int *)0 = 1;", "it is killed by SIGSEGV"),
    "aborts": ("__builtin_trap();", "it is killed by "),
    "differs": (
        "if (cpu->cycle > 3000000) pins->ram[7] ^= 1;",
        "it differs from the interpreter in",
    ),
}


@pytest.mark.parametrize(("body", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_library_that_a_compiler_made_wrongly_is_not_kept(path, monkeypatch, body, reason):
    write(monkeypatch, tiny_units(body=body))
    with pytest.raises(LibraryError, match=f"does not work: .*{reason}.*it is not kept"):
        compile_quietly()
    assert libraries(path) == []


def test_a_failure_leaves_the_library_of_before(path, compiled, monkeypatch):
    before = libraries(path)
    write(monkeypatch, tiny_units(abi=99))
    with pytest.raises(LibraryError):
        compile_quietly(force=True)
    assert libraries(path) == before
    assert native_info().runs == "compiled"


def test_a_folder_that_cannot_be_made_is_told_and_the_game_is_interpreted(path, tiny):
    path.write_text("")
    with pytest.raises(LibraryError, match="cannot be made or used"):
        compile_quietly()
    assert plays()


# Processes.

MAIN = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from support.tiny_library import tiny_units
from mario_rl_envs.compile import c_code
c_code.write_units = lambda *_: tiny_units()
from mario_rl_envs.compile.__main__ import main
sys.exit(main())
"""
SLOW = """#!PYTHON
import os, pathlib, sys, time
if "--version" not in sys.argv:
    folder = pathlib.Path("FOLDER")
    (folder / f"began-{os.getpid()}").touch()
    while not (folder / "go").exists(): time.sleep(0.01)
os.execvp("cc", ["cc", *sys.argv[1:]])
"""


def start(code=MAIN):
    """Compile in another process."""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Return a folder: a compiler leaves a file "began-PID" there, and waits for the file "go"."""
    folder = tmp_path / "slow"
    folder.mkdir()
    compiler = tmp_path / "slowcc"
    compiler.write_text(SLOW.replace("PYTHON", sys.executable).replace("FOLDER", str(folder)))
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    yield folder
    (folder / "go").touch()


def wait_for_compilers(folder):
    """Return the processes of the compilers that have begun, one at least."""
    wait_for(lambda: list(folder.glob("began-*")) != [])
    return [int(path.name.removeprefix("began-")) for path in folder.glob("began-*")]


def test_of_two_processes_one_compiles_and_the_other_waits(path, slow):
    with start() as first:
        num_begun = len(wait_for_compilers(slow))
        with start() as second:
            assert second.stdout.readline() == "waiting for another process\n"
            assert native_info().runs == "interpreted"  # and nothing is broken meanwhile
            (slow / "go").touch()
            outputs = [process.communicate() for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert num_begun <= 2
    num_builds = 2 if find_compiler().is_gcc else 1  # the first of them for a profile
    assert len(list(slow.glob("began-*"))) == 3 * num_builds  # two files, and the linker
    assert "compiling" not in outputs[1][0]
    load.cache_clear()
    assert native_info().runs == "compiled"
    assert len(libraries(path)) == 2


def test_what_is_removed_waits_for_who_compiles(path, slow):
    def let_go(line):
        said.append(line)
        (slow / "go").touch()

    said = []
    with start() as first:
        wait_for_compilers(slow)
        assert remove_libraries(report=let_go) == 1
        assert first.wait() == 0, first.communicate()
    assert said == ["waiting for another process"]
    assert list(path.iterdir()) == []


def test_a_compiler_that_is_killed_is_told(path, slow):
    with start() as process:
        os.kill(wait_for_compilers(slow)[0], signal.SIGKILL)
        error = process.communicate()[1]
    assert (process.returncode, error) == (1, "error: the C compiler was killed by SIGKILL\n")
    assert [each.name for each in path.iterdir()] == ["compiling.lock"]
    assert plays()


def test_a_compilation_that_is_killed_leaves_nothing_that_is_loaded(path, slow):
    with start() as process:
        wait_for_compilers(slow)
        process.kill()
    (slow / "go").touch()
    assert any(each.is_dir() for each in path.iterdir())
    assert native_info().runs == "interpreted"
    with start() as process:
        assert process.wait() == 0
    assert not any(each.is_dir() for each in path.iterdir())
    load.cache_clear()
    assert native_info().runs == "compiled"


def test_ctrl_c_ends_a_compilation_with_all_that_it_started(path, slow):
    with start() as process:
        compilers = wait_for_compilers(slow)
        process.send_signal(signal.SIGINT)
        error = process.communicate()[1]
    assert (process.returncode, error) == (130, "stopped; nothing has changed\n")
    assert [each.name for each in path.iterdir()] == ["compiling.lock"]
    for compiler in compilers:
        with pytest.raises(ProcessLookupError):
            os.kill(compiler, 0)


@pytest.mark.parametrize("size", [0, 200, 2_000, 6_000])
def test_a_disk_that_holds_no_more_is_told(path, size):
    """A limit of a file's size is met at the same places as the end of a disk."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
    with start(limit + MAIN) as process:
        error = process.communicate()[1]
    assert process.returncode == 1
    assert re.fullmatch(r"error: (the library cannot be written .+|the C compiler .+)\n", error)
    assert libraries(path) == []
    assert plays()
