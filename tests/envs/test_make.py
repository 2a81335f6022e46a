"""The keywords of gym.make, and what they refuse."""

import copy
import functools
import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import rom
from mario_rl_envs.game.rules import INFO_KEYS
from mario_rl_envs.make import make_mario
from mario_rl_envs.vector_env import MarioVectorEnv
from mario_rl_envs.wrappers import FrameStackObservation, JoypadSpace

ENV_ID = "MarioRL-1-1-v0"


@pytest.mark.parametrize(
    ("keywords", "shape"),
    [
        ({}, (4, 84, 84)),
        ({"stack": 1}, (1, 84, 84)),
        ({"stack": None}, (84, 84)),
        ({"size": 42}, (4, 42, 42)),
        ({"size": None}, (4, 240, 256)),
        ({"grayscale": False}, (4, 84, 84, 3)),
        ({"grayscale": False, "size": None, "stack": None}, (240, 256, 3)),
        ({"observation": "ram"}, (2048,)),
        ({"observation": "tiles"}, (13, 16)),
    ],
)
def test_observation_keywords(keywords, shape):
    env = gym.make(ENV_ID, **keywords)
    obs, _ = env.reset(seed=0)
    stepped, *_ = env.step(0)
    assert obs.shape == stepped.shape == env.observation_space.shape == shape
    assert obs.dtype == env.observation_space.dtype == np.uint8
    assert obs in env.observation_space
    env.close()


@pytest.mark.parametrize(
    ("actions", "space"),
    [
        ("right_only", Discrete(5)),
        ("simple", Discrete(7)),
        ("complex", Discrete(12)),
        ("joypad", Discrete(256)),
        ("continuous", Box(-1.0, 1.0, (3,), np.float32)),
        ([["right"], ["right", "A"]], Discrete(2)),
    ],
)
def test_action_keywords(actions, space):
    env = gym.make(ENV_ID, actions=actions)
    assert env.action_space == space
    env.reset(seed=0)
    env.action_space.seed(0)
    env.step(env.action_space.sample())
    env.close()


@pytest.mark.parametrize(
    ("keywords", "shape"),
    [
        ({"channels": "first"}, (4, 84, 84)),
        ({"channels": "last"}, (84, 84, 4)),
        ({"channels": "first", "grayscale": False}, (12, 84, 84)),
        ({"channels": "last", "grayscale": False}, (84, 84, 12)),
        ({"channels": "first", "stack": None}, (1, 84, 84)),
        ({"channels": "last", "stack": None}, (84, 84, 1)),
        ({"channels": "last", "stack": None, "grayscale": False, "size": None}, (240, 256, 3)),
        ({"channels": "last", "observation": "tiles"}, (13, 16)),
    ],
)
def test_channels(keywords, shape):
    env = gym.make(ENV_ID, **keywords)
    high = 4 if len(shape) == 2 else 255
    assert env.observation_space == Box(0, high, shape, np.uint8)
    obs, _ = env.reset(seed=0)
    assert (obs.shape, obs.dtype, obs.flags.c_contiguous) == (shape, np.uint8, True)
    env.close()


@pytest.mark.parametrize("info", [None, [], ["x_pos"], ("status", "reward_terms"), INFO_KEYS])
def test_info_keys(info):
    env = gym.make(ENV_ID, info=info, stall=3)
    everything = gym.make(ENV_ID)
    keys = INFO_KEYS if info is None else info
    steps = [env.reset(seed=0), *(env.step(1) for _ in range(3))]
    expected = [everything.reset(seed=0), *(everything.step(1) for _ in range(3))]
    for step, whole in zip(steps, expected, strict=True):
        assert step[-1] == {key: whole[-1][key] for key in keys}
    assert [env.step(0)[3] for _ in range(8)][-1]  # a stall is seen without the keys too
    env.close()
    everything.close()


def test_skip_runs_that_many_frames():
    slow, fast = gym.make(ENV_ID, skip=1, stack=1), gym.make(ENV_ID, skip=6, stack=1)
    slow.reset(seed=0)
    fast.reset(seed=0)
    for _ in range(10):
        reward = 0.0
        for _ in range(6):
            expected, single, *_ = slow.step(1)
            reward += single
        obs, total, *_ = fast.step(1)
        assert total == reward
        np.testing.assert_array_equal(obs, expected)
    slow.close()
    fast.close()


def test_keywords_survive_json():
    keywords = {
        "actions": [["right"], ["right", "A"]],
        "skip": 2,
        "reward": {"progress": 1.0, "death": -10.0},
        "sticky": 0.25,
        "noop_max": 5,
        "stack": None,
    }
    env = gym.make(ENV_ID, **json.loads(json.dumps(keywords)))
    env.reset(seed=0)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    again.reset(seed=0)
    for _ in range(5):
        obs, reward, *_ = env.step(1)
        twin, same_reward, *_ = again.step(1)
        np.testing.assert_array_equal(obs, twin)
        assert reward == same_reward
    env.close()
    again.close()


def test_the_spec_of_the_pipeline_makes_it_again():
    env = gym.make(ENV_ID, actions="simple", skip=2, stack=None, max_episode_steps=9)
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for each in (env, *copies):
        assert each.spec.additional_wrappers == ()  # the keywords say it all
        again = gym.make(each.spec)
        assert str(again) == str(env)
        assert again.spec == env.spec
        again.close()
        each.close()


def test_the_spec_names_the_wrappers_of_the_user():
    env = FrameStackObservation(gym.make(ENV_ID, stack=None), 2)
    [wrapper] = env.spec.additional_wrappers
    assert wrapper.name == "FrameStackObservation"
    again = gym.make(env.spec)
    assert again.spec == env.spec
    assert again.observation_space.shape == (2, 84, 84)
    env.close()
    again.close()


def test_the_spec_can_be_set_through_the_pipeline():
    env = make_mario("1-1")
    env.spec = gym.spec(ENV_ID)
    assert env.spec is env.unwrapped.spec
    assert env.spec.id == ENV_ID
    env.close()


def test_the_spec_of_one_makes_many():
    env = gym.make(ENV_ID, actions="simple", skip=np.int64(2), max_episode_steps=3)
    envs = gym.make_vec(env.spec, num_envs=2)
    many = gym.make_vec(envs.spec)
    for each in (envs, many):
        assert isinstance(each, MarioVectorEnv)
        assert each.num_envs == 2
        assert each.single_action_space == env.action_space
        each.reset(seed=0)
        ends = [each.step([1, 1])[3].tolist() for _ in range(3)]
        assert ends == [[False, False], [False, False], [True, True]]
        each.close()
    env.close()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"stage": "9-9"}, "unknown stage '9-9'; accepted are '1-1' to '8-4'"),
        ({"stage": 11}, "unknown stage 11"),
        ({"stages": ["1-1"]}, "give stage or stages, not both"),
        (
            {"actions": "left_only"},
            "unknown actions 'left_only'; accepted are 'right_only', 'simple'",
        ),
        ({"actions": [["jump"]]}, "unknown button 'jump'; accepted are 'NOOP' and 'A', 'B'"),
        ({"actions": [["rigth"]]}, r"unknown button 'rigth'; .* did you mean 'right'\?"),
        ({"actions": ["right", "A"]}, r"got the string 'right'; write \['right'\]"),
        ({"actions": []}, "actions is empty"),
        ({"skip": 0}, "skip is 0; accepted is an integer, 1 or more"),
        ({"skip": 2.5}, "skip is 2.5"),
        ({"size": 0}, "size is 0; accepted is an integer, 1 or more"),
        ({"stack": True}, "stack is True"),
        ({"grayscale": "yes"}, "grayscale is 'yes'; accepted are True and False"),
        (
            {"observation": "rom"},
            "unknown observation 'rom'; accepted are 'pixels', 'ram', 'tiles'",
        ),
        (
            {"reward": "points"},
            "unknown reward 'points'; accepted is a name .*'progress', 'shaped'",
        ),
        ({"reward": {"speed": 1}}, "unknown reward term 'speed'; accepted are 'velocity'"),
        ({"reward": {"flag": "much"}}, "the weight of reward term 'flag' is 'much'"),
        ({"reward": {"flag": float("nan")}}, "the weight of reward term 'flag' is nan"),
        ({"reward": {}}, "unknown reward {}"),
        (
            {"reward": {"clip": 3}},
            r"the reward {'clip': 3} has no term to clip; accepted is a name",
        ),
        (
            {"reward": {"flag": 1, "clip": 0}},
            "the reward's clip is 0; accepted is a positive number",
        ),
        *(
            ({name: 2**70}, f"{name} is 1180591620717411303424; accepted is an integer, .* or less")
            for name in ("skip", "size", "stack", "noop_max", "stall")
        ),
        ({"reward": {"flag": 10**400}}, "the weight of reward term 'flag' is 1000"),
        (
            {"channels": "middle"},
            "unknown channels 'middle'; accepted are 'first', 'last' and",
        ),
        ({"info": "x_pos"}, r"got the string 'x_pos'; write \['x_pos'\]"),
        ({"info": 5}, r"info is 5; accepted are None and a list of keys, as \['x_pos'\]"),
        ({"info": ["x_posi"]}, r"unknown info key 'x_posi'; accepted are 'coins', .* 'x_pos'\?"),
        ({"noop_max": -1}, "noop_max is -1; accepted is an integer, 0 or more"),
        ({"sticky": 1.0}, "sticky is 1.0; accepted is a number from 0 up to"),
        ({"render_mode": "ansi"}, "unknown render_mode 'ansi'; accepted are 'human', .* and None"),
        ({"noop_max": False}, "noop_max is False; accepted is an integer, 0 or more"),
        ({"sticky": False}, "sticky is False; accepted is a number from 0"),
        ({"actions": 5}, "actions is 5; accepted are a name and a list of button lists"),
        ({"actions": [5]}, r"an action is a list of buttons, as \['right', 'A'\]; got 5"),
        ({"actions": [[["A"]]]}, r"unknown button \['A'\]"),
        ({"reward": [1]}, r"unknown reward \[1\]; accepted is a name"),
        ({"rom_path": 5}, "rom_path is 5; accepted are None and the path of a file"),
        ({"emulator": []}, r"unknown emulator \[\]"),
        (
            {"emulator": "mesen"},
            "unknown emulator 'mesen'; accepted are 'native', 'compiled', 'interpreted', 'nes-py'",
        ),
    ],
)
def test_unknown_keyword_values(keywords, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ENV_ID, **keywords)


def test_numbers_of_numpy_are_numbers():
    reward = {"progress": np.float32(0.5)}
    env = gym.make(ENV_ID, skip=np.int64(2), sticky=np.float64(0.25), reward=reward)
    env.reset(seed=0, options={"route_fraction": np.float32(0.01)})
    env.step(1)
    env.close()


@pytest.mark.parametrize("make", [gym.make, functools.partial(gym.make_vec, num_envs=2)])
@pytest.mark.parametrize(
    "read",
    [iter, lambda names: (iter(each) for each in names), lambda names: {0: names[0]}.values()],
)
def test_keywords_that_are_read_but_once_are_in_spec_and_pickle(make, read):
    env = make(
        "MarioRL-Random-v0",
        stages=(stage for stage in ("1-2", "1-4")),
        info={"x_pos": 1, "stage": 2}.keys(),
        actions=read([["A", "B"], ["A", "right"]]),
    )
    num_actions = (env.action_space if make is gym.make else env.single_action_space).n
    assert env.spec.kwargs["stages"] == ["1-2", "1-4"]
    assert env.spec.kwargs["info"] == ["x_pos", "stage"]
    assert env.spec.kwargs["actions"] == [["A", "B"], ["A", "right"]][:num_actions]
    again = pickle.loads(pickle.dumps(env))
    for each in (again, make(env.spec)):
        assert each.spec == env.spec
        assert each.action_space == env.action_space
        each.close()
    env.close()


def test_games_that_are_stepped_one_by_one_have_a_plain_spec():
    keywords = {"size": 300, "skip": np.int64(2), "info": {"x_pos": 1}.keys()}
    mode = AutoresetMode.SAME_STEP
    envs = gym.make_vec(ENV_ID, num_envs=2, autoreset_mode=mode, actions=iter([[]]), **keywords)
    given = {"size": 300, "skip": 2, "info": ["x_pos"], "autoreset_mode": "SameStep"}
    assert given.items() <= envs.spec.kwargs.items()
    again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert again.spec.kwargs == envs.spec.kwargs
    assert again.metadata == envs.metadata
    for each in (again, envs):
        each.close()


def test_buttons_that_are_read_but_once_are_pressed():
    moving = [iter(["right"]), (button for button in ("A", "B"))]
    env = gym.make(ENV_ID, actions=moving)
    assert env.get_wrapper_attr("get_action_meanings")() == ["right", "A + B"]
    assert env.spec.kwargs["actions"] == [["right"], ["A", "B"]]
    env.close()
    env = JoypadSpace(SuperMarioBrosEnv("1-1"), [iter(["right"])])
    assert env.action(0) == 128
    env.close()
    envs = gym.make_vec(ENV_ID, num_envs=2, actions=[iter(["right"])])
    envs.reset(seed=0)
    for _ in range(3):
        *_, infos = envs.step([0, 0])
    assert (infos["x_pos"] > 40).all()
    envs.close()


def test_keywords_that_are_not_plain_are_written_down_plainly():
    keywords = {
        "skip": np.int64(2),
        "stack": np.int8(3),
        "sticky": np.float32(0.25),
        "grayscale": np.bool_(False),
        "rom_path": rom.find_rom(),
        "reward": {"progress": np.float64(0.5)},
        "actions": (("right",), ("right", np.str_("A"))),
    }
    plain = {
        "stage": "1-1",
        "skip": 2,
        "stack": 3,
        "sticky": 0.25,
        "grayscale": False,
        "rom_path": str(rom.find_rom()),
        "reward": {"progress": 0.5},
        "actions": [["right"], ["right", "A"]],
    }
    env = gym.make(ENV_ID, **keywords)
    envs = gym.make_vec(ENV_ID, num_envs=2, **keywords)
    assert env.spec.kwargs == plain
    assert envs.spec.kwargs == {**plain, "num_envs": 2, "vectorization_mode": "vector_entry_point"}
    modes = gym.make_vec(ENV_ID, autoreset_mode=AutoresetMode.SAME_STEP)
    assert modes.spec.kwargs["autoreset_mode"] == "SameStep"
    modes.close()
    for each in (env, envs):
        assert json.loads(json.dumps(each.spec.kwargs)) == each.spec.kwargs
        again = pickle.loads(pickle.dumps(each))
        assert again.spec == each.spec
        again.close()
        each.close()


@pytest.mark.parametrize(
    ("keyword", "slip", "meant"),
    [
        ("actions", "simpel", "simple"),
        ("observation", "pixel", "pixels"),
        ("observation", "Tiles", "tiles"),
        ("reward", "progres", "progress"),
        ("reward", {"flags": 1}, "flag"),
        ("render_mode", "rgb", "rgb_array"),
        ("emulator", "nespy", "nes-py"),
    ],
)
def test_slips_in_values_get_a_suggestion(keyword, slip, meant):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=rf"did you mean '{meant}'\?$"):
            make(ENV_ID, **{keyword: slip})


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("action", "actions"), ("frame_skip", "skip"), ("obs", "observation"), ("Stack", "stack")],
)
def test_slips_in_keywords_get_a_suggestion(slip, meant):
    words = "unexpected keyword argument"  # Python's own: TorchRL reads them
    for make in (gym.make, gym.make_vec):
        with pytest.raises(TypeError, match=rf"{words} '{slip}'; .* mean '{meant}'\?"):
            make(ENV_ID, **{slip: 1})
    with pytest.raises(TypeError, match=rf"{words} 'num_env'; .* mean 'num_envs'\?"):
        gym.make_vec(ENV_ID, num_env=2)


def test_random_stages_must_be_stages():
    with pytest.raises(ValueError, match="stages is 5; accepted is a list of stages"):
        gym.make("MarioRL-Random-v0", stages=5)
    with pytest.raises(ValueError, match="stages is empty"):
        gym.make("MarioRL-Random-v0", stages=[])
    with pytest.raises(ValueError, match=r"got the string '1-1'; write \['1-1'\]"):
        gym.make("MarioRL-Random-v0", stages="1-1")
    with pytest.raises(ValueError, match="unknown stage '0-1'"):
        gym.make("MarioRL-Random-v0", stages=["1-1", "0-1"])


def test_unknown_keyword_is_named():
    with pytest.raises(TypeError, match="frame_skip"):
        gym.make(ENV_ID, frame_skip=4)


def test_rom_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot read the ROM .*mario\.nes.*leave it out"):
        SuperMarioBrosEnv("1-1", rom_path=tmp_path / "mario.nes")


def test_rom_with_another_content_tells_nothing_of_it(tmp_path):
    path = tmp_path / "mario.nes"
    content = bytearray(rom.find_rom().read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mario\.nes is not the ROM: accepted is .* 40,976") as e:
        gym.make(ENV_ID, rom_path=str(path))
    assert rom.SHA256 in str(e.value)
    assert hashlib.sha256(content).hexdigest() not in str(e.value)


def make_pipe(path):
    os.mkfifo(path)


def make_large_file(path):
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes and devices here")
@pytest.mark.parametrize(
    "make_file",
    [make_pipe, Path.mkdir, Path.touch, make_large_file, lambda path: path.symlink_to("/dev/zero")],
)
def test_rom_that_is_no_file_of_its_size_is_not_read(make_file, tmp_path):
    path = tmp_path / "mario.nes"
    make_file(path)
    for keywords in ({}, {"emulator": "nes-py"}):
        with pytest.raises(ValueError, match="is not the ROM"):
            gym.make(ENV_ID, rom_path=path, **keywords)
    with pytest.raises(ValueError, match="is not the ROM"):
        gym.make_vec(ENV_ID, num_envs=2, rom_path=path)


def test_rom_path_that_no_file_can_have():
    with pytest.raises(ValueError, match=r"rom_path is 'a\\x00b'; accepted are None and the path"):
        gym.make(ENV_ID, rom_path="a\0b")
    with pytest.raises(ValueError, match=r"rom_path is '~nobody-here/m.nes'; accepted are"):
        gym.make(ENV_ID, rom_path="~nobody-here/m.nes")


def test_rom_elsewhere_with_the_known_hash(tmp_path):
    path = tmp_path / "mario.nes"
    path.write_bytes(rom.find_rom().read_bytes())
    env = gym.make(ENV_ID, rom_path=str(path))
    assert env.reset()[1]["x_pos"] == 40
    env.close()


def play(code, folder):
    """Run Python with the ROM as `rom` in a folder, and return what it printed."""
    prelude = "import os, pathlib, mario_rl_envs\nfrom mario_rl_envs.env import SuperMarioBrosEnv\n"
    (folder / "m.nes").write_bytes(rom.find_rom().read_bytes())
    result = subprocess.run(
        [sys.executable, "-c", prelude + code], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_rom_in_a_folder_with_an_accent(tmp_path):
    folder = tmp_path / "é"
    folder.mkdir()
    code = "env = SuperMarioBrosEnv('1-1', rom_path='m.nes'); print(env.reset()[1]['x_pos'])"
    assert play(code, folder) == "40"


def test_rom_path_is_relative_to_where_the_environment_was_made(tmp_path):
    code = (
        "env = SuperMarioBrosEnv('1-1', rom_path='m.nes'); os.chdir('/')\n"
        "print(env.reset()[1]['x_pos'])"
    )
    assert play(code, tmp_path) == "40"


def test_a_relative_rom_path_is_good_in_pickles_that_other_folders_read(tmp_path):
    code = (
        "import pickle, gymnasium as gym\n"
        "env = gym.make('MarioRL-1-1-v0', rom_path='m.nes')\n"
        "envs = gym.make_vec('MarioRL-1-1-v0', num_envs=2, rom_path='m.nes')\n"
        "for each in (env, envs): each.reset()\n"
        "assert env.spec.kwargs['rom_path'] == envs.spec.kwargs['rom_path'] == 'm.nes'\n"
        "pickled = [pickle.dumps(each) for each in (env, envs)]\n"
        "os.chdir('/')\n"
        "env, envs = map(pickle.loads, pickled)\n"
        "print(env.step(1)[4]['x_pos'], *envs.step([1, 1])[4]['x_pos'])\n"
        "assert envs.call('get_action_meanings')[1][1] == 'right'\n"
    )
    assert play(code, tmp_path) == "40 40 40"


def test_rom_that_goes_away(tmp_path):
    code = (
        "env = SuperMarioBrosEnv('1-1', rom_path='m.nes', emulator={emulator!r})\n"
        "os.remove('m.nes')\n"
        "try: print(env.reset()[1]['x_pos'])\n"
        "except FileNotFoundError as error: print(error)"
    )
    # The native console has read it; nes-py opens it for every machine.
    assert play(code.format(emulator="native"), tmp_path) == "40"
    assert "cannot read the ROM" in play(code.format(emulator="nes-py"), tmp_path)


def test_rom_package_missing(monkeypatch):
    monkeypatch.setattr(rom, "_PACKAGE", "gym_super_mario_bros_of_nobody")
    with pytest.raises(FileNotFoundError, match="not installed; run `pip install gym-super-mario"):
        rom.find_rom()
