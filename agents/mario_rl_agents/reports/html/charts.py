"""Charts of a page, drawn by Bokeh in the reader's browser.

A series has a color, a dash and a marker of its own, so that none is told by color alone. The
colors are near Okabe and Ito's, and stand out from the light and from the dark page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mario_rl_agents.reports.html.blocks import Block

if TYPE_CHECKING:
    from bokeh.models import Plot
    from bokeh.models.glyph import Glyph
    from bokeh.models.renderers import DataRenderer, GlyphRenderer

COLORS: Final = (
    "#0b7ac0",
    "#d55e00",
    "#00916c",
    "#b8609a",
    "#a07a00",
    "#6c74d4",
    "#c9504c",
    "#6f7f86",
)
DASHES: Final = ((), (8, 4), (2, 3), (9, 3, 2, 3), (14, 5))  # pixels drawn and left out
MARKERS: Final = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star")

_HEIGHT: Final = 380  # pixels
_ROW_HEIGHT: Final = 40  # pixels, of a row of dots
_FRAME_HEIGHT: Final = 100  # pixels, of what surrounds the rows
_SHORT_NAME: Final = 16  # characters; two of them fit side by side on a telephone
_LONG_NAME: Final = 30  # characters; a longer one is shortened
_NEUTRAL: Final = "#76808a"
_MAX_POINTS: Final = 600  # of a line or a cloud; more are not told apart


class Style(NamedTuple):
    """How a series is drawn."""

    color: str
    dash: tuple[int, ...]
    marker: str


def style_of(number: int) -> Style:
    """Return the style of a series; the first 280 all differ."""
    return Style(
        COLORS[number % len(COLORS)],
        DASHES[number % len(DASHES)],
        MARKERS[number % len(MARKERS)],
    )


@dataclass(frozen=True)
class Points:
    """Places and values, of one length."""

    x: ArrayLike  # [T]
    y: ArrayLike  # [T]


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: In the legend.
        style: The number of its style.
        line: The line itself; None where only the runs are drawn.
        low: The lower end of a band around it, [T].
        high: The upper end, [T].
        runs: What the line is the mean of, each drawn thin.
        cloud: Single points, drawn faint.
    """

    name: str
    style: int
    line: Points | None
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    runs: Sequence[Points] = ()
    cloud: Points | None = None


@dataclass(frozen=True)
class Level:
    """A value to compare with, drawn from side to side."""

    value: float
    name: str


@dataclass(frozen=True)
class Chart(Block, ABC):
    """A drawing by Bokeh.

    Attributes:
        alt: What is to be seen, for those who do not see it.
        caption: Below it.
    """

    alt: str
    caption: str
    template: ClassVar[str] = "chart.html"

    @abstractmethod
    def draw(self) -> Plot:
        """Return it as Bokeh's figure."""


@dataclass(frozen=True)
class LineChart(Chart):
    """Lines over steps or seconds."""

    x_label: str
    y_label: str
    series: Sequence[Series]
    levels: Sequence[Level] = ()

    def draw(self) -> Plot:
        """Return it as Bokeh's figure."""
        from bokeh.models.annotations import Legend, LegendItem

        plot = _figure(self.x_label, self.y_label, height=_HEIGHT)
        lines, items = [], []
        for series in self.series:
            drawn = _draw_series(plot, series)
            lines += [drawn[-1]] if series.line is not None else []
            items.append(LegendItem(label=_plain(series.name), renderers=drawn))
        for level in self.levels:
            drawn = [_draw_level(plot, level, self.series)]
            items.append(LegendItem(label=_plain(level.name), renderers=drawn))
        names = [series.name for series in self.series] + [level.name for level in self.levels]
        is_short = all(len(name) <= _SHORT_NAME for name in names)
        legend = Legend(items=items, click_policy="hide", margin=0, location="top_left")
        legend.ncols = 2 if is_short else 1
        legend.stylesheets = [".bk-label { color: var(--ink) !important; }"]
        legend.border_line_color = None
        legend.background_fill_color = None
        plot.add_layout(legend, "below")
        facts = [("", "$name"), (self.x_label, "@x{0,0.[0]}"), (self.y_label, "@y{0,0.[00]}")]
        _add_hover(plot, lines, facts)
        return plot


@dataclass(frozen=True)
class Dot:
    """A row of a chart of dots: a value, its interval, and the values it is made of."""

    group: str  # of rows; its name stands above them
    name: str
    style: int
    value: float
    low: float | None = None
    high: float | None = None
    runs: Sequence[float] = ()

    def __str__(self) -> str:
        """Return its name."""
        return self.name


@dataclass(frozen=True)
class DotChart(Chart):
    """Values with their intervals below each other, in groups."""

    x_label: str
    dots: Sequence[Dot]

    def draw(self) -> Plot:
        """Return it as Bokeh's figure."""
        from bokeh.models import PlainText, Range1d, Scatter, Segment
        from bokeh.models.annotations import Label

        groups = list(dict.fromkeys(dot.group for dot in self.dots))
        rows: list[Dot | str] = []  # from the top down; a text is the heading of a group
        for group in groups:
            rows += [group, *(dot for dot in self.dots if dot.group == group)]
        height = _FRAME_HEIGHT + _ROW_HEIGHT * len(rows)
        plot = _figure(
            self.x_label, None, height=height, y_range=Range1d(start=-len(rows), end=0.5)
        )
        plot.yaxis.visible = False  # names stand above their rows: there is no room beside them
        plot.ygrid.visible = False
        drawn = []
        for y, row in zip(range(0, -len(rows), -1), rows, strict=True):
            name = Label(x=2, x_units="screen", y=y, text=PlainText(text=_shortened(str(row))))
            name.text_baseline = "middle"
            name.text_font_size = "13px"
            plot.add_layout(name)
            if isinstance(row, str):
                name.text_font_style = "bold"
                continue
            color, _, marker = style_of(row.style)
            at = y - 0.4
            ticks = Scatter(marker="dash", angle=np.pi / 2, size=14, line_color=color)
            _add(plot, ticks, x=_narrow(row.runs), y=[at] * len(row.runs))
            if row.low is not None and row.high is not None:
                interval = Segment(x0="low", x1="high", y0="y", y1="y", line_color=color)
                interval.line_width = 4
                interval.line_alpha = 0.5
                _add(plot, interval, low=[row.low], high=[row.high], y=[at])
            sign = Scatter(marker=marker, size=11, fill_color=color, line_color=color)
            drawn.append(_add(plot, sign, x=[row.value], y=[at], name=row.name))
        _add_hover(plot, drawn, [("", "$name"), (self.x_label, "@x{0,0.[00]}")])
        return plot


def _figure(x_label: str, y_label: str | None, *, height: int, **options: Any) -> Plot:
    from bokeh.models import BasicTickFormatter, NumeralTickFormatter, PlainText
    from bokeh.plotting import figure

    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        tools="pan,box_zoom,wheel_zoom,reset,save",
        active_drag=None,  # a finger on a chart scrolls the page
        active_scroll=None,
        toolbar_location="above",
        x_axis_label=PlainText(text=x_label),  # or what is between dollars were a formula
        y_axis_label=None if y_label is None else PlainText(text=y_label),
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        **options,
    )
    plot.toolbar.logo = None
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[00]a")  # 50k, 1.5m
    plot.yaxis.formatter = BasicTickFormatter(power_limit_high=7)
    return plot


def _draw_series(plot: Plot, series: Series) -> list[GlyphRenderer[Any]]:
    """Draw a series; the line itself is the last of what is returned."""
    from bokeh.models import Line, MultiLine, Scatter, VArea

    color, dash, _ = style_of(series.style)
    drawn = []
    glyph: Glyph
    if series.cloud is not None:
        x, y = _thin(series.cloud)
        glyph = Scatter(size=4, fill_color=color, fill_alpha=0.3, line_color=None)
        drawn.append(_add(plot, glyph, x=x, y=y))
    if series.runs:
        xs, ys = zip(*(_thin(run) for run in series.runs), strict=True)
        glyph = MultiLine(line_color=color, line_alpha=0.45, line_width=0.8)
        drawn.append(_add(plot, glyph, xs=list(xs), ys=list(ys)))
    if series.line is None:
        return drawn
    x, y = _thin(series.line)
    if series.low is not None and series.high is not None:
        _, low = _thin(Points(series.line.x, series.low))
        _, high = _thin(Points(series.line.x, series.high))
        glyph = VArea(y1="low", y2="high", fill_color=color, fill_alpha=0.15)
        drawn.append(_add(plot, glyph, x=x, low=low, high=high))
    glyph = Line(line_color=color, line_width=2.5, line_dash=list(dash))
    return [*drawn, _add(plot, glyph, name=series.name, x=x, y=y)]


def _draw_level(plot: Plot, level: Level, series: Sequence[Series]) -> GlyphRenderer[Any]:
    from bokeh.models import Line

    points = [p for s in series for p in (s.line, s.cloud, *s.runs) if p is not None]
    places = np.concatenate([_narrow(p.x) for p in points])
    glyph = Line(line_dash=[1, 3], line_width=2, line_color=_NEUTRAL)
    return _add(plot, glyph, x=[places.min(), places.max()], y=[level.value] * 2)


def _add(
    plot: Plot, glyph: Glyph, *, name: str | None = None, **columns: Any
) -> GlyphRenderer[Any]:
    """Draw data; nothing can be selected, so there is no second look of it to be made ready."""
    from bokeh.models import ColumnDataSource

    return plot.add_glyph(
        ColumnDataSource(columns),
        glyph,
        name=name,
        selection_glyph=None,
        nonselection_glyph=None,
        muted_glyph=None,
    )


def _add_hover(plot: Plot, renderers: Sequence[DataRenderer], facts: list[tuple[str, str]]) -> None:
    """Have the point under the pointer told."""
    from bokeh.models import HoverTool

    hover = HoverTool(renderers=list(renderers), tooltips=facts, line_policy="nearest")
    hover.visible = False  # it is always on
    plot.add_tools(hover)


def _plain(text: str) -> Any:
    """Return a text that is no name of a column."""
    from bokeh.core.properties import value

    return value(_shortened(text))


def _shortened(text: str) -> str:
    """Return a text as far as there is room for it: its end, which names differ in."""
    return text if len(text) <= _LONG_NAME else f"...{text[3 - _LONG_NAME :]}"


def _narrow(values: ArrayLike) -> NDArray[np.float32]:
    """Return numbers as a drawing needs them, in half the bytes."""
    return np.asarray(values, np.float32)


def _thin(points: Points) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return at most `_MAX_POINTS` of the points, evenly chosen, the first and last among them."""
    x, y = _narrow(points.x), _narrow(points.y)
    if len(x) <= _MAX_POINTS:
        return x, y
    chosen = np.linspace(0, len(x) - 1, _MAX_POINTS).round().astype(np.int64)
    return x[chosen], y[chosen]
