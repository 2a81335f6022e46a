"""Videos of a comparison: a game of the best run of each side."""

from __future__ import annotations

import contextlib
from pathlib import Path

from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.plan import Plan, file_name, jobs_folder
from mario_rl_agents.experiments.scores import score_of
from mario_rl_agents.experiments.tables import Comparison, Entry, GameRow
from mario_rl_agents.reports.video import record_episode
from mario_rl_agents.runs.loading import load_agent, open_env
from mario_rl_agents.runs.run import Run


def video_path(folder: Path, label: str) -> Path:
    """Return where the video of a side is."""
    return folder / "videos" / f"{file_name(label)}.mp4"


def record_videos(plan: Plan, folder: str | Path, comparison: Comparison) -> list[Path]:
    """Record the best game of the best run of every side that has finished one; return the files.

    The best run is that of the highest final score, under whatever condition and policy; the game
    is the one of it with the highest return, played again from its seed; sampled actions are drawn
    anew.

    Raises:
        ValueError: The environment draws nothing that could be recorded.
        ImportError: What writes videos is not installed.
    """
    folder = Path(folder).expanduser()
    paths = []
    for entry in plan.entries:
        game = _best_game(comparison, entry.label)
        if game is not None:
            paths.append(_record(plan, folder, entry, game))
    return paths


def _best_game(comparison: Comparison, label: str) -> GameRow | None:
    finals = [row for row in comparison.evaluations if row.algorithm == label and row.is_final]
    if not finals:
        return None
    best = max(finals, key=lambda row: (score_of(row), row.return_mean))
    wanted = label, best.seed, best.condition, best.policy
    games = [
        game
        for game in comparison.games
        if (game.algorithm, game.seed, game.condition, game.policy) == wanted
    ]
    return max(games, key=lambda game: game.episodic_return)


def _record(plan: Plan, folder: Path, entry: Entry, game: GameRow) -> Path:
    job = plan.job(entry, game.seed)
    run = Run.open(JobFolder(jobs_folder(folder), job.name).run)
    (condition,) = (x for x in plan.protocol.conditions if x.name == game.condition)
    env = open_env(plan.env_id, {**plan.env_kwargs, **condition.env_kwargs}, "rgb_array_list")
    path = video_path(folder, entry.label)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(env):
        agent = load_agent(run.checkpoint, env, device="cpu")
        record_episode(
            agent,
            env,
            path,
            epsilon=0.0,
            sample=game.policy == "sampled",
            seed=game.episode_seed,
        )
    return path
