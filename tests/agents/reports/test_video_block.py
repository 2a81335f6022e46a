"""Videos of a report: scrubbed through in a browser, video and readout say what the data says."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from mario_rl_agents.reports.decisions import Decisions
from mario_rl_agents.reports.html.blocks import Section, Video
from mario_rl_agents.reports.html.page import Page as ReportPage
from mario_rl_agents.reports.html.track import MAX_LINES
from mario_rl_agents.reports.video_block import track_of, video_of
from support.browser import Browser, Page
from support.commands import succeed

PLOT = ".track .plot"
LEFT = 52  # pixels of the chart left of its lines


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a short run, with a video of 5 decisions and a report."""
    folder = tmp_path_factory.mktemp("runs") / "walk"
    small = ["--set", "rollout_steps=8", "--set", "batch_size=64", "--set", "num_epochs=1"]
    short = ["--steps", "64", *small, "--eval-episodes", "1"]
    succeed("train", "ppo", "FlagWalk-v0", *short, "--video", "--device", "cpu", "--out", folder)
    succeed("report", folder)
    return folder


def video_time(page: Page) -> float:
    page.wait_until("!document.querySelector('video').seeking")
    return float(page.evaluate("document.querySelector('video').currentTime"))


def readout(page: Page) -> dict[str, str]:
    """Return what stands beside each action, and below each fact."""
    found: dict[str, str] = page.evaluate(
        """Object.fromEntries([
            ...[...document.querySelectorAll(".readout li")].map(each =>
                [".name", ".number"].map(part => each.querySelector(part).textContent)),
            ...[...document.querySelectorAll(".moment > div")].map(each =>
                [...each.children].map(part => part.textContent)),
            ["taken", document.querySelector(".readout .chosen .name").textContent],
        ])"""
    )
    return found


def expected(data: Decisions, at: int) -> dict[str, str]:
    """Return what the readout says of a decision, but for the video's time."""
    [chosen] = [name for index, name in enumerate(data.names) if index == data.chosen[at]]
    value, x_pos = data.values[at], data.x_pos[at]
    assert value is not None
    return {
        **{
            name: f"{100 * (share or 0):.1f} %"
            for name, share in zip(data.names, data.numbers[at], strict=True)
        },
        "value estimate": f"{value:.3f}".rstrip("0").rstrip("."),
        "x (pixels)": f"{x_pos}",
        "reward": f"{data.rewards[at]:g}",
        "return with it": f"{sum(reward or 0 for reward in data.rewards[: at + 1]):g}",
        "decision": f"{at + 1} of 5",
        "taken": chosen,
    }


def check(page: Page, data: Decisions, at: int, seconds: float) -> None:
    """Check video, cursor and readout at a decision."""
    assert video_time(page) == pytest.approx(seconds, abs=0.011)
    told = readout(page)
    assert float(told.pop("video").removesuffix(" s")) == pytest.approx(seconds, abs=0.011)
    assert told == expected(data, at)
    plot = f"document.querySelector('{PLOT}')"
    assert page.evaluate(f"{plot}.getAttribute('aria-valuenow')") == str(at + 1)
    chosen = told["taken"]
    assert page.evaluate(f"{plot}.getAttribute('aria-valuetext')").endswith(
        f"decision {at + 1} of 5, {data.frames[at] / 10:.2f} s: {chosen} {told[chosen]}"
    )
    cursor = page.evaluate("document.querySelector('.cursor').getBoundingClientRect().x") + 2
    box = page.box(PLOT)
    width = (cursor - box.x - LEFT) / (box.width - LEFT)
    assert width == pytest.approx(seconds / 0.6, abs=0.03)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_scrubbing_moves_the_video_and_the_readout(
    run: Path, browser: Browser, width: int, dark: bool
) -> None:
    data = Decisions.beside(run / "video.mp4")
    assert data is not None
    page = browser.open(run / "report.html", width=width, dark=dark)
    page.wait_until("document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    check(page, data, 0, 0.0)
    box = page.box(PLOT)

    def point(seconds: float) -> tuple[float, float]:
        return box.x + LEFT + (box.width - LEFT) * seconds / 0.6, box.y + 60

    page.drag(point(0.35))
    check(page, data, 2, 0.35)  # the pictures of decisions begin at 0, 0.2, 0.3, 0.4, 0.5 s
    page.drag(point(0.1), point(0.2), point(0.45))
    check(page, data, 3, 0.45)
    for key, at, seconds in (
        ("ArrowRight", 4, 0.55),
        ("ArrowRight", 4, 0.55),
        ("Home", 0, 0.05),
        ("ArrowLeft", 0, 0.05),
        ("ArrowRight", 1, 0.25),
        ("PageUp", 4, 0.55),
        ("ArrowLeft", 3, 0.45),
    ):
        page.press(key)
        check(page, data, at, seconds)
    page.evaluate("document.querySelector('video').currentTime = 0.25")  # as its own controls do
    check(page, data, 1, 0.25)
    page.press(" ")
    page.wait_until("!document.querySelector('video').paused")
    page.wait_until("document.querySelector('.readout .chosen') !== null")
    assert (page.complaints, page.requests) == ([], [])
    page.close()


def test_chart_has_the_colors_of_its_actions_and_is_named(run: Path, browser: Browser) -> None:
    page = browser.open(run / "report.html")
    content = json.loads(page.evaluate("document.querySelector('.track').dataset.track"))
    picture = page.picture(f"{PLOT} canvas")
    for style in content["styles"]:
        color = [int(style["color"][i : i + 2], 16) for i in (1, 3, 5)]
        assert (picture == color).all(axis=2).sum() > 1000
    role = page.evaluate(f"document.querySelector('{PLOT}').getAttribute('role')")
    name = page.evaluate(f"document.querySelector('{PLOT}').getAttribute('aria-label')")
    assert (role, name) == ("slider", "Probability of each action, decision by decision")
    page.close()


def test_old_video_is_shown_without_a_chart(run: Path, browser: Browser, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes((run / "video.mp4").read_bytes())
    path = tmp_path / "report.html"
    ReportPage("old", "old", [Section("Video", list(video_of("a video", video)))]).write(path)
    page = browser.open(path)
    page.wait_until("document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelectorAll('.track, script').length") == 0
    page.close()
    assert list(video_of("a video", tmp_path / "none.mp4")) == []


def test_without_a_video_in_the_page_the_chart_tells_all_the_same(
    run: Path, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mario_rl_agents.reports.html.blocks.MAX_EMBEDDED_VIDEO", 10)
    data = Decisions.beside(run / "video.mp4")
    assert data is not None
    path = tmp_path / "report.html"
    video = Video("a video", run / "video.mp4", track_of(data))
    ReportPage("large", "large", [Section("Video", [video])]).write(path)
    page = browser.open(path)
    page.click(PLOT)
    assert readout(page)["decision"] == "2 of 5"
    assert page.complaints == []
    page.close()


def test_names_and_gaps_do_no_harm(tmp_path: Path, browser: Browser) -> None:
    evil = "<script>alert(1)</script>\"'&"
    data = Decisions(
        "values", 10, (evil, "b"), (0, 3), ((None, 1.0), (2.0, None)), (1, 0), (False, True),
        (None, None), (None, None), (None, 1.0),
    )  # fmt: skip
    path = tmp_path / "report.html"
    video = tmp_path / "video.mp4"
    video.write_bytes(b"no video")
    ReportPage("x", "x", [Section("x", [Video("x", video, track_of(data))])]).write(path)
    page = browser.open(path)
    told = readout(page)
    assert (told[evil], told["b"], told["action"]) == ("none", "1.000", "the agent's")
    page.evaluate(f"document.querySelector('{PLOT}').focus()")
    page.press("ArrowRight")
    told = readout(page)
    assert (told[evil], told["b"], told["action"]) == ("2.000", "none", "random")
    page.close()


def test_many_actions_are_drawn_as_few_and_the_others() -> None:
    shares = np.full(40, 1 / 40)
    data = Decisions(
        "probabilities", 10, tuple(f"a{i}" for i in range(40)), (0,), (tuple(shares.tolist()),),
        (39,), (False,), (None,), (None,), (0.0,),
    )  # fmt: skip
    content = json.loads(track_of(data).content)
    assert len(content["names"]) == MAX_LINES + 1
    assert content["names"][-2:] == ["a39", "28 others"]  # what was taken is among the few
    assert content["chosen"] == [MAX_LINES - 1]
    assert content["numbers"][0][-1] == pytest.approx(28 / 40)
    values = track_of(dataclasses.replace(data, kind="values"))
    assert len(json.loads(values.content)["names"]) == MAX_LINES
