"""The cache of compiled libraries: only what the user alone can have written there is used."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from mario_rl_envs.compile import cache
from mario_rl_envs.compile.cache import Cache, folder, open_cache
from mario_rl_envs.compile.errors import LibraryError, MissingError

KEY = "compiled-rom-0.1.0-abi1"
CONTENT = b"what a compiler made" * 1_000


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return the path of a cache folder, which does not exist yet."""
    path = tmp_path / "home" / "cache"
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(path))
    return path


def store(key=KEY, content=CONTENT, compiler="cc 1.0"):
    with open_cache(make=True) as opened, opened.build_folder() as build:
        built = build / "library.so"
        built.write_bytes(content)
        opened.store(key, built, compiler, seconds=20.04)


def find(key=KEY):
    """Return a record and the content of its library."""
    with open_cache() as opened:
        record, size, path = opened.find(key)
        content = Path(path).read_bytes()
    assert size == len(content)
    return record, content


def refusal(kind=LibraryError):
    with pytest.raises(kind) as caught:
        find()
    assert type(caught.value) is kind
    return str(caught.value)


def names(path):
    return sorted(each.name for each in path.iterdir())


def only(path, pattern):
    [found] = path.glob(pattern)
    return found


def test_what_was_stored_is_found(path):
    store()
    record, content = find()
    assert content == CONTENT
    assert (record.compiler, record.seconds) == ("cc 1.0", 20.0)
    assert names(path) == sorted([record.library, only(path, "*.json").name])


def test_only_the_user_can_look_into_it(path):
    store()
    assert path.stat().st_mode & 0o777 == 0o700
    assert all(each.stat().st_mode & 0o077 == 0 for each in path.glob("*.json"))


def test_it_lies_in_the_users_cache(monkeypatch):
    monkeypatch.delenv(cache.FOLDER_VARIABLE, raising=False)
    assert folder() == Path(platformdirs.user_cache_dir("mario-rl-envs", appauthor=False))


def test_a_relative_path_is_refused(monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "cache")
    with pytest.raises(LibraryError, match="is 'cache'; accepted is an absolute path"):
        folder()


def test_a_user_without_a_home_is_no_fault(monkeypatch):
    monkeypatch.delenv(cache.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/us"))
    assert refusal(MissingError).startswith("you have no home: set MARIO_RL_CACHE_DIR")


def test_a_missing_folder_is_no_fault(path):
    assert refusal(MissingError) == f"there is no {path} yet; `{cache.COMMAND}` makes it"
    assert not path.exists()


def test_another_key_is_no_fault(path):
    store("compiled-rom-0.2.0-abi1")
    store(f"{KEY}0")  # of which the key is a part
    assert "has no library for this version" in refusal(MissingError)


@pytest.mark.parametrize("mode", [0o701, 0o750, 0o770, 0o777])
def test_a_folder_open_to_others_is_refused(path, mode):
    store()
    path.chmod(mode)
    assert f"is open to others (mode 0{mode:o}): run `chmod 700 {path}`" in refusal()
    with pytest.raises(LibraryError, match="is open to others"):
        store()
    path.chmod(0o700)
    find()


def test_a_folder_of_another_user_is_refused(path, monkeypatch):
    store()
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    assert "belongs to another user" in refusal()


def test_a_symbolic_link_is_refused(path, tmp_path):
    store()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "is a symbolic link" in refusal()
    with pytest.raises(LibraryError, match="is a symbolic link"):
        store()


def test_a_link_on_the_way_is_followed(path, tmp_path):
    """/home often is one."""
    store()
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    find()


@pytest.mark.parametrize("depth", [0, 1])
def test_a_folder_that_cannot_be_made_is_told(path, depth):
    """Not even root makes one out of a file or in it."""
    file = (path, path.parent)[depth]
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    assert "cannot be opened (Not a directory)" in refusal(MissingError)
    with pytest.raises(LibraryError, match=rf"{path} cannot be made or used .*MARIO_RL_CACHE_DIR"):
        store()


def flip_a_byte(library):
    content = bytearray(library.read_bytes())
    content[7_000] ^= 1
    library.write_bytes(content)


DAMAGES = {
    "a byte": flip_a_byte,
    "truncated": lambda library: os.truncate(library, 7_000),
    "empty": lambda library: os.truncate(library, 0),
    "longer": lambda library: library.write_bytes(CONTENT + b"more"),
    "replaced": lambda library: library.write_bytes(b"a library of another version"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_library_is_refused_and_can_be_made_anew(path, damage):
    store()
    damage(only(path, "*.so"))
    assert "does not have the SHA-256 that was noted: run `python -m mario_rl_envs" in refusal()
    store()
    find()


def test_a_missing_library_is_told(path):
    store()
    only(path, "*.so").unlink()
    assert refusal().startswith(f"{path}/compiled-")
    assert "is missing" in refusal()


def test_a_library_that_others_can_write_is_refused(path):
    store()
    only(path, "*.so").chmod(0o620)
    assert "is not a file that only you can write" in refusal()


def link_to_itself_elsewhere(file):
    elsewhere = file.parent.parent / file.name
    file.rename(elsewhere)
    file.symlink_to(elsewhere)


def replace_by_a_folder(file):
    file.unlink()
    file.mkdir()


def replace_by_a_pipe(file):
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    "replace", [link_to_itself_elsewhere, replace_by_a_folder, replace_by_a_pipe]
)
@pytest.mark.parametrize("pattern", ["*.so", "*.json"])
def test_what_is_no_file_is_refused(path, replace, pattern):
    store()
    file = only(path, pattern)
    replace(file)
    assert str(file) in refusal()


def test_an_endless_file_is_refused(path):
    store()
    os.truncate(only(path, "*.so"), 2**40)  # a hole: it takes no room
    assert "has more than 67,108,864 bytes" in refusal()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"library": 7}', "\xff", "[" * 60_000, " " * 100_000]
)
def test_a_damaged_record_is_refused(path, text):
    store()
    only(path, "*.json").write_text(text, encoding="latin-1")
    assert f"{only(path, '*.json')} " in refusal()
    store()
    find()


@pytest.mark.parametrize(
    "changed",
    [
        *({"library": name} for name in ("../outside.so", "/tmp/a.so", "compiled-../x.so", "lock")),
        {"seconds": 10**400},
        {"compiler": 7},
        {"another": 7},
    ],
)
def test_a_record_of_anything_else_is_refused(path, changed):
    store()
    record = only(path, "*.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), **changed}))
    assert "cannot be read: run" in refusal()


def test_what_is_loaded_comes_from_the_folder_that_was_opened(path, tmp_path):
    """Also if another one takes its name meanwhile."""
    store()
    with open_cache() as opened:
        found = opened.find(KEY)
        shutil.copytree(path, tmp_path / "copy")
        flip_a_byte(only(tmp_path / "copy", "*.so"))
        path.rename(tmp_path / "away")
        (tmp_path / "copy").rename(path)
        assert Path(found.path).read_bytes() == CONTENT


def test_a_read_only_folder_can_be_used(path):
    store()
    path.chmod(0o500)
    try:
        find()
    finally:
        path.chmod(0o700)


def test_another_compiler_replaces_the_library_of_the_first(path):
    store(content=b"first")
    store(content=b"second", compiler="cc 2.0")
    assert find()[1] == b"second"
    with open_cache() as opened:
        opened.prune(KEY)
    assert find()[1] == b"second"
    assert len(names(path)) == 2


def test_a_library_replaced_while_it_is_looked_for_is_found(path, monkeypatch):
    """Between the reading of the record and that of the library."""
    store(content=b"first")
    read = Cache._read

    def replaced(self, name, max_bytes):
        if name.endswith(".so") and not replaced.is_done:
            replaced.is_done = True
            store(content=b"second")
            self.prune(KEY)
        return read(self, name, max_bytes)

    replaced.is_done = False
    monkeypatch.setattr(Cache, "_read", replaced)
    assert find()[1] == b"second"


def test_of_other_versions_those_used_last_stay(path):
    """Environments with other versions, and machines with other processors, share a home."""
    keys = [f"compiled-rom-0.{number}.0" for number in range(12)]
    for time, key in enumerate(keys):
        store(key, content=key.encode())
        os.utime(only(path, f"{key}-*.json"), (time, time))
    assert find(keys[0])[1] == keys[0].encode()  # now it is the one used last
    with open_cache() as opened:
        opened.prune(keys[11])
    kept = [keys[0], *keys[5:]]
    assert len(names(path)) == 2 * len(kept)
    assert [find(key)[1] for key in kept] == [key.encode() for key in kept]


def test_pruning_removes_what_no_record_names_and_nothing_of_others(path):
    store()
    (path / f"{KEY}-abandoned.so").write_bytes(b"")
    (path / "compiled-damaged.json").write_text("{")
    (path / "mine.so").write_bytes(b"")
    with open_cache() as opened:
        opened.prune(KEY)
    find()
    assert len(names(path)) == 4  # ours, the damaged record of another key, and the user's
    assert "mine.so" in names(path)


def test_clearing_removes_all_but_what_is_of_others(path):
    store()
    store("compiled-rom-0.2.0-abi1")
    (path / "mine.so").write_bytes(b"")
    (path / "compiling-killed").mkdir()
    with open_cache() as opened, opened.lock(lambda: None):
        pass
    with open_cache() as opened:
        assert opened.clear() == 2
    assert names(path) == ["mine.so"]


def test_a_build_folder_is_private_and_deleted_also_after_an_error(path):
    def interrupted():
        with open_cache(make=True) as opened, opened.build_folder() as build:
            assert build.parent == path
            assert build.stat().st_mode & 0o077 == 0
            (build / "unit.c").write_text("made from the ROM")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(path) == []


HOLD = """
import os, sys
from mario_rl_envs.compile.cache import open_cache
with open_cache(make=True) as opened, opened.lock(lambda: None) as is_alone, opened.build_folder():
    print(is_alone, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(path):
    """Return another process, which holds the lock and has a build folder."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD], **pipes) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_one_process_waits_for_another(path, holder):
    """It goes on as soon as the other is done."""
    waited = []

    def let_go():
        waited.append(True)
        holder.stdin.close()

    with open_cache() as opened, opened.lock(let_go) as is_alone:
        assert (waited, is_alone) == ([True], True)
        assert holder.wait() == 0
        assert names(path) == ["compiling.lock"]


def test_who_waits_for_a_lock_that_is_deleted_takes_the_one_that_others_see(path, holder):
    """As where all libraries are removed meanwhile."""

    def delete_and_let_go():
        (path / "compiling.lock").unlink()
        holder.stdin.close()

    with open_cache() as opened, opened.lock(delete_and_let_go) as is_alone:
        assert is_alone
        with (path / "compiling.lock").open() as file, pytest.raises(BlockingIOError):
            cache.fcntl.flock(file, cache.fcntl.LOCK_EX | cache.fcntl.LOCK_NB)


def test_a_killed_process_holds_no_lock_and_what_it_left_is_removed(path, holder):
    holder.kill()
    holder.wait()
    assert len(names(path)) == 2
    with open_cache() as opened, opened.lock(pytest.fail) as is_alone:
        assert is_alone
        opened.remove_abandoned_builds()
    assert names(path) == ["compiling.lock"]


def test_without_locks_nobody_is_excluded(path, monkeypatch):
    def flock(file, operation):
        raise OSError("this file system has none")

    monkeypatch.setattr(cache.fcntl, "flock", flock)
    with open_cache(make=True) as opened, opened.lock(pytest.fail) as is_alone:
        assert not is_alone


def test_the_lock_is_no_link(path, tmp_path):
    with open_cache(make=True) as opened:
        (path / "compiling.lock").symlink_to(tmp_path / "outside")
        with pytest.raises(OSError, match="symbolic links"), opened.lock(pytest.fail):
            pass
    assert not (tmp_path / "outside").exists()
