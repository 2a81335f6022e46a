"""The panel: which actions it shows, and how the game stands beside it."""

from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from mario_rl_agents.reports.panel import Moment, Panel, _shown_actions, beside

CHOSEN = (255, 196, 61)


def moment(action: int | np.ndarray, ratings: np.ndarray | None = None) -> Moment:
    return Moment(ratings, (0.0, 1.0), action, False, np.zeros(4), 3, 12.0, None)


@pytest.fixture
def cartpole() -> Iterator[gym.Env]:
    env = gym.make("CartPole-v1")
    yield env
    env.close()


def test_of_many_actions_the_best_rated_and_the_chosen_one_are_shown() -> None:
    ratings = np.arange(20.0)
    assert _shown_actions(ratings, 19, 20) == list(range(8, 20))
    assert _shown_actions(ratings, 3, 20) == [3, *range(9, 20)]
    assert _shown_actions(None, 15, 20) == [*range(11), 15]
    assert _shown_actions(ratings[:12], 3, 12) == list(range(12))


def test_the_game_is_enlarged_by_whole_pixels_to_even_sizes() -> None:
    picture = np.full((31, 33, 3), 7, np.uint8)
    panel = np.zeros((480, 400, 3), np.uint8)
    frame = beside(picture, panel)
    assert frame.shape == (480, 496 + 400, 3)  # 15 times as large: 465 x 495
    assert (frame[:, :495] == 7).all(axis=2).sum() == 465 * 495
    tall = np.zeros((601, 32, 3), np.uint8)
    assert beside(tall, panel).shape == (602, 32 + 400, 3)


def test_without_ratings_the_choice_is_named_and_no_bar_is_drawn(cartpole: gym.Env) -> None:
    panel = Panel(cartpole, title="title", subtitle="subtitle", has_probabilities=False)
    rated = panel.draw(moment(1, np.array([0.2, 0.9])))
    unrated = panel.draw(moment(1))
    assert rated.shape == unrated.shape == (480, 400, 3)
    yellow = [(frame == CHOSEN).all(axis=2).sum() for frame in (rated, unrated)]
    assert yellow[0] > 2000 > yellow[1] > 0  # a bar; a name


def test_a_continuous_action_is_written_out() -> None:
    env = gym.make("Pendulum-v1")
    panel = Panel(env, title="title", subtitle="subtitle", has_probabilities=False)
    env.close()
    left, right = (panel.draw(moment(np.array([torque]))) for torque in (0.5, -1.25))
    assert not np.array_equal(left, right)
    assert (left == CHOSEN).all(axis=2).any()
