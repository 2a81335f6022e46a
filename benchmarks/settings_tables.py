"""Write the tables of settings in the docs, from the dataclasses that they describe.

A page has a block between `<!-- settings of MODULE.CLASS -->` and `<!-- end of settings -->`. Its
rows are the fields: what their types accept, their defaults, and the comments beside them. From the
project's root:

    python benchmarks/settings_tables.py [--check]
"""

import argparse
import importlib
import re
import sys
from pathlib import Path
from typing import Any, Final

from mario_rl_agents.config import Schedule, describe, field_comments, field_types

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted((ROOT / "docs").glob("*.md"))
_BLOCK: Final = re.compile(
    r"(<!-- settings of ([\w.]+)\.(\w+) -->\n).*?(<!-- end of settings -->)", re.DOTALL
)


def table_of(config_class: type[Any]) -> str:
    """Return the settings of a configuration as a Markdown table."""
    types = field_types(config_class)
    rows = ["| field | accepts | default | |", "|---|---|---|---|"]
    for name, (default, comment) in field_comments(config_class).items():
        accepts = describe(types[name]).replace(
            describe(Schedule), "[a schedule](parts/schedules.md)"
        )
        rows.append(f"| `{name}` | {accepts} | `{default}` | {comment} |")
    return "\n".join(rows)


def with_tables(page: str) -> str:
    """Return the text of a page with its tables as they should be."""

    def written(block: re.Match[str]) -> str:
        begin, module, name, end = block.groups()
        return f"{begin}{table_of(getattr(importlib.import_module(module), name))}\n{end}"

    return _BLOCK.sub(written, page)


def documented() -> set[tuple[str, str]]:
    """Return module and name of every class that a page has a table of."""
    blocks = (block for page in PAGES for block in _BLOCK.finditer(page.read_text()))
    return {(block.group(2), block.group(3)) for block in blocks}


def main() -> None:
    """Write the tables, or say which pages differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if a page would")
    check = parser.parse_args().check
    differing = [page for page in PAGES if with_tables(page.read_text()) != page.read_text()]
    for page in differing:
        print(page.relative_to(ROOT))
        if not check:
            page.write_text(with_tables(page.read_text()))
    if check and differing:
        sys.exit("the settings of these pages differ: run python benchmarks/settings_tables.py")


if __name__ == "__main__":
    main()
