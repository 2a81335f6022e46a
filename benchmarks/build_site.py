"""Build the documentation as a site that asks nothing from another host, into `site/`.

The pages are those of the repository: README, `docs/`, the results, the changelog. They are copied
into `build/site/pages`, where links to files that are no pages lead to copies of these files. What
has no page in the repository is written: the API reference, the stages, how to cite. Sphinx makes
the site of them; a warning is an error. From the project's root:

    python benchmarks/build_site.py [--out site] [--work build/site] [--keep-stages]
"""

from __future__ import annotations

import argparse
import ast
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from benchmarks import api_pages  # noqa: E402

PROJECT: Final = "mario-rl-envs"  # title of the README
EXAMPLES: Final = ROOT / "examples"
SETTINGS: Final = ROOT / "docs" / "site"  # of Sphinx
STAGES_SCRIPT: Final = ROOT / "benchmarks" / "stage_pages.py"
MAX_BYTES: Final = 60_000_000  # of the site
_OUTSIDE_DOCS: Final = {  # a file of the repository -> its page
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "ROADMAP.md": "roadmap.md",
    "benchmarks/results.md": "results.md",
    "docs/course/README.md": "course/index.md",
}
# What a page shows the text of; all else is offered as it is.
_LANGUAGES: Final = {
    ".py": "python",
    ".c": "c",
    ".h": "c",
    ".yml": "yaml",
    ".toml": "toml",
    ".cff": "yaml",
    ".txt": "text",
}
_FENCED: Final = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s#]*)(#[^)\s]*)?\)")


class Section(NamedTuple):
    """Some pages under a caption of the navigation."""

    caption: str
    pages: tuple[str, ...]  # names, or "Title <name>"


NAVIGATION: Final = (
    Section(
        "First steps",
        (
            "Start <self>",
            "Overview <overview>",
            "faq",
            "From gym-super-mario-bros <migration>",
        ),
    ),
    Section(
        "Environments",
        (
            "environments",
            "Stages <stages/index>",
            "wrappers",
            "Many games in parallel <vector>",
            "native-core",
        ),
    ),
    Section("Libraries", ("libraries", "sb3", "examples")),
    Section(
        "Agents",
        (
            "Agents and methods <agents>",
            "Parts of methods <parts>",
            "training",
            "Policies of the package <policies>",
            "deployment",
            "reports",
            "experiments",
        ),
    ),
    Section("Course", ("course/index", "course/papers")),
    Section("Comparing", ("comparisons", "results", "tutorials", "claims", "speed")),
    Section(
        "Reference",
        (
            "API reference <api/index>",
            "architecture",
            "contributing",
            "citing",
            "licenses",
            "roadmap",
            "changelog",
        ),
    ),
)
METHODS: Final = (
    "random",
    "naive_q",
    "sarsa",
    "dqn",
    "pqn",
    "cem",
    "reinforce",
    "actor_critic",
    "a3c",
    "ppo",
    "ddpg",
    "td3",
    "sac",
)


class Staging:
    """Writes the pages that Sphinx reads; what has not changed is left as it is."""

    def __init__(self, folder: Path) -> None:
        """Write into this folder, which may hold those of an earlier time."""
        self.folder = folder
        self.written: set[Path] = set()
        # Files and folders of the repository that are shown, and the pages that link to each.
        self._sources: dict[str, list[str]] = {}
        self._to_show: list[str] = []

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file of the site's pages."""
        path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        self.written.add(path)
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def page(self, path: Path, after: str = "", repository_path: str | None = None) -> None:
        """Write a page of the repository, its links and what comes after its end.

        Args:
            path: The file.
            after: Markdown that the site alone has.
            repository_path: Where it would lie; None: where it lies.
        """
        source = repository_path or path.relative_to(ROOT).as_posix()
        text = with_links(path.read_text(), lambda target: self._linked(source, target))
        if source == "README.md":  # among other pages the project's name says nothing
            text = text.replace(f"# {PROJECT}\n", "# Overview\n", 1)
        self.write(page_name(source), f"{text}\n{after}" if after else text)

    def examples(self) -> None:
        """Write the page that lists the examples; `finish` writes theirs."""
        paths = [path.relative_to(ROOT).as_posix() for path in sorted(EXAMPLES.glob("*.py"))]
        pages = {path: self._shown("", path) for path in paths}
        listed = "".join(
            f"- [{posixpath.basename(path)}]({page}): {_docstring(path).partition(chr(10))[0]}\n"
            for path, page in pages.items()
        )
        names = [
            f"{posixpath.basename(path)} <{page.removesuffix('.md')}>"
            for path, page in pages.items()
        ]
        intro = "Programs that run as they are, from the project's folder; `--help` says more."
        self.write("examples.md", f"# Examples\n\n{intro}\n\n{listed}\n{toctree(names)}")

    def finish(self) -> None:
        """Write the files that were linked to, and remove what no page is."""
        while self._to_show:
            self._show(self._to_show.pop())
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.written:
                path.unlink()

    def _linked(self, source: str, target: str) -> str:
        """Return the link on the site to what a page at `source` links to as `target`."""
        if "://" in target or not target:
            return target
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        here = posixpath.dirname(page_name(source))
        if is_page(path) or path.startswith("docs/stages/"):
            return posixpath.relpath(page_name(path), here or ".")
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{source} links to {target!r}, which there is not")
        if (ROOT / path).is_dir() or posixpath.splitext(path)[1] in _LANGUAGES:
            return posixpath.relpath(self._shown(source, path), here or ".")
        name = path.removeprefix("docs/")
        self.write(name, (ROOT / path).read_bytes())
        return posixpath.relpath(name, here or ".")

    def _shown(self, source: str, path: str) -> str:
        """Return the name of the page that shows a file or a folder, which `finish` writes.

        Args:
            source: The page that links to it; "": one that the site alone has.
            path: The file or the folder.
        """
        if path not in self._sources:
            self._sources[path] = []
            self._to_show.append(path)
        if is_page(source) and source not in self._sources[path]:
            self._sources[path].append(source)
        return f"source/{path}.md"

    def _show(self, path: str) -> None:
        """Write the page of a file's text, or of a folder's files, which says what links to it."""
        name = self._shown("", path)
        here = posixpath.dirname(name)
        is_example = (ROOT / path).parent == EXAMPLES and path.endswith(".py")
        if (ROOT / path).is_dir():
            files = [file for file in sorted((ROOT / path).rglob("*.py")) if file.stat().st_size]
            text = "".join(
                f"- [{file.relative_to(ROOT / path).as_posix()}]"
                f"({posixpath.relpath(self._shown('', file.relative_to(ROOT).as_posix()), here)})\n"
                for file in files
            )
        else:
            language = _LANGUAGES[posixpath.splitext(path)[1]]
            text = f"``````{language}\n{(ROOT / path).read_text()}``````\n"
        above = ", ".join(
            f"[{_title(ROOT / source)}]({posixpath.relpath(page_name(source), here)})"
            for source in sorted(self._sources[path])
        )
        parts = [
            "" if is_example else "---\norphan: true\nnosearch: true\n---\n",
            f"# {path}\n",
            f"Read about it in: {above}.\n" if above else "",
            f"```bash\npython {path}\n```\n" if is_example else "",
            text,
        ]
        self.write(name, "\n".join(filter(None, parts)))


def is_page(path: str) -> bool:
    """Return whether a file of the repository is a page of the site."""
    return path in _OUTSIDE_DOCS or (path.startswith("docs/") and path.endswith(".md"))


def page_name(path: str) -> str:
    """Return the name on the site of a page of the repository."""
    return _OUTSIDE_DOCS.get(path, path.removeprefix("docs/"))


def with_links(text: str, linked: Callable[[str], str]) -> str:
    """Return Markdown with other targets of its links, but for those in blocks of code."""

    def replace(link: re.Match[str]) -> str:
        return f"]({linked(link[1])}{link[2] or ''})"

    parts: list[str] = []
    end = 0
    for block in _FENCED.finditer(text):
        parts += _LINK.sub(replace, text[end : block.start()]), block[0]
        end = block.end()
    return "".join((*parts, _LINK.sub(replace, text[end:])))


def toctree(names: Iterable[str], caption: str = "") -> str:
    """Return what puts pages into the navigation, under the page that it stands on."""
    options = f":hidden:\n:caption: {caption}" if caption else ":hidden:"
    listed = "\n".join(names)
    return f"```{{toctree}}\n{options}\n\n{listed}\n```\n"


def citation() -> str:
    """Return the page that says how to cite, as CITATION.cff does."""
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    authors = " and ".join(f"{{{author['name']}}}" for author in said["authors"])
    return f"""# Citing

If you use this software, cite it with the version that you ran (`mario-rl --version`):

```bibtex
@software{{mario_rl_envs,
  title = {{{{{said["title"]}}}}},
  author = {{{authors}}},
  version = {{{said["version"]}}},
  license = {{{said["license"]}}},
}}
```

That is what `CITATION.cff` in the repository says, which reference managers read. Of a method
cite its paper, too: [from paper to code](course/papers.md) names them. Of a measured figure name
the commit and the command that stand beside it.
"""


def make_stages(folder: Path, *options: str) -> None:
    """Have the pages of the stages written, with pictures and videos.

    Args:
        folder: Where they go; what is there is removed.
        options: More for benchmarks/stage_pages.py.
    """
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, str(STAGES_SCRIPT), "--out", str(folder), *options]
    subprocess.run(command, cwd=ROOT, check=True)


def stage(pages: Path, stages: Path) -> None:
    """Write all pages of the site.

    Args:
        pages: The folder for them.
        stages: The folder of the stages' pages, before their links are changed.
    """
    staging = Staging(pages)
    docs = ROOT / "docs"
    parts = sorted((docs / "parts").glob("*.md"))
    api = api_pages.pages()
    children = {
        "agents.md": METHODS,
        "course/README.md": [
            lesson.stem for lesson in sorted((docs / "course").glob("[0-9]-*.md"))
        ],
    }
    for path in sorted(docs.rglob("*.md")):
        name = path.relative_to(docs).as_posix()
        if name == "index.md":
            after = "\n".join(toctree(section.pages, section.caption) for section in NAVIGATION)
        else:
            after = toctree(children[name]) if name in children else ""
        staging.page(path, after)
    for name in _OUTSIDE_DOCS:
        if not name.startswith("docs/"):
            staging.page(ROOT / name)
    listed = "".join(f"- [{_title(part)}](parts/{part.name})\n" for part in parts)
    staging.write(
        "parts.md",
        "# Parts of methods\n\nWhat more than one method can have, each on a page of its own:\n\n"
        f"{listed}\n{toctree(f'parts/{part.stem}' for part in parts)}",
    )
    staging.write("citing.md", citation())
    staging.examples()
    for name, text in api.items():
        staging.write(f"api/{name}.md", text)
    names = [page.stem for page in sorted(stages.glob("*.md")) if page.stem != "index"]
    for page in stages.glob("*.md"):
        after = toctree(names) if page.stem == "index" else ""
        staging.page(page, after, f"docs/stages/{page.name}")
    for path in (path for path in stages.glob("*/*") if path.is_file()):
        staging.write(f"stages/{path.relative_to(stages).as_posix()}", path.read_bytes())
    staging.finish()


def _docstring(path: str) -> str:
    return ast.get_docstring(ast.parse((ROOT / path).read_text())) or ""


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")


def build(out: Path, work: Path) -> None:
    """Build the site.

    Args:
        out: The folder that it is written into.
        work: A folder for what it is made of. The stages' pages are in its `stages`.

    Raises:
        subprocess.CalledProcessError: Something is wrong with a page; Sphinx has said what.
        FileNotFoundError: A page links to a file that there is not.
        ValueError: The site is too large.
    """
    stages = work / "stages"
    stage(work / "pages", stages)
    subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--builder", "html", "--quiet"),
            # Anew: of a page that has not changed Sphinx would not warn again.
            *("--fresh-env", "--fail-on-warning", "--keep-going"),
            *("--conf-dir", SETTINGS, "--doctree-dir", work / "doctrees"),
            *(work / "pages", out),
        ],
        cwd=ROOT,
        check=True,
    )
    # Videos and pictures in HTML, which Sphinx does not look into.
    for folder in (path for path in stages.glob("*") if path.is_dir()):
        shutil.copytree(folder, out / "stages" / folder.name, dirs_exist_ok=True)
    num_bytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if num_bytes > MAX_BYTES:
        raise ValueError(
            f"the site has {num_bytes:,} bytes, accepted are {MAX_BYTES:,}; remove {out} if older "
            "builds are in it, else make pictures or videos smaller"
        )


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="where the site goes")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "site", help="for its parts")
    parser.add_argument(
        "--keep-stages",
        action="store_true",
        help="take the stages' pages of the build before, if there was one",
    )
    options = parser.parse_args()
    out, work = options.out.resolve(), options.work.resolve()
    try:
        if not options.keep_stages or not (work / "stages" / "index.md").is_file():
            make_stages(work / "stages")
        build(out, work)
    except subprocess.CalledProcessError:
        sys.exit("the site is not built: what is wrong stands above")
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    print(f"open {out / 'index.html'}")


if __name__ == "__main__":
    main()
