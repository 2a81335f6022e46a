"""The folders of the C core depend on each other one way: machine <- game <- batch <- python."""

import re
from pathlib import Path

import pytest

CORE = Path(__file__).parents[3] / "mario_rl_envs" / "core"
LAYERS = ("machine", "game", "batch", "python")  # from the bottom
FILES = sorted(path.relative_to(CORE).as_posix() for path in CORE.rglob("*.[ch]"))


def included(file):
    """Return the core's own files that a file includes."""
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', (CORE / file).read_text(), re.MULTILINE)


def layer(file):
    return LAYERS.index(file.split("/")[0])


def test_every_file_is_in_a_layer():
    assert {file.split("/")[0] for file in FILES} == set(LAYERS)
    assert all(file.count("/") == 1 for file in FILES)


@pytest.mark.parametrize("file", FILES)
def test_includes_name_their_folder_and_never_a_higher_one(file):
    for header in included(file):
        assert header in FILES, f"{file} includes {header}: name the folder and the file"
        assert layer(header) <= layer(file), f"{file} includes {header} from a higher layer"


def test_headers_do_not_include_each_other_in_a_circle():
    finished = set()

    def visit(header, path):
        assert header not in path, " -> ".join([*path, header])
        if header not in finished:
            for other in included(header):
                visit(other, [*path, header])
            finished.add(header)

    for file in FILES:
        if file.endswith(".h"):
            visit(file, [])


def test_the_lower_layers_know_no_python():
    for file in FILES:
        text = (CORE / file).read_text()
        assert layer(file) == LAYERS.index("python") or "Python.h" not in text, file
