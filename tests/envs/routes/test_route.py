"""The recorded inputs bring the recorded rewards, end and info."""

import json
import os

import gymnasium as gym
import numpy as np
import pytest

import mario_rl_envs
from mario_rl_envs import routes
from mario_rl_envs.game.stages import STAGES


def test_there_is_a_route_through_every_stage():
    assert routes.stages() == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_route_brings_what_was_recorded(stage):
    route = routes.load(stage)
    env = gym.make(f"MarioRL-{stage}-v0", actions="joypad", size=84)
    env.reset(seed=0)
    for step, joypad in enumerate(route.joypad):
        _, reward, terminated, truncated, info = env.step(joypad)
        assert reward == route.rewards[step], f"step {step}"
        assert terminated == (step == route.num_steps - 1), f"step {step}"
        assert not truncated
    assert {key: info[key] for key in route.info} == route.info
    assert info["flag_get"]
    env.close()


def test_route_of_an_unknown_stage():
    with pytest.raises(ValueError, match=r"unknown stage '9-1'; accepted are '1-1' to '8-4'"):
        mario_rl_envs.routes.load("9-1")


@pytest.mark.parametrize("env_id", ["MarioRL-1-1-v0", "MarioRL-v0", "MarioRL-Random-v0"])
def test_route_fraction_starts_along_the_route(env_id):
    env = gym.make(env_id)
    _, info = env.reset(seed=5)
    obs, info = env.reset(seed=5, options={"route_fraction": 0.5, "stage": "1-1"})
    route = routes.load("1-1")
    raw = gym.make("MarioRL-1-1-v0", actions="joypad")
    raw.reset()
    for joypad in route.joypad[: int(0.5 * route.num_steps)]:
        expected, *_, expected_info = raw.step(joypad)
    assert info["x_pos"] == expected_info["x_pos"] > 1_500
    np.testing.assert_array_equal(obs[-1], expected[-1])
    again, _ = env.reset(options={"route_fraction": 0.5, "stage": "1-1"})
    np.testing.assert_array_equal(again, obs)
    env.close()
    raw.close()


def test_route_fraction_draws_one_of_the_stages():
    env = gym.make("MarioRL-Random-v0", stages=["2-3", "1-4"])
    env.reset(seed=0)
    drawn = set()
    for _ in range(8):
        _, info = env.reset(options={"route_fraction": 0.1})
        drawn.add((info["world"], info["stage"]))
    assert drawn == {(2, 3), (1, 4)}
    env.close()


def test_a_route_is_the_same_after_writing_and_reading(tmp_path):
    for route in (
        routes.load("1-1"),
        routes.Route(None, np.array([0, 128, 128], np.uint8), np.array([0, -15, 3]), {"x_pos": 7}),
        routes.Route("8-4", np.array([129], np.uint8), np.array([2]), {}, frames_per_step=1),
        routes.Route("1-2", np.array([], np.uint8), np.array([], np.int64), {}, frames_per_step=1),
    ):
        routes.write(route, tmp_path / "route.json")
        again = routes.read(tmp_path / "route.json")
        assert (again.stage, again.info) == (route.stage, route.info)
        assert again.frames_per_step == route.frames_per_step
        np.testing.assert_array_equal(again.joypad, route.joypad)
        np.testing.assert_array_equal(again.rewards, route.rewards)
        assert (again.joypad.dtype, again.rewards.dtype) == (np.uint8, np.int64)


def test_frames_of_a_route():
    route = routes.Route("1-1", np.array([1, 2], np.uint8), np.array([0, 0]), {}, frames_per_step=3)
    assert route.frames.tolist() == [1, 1, 1, 2, 2, 2]


SAVED = {
    "format": "mario-rl-envs route 1",
    "stage": "1-1",
    "frames_per_step": 4,
    "buttons": [[128, 2]],
    "step_rewards_rle": [[1, 2]],
    "info": {},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 1}, "it is no JSON object with"),
        ({"stage": "9-1"}, "unknown stage '9-1'"),
        ({"stage": ["1-1"]}, "unknown stage"),
        ({"frames_per_step": 0}, "frames_per_step is 0"),
        ({"frames_per_step": 1.5}, "frames_per_step is 1.5"),
        ({"frames_per_step": 10**9}, "accepted is an integer, 1000 or less"),
        ({"buttons": [[256, 2]]}, r"buttons has \[256, 2\]"),
        ({"buttons": [[128, 0]]}, r"counts 1 to"),
        ({"buttons": [[128, 10**12]]}, r"counts 1 to"),
        ({"buttons": [[128, 10**6]] * 10**3}, "longer than a day"),
        ({"buttons": [[128, 3]]}, "3 joypad bytes and 2 rewards"),
        ({"buttons": [[128, 1.0]]}, r"no list of \[value, count\]"),
        ({"buttons": [True]}, r"no list of \[value, count\]"),
        ({"buttons": {"128": 2}}, r"no list of \[value, count\]"),
        ({"step_rewards_rle": [[2**70, 2]]}, "step_rewards_rle has"),
        ({"info": []}, "info is no JSON object"),
    ],
)
def test_a_file_that_is_no_route_is_refused(changes, message, tmp_path):
    path = tmp_path / "route.json"
    path.write_text(json.dumps({**SAVED, **changes}))
    with pytest.raises(ValueError, match=f"route.json is no route: .*{message}"):
        routes.read(path)


def test_anything_else_is_no_route(tmp_path):
    path = tmp_path / "route.json"
    for name in SAVED.keys() - {"format"}:
        path.write_text(json.dumps({key: SAVED[key] for key in SAVED if key != name}))
        with pytest.raises(ValueError, match=f"'{name}' is missing"):
            routes.read(path)
    for data in (b"", b"\xff\xfe", b"[" * 100_000, b"[1]", b"null"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"route\.json is no route"):
            routes.read(path)
    with path.open("wb") as file:
        file.truncate(33 << 20)
    with pytest.raises(ValueError, match="larger than 32 MiB"):
        routes.read(path)
    with pytest.raises(FileNotFoundError):
        routes.read(tmp_path / "nowhere.json")
    with pytest.raises(ValueError, match="is no file"):
        routes.read(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFOs in folders")
def test_a_fifo_is_no_route(tmp_path):
    os.mkfifo(tmp_path / "route.json")
    with pytest.raises(ValueError, match="is no file"):
        routes.read(tmp_path / "route.json")


@pytest.mark.parametrize(
    ("env_id", "frames_per_step", "stage"),
    [("MarioRL-1-2-v0", 1, "1-2"), ("MarioRL-Random-v0", 4, "3-1"), ("MarioRL-v0", 2, None)],
)
def test_a_recorded_route_replays_to_the_same_memory(env_id, frames_per_step, stage, tmp_path):
    rng = np.random.default_rng(3)
    keywords = {"actions": "joypad", "observation": "ram", "skip": frames_per_step}
    stages = {"stages": ["3-1"]} if "Random" in env_id else {}
    env = routes.RouteRecorder(
        gym.make(env_id, **keywords, **stages), frames_per_step=frames_per_step
    )
    env.reset(seed=1)
    for joypad in rng.integers(0, 256, 30):
        env.step(int(joypad))
    env.reset(seed=2)  # another episode, another route
    for _ in range(60):
        last, _, terminated, *_ = env.step(int(rng.choice([128, 129, 130, 131, 64])))
        if terminated:
            break
    routes.write(env.route(), tmp_path / "route.json")
    env.close()
    route = routes.read(tmp_path / "route.json")
    assert (route.stage, route.frames_per_step) == (stage, frames_per_step)
    again = gym.make(
        "MarioRL-v0" if stage is None else f"MarioRL-{stage}-v0", **{**keywords, "skip": 1}
    )
    again.reset()
    total = 0.0
    for joypad in route.frames.tolist():
        memory, reward, terminated, _, info = again.step(joypad)
        total += reward
        if terminated:
            break
    np.testing.assert_array_equal(memory, last)
    assert route.total_reward == total
    assert {key: info[key] for key in route.info} == route.info
    again.close()


def test_a_route_begins_where_a_stage_does():
    raw = gym.make("MarioRL-1-1-v0", actions="joypad", info=[])  # infos need not say which it is
    env = routes.RouteRecorder(raw, frames_per_step=4)
    env.reset(options={"stage": "1-3"})
    assert env.route().stage == "1-3"
    with pytest.raises(ValueError, match="begins at the start of a stage"):
        env.reset(options={"route_fraction": 0.5})
    env.close()
    whole = routes.RouteRecorder(gym.make("MarioRL-v0", actions="joypad"), frames_per_step=4)
    with pytest.raises(ValueError, match="begins at the start of a stage"):
        whole.reset(options={"stage": "1-3"})
    whole.close()


@pytest.mark.parametrize(
    ("keywords", "frames_per_step", "message"),
    [
        ({}, 4, r"from joypad bytes, Discrete\(256\); .* Discrete\(5\): make it with actions='jo"),
        ({"actions": "joypad", "skip": 1}, 4, r"is 4, this environment holds .* for 1 frames"),
        ({"actions": "joypad"}, 0, "frames_per_step is 0; accepted is an integer, 1 or more"),
        ({"actions": "joypad"}, 2_000, "accepted is an integer, 1000 or less"),
        ({"actions": "joypad", "sticky": 0.25}, 4, "has sticky=0.25, .* accepted is sticky=0.0"),
        ({"actions": "joypad", "noop_max": 30}, 4, "has noop_max=30, which a route does not re"),
        ({"actions": "joypad", "reward": "shaped"}, 4, "accepted is reward='progress', the defa"),
    ],
)
def test_what_would_be_no_route_is_not_recorded(keywords, frames_per_step, message):
    env = gym.make("MarioRL-1-1-v0", **keywords)
    with pytest.raises(ValueError, match=message):
        routes.RouteRecorder(env, frames_per_step=frames_per_step)
    env.close()
