"""Inputs played on a console are the route that they were recorded as."""

from dataclasses import replace

import numpy as np
import pytest

from mario_rl_envs import routes


@pytest.mark.parametrize("emulator", ["native", "interpreted"])
def test_inputs_bring_what_was_recorded(emulator):
    recorded = routes.load("6-4")  # the shortest
    inputs = np.append(recorded.joypad, np.zeros(9, np.uint8))  # no more are played than it takes
    played = routes.play("6-4", inputs, emulator=emulator)
    np.testing.assert_array_equal(played.joypad, recorded.joypad)
    np.testing.assert_array_equal(played.rewards, recorded.rewards)
    assert recorded.info.items() <= played.info.items()
    assert (played.stage, played.frames_per_step) == ("6-4", 4)


def test_inputs_that_end_nowhere_are_a_route_too():
    played = routes.play(None, np.array([128] * 5, np.uint8), frames_per_step=2)
    assert (played.stage, played.num_steps, len(played.frames)) == (None, 5, 10)
    assert played.total_reward > 0
    assert not played.info["flag_get"]
    assert routes.play("1-1", np.array([], np.uint8)).info["x_pos"] == 40


def test_nes_py_verifies_a_route():
    routes.verify(routes.play("1-1", routes.load("1-1").joypad[:5]))


def test_a_route_that_brings_something_else_is_refused():
    route = routes.play("1-1", routes.load("1-1").joypad[:40])
    for wrong in (
        replace(route, rewards=route.rewards + 1),
        replace(route, rewards=route.rewards[:-1]),
        replace(route, info={**route.info, "coins": 7}),
        replace(route, stage="1-2"),
    ):
        with pytest.raises(ValueError, match=r"interpreted does not play the route through 1-"):
            routes.verify(wrong, emulator="interpreted")
    with pytest.raises(ValueError, match="unknown emulator"):
        routes.verify(route, emulator="mame")


def test_inputs_may_be_a_list():
    played = routes.play("1-1", [128, 130, 128])
    assert played.joypad.dtype == np.uint8
    assert played.joypad.tolist() == [128, 130, 128]
    assert routes.play("1-1", []).num_steps == 0


@pytest.mark.parametrize(
    "joypad", [[[128, 128]], [128.0], [128, 256], [-1], "right", 128, [[128], [128, 1]], [True]]
)
def test_inputs_that_are_no_joypad_bytes_are_refused(joypad):
    with pytest.raises(ValueError, match=r"joypad (is|has) .*; accepted is a joypad byte a step"):
        routes.play("1-1", joypad)


def test_a_joypad_byte_is_held_for_some_frames():
    with pytest.raises(ValueError, match="frames_per_step is 0; accepted is an integer, 1 or more"):
        routes.play("1-1", [128], frames_per_step=0)
