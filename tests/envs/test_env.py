"""Every registered id is a well-behaved Gymnasium environment."""

import gc
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils.env_checker import check_env

import mario_rl_envs
from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.stages import STAGES

# What check_env may say, and why it is right that it does.
ALLOWED_WARNINGS = (
    # It is given the whole pipeline on purpose: that is what users get.
    "is different from the unwrapped version",
)


def test_the_ids_are_the_34():
    expected = {f"MarioRL-{stage}-v0" for stage in STAGES} | {"MarioRL-v0", "MarioRL-Random-v0"}
    registered = {env_id for env_id in gym.registry if env_id.startswith("MarioRL")}
    assert registered == expected == set(mario_rl_envs.ENV_IDS)
    assert len(expected) == 34


def test_registering_again_changes_nothing():
    before = dict(gym.registry)
    mario_rl_envs.registration.register_environments()
    assert dict(gym.registry) == before


@pytest.mark.parametrize("env_id", mario_rl_envs.ENV_IDS)
def test_check_env(env_id):
    env = gym.make(env_id, disable_env_checker=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=True)
        check_env(env.unwrapped, skip_render_check=True)
    messages = [str(warning.message) for warning in caught]
    unexpected = [
        message for message in messages if not any(part in message for part in ALLOWED_WARNINGS)
    ]
    assert unexpected == []
    obs, _ = env.reset(seed=0)
    assert obs.shape == (4, 84, 84)
    assert obs.dtype == np.uint8
    assert env.action_space == gym.spaces.Discrete(5)
    env.close()


@pytest.mark.parametrize("render_mode", ["rgb_array", "rgb_array_list", "human"])
def test_check_env_of_every_render_mode(render_mode):
    if render_mode == "human":
        pytest.importorskip("pygame", reason="the window needs the extra 'human'")
    env = SuperMarioBrosEnv("1-1", render_mode=render_mode)
    check_env(env, skip_render_check=True)
    env.close()


def test_making_by_module_name_needs_no_import():
    code = (
        "import gymnasium as gym\n"
        "env = gym.make('mario_rl_envs:MarioRL-1-1-v0')\n"
        "print(env.reset(seed=0)[0].shape)"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "(4, 84, 84)\n"
    assert result.stderr == ""


def test_importing_and_playing_load_neither_torch_nor_old_gym():
    code = (
        "import sys, mario_rl_envs\n"
        "light = {'torch', 'gym', 'cv2', 'nes_py', 'gym_super_mario_bros', 'pygame'}\n"
        "print(sorted(light & set(sys.modules)))\n"
        "import gymnasium\n"
        "env = gymnasium.make('MarioRL-1-1-v0'); env.reset(); env.step(1); env.close()\n"
        "print(sorted({'torch', 'gym'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n[]\n"
    assert result.stderr == "", "a notice was printed"


def test_observations_share_no_memory():
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array")
    first, _ = env.reset(seed=0)
    kept = first.copy()
    second, *_ = env.step(128)
    third, *_ = env.step(128)
    rendered, memory = env.render(), env.ram
    for one, other in [(first, second), (second, third), (third, rendered)]:
        assert not np.shares_memory(one, other)
    third[:] = 0
    memory[:] = 0
    assert env.render().any()
    assert env.ram.any()
    for _ in range(60):
        env.step(128)
    np.testing.assert_array_equal(first, kept)
    env.close()


@pytest.mark.parametrize("observation", ["pixels", "ram", "tiles"])
def test_observations_of_the_pipeline_share_no_memory(observation):
    env = gym.make("MarioRL-1-1-v0", observation=observation)
    seen = [env.reset(seed=0)[0]]
    copies = [seen[0].copy()]
    for _ in range(30):
        seen.append(env.step(4)[0])
        copies.append(seen[-1].copy())
    for obs, kept in zip(seen, copies, strict=True):
        np.testing.assert_array_equal(obs, kept)
        assert not any(np.shares_memory(obs, other) for other in seen if other is not obs)
    env.close()


def test_closing_twice_is_fine_and_a_step_afterwards_is_not():
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    env.close()
    env.close()
    for use in (lambda: env.step(0), env.reset, env.save_state, env.render):
        with pytest.raises(ClosedEnvironmentError, match="closed: make a new one"):
            use()


def test_a_closed_pipeline_says_so():
    env = gym.make("MarioRL-1-1-v0")
    env.reset()
    env.close()
    env.close()
    with pytest.raises(ClosedEnvironmentError, match="closed: make a new one"):
        env.step(0)


def test_stepping_before_reset():
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array")
    for use in (lambda: env.step(0), env.save_state, env.render):
        with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
            use()
    env.close()


def test_stepping_after_the_end_of_an_episode():
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    terminated = False
    while not terminated:
        *_, terminated, _, info = env.step(128)
    assert not info["flag_get"], "walking right meets the first goomba"
    with pytest.raises(ResetNeeded, match="again after every end of an episode"):
        env.step(128)
    env.reset()
    env.step(128)
    env.close()


@pytest.mark.parametrize("action", [-1, 256, 1_000])
def test_raw_action_out_of_range(action):
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    with pytest.raises(ValueError, match=rf"action {action} is out of range; .* 0 to 255"):
        env.step(action)
    env.close()


@pytest.mark.parametrize("action", ["right", 1.0, None, [1], np.array([1.0])])
def test_raw_action_of_the_wrong_type(action):
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    with pytest.raises(TypeError, match="an action is an integer, a joypad byte from 0 to 255"):
        env.step(action)
    env.close()


def test_info_has_exactly_the_documented_keys():
    env = gym.make("MarioRL-1-1-v0")
    _, at_reset = env.reset()
    *_, at_step = env.step(1)
    assert set(at_reset) == set(at_step) == set(mario_rl_envs.env.Info.__annotations__)
    assert at_reset["x_pos"] == 40
    assert at_reset["time"] == 400
    env.close()


def test_whole_game_has_three_lives():
    env = gym.make("MarioRL-v0")
    _, info = env.reset()
    lives = [info["life"]]
    terminated = False
    while not terminated:
        *_, terminated, _, info = env.step(1)
        if info["life"] != lives[-1]:
            lives.append(info["life"])
    assert lives == [2, 1, 0, 255]
    env.close()


def test_clearing_the_last_stage_ends_the_whole_game():
    """There 7.4.0 would wait for a button for ever."""
    env = gym.make("MarioRL-v0", actions="joypad")
    env.reset(options={"stage": "8-4"})
    ends = [env.step(joypad)[2] for joypad in routes.load("8-4").joypad]
    assert ends == [False] * (len(ends) - 1) + [True]
    env.close()


def test_an_environment_that_is_dropped_frees_its_machines():
    if sys.version_info >= (3, 13):
        pytest.skip("nes-py 9 frees its machines by itself")
    env = SuperMarioBrosEnv("1-1", emulator="nes-py")
    env.reset()
    machine = env._emulator._machine
    finalizer = machine._close
    assert finalizer.alive
    del env, machine
    gc.collect()
    assert not finalizer.alive


def test_an_interrupted_reset_leaves_no_episode(monkeypatch):
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    step = env._game.step
    num_frames = 0

    def interrupted(joypad, *, draw):
        nonlocal num_frames
        num_frames += 1
        if num_frames == 500:
            raise KeyboardInterrupt
        return step(joypad, draw=draw)

    monkeypatch.setattr(env._game, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        env.reset(options={"route_fraction": 0.7})
    monkeypatch.undo()
    with pytest.raises(ResetNeeded):
        env.step(0)
    env.reset()
    env.step(0)
    env.close()


def test_reset_to_another_stage_for_one_episode():
    env = gym.make("MarioRL-1-1-v0")
    _, info = env.reset(options={"stage": "4-2"})
    assert (info["world"], info["stage"]) == (4, 2)
    _, info = env.reset()
    assert (info["world"], info["stage"]) == (1, 1)
    env.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": "9-1"}, "unknown stage '9-1'; accepted are '1-1' to '8-4'"),
        ({"stage": 4}, "unknown stage 4"),
        ({"stages": ["1-1"]}, "unknown reset option 'stages'; accepted are 'stage', 'state'"),
        ({"route_fraction": 1.0}, "route_fraction is 1.0; accepted is a number from 0 up to"),
        ({"route_fraction": "half"}, "route_fraction is 'half'"),
        (
            {"state": b"", "stage": "1-1"},
            "a state says all about where to start; got it together with stage$",
        ),
        ({"state": b"x"}, "are no save state"),
        ("stage", "options is 'stage'; accepted are None and a dict"),
    ],
)
def test_bad_reset_options_change_nothing(options, message):
    env = SuperMarioBrosEnv("1-1")
    env.reset(seed=0)
    env.step(128)
    before, generator = env.save_state(), env.np_random.bit_generator.state
    with pytest.raises(ValueError, match=message):
        env.reset(seed=1, options=options)
    assert env.save_state() == before
    assert env.np_random.bit_generator.state == generator
    env.close()


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_a_bad_seed_changes_nothing(seed):
    env = SuperMarioBrosEnv("1-1")
    env.reset(seed=0)
    state = env.save_state()
    env.step(128)
    before, generator = env.save_state(), env.np_random.bit_generator.state
    for options in (None, {"state": state}):
        with pytest.raises(gym.error.Error, match="Seed must be"):
            env.reset(seed=seed, options=options)
        assert env.save_state() == before
        assert env.np_random.bit_generator.state == generator
    env.close()
