"""A page: one file with everything in it, made from blocks."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mario_rl_agents.files import replacing
from mario_rl_agents.reports.html.blocks import Section, Video, format_bytes, link
from mario_rl_agents.reports.html.charts import Chart, style_of

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: Its heading, and the browser's title.
        summary: What it is, in a sentence or two.
        sections: Its content.
        footer: Its last line.
    """

    title: str
    summary: str
    sections: Sequence[Section]
    footer: str = ""

    def render(self, folder: Path) -> str:
        """Return the page as HTML.

        Args:
            folder: Where the file will lie: links lead from there.

        Raises:
            ImportError: Bokeh is not installed.
        """
        found = [
            block
            for section in self.sections
            for outer in section.blocks
            for block in outer.blocks()
        ]
        charts, scripts = _embed([block for block in found if isinstance(block, Chart)])
        template = _templates().get_template("page.html")
        return template.render(
            page=self,
            charts=charts,
            scripts=scripts,
            tracks=any(isinstance(block, Video) and block.track is not None for block in found),
            link=functools.partial(link, start=folder),
        )

    def write(self, path: Path) -> None:
        """Write the page in place of `path`; a crash leaves the old one.

        Raises:
            ImportError: Bokeh is not installed.
            OSError: The file cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self.render(path.parent)
        with replacing(path) as new:
            new.write_text(text, encoding="utf-8")


def _embed(charts: Sequence[Chart]) -> tuple[dict[int, str], list[str]]:
    """Return the HTML of each chart by its identity, and the scripts that draw them."""
    if not charts:
        return {}, []
    try:
        from bokeh.embed import components
        from bokeh.resources import Resources
    except ModuleNotFoundError as error:
        raise ImportError(
            "reports are drawn by Bokeh, which is not installed: "
            "pip install 'mario-rl-envs[agents]'"
        ) from error
    script, elements = components([chart.draw() for chart in charts], wrap_script=False)
    library = Resources(mode="inline", components=["bokeh"]).js_raw
    by_chart = {id(chart): element for chart, element in zip(charts, elements, strict=True)}
    return by_chart, [*library, script]


@functools.cache
def _templates() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mario_rl_agents.reports.html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(style_of=style_of, format_bytes=format_bytes, identity=id)
    return environment
