"""How the native core is built: completely, and for the stable ABI."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from mario_rl_envs.core import _core

ROOT = Path(__file__).parents[3]
CORE = ROOT / "mario_rl_envs" / "core"


@pytest.fixture(scope="module")
def extension():
    """Return the extension as it is declared."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (extension,) = settings["tool"]["setuptools"]["ext-modules"]
    return extension


@pytest.mark.parametrize(("key", "suffix"), [("sources", "c"), ("depends", "h")])
def test_every_file_is_declared(extension, key, suffix):
    """Those not declared would be missing in the sdist, and changes to them not be compiled."""
    on_disk = sorted(path.relative_to(ROOT).as_posix() for path in CORE.rglob(f"*.{suffix}"))
    assert extension[key] == on_disk


def test_the_core_is_for_every_python():
    assert re.search(r"_core\.(abi3\.so|pyd)$", _core.__file__)


def test_the_core_uses_the_stable_abi_alone():
    """Names that begin with _Py are CPython's own, but for these few."""
    if shutil.which("nm") is None or not _core.__file__.endswith(".so"):
        pytest.skip("needs nm and a shared object")
    command = ["nm", "-D", _core.__file__]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "PyInit__core" in names
    own = {name for name in names if name.startswith("_Py") and not name.endswith("_SizeT")}
    assert own <= {"_Py_NoneStruct", "_Py_TrueStruct", "_Py_FalseStruct", "_Py_Dealloc"}
