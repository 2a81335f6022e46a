"""What a page is made of beside charts. Each block is data; the template of its name draws it.

All text is plain: templates escape it, since names of folders, labels and errors are the user's.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from mario_rl_agents.reports.html.track import Track

MAX_EMBEDDED_VIDEO: Final = 4_000_000  # bytes; of a larger one the page has a link
MAX_EMBEDDED_FILE: Final = 1_000_000  # bytes; of a larger one the page has no copy


class Block:
    """A piece of a page."""

    template: ClassVar[str]  # the file in templates/ that draws it

    def blocks(self) -> Iterator[Block]:
        """Return the block and those within it, in the order of the page."""
        yield self


@dataclass(frozen=True)
class Text(Block):
    """A paragraph."""

    text: str
    template: ClassVar[str] = "text.html"


@dataclass(frozen=True)
class Notice(Block):
    """What nobody must overlook: failures, files that do not fit."""

    text: str
    items: Sequence[str] = ()
    template: ClassVar[str] = "notice.html"


@dataclass(frozen=True)
class Items(Block):
    """A list of sentences."""

    items: Sequence[str]
    template: ClassVar[str] = "items.html"


@dataclass(frozen=True)
class Code(Block):
    """Text as a terminal shows it."""

    text: str
    template: ClassVar[str] = "code.html"


@dataclass(frozen=True)
class Facts(Block):
    """Names and their values, below each other."""

    facts: Mapping[str, str]
    template: ClassVar[str] = "facts.html"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says first.
        note: What it says below, smaller: an interval, a count.
        style: The number of the series in the charts whose sign stands before the text.
        share: A bar of this length is drawn below, in [0, 1].
    """

    text: str
    note: str = ""
    style: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class Table(Block):
    """A table whose first column names the rows; too wide a one scrolls in its own box."""

    caption: str
    columns: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    template: ClassVar[str] = "table.html"


@dataclass(frozen=True)
class Details(Block):
    """Blocks that are folded up until the reader opens them."""

    summary: str
    inner: Sequence[Block]
    template: ClassVar[str] = "details.html"

    def blocks(self) -> Iterator[Block]:
        """Return the block and those within it."""
        yield self
        for block in self.inner:
            yield from block.blocks()


@dataclass(frozen=True)
class Switch(Block):
    """Several views of one thing, of which the reader sees the one that is chosen."""

    label: str  # what is chosen
    choices: Mapping[str, Sequence[Block]]  # the first is shown at the beginning
    template: ClassVar[str] = "switch.html"

    def blocks(self) -> Iterator[Block]:
        """Return the block and those within it."""
        yield self
        for inner in self.choices.values():
            for block in inner:
                yield from block.blocks()


@dataclass(frozen=True)
class Video(Block):
    """A video in MP4, within the page unless it is large, and a chart to scrub it through."""

    title: str
    path: Path
    track: Track | None = None
    template: ClassVar[str] = "video.html"

    @functools.cached_property
    def data(self) -> str | None:
        """The video as an address that holds it; None where it is too large for that."""
        return _data_address(self.path, "video/mp4", MAX_EMBEDDED_VIDEO)


@dataclass(frozen=True)
class Files(Block):
    """Files that the page was made from: links to them, and copies of the small ones within it."""

    paths: Sequence[Path]
    notes: Mapping[str, str]  # what to say of files, by name
    template: ClassVar[str] = "files.html"

    def copy(self, path: Path) -> str | None:
        """Return the file as an address that holds it; None where it is too large for that."""
        return _data_address(path, "text/plain", MAX_EMBEDDED_FILE)

    def size(self, path: Path) -> str:
        """Return how large a file is: "12 kB"."""
        return format_bytes(path.stat().st_size)


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    blocks: Sequence[Block]


def format_bytes(number: int) -> str:
    """Return a number of bytes as "512 B", "12 kB" or "3.4 MB"."""
    if number < 1000:
        return f"{number} B"
    return f"{number / 1e3:,.0f} kB" if number < 1e6 else f"{number / 1e6:,.1f} MB"


def link(path: Path, start: Path) -> str:
    """Return the address of a file as a page in the folder `start` links to it."""
    try:
        relative = os.path.relpath(path.resolve(), start.resolve())
    except ValueError:  # on Windows, another drive
        return path.resolve().as_uri()
    return quote(relative.replace(os.sep, "/"))


def _data_address(path: Path, kind: str, limit: int) -> str | None:
    if path.stat().st_size > limit:
        return None
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
