"""Learning curves: drawn of one run and of several, on Mario's infos and on none."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mario_rl_agents.config import plain
from mario_rl_agents.errors import RunError
from mario_rl_agents.recipes import find_recipe, recipe_of
from mario_rl_agents.reports.plots import (
    Curve,
    draw_learning_curves,
    mean_curve,
    plot_learning_curves,
)
from mario_rl_agents.runs.metrics import EpisodeRow, write_rows
from mario_rl_agents.runs.run import Run, RunSpec
from PIL import Image


def make_run(
    folder: Path, *, algorithm: str = "dqn", mario: bool = True, episodes: int = 150
) -> Run:
    """Write what the plot reads of a run."""
    env_id = "MarioRL-1-1-v0" if mario else "CartPole-v1"
    run = Run.create(folder, RunSpec(algorithm, env_id, {}, {}, seed=0, total_steps=10**6))
    random = np.random.default_rng(len(folder.name))
    rows = []
    for index in range(episodes):
        value = 3.0 * index + random.normal(0, 40)
        x_pos, cleared = (int(value) + 100, index > 120) if mario else (None, None)
        step = 100 * (index + 1)
        rows.append(EpisodeRow(index, step, value, 100, True, False, x_pos, cleared))
    write_rows(run.episodes_path, EpisodeRow, rows)
    return run


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_one_run_of_mario_has_three_panels_and_other_runs_one(tmp_path: Path) -> None:
    plot_learning_curves([make_run(tmp_path / "a")], tmp_path / "mario.png")
    plot_learning_curves([make_run(tmp_path / "b", mario=False)], tmp_path / "cartpole.png")
    mario, cartpole = picture(tmp_path / "mario.png"), picture(tmp_path / "cartpole.png")
    assert mario.shape[1] == cartpole.shape[1]
    assert mario.shape[0] > 1.5 * cartpole.shape[0]
    assert len(np.unique(mario.reshape(-1, 3), axis=0)) > 50  # something is drawn


def test_several_runs_differ_from_one(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, episodes=100 + 10 * i) for i, name in enumerate("abc")]
    other = make_run(tmp_path / "other", algorithm="double_dqn")
    plot_learning_curves(runs, tmp_path / "new" / "seeds.png")
    plot_learning_curves([*runs, other], tmp_path / "both.png")
    plot_learning_curves([other], tmp_path / "one.png")
    seeds, both, one = (
        picture(tmp_path / name) for name in ("new/seeds.png", "both.png", "one.png")
    )
    assert seeds.shape == both.shape == one.shape
    assert not np.array_equal(seeds, both)
    assert not np.array_equal(both, one)


def test_runs_that_share_no_step_are_drawn_without_a_mean(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", episodes=1), make_run(tmp_path / "b", episodes=50)]
    write_rows(runs[1].episodes_path, EpisodeRow, runs[1].episodes()[9:])
    plot_learning_curves(runs, tmp_path / "runs.png")
    assert (tmp_path / "runs.png").is_file()


def test_curve_is_that_of_the_log(tmp_path: Path) -> None:
    [curve] = Curve.of_each([make_run(tmp_path / "a", episodes=3)])
    assert curve.label == "dqn on MarioRL-1-1-v0"
    assert curve.places.tolist() == [100, 200, 300]
    [curve] = Curve.of_each([make_run(tmp_path / "b", episodes=3)], "games")
    assert curve.places.tolist() == [1, 2, 3]


def test_curves_are_drawn_over_steps_or_games(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    plot_learning_curves([run], tmp_path / "steps.png")
    plot_learning_curves([run], tmp_path / "games.png", over="games")
    steps, games = picture(tmp_path / "steps.png"), picture(tmp_path / "games.png")
    assert steps.shape == games.shape
    assert not np.array_equal(steps, games)
    with pytest.raises(ValueError, match="over must be steps or games, got 'hours'"):
        plot_learning_curves([run], tmp_path / "hours.png", over="hours")  # type: ignore[arg-type]


def labels_of(folder: Path, *changes: dict[str, Any]) -> list[str]:
    """Return the labels of runs that differ from one by these changes of their spec."""
    spec = RunSpec("dqn", "Walk-v0", {"skip": 4}, {"gamma": 0.9, "tau": 1.0}, 0, total_steps=9)
    runs = []
    for change in changes:
        folder /= "x"
        run = Run.create(folder, dataclasses.replace(spec, **change))
        write_rows(run.episodes_path, EpisodeRow, [EpisodeRow(0, 1, 2, 3, True, False, None, None)])
        runs.append(run)
    return [curve.label for curve in Curve.of_each(runs)]


def test_runs_of_one_setting_have_one_label(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, {}, {"seed": 1}, {"seed": 2, "total_steps": 5})
    assert labels == ["dqn on Walk-v0"] * 3


def test_runs_of_other_settings_are_told_apart(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {"config": {"gamma": 0.9, "tau": 1.0}},
        {"config": {"gamma": 0.5, "tau": 1.0}, "seed": 3},
        {"env_kwargs": {"skip": 4, "sticky": 0.25}},
        {"num_envs": 8},
        {"algorithm": "ppo", "config": {"gamma": 0.7, "other": "linear(1, 0, 9)"}},
    ]
    assert labels_of(tmp_path, *changes) == [
        "dqn on Walk-v0, num_envs=1, gamma=0.9",
        "dqn on Walk-v0, num_envs=1, gamma=0.5",
        "dqn on Walk-v0, num_envs=1, gamma=0.9, sticky=0.25",
        "dqn on Walk-v0, num_envs=8, gamma=0.9",
        "ppo on Walk-v0",
    ]


def test_dollars_in_settings_are_no_formula(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name) for name in "ab"]
    runs[1] = dataclasses.replace(
        runs[1], spec=dataclasses.replace(runs[1].spec, config={"replay_dir": r"$\nonsense{$"})
    )
    plot_learning_curves(runs, tmp_path / "runs.png")
    assert (tmp_path / "runs.png").is_file()


def test_nothing_to_plot_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no finished episode yet"):
        plot_learning_curves([make_run(tmp_path / "a", episodes=0)], tmp_path / "a.png")
    with pytest.raises(ValueError, match="at least one run"):
        plot_learning_curves([], tmp_path / "a.png")


def test_the_mean_curve_is_taken_where_all_seeds_have_been():
    histories = [[(10, 1.0), (20, 3.0), (40, 7.0)], [(20, 5.0), (30, 5.0)]]
    curves = [tuple(map(np.array, zip(*each, strict=True))) for each in histories]
    grid, mean, deviation = mean_curve(curves)
    assert (grid[0], grid[-1]) == (20, 30)
    assert mean[0] == pytest.approx(4.0)  # (3 + 5) / 2
    assert mean[-1] == pytest.approx(5.0)  # (5 + 5) / 2
    assert deviation[0] == pytest.approx(2**0.5)
    assert deviation[-1] == pytest.approx(0.0)


def test_one_curve_has_no_deviation():
    _, mean, deviation = mean_curve([(np.array([1.0, 2.0]), np.array([3.0, 5.0]))])
    assert mean[-1] == 5.0
    assert not deviation.any()


def test_curves_that_share_no_step_have_no_mean():
    early, late = (np.array([start, start + 1.0]) for start in (1.0, 10.0))
    assert [len(part) for part in mean_curve([(early, early), (late, late)])] == [0, 0, 0]


def texts_of(runs: list[Run], **keywords: Any) -> list[list[str]]:
    """Return the title, and what stands beside the lines of each panel."""
    figure = draw_learning_curves(runs, **keywords)
    [title] = [text.get_text() for text in figure.texts] or [figure.get_suptitle()]
    return [[title], *([text.get_text() for text in axes.texts] for axes in figure.axes)]


def test_flag_and_random_play_are_drawn_where_they_belong(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    assert texts_of([run]) == [["dqn on MarioRL-1-1-v0"], [], ["flag at 3,161"], []]
    texts = texts_of([run], random={"episodic_return": 567.4, "x_pos": 702})
    assert texts[1:] == [["random play: 567"], ["random play: 702", "flag at 3,161"], []]
    [label] = draw_learning_curves([run]).axes[1].texts
    assert label.get_horizontalalignment() == "left"  # where learning begins, far from the flag
    castle = dataclasses.replace(run, spec=dataclasses.replace(run.spec, env_id="MarioRL-1-4-v0"))
    assert texts_of([castle])[1:] == [[], [], []]
    assert texts_of([run, castle]) == [["2 runs"], [], [], []]


def test_title_names_the_recipe_of_which_nothing_was_changed(tmp_path: Path) -> None:
    recipe = find_recipe("ppo", "MarioRL-1-1-v0", "demo")
    config, keywords = plain(dataclasses.asdict(recipe.config)), plain(recipe.env_kwargs)
    run = make_run(tmp_path / "a")
    changes = {"algorithm": "ppo", "config": config, "env_kwargs": keywords}
    run = dataclasses.replace(run, spec=dataclasses.replace(run.spec, **changes))
    assert texts_of([run])[0] == ["ppo on MarioRL-1-1-v0, recipe demo"]
    other = {**changes, "config": {**config, "gamma": 0.5}}
    other_run = dataclasses.replace(run, spec=dataclasses.replace(run.spec, **other))
    assert texts_of([other_run])[0] == ["ppo on MarioRL-1-1-v0"]
    assert texts_of([run, other_run])[0] == ["ppo on MarioRL-1-1-v0, 2 runs"]
    assert recipe_of("my_module:Mine", "CartPole-v1", {}, {}) is None


def test_band_ends_where_no_episode_has_been(tmp_path: Path) -> None:
    runs = []
    for seed, returns in enumerate(([500.0, 500.0], [500.0, 100.0])):
        run = make_run(tmp_path / str(seed), mario=False, episodes=0)
        rows = [EpisodeRow(i, 10 * i, x, 1, True, False, None, None) for i, x in enumerate(returns)]
        write_rows(run.episodes_path, EpisodeRow, rows)
        runs.append(run)
    [axes] = draw_learning_curves(runs).axes
    [band] = axes.collections
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert heights.max() == 500  # the mean at the end is 400, and its deviation 141
    assert heights.min() == pytest.approx(400 - 200 / 2**0.5)
