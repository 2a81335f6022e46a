"""Run the lessons of the course, and store what they print and draw.

A lesson is one page of `docs/course/`, whose blocks of Python are the cells of a notebook. From the
project's root:

    python benchmarks/course.py [--text] [LESSON ...]

runs each from top to bottom in a new kernel, which has to take less than two minutes and to warn of
nothing. It writes the notebook with its outputs beside the page, what the cells print under them in
the page, and the pictures into `docs/course/images/`, under the names that the page gives them.
With `--text` nothing runs: notebooks take over what has changed in the text between the blocks.
"""

import argparse
import ast
import base64
import os
import re
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import jupytext
import nbformat
from mario_rl_agents.reports.plot_style import matplotlibrc
from nbclient import NotebookClient

ROOT: Final = Path(__file__).parents[1]
COURSE: Final = ROOT / "docs" / "course"
LESSONS: Final = sorted(COURSE.glob("[0-9]-*.md"))
MAX_SECONDS: Final = 120.0  # for a lesson
MAX_BYTES: Final = 3_000_000  # of all notebooks and pictures

# Without versions, so that another run makes no difference.
_METADATA: Final = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# A block that runs, and under it what it printed and the pictures that it drew.
_CELL: Final = re.compile(
    r"(?P<code>^```python\n.*?^```\n)"
    r"(?P<outputs>(?:\n(?:```text\n.*?^```\n|!\[[^\]]*\]\(images/[^)]+\)\n))*)",
    re.MULTILINE | re.DOTALL,
)
_PICTURE: Final = re.compile(r"!\[([^\]]*)\]\((images/[^)]+)\)", re.DOTALL)
_REFERENCE: Final = re.compile(r"\[`([\w.]+)`\]\(([^)#]+\.py)\)")
_QUOTE: Final = re.compile(r"^```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ELISION: Final = "..."
_NAMED: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Quote(NamedTuple):
    """Lines of the package in a page, and the reference above them."""

    path: Path
    name: str  # of a function or a class, such as "DQN.td_target"
    text: str


def notebook_of(page: str) -> Any:
    """Return the cells of a page as a notebook that has not run."""
    text = _CELL.sub(lambda cell: cell["code"], page)
    notebook = jupytext.reads(text, fmt="md")
    notebook.metadata = dict(_METADATA)
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02}"
        cell.metadata = {}
    return notebook


def code_of(page: str) -> list[str]:
    """Return the blocks of a page that run."""
    return [cell.source for cell in notebook_of(page).cells if cell.cell_type == "code"]


def stored(page: Path) -> Any:
    """Return the notebook that is stored beside a page."""
    return nbformat.reads(page.with_suffix(".ipynb").read_text(), as_version=4)  # type: ignore[no-untyped-call]


def execute(notebook: Any) -> float:
    """Run a notebook in a kernel of its own, and return the seconds that it took.

    Raises:
        CellExecutionError: If a cell raises.
        TimeoutError: If a cell alone takes longer than a lesson may.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "IPYTHONDIR": folder, "PYTHONWARNINGS": "default"}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT), str(ROOT / "agents"), os.environ.get("PYTHONPATH", "")]
        )
        style = Path(folder, "matplotlibrc")
        style.write_text(matplotlibrc())
        environment["MATPLOTLIBRC"] = str(style)
        client = NotebookClient(
            notebook,
            timeout=round(MAX_SECONDS),
            record_timing=False,
            coalesce_streams=True,
            # It warns of its own sockets.
            extra_arguments=["--IPKernelApp.log_level=40"],
            resources={"metadata": {"path": folder}},
        )
        start = time.monotonic()
        client.execute(env=environment)
        return time.monotonic() - start


def take_over(notebook: Any, source: Any) -> None:
    """Give a notebook that has not run the outputs of one with the same code.

    Raises:
        ValueError: If the code is another.
    """
    cells, sources = (
        [cell for cell in cells if cell.cell_type == "code"]
        for cells in (notebook.cells, source.cells)
    )
    if [cell.source for cell in cells] != [cell.source for cell in sources]:
        raise ValueError("its code has changed, not only its text: run it without --text")
    for cell, ran in zip(cells, sources, strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count


def printed(cell: Any) -> str:
    """Return what a cell of code printed.

    Raises:
        ValueError: If it has outputs that no lesson should have.
    """
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            texts.append(output.text)
        elif output.output_type != "display_data" or "image/png" not in output.data:
            raise ValueError(f"a lesson prints and draws, and nothing else, but:\n{output}")
    return "".join(texts)


def pictures(cell: Any) -> list[bytes]:
    """Return the pictures that a cell of code drew, as PNG."""
    return [
        base64.b64decode(output.data["image/png"])
        for output in cell.outputs
        if output.output_type == "display_data"
    ]


def with_outputs(page: str, notebook: Any) -> str:
    """Return a page with what the cells of its notebook printed under them.

    Raises:
        ValueError: If the page does not name each picture of a cell, or names others.
    """
    cells = iter([cell for cell in notebook.cells if cell.cell_type == "code"])

    def written(match: re.Match[str]) -> str:
        cell = next(cells)
        names = _PICTURE.findall(match["outputs"])
        if len(names) != len(pictures(cell)):
            raise ValueError(
                f"{len(pictures(cell))} pictures need a line ![what they show](images/NAME.png) "
                f"each, got {len(names)}, under\n{match['code']}"
            )
        text = printed(cell)
        blocks = [f"```text\n{text.rstrip()}\n```\n"] if text else []
        blocks += [f"![{shows}]({path})\n" for shows, path in names]
        return match["code"] + "".join(f"\n{block}" for block in blocks)

    return _CELL.sub(written, page)


def pictures_of(page: str, notebook: Any) -> dict[str, bytes]:
    """Return the pictures of a notebook by the paths that the page gives them."""
    paths = [path for cell in _CELL.finditer(page) for _, path in _PICTURE.findall(cell["outputs"])]
    drawn = [
        picture for cell in notebook.cells if cell.cell_type == "code" for picture in pictures(cell)
    ]
    return dict(zip(paths, drawn, strict=True))


def quotes(page: Path) -> Iterator[Quote]:
    """Return the quoted lines of a page: its blocks of `py`, each under a reference to its file.

    Raises:
        ValueError: If there is a block without a reference above it.
    """
    text = page.read_text()
    for block in _QUOTE.finditer(text):
        above = _REFERENCE.findall(text[: block.start()])
        if not above:
            raise ValueError(f"{page.name} quotes without a reference:\n{block.group(1)}")
        name, path = above[-1]
        yield Quote((page.parent / path).resolve(), name, block.group(1))


def references(page: Path) -> Iterator[tuple[Path, str]]:
    """Return file and name of every function and class that a page refers to."""
    for name, path in _REFERENCE.findall(page.read_text()):
        yield (page.parent / path).resolve(), name


def source_of(path: Path, name: str) -> list[str]:
    """Return the lines of a function or a class.

    Raises:
        LookupError: If the file has none of that name.
    """
    text = path.read_text()
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        body: list[ast.stmt] = getattr(node, "body", [])
        found = [item for item in body if isinstance(item, _NAMED) and item.name == part]
        if not found:
            raise LookupError(f"{path.name} has no {name}")
        node = found[-1]
    assert isinstance(node, _NAMED)
    return text.splitlines()[node.lineno - 1 : node.end_lineno]


def is_quoted_right(quote: Quote) -> bool:
    """Return whether the lines stand so in the source, one after the other but for elisions."""
    source = source_of(quote.path, quote.name)
    start = 0
    for part in re.split(rf"^ *{re.escape(_ELISION)}\n", quote.text, flags=re.MULTILINE):
        lines = textwrap.dedent(part).strip().splitlines()
        for first in range(start, len(source) - len(lines) + 1):
            there = textwrap.dedent("\n".join(source[first : first + len(lines)]))
            if there.splitlines() == lines:
                start = first + len(lines)
                break
        else:
            return False
    return True


def main() -> None:
    """Run lessons, and write what they say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [page.stem for page in LESSONS]
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help=f"{', '.join(names)}; all")
    parser.add_argument("--text", action="store_true", help="run nothing: only the text changed")
    arguments = parser.parse_args()
    chosen = arguments.lessons
    if unknown := set(chosen) - set(names):
        parser.error(f"no lesson {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for path in LESSONS:
        if chosen and path.stem not in chosen:
            continue
        page = path.read_text()
        notebook = notebook_of(page)
        if arguments.text:
            take_over(notebook, stored(path))
        else:
            seconds = execute(notebook)
            print(f"{path.stem}: {seconds:.0f} s", flush=True)
            if seconds > MAX_SECONDS:
                raise SystemExit(f"{path.stem} takes longer than {MAX_SECONDS:.0f} s")
            if path.read_text() != page:
                raise SystemExit(f"{path.stem} was changed while it ran: run it again")
        notebook.metadata = dict(_METADATA)
        for cell in notebook.cells:
            cell.metadata = {}
        page = with_outputs(page, notebook)
        (COURSE / "images").mkdir(exist_ok=True)
        for name, picture in pictures_of(page, notebook).items():
            (COURSE / name).write_bytes(picture)
        path.write_text(page)
        path.with_suffix(".ipynb").write_text(nbformat.writes(notebook) + "\n")  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
