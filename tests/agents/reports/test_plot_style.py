"""One style: bands within what is possible, and no picture that is drawn in a style of its own."""

import re
from pathlib import Path

import numpy as np
from mario_rl_agents.reports.plot_style import (
    COLORS,
    draw_mean,
    matplotlibrc,
    new_figure,
    range_of,
    style_axes,
    write_title,
)
from matplotlib import rc_params_from_file
from support.agent_toys import ROOT


def test_band_is_within_what_is_possible() -> None:
    axes = new_figure(4, 3).subplots()
    draw_mean(axes, [0, 1], [0, 480], [30, 40], color="red", label="x", possible=(0, 500))
    [band] = axes.collections
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert (heights.min(), heights.max()) == (0, 500)
    assert range_of([[3, 9], [1, 2]]) == (1, 9)


def test_long_title_has_several_lines_within_the_picture(tmp_path: Path) -> None:
    figure = new_figure(5, 3)
    write_title(
        figure, "a title with $dollars$, which is much too long for a line of so small a one"
    )
    [title] = figure.texts
    figure.canvas.draw()
    box = title.get_window_extent()
    assert title.get_text().count("\n") >= 1
    assert box.x1 <= figure.bbox.x1
    figure.savefig(tmp_path / "a.png")  # dollars were no formula


def test_pyplot_draws_in_it_too(tmp_path: Path) -> None:
    path = tmp_path / "matplotlibrc"
    path.write_text(matplotlibrc())
    settings = rc_params_from_file(path, use_default_template=False)
    assert settings["axes.prop_cycle"].by_key()["color"] == list(COLORS)
    axes = new_figure(4, 3).subplots()
    style_axes(axes)
    assert settings["grid.color"] == axes.xaxis.get_gridlines()[0].get_color()
    assert not settings["axes.spines.top"]


def test_pictures_of_the_package_are_drawn_in_this_style() -> None:
    drawing = {
        path.relative_to(ROOT).as_posix()
        for folder in ("agents", "benchmarks", "examples")
        for path in Path(ROOT, folder).rglob("*.py")
        if re.search(r"\b(matplotlib|draw_level|style_axes)\b", path.read_text(encoding="utf-8"))
    }
    for name in drawing - {"agents/mario_rl_agents/reports/drawing.py"}:  # which takes a font
        assert "plot_style" in Path(ROOT, name).read_text(encoding="utf-8") or name.endswith(
            "plot_style.py"
        ), name
