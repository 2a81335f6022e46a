"""Files that are replaced whole."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from mario_rl_agents.files import replacing, write_json


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
