"""Write the tables of docs/licenses.md: what a wheel ships, and the licenses of what it needs.

    python benchmarks/licenses.py

Licenses are those that the installed packages state of themselves. The row of one that is not
installed here is kept; where there is none yet the script says what to install.
"""

from __future__ import annotations

import configparser
import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from mario_rl_agents.files import replacing

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "licenses.md"
OWN: Final = "mario-rl-envs"
NOT_USERS: Final = ("bench", "docs", "test", "dev")  # extras of those who develop it
# Trove classifiers, of packages that state no SPDX expression.
_SPDX: Final = {
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "zlib/libpng License": "Zlib",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
}
_ROW: Final = re.compile(r"\| `(?P<name>[^`]+)` \| (?P<for>[^|]*) \| (?P<license>[^|]*) \|")


def requirements() -> dict[str, list[str]]:
    """Return what pyproject.toml names for users, and for which extras; [] is the core."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, list[str]] = {}
    for text in project["dependencies"]:
        found.setdefault(_name_of(text), [])
    for extra, texts in project["optional-dependencies"].items():
        if extra in NOT_USERS:
            continue
        for text in texts:
            name = _name_of(text)
            if name != OWN and found.get(name) != []:  # what is needed always is in no extra
                found.setdefault(name, []).append(extra)
    return found


def license_of(package: Distribution) -> str:
    """Return the license that an installed package states, as SPDX or nearest to that."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return str(metadata["License-Expression"])
    stated = " ".join(str(metadata["License"]).split()) if "License" in metadata else ""
    if stated and len(stated) <= 40:
        return stated
    classifiers = metadata.get_all("Classifier") or []
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")]
    known = [_SPDX.get(name, name) for name in names if name != "OSI Approved"]
    return ", ".join(known) or "not stated"


def shipped() -> list[tuple[str, str]]:
    """Return the kinds of files in a wheel, and where each is."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    packages = config["options"]["packages"].split()
    data = [
        (pattern, package)
        for package, patterns in config["options.package_data"].items()
        for pattern in patterns.split()
    ]
    return [("*.py", f"{len(packages)} packages"), ("_core", "mario_rl_envs.core"), *data]


def text_of(page: str) -> str:
    """Return the page with its tables as they should be.

    Raises:
        SystemExit: A package is neither installed nor in the page.
    """
    old = {row["name"]: row["license"] for row in _ROW.finditer(page)}
    needed = ["| package | for | license |", "|---|---|---|"]
    for name, extras in sorted(requirements().items()):
        try:
            license_name = license_of(distribution(name))
        except PackageNotFoundError:
            if name not in old:
                raise SystemExit(f"the license of {name} is unknown: install it") from None
            license_name = old[name]
        needed.append(f"| `{name}` | {', '.join(extras) or 'always'} | {license_name} |")
    files = ["| files | where |", "|---|---|", *(f"| `{a}` | `{b}` |" for a, b in shipped())]
    for mark, rows in (("files", files), ("packages", needed)):
        begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        before, _, rest = page.partition(begin)
        page = before + begin + "\n".join(rows) + "\n" + end + rest.partition(end)[2]
    return page


def _name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


def main() -> None:
    """Write the page anew."""
    text = text_of(PAGE.read_text(encoding="utf-8"))
    with replacing(PAGE) as new:
        new.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
