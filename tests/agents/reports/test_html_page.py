"""Pages of reports: whole in one file, safe from what they name, readable on every screen."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from bokeh.models import ColumnDataSource
from mario_rl_agents.reports.html import blocks
from mario_rl_agents.reports.html.blocks import (
    Block,
    Cell,
    Code,
    Details,
    Facts,
    Files,
    Items,
    Notice,
    Section,
    Switch,
    Table,
    Text,
    Video,
    link,
)
from mario_rl_agents.reports.html.charts import (
    COLORS,
    Dot,
    DotChart,
    Level,
    LineChart,
    Points,
    Series,
    style_of,
)
from mario_rl_agents.reports.html.page import Page
from numpy.typing import NDArray
from support.browser import Browser

NUM_SCRIPTS = 3  # Bokeh, its log level, its data
EVIL = "<script>alert(1)</script> & \"quotes\" 'too' $$x^2$$ </script><!-- {{ 7 * 7 }}"


def line_chart(name: str = "one", *, num: int = 3) -> LineChart:
    """Return a chart with everything that one can have."""
    x = np.arange(50) * 1000
    series = [
        Series(
            f"{name} {i}",
            i,
            Points(x, x * (i + 1.0)),
            x * (i + 0.8),
            x * (i + 1.2),
            [Points(x, x * (i + 0.9)), Points(x, x * (i + 1.1))],
            Points(x, x * 1.0),
        )
        for i in range(num)
    ]
    return LineChart(name, name, name, name, series, [Level(10_000, name)])


def dot_chart(name: str = "one") -> DotChart:
    dots = [Dot(name, f"{name} {i}", i, i, i - 0.5, i + 0.5, [i - 0.4, i + 0.4]) for i in range(3)]
    return DotChart(name, name, name, dots)


def page_of(*content: Block, title: str = "A page") -> Page:
    return Page(title, title, [Section(title, content)], title)


def write(folder: Path, *content: Block, title: str = "A page") -> Path:
    path = folder / "report.html"
    page_of(*content, title=title).write(path)
    return path


def every_block(name: str, folder: Path) -> Sequence[Block]:
    """Return a block of each kind, named in all of its texts."""
    video, file = folder / "video.mp4", folder / "raw data.csv"
    video.write_bytes(b"no video")
    file.write_text("a,b\n1,2\n")
    inner = Text(name)
    return [
        Text(name),
        Notice(name, [name]),
        Items([name]),
        Code(name),
        Facts({name: name}),
        Table(name, [Cell(name, name)], [[Cell(name, name, style=0, share=0.5)]]),
        Details(name, [inner, line_chart(name)]),
        Switch(name, {name: [line_chart(name)], f"{name} 2": [dot_chart(name)]}),
        Video(name, video),
        Files([file], {file.name: name}),
    ]


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    found = write(tmp_path, *every_block(EVIL, tmp_path), title=EVIL).read_text(encoding="utf-8")
    assert "<script>alert" not in found
    assert "49" not in re.findall(r"<h1>(.*)</h1>", found)[0]
    assert found.count("</script>") == found.count("<script>") == NUM_SCRIPTS


def test_page_with_names_of_all_kinds_asks_for_nothing_and_complains_of_nothing(
    tmp_path: Path, browser: Browser
) -> None:
    content = [block for block in every_block(EVIL, tmp_path) if not isinstance(block, Video)]
    page = browser.open(write(tmp_path, *content, title=EVIL))
    assert (page.complaints, page.requests) == ([], [])
    assert page.evaluate("document.title") == " ".join(EVIL.split())
    assert page.evaluate("document.querySelectorAll('script').length") == NUM_SCRIPTS
    page.close()


def test_browser_would_tell_of_complaints_and_requests(tmp_path: Path, browser: Browser) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        "<script>console.error('bad'); new Promise(() => { throw new Error('worse') })</script>"
        "<img src='https://example.invalid/picture.png'><img src='beside.png'>"
    )
    page = browser.open(path)
    told = "\n".join(page.complaints)
    assert "bad" in told
    assert "worse" in told
    beside = (tmp_path / "beside.png").as_uri()
    assert set(page.requests) == {"https://example.invalid/picture.png", beside}
    page.close()


def test_charts_are_drawn_the_hidden_one_when_it_is_chosen(
    tmp_path: Path, browser: Browser
) -> None:
    content = Switch("which", {"lines": [line_chart()], "dots": [dot_chart()]})
    page = browser.open(write(tmp_path, content))
    lines, dots = ".pane:nth-of-type(1) .chart", ".pane:nth-of-type(2) .chart"
    assert page.box(lines).height > 300
    assert page.box(dots).height == 0
    assert has_colors(page.picture(lines), COLORS[:3])
    page.click("label:nth-of-type(2)")
    page.wait_until("Bokeh.documents.every(each => each.is_idle)")
    assert page.box(lines).height == 0
    assert page.box(dots).height > 150
    assert has_colors(page.picture(dots), COLORS[:3])
    assert page.complaints == []
    page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_telephone_needs_no_sideways_scrolling_and_takes_the_colors_asked_for(
    tmp_path: Path, browser: Browser, dark: bool
) -> None:
    wide = Table("wide", [Cell(f"column {i}") for i in range(30)], [[Cell("cell")] * 30])
    long = "a_very_long_module.name:AndAVeryLongClassName"
    path = write(
        tmp_path, line_chart(long), dot_chart(long), wide, Code("x" * 300), Facts({long: long})
    )
    page = browser.open(path, width=380, height=700, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert page.box(".chart").width < 380
    assert page.evaluate("document.querySelector('.scroll').scrollWidth") > 1000
    brightness = page.picture(".chart").mean(axis=2)
    assert np.median(brightness) < 50 if dark else np.median(brightness) > 200
    labels = page.picture(".chart")[-60:].mean(axis=2)  # of the legend
    assert labels.max() > 200 if dark else labels.min() < 80
    page.close()


def test_finger_on_a_chart_scrolls_the_page(tmp_path: Path, browser: Browser) -> None:
    page = browser.open(write(tmp_path, *(line_chart() for _ in range(3))), width=380, height=500)
    x, y = page.box(".chart").middle
    before = page.evaluate("window.scrollY")
    for moved in range(0, -150, -15):
        kind = "touchMove" if moved else "touchStart"
        page.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y + moved}])
    page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert page.evaluate("window.scrollY") > before + 50
    page.close()


def test_series_differ_in_more_than_color() -> None:
    styles = [style_of(number) for number in range(280)]
    assert len(set(styles)) == 280
    assert len({(style.dash, style.marker) for style in styles[:35]}) == 35


def test_series_stand_out_from_both_pages() -> None:
    style = (Path(blocks.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    pages = re.findall(r"--page: (#\w{6})", style)
    assert len(pages) == 2
    for page in pages:
        for color in COLORS:
            assert contrast(color, page) >= 3.0, (color, page)  # WCAG 1.4.11
    for name in ("--ink", "--faint", "--link"):
        for color, page in zip(re.findall(rf"{name}: (#\w{{6}})", style), pages, strict=True):
            assert contrast(color, page) >= 4.5, (name, color, page)  # WCAG 1.4.3


def test_drawing_has_few_points_the_first_and_the_last_among_them() -> None:
    x = np.arange(100_000)
    figure = LineChart("", "", "x", "y", [Series("s", 0, Points(x, -x))]).draw()
    [data] = [model.data for model in figure.references() if isinstance(model, ColumnDataSource)]
    assert len(data["x"]) == 600
    assert (data["x"][0], data["x"][-1], data["y"][-1]) == (0, 99_999, -99_999)


def test_large_videos_and_files_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").mkdir()
    video, file = tmp_path / "raw" / "a video.mp4", tmp_path / "raw" / "100%.csv"
    video.write_bytes(bytes(1000))
    file.write_bytes(bytes(1000))
    whole = write(tmp_path, Video("a video", video), Files([file], {})).read_text(encoding="utf-8")
    monkeypatch.setattr(blocks, "MAX_EMBEDDED_VIDEO", 999)
    monkeypatch.setattr(blocks, "MAX_EMBEDDED_FILE", 999)
    small = write(tmp_path, Video("a video", video), Files([file], {})).read_text(encoding="utf-8")
    for text in (whole, small):
        assert 'href="raw/100%25.csv"' in text
    assert "data:video/mp4;base64,AAAA" in whole
    assert 'download="100%.csv"' in whole
    assert "base64" not in small[small.index("<body>") :]
    assert 'href="raw/a%20video.mp4"' in small


def test_links_lead_from_where_the_page_lies(tmp_path: Path) -> None:
    assert link(tmp_path / "a" / "b#1.csv", tmp_path / "a") == "b%231.csv"
    assert link(tmp_path / "a" / "b.csv", tmp_path / "c" / "d") == "../../a/b.csv"


def test_page_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = write(tmp_path, Text("old"))
    with pytest.raises(ValueError, match="concatenate"):
        write(tmp_path, LineChart("", "", "", "", [], [Level(1, "")]))
    assert "old" in path.read_text(encoding="utf-8")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def has_colors(picture: NDArray[np.uint8], colors: Sequence[str]) -> bool:
    """Return whether each color is that of some pixel."""
    return all((picture == color_of(color)).all(axis=2).any() for color in colors)


def color_of(text: str) -> tuple[int, int, int]:
    red, green, blue = (int(text[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [value / 255 for value in color_of(color)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)
