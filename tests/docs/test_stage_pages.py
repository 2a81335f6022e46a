"""Pages of stages show the stage, what is measured, and one another."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import imageio_ffmpeg
import numpy as np
import pytest
from mario_rl_agents.weights.policies import policy_ids, policy_record
from PIL import Image

from benchmarks import random_play, stage_media, stage_pages
from benchmarks.documentation import parse
from benchmarks.random_play import StagePlay
from benchmarks.stage_facts import Area, MazeCheck, Pipe, facts_of
from mario_rl_envs.game.stages import STAGES

WRITTEN = ("1-1", "1-2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    written = tmp_path_factory.mktemp("stages")
    stage_pages.main(["--out", str(written), "--stages", ",".join(WRITTEN), "--no-videos"])
    return written


@pytest.fixture(scope="module")
def texts(folder):
    return {page.stem: page.read_text() for page in folder.glob("*.md")}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A stage with a short video."""
    media = tmp_path_factory.mktemp("media")
    return stage_pages.Stage(
        facts=facts_of("1-1"),
        route=stage_media.Picture("1-1-route.png", 10, 20),
        screen=stage_media.draw_screen("1-1", media),
        video=stage_media.write_video("1-1", media, num_frames=120),
        policy=None,
    ), media


def attributes(tag):
    return dict(re.findall(r'([\w-]+)="([^"]*)"', tag))


def decoded(video):
    """Return the pictures of a video, [T, 240, 256, 3]."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(video)]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 240, 256, 3)


# --- What a stage is like -------------------------------------------------------------------------


def test_the_flag_of_1_1_stands_where_the_game_has_it(texts):
    facts = facts_of("1-1")
    assert (facts.length, facts.x_end, facts.goal) == (3_161, 3_161, "flag")
    assert (facts.time_limit, facts.num_decisions, facts.num_frames) == (400, 432, 1_726)
    assert facts.enemies == ("Goomba", "green Koopa Troopa")
    assert not facts.pipes
    assert not facts.maze
    assert "| length | 3,161 pixels |\n| flag | at x 3,161 |\n" in texts["1-1"]
    assert "An overworld stage, 3,161 pixels to the flag." in texts["1-1"]


def test_areas_and_pipes_are_those_of_the_route(texts):
    facts = facts_of("1-2")
    assert facts.areas == (Area("underground", 40, 2_641), Area("overworld", 2_872, 3_161))
    assert facts.pipes == (Pipe("into a pipe", 2_643, 2_872),)
    assert facts.length == 2_641 + 3_161 - 2_872
    assert "| flag | at x 3,161 of the overworld area |" in texts["1-2"]
    assert "| pipes | into a pipe at x 2,643, out at x 2,872 |" in texts["1-2"]


@pytest.mark.parametrize(
    ("name", "kind", "goal"),
    [("1-3", "athletic", "flag"), ("2-2", "water", "flag"), ("1-4", "castle", "axe")],
)
def test_kinds(name, kind, goal):
    facts = facts_of(name)
    assert (facts.kind, facts.goal) == (kind, goal)


def test_mazes_are_where_the_game_judges_the_way():
    assert [check.x for check in facts_of("4-4").maze] == [1_030, 2_053]
    assert len(facts_of("7-4").maze) == 6  # two mazes of three turns
    last = facts_of("8-4")
    assert last.maze == (MazeCheck(1_278, 255),)
    assert last.maze[0].leads_back
    assert [pipe.how for pipe in last.pipes] == ["down a pipe"] * 3 + ["into a pipe"]


def test_second_slots_of_large_objects_are_no_enemies():
    seen = facts_of("5-4").enemies  # a long fire bar has one, with the number of a Koopa Troopa
    assert seen == ("Podoboo", "fire bar", "Bowser's flame", "Bowser")


def test_a_route_says_which_actions_it_needs():
    assert facts_of("1-1").action_set == "right_only"
    needs_left = facts_of("4-4")
    assert needs_left.action_set == "complex"
    assert sum(count for _, count in needs_left.joypad) == needs_left.num_decisions


# --- Pictures and videos --------------------------------------------------------------------------


def test_pictures_have_the_size_that_pages_say_and_show_something(folder, texts):
    for name in WRITTEN:
        (tag,) = re.findall(r"<img [^>]*>", texts[name])
        said = attributes(tag)
        with Image.open(folder / said["src"]) as image:
            assert (int(said["width"]), int(said["height"])) == image.size
            colors = {color for _, color in image.crop((0, 0, image.width, 200)).getcolors()}
        first = facts_of(name).areas[0]
        assert first.last < image.width < first.last + 256  # the whole way, to the flag or pipe
        assert len(colors) > 8
        assert said["loading"] == "lazy"
        assert name in said["alt"]
    sky = (104, 136, 252)
    with Image.open(folder / "media" / "1-1-route.png") as image:
        assert np.mean(np.all(np.asarray(image) == sky, axis=2)) > 0.5


def test_screens_of_the_index_are_those_of_the_game(folder, texts):
    tags = re.findall(r"<img [^>]*>", texts["index"])
    assert len(tags) == len(WRITTEN)
    env = gym.make("MarioRL-1-2-v0", actions="joypad", skip=1, render_mode="rgb_array").unwrapped
    env.reset(options={"route_fraction": 0.5})
    with Image.open(folder / attributes(tags[1])["src"]) as image:
        assert np.array_equal(np.asarray(image), env.render())
        assert attributes(tags[1])["width"] == str(round(image.width * 0.625))
    env.close()


def test_a_video_shows_the_route_and_holds_its_end(stage):
    video, media = stage[0].video, stage[1]
    assert video.seconds == (60 + 30) / 30
    data = (media / video.name).read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")  # plays before all of it is there
    assert (video.width, video.height) == (256, 240)
    pictures = decoded(media / video.name)
    assert len(pictures) == 90
    env = gym.make("MarioRL-1-1-v0", actions="joypad", skip=1, render_mode="rgb_array").unwrapped
    env.reset()
    assert np.abs(pictures[0].astype(int) - env.render()).mean() < 8  # but for compression
    env.close()
    moved = np.abs(pictures[0].astype(int) - pictures[59]).mean()
    still = np.abs(pictures[60].astype(int) - pictures[89]).mean()
    assert moved > 5 * still


def test_a_page_has_its_video_without_moving_when_it_comes(stage):
    shown, media = stage
    text = stage_pages.page(shown, random_play.load(), (None, None), "media")
    (tag,) = re.findall(r"<video [^>]*>", text)
    said = attributes(tag)
    assert (said["width"], said["height"], said["preload"]) == ("512", "480", "none")
    assert {"controls", "muted"} <= set(tag.split())
    assert "autoplay" not in tag
    assert (media / Path(said["poster"]).name).is_file()
    assert f'<source src="media/{shown.video.name}" type="video/mp4">' in text
    assert "<video" not in stage_pages.page(
        replace(shown, video=None), random_play.load(), (None, None), "media"
    )


def test_videos_without_their_encoder_are_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # what a failed import leaves
    with pytest.raises(ImportError, match="--no-videos leaves them out"):
        stage_pages.write_pages(tmp_path / "new", ["1-1"])
    assert not (tmp_path / "new").exists()


# --- What is measured -----------------------------------------------------------------------------


def test_rates_are_the_stored_ones(texts):
    for name in WRITTEN:
        played = random_play.load().stages[name]
        assert f"clears {played.num_cleared} of {played.num_episodes} games" in texts[name]
        assert f"They end at x {played.x_pos_mean:,.0f} on average" in texts[name]
        row = next(x for x in texts["index"].splitlines() if x.startswith(f"| [{name}]"))
        assert f"| {played.clear_rate:.1%} | {played.x_pos_mean:,.0f} |" in row
        if f"MarioRL-{name}-v0" not in policy_ids():
            assert "**Policy of the package**: none yet." in texts[name]
            assert row.endswith("| none yet |")
            continue
        record = policy_record(f"MarioRL-{name}-v0")
        for rate in record.rates:
            assert f"{rate.clear_rate:.1%} of {rate.num_distinct} |" in texts[name]
        best = [record.rate(condition).clear_rate for condition in ("no-ops", "sticky")]
        assert row.endswith(f"| {best[0]:.1%} / {best[1]:.1%} |")


def test_a_stage_without_a_policy_says_so(stage):
    text = stage_pages.page(stage[0], random_play.load(), (None, None), "media")
    assert "**Policy of the package**: none yet." in text
    assert "mario-rl evaluate" not in text


def test_random_play_is_stored_for_every_stage():
    stored = random_play.load()
    assert tuple(stored.stages) == STAGES
    assert stored.commit != "unknown"
    assert "with changes" not in stored.commit
    for played in stored.stages.values():
        low, high = played.clear_rate_interval
        assert played.num_episodes >= 100
        assert low <= played.clear_rate <= high


def test_random_play_measured_again_is_what_is_stored():
    stored = random_play.load()
    count = stored.stages["8-4"].num_episodes  # its games are the shortest
    lines: list[str] = []
    again = random_play.measure(["8-4"], count, command="", tell=lines.append)
    assert again.stages["8-4"] == stored.stages["8-4"]
    assert (again.env_kwargs, again.seed) == (stored.env_kwargs, stored.seed)
    assert len(lines) == 1


def test_what_was_measured_is_kept(tmp_path):
    path = tmp_path / "random_play.json"
    played = StagePlay(
        num_episodes=4,
        num_cleared=1,
        clear_rate_interval=(0.05, 0.7),
        x_pos_mean=1.5,
        x_pos_max=2,
        length_mean=3.0,
    )
    measured = replace(random_play.load(), stages={"1-1": played})
    random_play.save(measured, path)
    assert random_play.load(path) == measured
    assert list(tmp_path.iterdir()) == [path]


# --- Pages ----------------------------------------------------------------------------------------


def test_links_lead_to_pages_that_are_there(folder, texts):
    docs = stage_pages.ROOT / "docs"
    for text in texts.values():
        for target in re.findall(r"\]\(([^)#]+)", text):
            if target.startswith("../"):
                assert (docs / target.removeprefix("../")).is_file(), target
            else:
                assert (folder / target).is_file(), target
    assert texts["1-1"].splitlines()[2] == "[All stages](index.md) · Next: [1-2](1-2.md)"
    assert texts["1-2"].splitlines()[2] == "Previous: [1-1](1-1.md) · [All stages](index.md)"
    assert {f"{name}.md" for name in WRITTEN} <= set(re.findall(r"\]\(([^)#]+)", texts["index"]))


def test_headings_that_are_linked_to_exist(texts):
    docs = stage_pages.ROOT / "docs"
    for text in texts.values():
        for target, heading in re.findall(r"\]\(([^)#]+)#([^)]+)\)", text):
            page = (
                (docs / target.removeprefix("../")).read_text()
                if target.startswith("../")
                else texts[Path(target).stem]
            )
            headings = re.findall(r"^#+ (.*)$", page, flags=re.M)
            assert heading in [each.lower().replace(" ", "-") for each in headings]


def test_the_code_on_a_page_runs(folder):
    examples = parse(folder / "1-1.md", folder).examples()
    (code,) = (example for example in examples if "gym.make" in str(example.parsed))
    code.evaluate()


def test_a_site_that_serves_pages_as_folders_finds_pictures(tmp_path, texts):
    stage_pages.write_pages(tmp_path, ["1-1"], has_videos=False, has_directory_urls=True)
    (tag,) = re.findall(r"<img [^>]*>", (tmp_path / "1-1.md").read_text())
    assert attributes(tag)["src"] == "../media/1-1-route.png"
    (tag,) = re.findall(r"<img [^>]*>", (tmp_path / "index.md").read_text())
    assert attributes(tag)["src"] == "media/1-1-screen.png"


def test_written_again_pages_and_pictures_are_the_same(folder, tmp_path):
    stage_pages.write_pages(tmp_path, WRITTEN, has_videos=False)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 3 + 4
    for file in files:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes(), file


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --out FOLDER, or --measure GAMES, or both"),
        (["--out", "x", "--stages", "1-5"], "unknown stage '1-5'"),
        (["--out", "x", "--stages", ""], "unknown stage ''"),
        (["--measure", "0"], "--measure: accepted is an integer from 1 on, got '0'"),
    ],
)
def test_what_is_not_accepted_is_said(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        stage_pages.main(arguments)
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
