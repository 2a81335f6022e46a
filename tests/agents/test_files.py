"""Files that are replaced whole."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mario_rl_agents.files import (
    MAX_JSON_BYTES,
    check_writable,
    open_to_append,
    read_json,
    remove_abandoned,
    replacing,
    write_json,
)


def test_many_writers_of_one_file_leave_one_of_their_contents(tmp_path):
    path = tmp_path / "job.json"
    contents = [{"writer": number, "filling": "x" * 5_000} for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            for written in [pool.submit(write_json, path, content) for content in contents]:
                written.result()
            assert json.loads(path.read_text()) in contents
    assert [child.name for child in tmp_path.iterdir()] == ["job.json"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "video.gif"
    path.write_text("old")

    def write_half():
        with replacing(path) as new:
            assert new.suffix == ".gif"
            new.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["video.gif"]


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_text("somebody's")
    path = tmp_path / "config.json"
    path.symlink_to(other)
    write_json(path, {"format": 1})
    assert other.read_text() == "somebody's"
    assert json.loads(path.read_text()) == {"format": 1}
    assert not path.is_symlink()


def test_what_a_killed_process_left_is_deleted_and_what_is_being_written_is_not(tmp_path):
    def is_ours(name):
        return name == "job.json"

    (tmp_path / ".job.json.0123abcd.tmp.json").touch()
    (tmp_path / ".other.json.0123abcd.tmp.json").touch()
    (tmp_path / "notes.tmp.json").touch()
    with replacing(tmp_path / "job.json") as new:
        remove_abandoned(tmp_path, is_ours)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {new.name, ".other.json.0123abcd.tmp.json", "notes.tmp.json"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "expected an object, received one of type list"),
        (b"\xff", "utf-8"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "4300"),
        (b" " * (MAX_JSON_BYTES + 1), "more than 67,108,864 bytes"),
    ],
)
def test_json_of_others_is_a_value_error_or_an_object(tmp_path, content, message):
    path = tmp_path / "job.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_json(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX feature")
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "job.json")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "job.json")


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="Windows follows links")
def test_nothing_is_appended_through_a_link(tmp_path):
    (tmp_path / "other").write_text("somebody's")
    (tmp_path / "log.txt").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"log\.txt"):
        open_to_append(tmp_path / "log.txt")
    assert (tmp_path / "other").read_text() == "somebody's"


def test_where_nothing_can_be_written_is_said_before(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"it is no folder: '.*file'"):
        check_writable(tmp_path / "file" / "new" / "games.safetensors")
    with pytest.raises(IsADirectoryError, match=r"it is a folder, name a file in it: '.*'"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new" / "newer" / "games.safetensors")
    monkeypatch.chdir(tmp_path)
    check_writable(Path("new/games.safetensors"))
    check_writable(Path("games.safetensors"))
    assert [child.name for child in tmp_path.iterdir()] == ["file"]
    # Of a process that may: to root everything is allowed.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(PermissionError, match="nothing may be written there"):
        check_writable(tmp_path / "new" / "games.safetensors")
