"""Write a page for every stage, drawn and read from the game itself, for the documentation.

    python benchmarks/stage_pages.py --out build/docs/stages          # all 32, with videos
    python benchmarks/stage_pages.py --out FOLDER --stages 1-1,8-4 --no-videos
    python benchmarks/stage_pages.py --measure 500                    # random play, anew

FOLDER lies in that of the other pages: it links to ../environments.md and ../policies.md. It gets
index.md, a page for each stage, and media/ with pictures and videos. Nothing of that is committed.
What random play reaches stands in benchmarks/random_play.json, what policies reach in their files.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

ROOT: Final = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from mario_rl_agents.checkpoint import CheckpointHeader  # noqa: E402
from mario_rl_agents.experiments.protocol import NO_OPS  # noqa: E402
from mario_rl_agents.weights.record import PolicyRecord, Rate  # noqa: E402

from benchmarks import random_play, stage_media  # noqa: E402
from benchmarks.random_play import RandomPlay  # noqa: E402
from benchmarks.ship_weights import records  # noqa: E402
from benchmarks.stage_facts import Area, StageFacts, facts_of  # noqa: E402
from benchmarks.stage_media import FRAMES_PER_SECOND, Picture, Video  # noqa: E402
from mario_rl_envs.game.stages import STAGES, check_stages  # noqa: E402
from mario_rl_envs.processors import num_processors  # noqa: E402

INDEX: Final = "index.md"
MEDIA: Final = "media"
NONE_YET: Final = "none yet"  # in place of a policy

_SCREEN_SCALE: Final = 0.625  # of a screen in the index
_VIDEO_SCALE: Final = 2
_TICK_FRAMES: Final = 24  # of the game clock
_DEFAULT_ACTIONS: Final = "right_only"  # of gym.make
# Of the protocol that policies were measured by.
_CONDITIONS: Final = ("plain", "no-ops", "sticky")
_WAYS: Final[tuple[Literal["greedy", "sampled"], ...]] = ("greedy", "sampled")

Policy = tuple[CheckpointHeader, PolicyRecord]


@dataclass(frozen=True)
class Stage:
    """All that a page shows."""

    facts: StageFacts
    route: Picture
    screen: Picture
    video: Video | None
    policy: Policy | None

    @property
    def name(self) -> str:
        """The stage, as "1-1"."""
        return self.facts.stage

    @property
    def env_id(self) -> str:
        """The id of its environment."""
        return f"MarioRL-{self.name}-v0"


def main(arguments: list[str] | None = None) -> None:
    """Write the pages, or measure random play."""
    arguments = sys.argv[1:] if arguments is None else arguments
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where pages are written")
    parser.add_argument("--stages", type=_stages, default=STAGES, help="as 1-1,8-4; else all")
    parser.add_argument("--no-videos", action="store_true", help="pictures alone, which is faster")
    parser.add_argument(
        "--directory-urls",
        action="store_true",
        help="the site serves 1-1.md as 1-1/, a folder deeper than index.md",
    )
    parser.add_argument(
        "--measure",
        type=_count,
        metavar="GAMES",
        help="play so many random games in each stage first, and keep what they come to",
    )
    options = parser.parse_args(arguments)
    if options.out is None and options.measure is None:
        parser.error("give --out FOLDER, or --measure GAMES, or both")
    if options.measure is not None:
        command = shlex.join(["python", "benchmarks/stage_pages.py", *arguments])
        random_play.save(random_play.measure(STAGES, options.measure, command=command))
    if options.out is not None:
        write_pages(
            options.out,
            options.stages,
            has_videos=not options.no_videos,
            has_directory_urls=options.directory_urls,
        )


def write_pages(
    folder: Path,
    stages: Sequence[str],
    *,
    has_videos: bool = True,
    has_directory_urls: bool = False,
) -> None:
    """Write index, pages, pictures and videos.

    Args:
        folder: Where to; it is made if it is missing.
        stages: As "1-1"; pages link to those alone.
        has_videos: Whether pages have videos.
        has_directory_urls: Whether the site serves a page, but for the index, a folder deeper than
            its file lies. Links of Markdown follow by themselves, those of HTML do not.

    Raises:
        ImportError: Videos are wanted, and imageio-ffmpeg is not installed.
    """
    if has_videos:
        stage_media.check_videos()
    (folder / MEDIA).mkdir(parents=True, exist_ok=True)
    policies, random = records(), random_play.load()
    draw = partial(_draw, folder / MEDIA, policies, has_videos)
    with ThreadPoolExecutor(num_processors()) as pool:  # Python waits for console and encoder
        drawn = list(pool.map(draw, stages))
    names = [stage.name for stage in drawn]
    media_url = f"../{MEDIA}" if has_directory_urls else MEDIA
    for index, stage in enumerate(drawn):
        around = _neighbor(names, index - 1), _neighbor(names, index + 1)
        text = page(stage, random, around, media_url)
        (folder / f"{stage.name}.md").write_text(text, encoding="utf-8")
    (folder / INDEX).write_text(index_page(drawn, random), encoding="utf-8")


def page(
    stage: Stage, random: RandomPlay, around: tuple[str | None, str | None], media_url: str
) -> str:
    """Return the page of a stage.

    Args:
        stage: What it shows.
        random: What random play came to.
        around: The stages before and after it; None where there is none.
        media_url: Where pictures and videos are.
    """
    links = _links(around)
    parts = [
        f"# {stage.name}",
        links,
        _summary(stage.facts),
        *([_video(stage, stage.video, media_url)] if stage.video is not None else []),
        "## The stage",
        _strip(stage, media_url),
        "What the recorded route shows of it. Scroll it sideways, or open "
        f'<a href="{media_url}/{stage.route.name}">the whole picture</a>. The line is where Mario '
        "was, red while A was held; it begins and ends with a "
        f"dot.{_areas_note(stage.facts)}",
        _facts_table(stage.facts),
        "## Play it",
        _ids(stage),
        f"```python\n{_code(stage)}\n```",
        f"```bash\n{_shell(stage)}\n```",
        "## What is reached",
        _random(stage.name, random),
        _policy(stage.policy),
        links,
    ]
    return "\n\n".join(parts) + "\n"


def index_page(stages: Sequence[Stage], random: RandomPlay) -> str:
    """Return the page that leads to all others."""
    parts = [
        "# The stages",
        "Each page has the whole stage as a picture, a video of the package's route through it, "
        "and what random play and the package's [policies](../policies.md) reach. All is drawn and "
        "read from the game itself.",
        _grid(stages),
        "## In numbers",
        _numbers(stages, random),
        "Length: pixels to the flag or the axe, on the route's way. Route: decisions of four "
        "frames. Random play: the share of games that it clears, and the mean x where they end. "
        "Policy: the share that it clears as it plays best, with random no-op starts / with sticky "
        "actions of 0.25 as well.",
        f"Random play: actions `{random.actions}`, up to {random.env_kwargs['noop_max']} no-ops at "
        f"the start, at most {random.env_kwargs['max_episode_steps']:,} decisions; "
        f"`{random.command}`, commit {random.commit}, {random.date[:10]}, {random.machine}, seeds "
        f"from {random.seed:,} on.",
    ]
    return "\n\n".join(parts) + "\n"


def _stages(text: str) -> tuple[str, ...]:
    """Return the stages that a user names."""
    try:
        return tuple(dict.fromkeys(check_stages(text.split(","))))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    """Return the number of games that a user gives."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"accepted is an integer from 1 on, got {text!r}")
    return int(text)


def _draw(folder: Path, policies: dict[str, Policy], has_video: bool, name: str) -> Stage:
    return Stage(
        facts=facts_of(name),
        route=stage_media.draw_stage(name, folder),
        screen=stage_media.draw_screen(name, folder),
        video=stage_media.write_video(name, folder) if has_video else None,
        policy=policies.get(f"MarioRL-{name}-v0"),
    )


def _neighbor(names: list[str], index: int) -> str | None:
    return names[index] if 0 <= index < len(names) else None


def _links(around: tuple[str | None, str | None]) -> str:
    before, after = around
    links = [f"[All stages]({INDEX})"]
    if before is not None:
        links.insert(0, f"Previous: [{before}]({before}.md)")
    if after is not None:
        links.append(f"Next: [{after}]({after}.md)")
    return " · ".join(links)


def _summary(facts: StageFacts) -> str:
    article = "An" if facts.kind[0] in "aeiou" else "A"
    kind = f"{article} {facts.kind}" + ("" if facts.kind == "castle" else " stage")
    explained = ", most of which has no floor" if facts.kind == "athletic" else ""
    return (
        f"{kind}{explained}, {facts.length:,} pixels to the {facts.goal}. The recorded route "
        f"clears it with {facts.num_decisions} decisions of four frames."
    )


def _video(stage: Stage, video: Video, media_url: str) -> str:
    poster = f"{media_url}/{stage.screen.name}"
    return (
        "<figure>\n"
        f'<video controls muted playsinline preload="none" poster="{poster}" '
        f'width="{_VIDEO_SCALE * video.width}" height="{_VIDEO_SCALE * video.height}" '
        'style="max-width: 100%; height: auto; image-rendering: pixelated" '
        f'aria-label="Video of the recorded route through {stage.name}">\n'
        f'<source src="{media_url}/{video.name}" type="video/mp4">\n'
        f'<a href="{media_url}/{video.name}">The video of the route</a>\n'
        "</video>\n"
        f"<figcaption>The recorded route, {video.seconds:.0f} seconds, no sound.</figcaption>\n"
        "</figure>"
    )


def _strip(stage: Stage, media_url: str) -> str:
    """Return the wide picture, which is scrolled from left to right."""
    areas = ", then ".join(area.kind for area in stage.facts.areas)
    alt = f"{stage.name} ({areas}) as one wide picture, with the recorded route drawn on it"
    image = _image(media_url, stage.route, alt, style="max-width: none")
    return (
        f'<div role="region" aria-label="Picture of {stage.name}" tabindex="0" '
        f'style="overflow-x: auto">\n{image}\n</div>'
    )


def _image(
    media_url: str, picture: Picture, alt: str, *, scale: float = 1.0, style: str = ""
) -> str:
    width, height = round(scale * picture.width), round(scale * picture.height)
    styled = f' style="{style}"' if style else ""
    return (
        f'<img src="{media_url}/{picture.name}" alt="{alt}" width="{width}" height="{height}" '
        f'loading="lazy"{styled}>'
    )


def _areas_note(facts: StageFacts) -> str:
    if len(facts.areas) == 1:
        return ""
    return " Its areas stand below one another, as they are entered."


def _facts_table(facts: StageFacts) -> str:
    pressed = ", ".join(f"`{name}` {count}" for name, count in facts.joypad)
    where = "" if len(facts.areas) == 1 else f" of the {_goal_area(facts).kind} area"
    rows = [
        ("kind", facts.kind),
        *([("areas", "; ".join(map(_area, facts.areas)))] if len(facts.areas) > 1 else []),
        ("length", f"{facts.length:,} pixels"),
        (facts.goal, f"at x {facts.x_end:,}{where}"),
        (
            "time limit",
            f"{facts.time_limit} ticks, {_seconds(_TICK_FRAMES * facts.time_limit):.0f} seconds; "
            f"{facts.time_left} are left at the end of the route",
        ),
        (
            "route",
            f"{facts.num_decisions} decisions, {facts.num_frames:,} frames, "
            f"{_seconds(facts.num_frames):.1f} seconds; reward `progress`: {facts.total_reward:,}",
        ),
        ("its actions", f"of `{facts.action_set}`, by decisions: {pressed}"),
        *([("pipes", _pipes(facts))] if facts.pipes else []),
        *([("maze", _maze(facts))] if facts.maze else []),
        ("enemies on the way", ", ".join(facts.enemies)),
    ]
    return _two_columns("fact | of this stage", rows)


def _two_columns(head: str, rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(
        [f"| {head} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    )


def _goal_area(facts: StageFacts) -> Area:
    """Return the area that the route ends in."""
    return next(area for area in reversed(facts.areas) if area.last == facts.x_end)


def _area(area: Area) -> str:
    return f"{area.kind}, x {area.first:,} to {area.last:,}"


def _pipes(facts: StageFacts) -> str:
    return "; ".join(
        f"{pipe.how} at x {pipe.x:,}, out at x {pipe.x_after:,}" for pipe in facts.pipes
    )


def _maze(facts: StageFacts) -> str:
    checks = [
        f"x {check.x:,}" + (f" (wrong: back to x {check.x_after:,})" if check.leads_back else "")
        for check in facts.maze
    ]
    return f"the wrong way leads back; the route's is judged at {', '.join(checks)}"


def _seconds(num_frames: int) -> float:
    return num_frames / FRAMES_PER_SECOND


def _ids(stage: Stage) -> str:
    """Return a table of the ids that have the stage, and of the keywords asked for most."""
    needed = stage.facts.action_set
    only = "" if needed == _DEFAULT_ACTIONS else f"; the route needs `{needed}`"
    limits = ", ".join(f"{name}={value}" for name, value in NO_OPS.env_kwargs.items())
    rows = [
        ("this stage, one life", f"`{stage.env_id}`"),
        ("a stage at every reset", f"`MarioRL-Random-v0`, `{_both(stage)}`"),
        ("the whole game", "`MarioRL-v0`"),
        (
            "`actions`",
            f'`"{_DEFAULT_ACTIONS}"` by default, `"simple"`, `"complex"`, `"joypad"`, '
            f'`"continuous"`{only}',
        ),
        ("`observation`", '`"pixels"` by default, `"ram"`, `"tiles"`'),
        ("`reward`", '`"progress"` by default, `"shaped"`, `"score"`, `"sparse"`'),
        ("as random play is measured", f"`{limits}`"),
        ("others", "[all keywords](../environments.md#arguments)"),
    ]
    return _two_columns("for | id or keyword", rows)


def _both(stage: Stage) -> str:
    """Return the keyword that draws this stage or the one after it."""
    other = STAGES[(STAGES.index(stage.name) + 1) % len(STAGES)]
    return f'stages=["{stage.name}", "{other}"]'


def _code(stage: Stage) -> str:
    needed = stage.facts.action_set
    actions = "" if needed == _DEFAULT_ACTIONS else f', actions="{needed}"'
    return f"""import gymnasium as gym
import mario_rl_envs

env = gym.make("{stage.env_id}"{actions})
obs, info = env.reset(seed=0)
obs, info = env.reset(options={{"route_fraction": 0.5}})  # half-way along the route
env.close()

envs = gym.make_vec("{stage.env_id}", num_envs=8{actions})  # eight games at once
envs.close()

env = gym.make("MarioRL-Random-v0", {_both(stage)}{actions})
obs, info = env.reset(seed=0)  # one of them, drawn anew at every reset
env.close()"""


def _shell(stage: Stage) -> str:
    commands = [
        (f"mario-rl watch --route {stage.name}", "the recorded route, in a window"),
        (f"mario-rl play {stage.env_id}", "you play"),
        (f"mario-rl explore {stage.name}", "the search for a route, in a window"),
    ]
    if stage.policy is not None:
        commands += [
            (f"mario-rl watch {stage.env_id}", "the trained agent plays, in a window"),
            (f"mario-rl evaluate {stage.env_id}", "measure the trained agent"),
        ]
    width = max(len(command) for command, _ in commands)
    return "\n".join(f"{command:{width}}  # {said}" for command, said in commands)


def _random(name: str, random: RandomPlay) -> str:
    if name not in random.stages:
        return "Random play: not measured."
    played = random.stages[name]
    low, high = played.clear_rate_interval
    return (
        f"**Random play** clears {played.num_cleared} of {played.num_episodes} games (95 % "
        f"interval: {low:.1%} to {high:.1%}). They end at x {played.x_pos_mean:,.0f} on average, "
        f"{played.x_pos_max:,} at most, after {played.length_mean:,.0f} decisions on average "
        f"(actions `{random.actions}`, random no-op starts; [how]({INDEX}#in-numbers))."
    )


def _policy(policy: Policy | None) -> str:
    if policy is None:
        return f"**Policy of the package**: {NONE_YET}."
    header, record = policy
    rows = ["| condition | greedy | sampled |", "|---|---:|---:|"]
    for condition in _CONDITIONS:
        cells = [
            _rate_of(record.rate(condition, "greedy")),
            _rate_of(record.rate(condition, "sampled")),
        ]
        rows.append(f"| {condition} | {' | '.join(cells)} |")
    return (
        f"**[Policy of the package](../policies.md)**: {header.algorithm}, "
        f"{header.num_steps:,} steps, plays {record.policy}. The share of games that it clears, of "
        "those that differ:\n\n" + "\n".join(rows)
    )


def _rate_of(rate: Rate | None) -> str:
    return "" if rate is None else f"{_percent(rate)} of {rate.num_distinct}"


def _percent(rate: Rate | None) -> str:
    return "" if rate is None or rate.clear_rate is None else f"{rate.clear_rate:.1%}"


def _grid(stages: Sequence[Stage]) -> str:
    """Return a row a world, a column a stage."""
    found = {stage.name: stage for stage in stages}
    rows = ["| stage 1 | stage 2 | stage 3 | stage 4 |", "|---|---|---|---|"]
    for world in range(1, 9):
        names = [f"{world}-{number}" for number in range(1, 5)]
        if found.keys() & set(names):
            cells = [_cell(found[name]) if name in found else "" for name in names]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(stage: Stage) -> str:
    alt = f"A screen of {stage.name}"
    image = _image(MEDIA, stage.screen, alt, scale=_SCREEN_SCALE)
    return f"[{image}<br>{stage.name}]({stage.name}.md), {stage.facts.kind}"


def _numbers(stages: Sequence[Stage], random: RandomPlay) -> str:
    rows = [
        "| stage | kind | length | route | random play | its mean x | policy |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for stage in stages:
        facts, played = stage.facts, random.stages.get(stage.name)
        cells = [
            f"[{stage.name}]({stage.name}.md)",
            facts.kind,
            f"{facts.length:,}",
            f"{facts.num_decisions}",
            "" if played is None else f"{played.clear_rate:.1%}",
            "" if played is None else f"{played.x_pos_mean:,.0f}",
            _policy_cell(stage.policy),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _policy_cell(policy: Policy | None) -> str:
    if policy is None:
        return NONE_YET
    record = policy[1]
    return f"{_percent(record.rate('no-ops'))} / {_percent(record.rate('sticky'))}"


if __name__ == "__main__":
    main()
