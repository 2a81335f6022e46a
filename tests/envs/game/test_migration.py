"""The rows of docs/migration.md, beside gym-super-mario-bros itself."""

import contextlib
import inspect
import io
import re
import sys
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from support.reference import make_reference, step_reference

import mario_rl_envs
from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import actions, ram
from mario_rl_envs.game.rules import INFO_KEYS

PAGE = Path(__file__).parents[3] / "docs" / "migration.md"

# From Python 3.13 on there is 9.1 instead, which has other names.
pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="7.4.0 is not installed here")


def memory_of(env):
    return env.unwrapped.ram.tobytes()


# By name of `env.unwrapped` there, the value here.
VALUES = {
    "ram": lambda env, info: env.unwrapped.ram.tolist(),
    "screen": lambda env, info: env.render(),
    "is_single_stage_env": lambda env, info: env.unwrapped.is_single_stage,
    "_x_position": lambda env, info: info["x_pos"],
    "_y_position": lambda env, info: info["y_pos"],
    "_left_x_position": lambda env, info: info["x_screen"],
    "_world": lambda env, info: info["world"],
    "_stage": lambda env, info: info["stage"],
    "_area": lambda env, info: info["area"],
    "_level": lambda env, info: 4 * (info["world"] - 1) + info["stage"] - 1,
    "_score": lambda env, info: info["score"],
    "_coins": lambda env, info: info["coins"],
    "_time": lambda env, info: info["time"],
    "_life": lambda env, info: info["life"],
    "_player_status": lambda env, info: info["status"],
    "_player_state": lambda env, info: info["state"],
    "_flag_get": lambda env, info: info["flag_get"],
    "_is_game_over": lambda env, info: info["life"] == 255,
    "_is_dying": lambda env, info: ram.is_dying(memory_of(env)),
    "_is_dead": lambda env, info: ram.is_dead(memory_of(env)),
    "_is_busy": lambda env, info: ram.is_busy(memory_of(env)),
    "_is_world_over": lambda env, info: ram.is_world_over(memory_of(env)),
}
# Their values belong to the step before.
REWARDS = {"_x_reward": "velocity", "_time_penalty": "clock", "_death_penalty": "dying"}
METHODS = {"get_keys_to_action", "get_action_meanings", "_backup", "_restore"}


@pytest.fixture(scope="module")
def theirs():
    """Return the package itself, whose import prints a notice."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import gym as old_gym
        import gym_super_mario_bros
    return gym_super_mario_bros, old_gym


def rows(heading):
    """Return the rows of a table of the page."""
    table = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [re.findall(r"\| (.*?) (?=\|)", line) for line in table.splitlines()]
    return [each for each in cells if len(each) == 2][1:]


def names_there(heading):
    """Return the names in the left column of a table, without what follows them."""
    names = [name for left, _ in rows(heading) for name in re.findall(r"`([^`]+)`", left)]
    return [re.sub(r"\W.*", "", name) for name in names]


def test_ids(theirs):
    _, old_gym = theirs
    ids = {env_id for env_id in old_gym.envs.registry if "SuperMarioBros" in env_id}
    assert not ids & set(gym.registry)
    stages = {env_id.replace("SuperMarioBros", "MarioRL") for env_id in ids if "-v0" in env_id}
    known = {"MarioRL2-v0", "MarioRLRandomStages-v0"}
    assert {env_id for env_id in stages - known if not env_id.startswith("MarioRL2-")} == {
        env_id for env_id in mario_rl_envs.ENV_IDS if env_id != "MarioRL-Random-v0"
    }
    assert set(re.findall(r"`(SuperMarioBros\w*-v0)`", PAGE.read_text())) <= ids
    with pytest.raises(gym.error.NameNotFound, match=r"Did you mean: `MarioRL-1-1`\?"):
        gym.make("SuperMarioBros-1-1-v0")


def test_action_sets():
    from gym_super_mario_bros.actions import COMPLEX_MOVEMENT, RIGHT_ONLY, SIMPLE_MOVEMENT

    names = ("right_only", "simple", "complex")
    ours = [list(map(list, actions.ACTION_SETS[name])) for name in names]
    assert ours == [RIGHT_ONLY, SIMPLE_MOVEMENT, COMPLEX_MOVEMENT]


def test_keywords_and_calls(theirs):
    package, _ = theirs
    one, random = package.SuperMarioBrosEnv, package.SuperMarioBrosRandomStagesEnv
    assert {"target", "rom_mode", "lost_levels"} <= set(inspect.signature(one).parameters)
    assert "stages" in inspect.signature(random).parameters
    assert "'stages' in options" in inspect.getsource(random.reset)
    assert "mode" in inspect.signature(one.render).parameters
    assert hasattr(one, "seed")
    left = " ".join(left for left, _ in rows("Keywords and calls"))
    assert all(word in left for word in ("target=", "rom_mode", "lost_levels", "stages", "seed("))


def test_names_of_the_unwrapped_environment():
    named = set(names_there("Names of `env.unwrapped`"))
    assert named == {*VALUES, *REWARDS, *METHODS}
    reference = make_reference("1-1")
    assert named - {"ram", "screen"} <= set(dir(reference))
    assert reference.ram is not None
    assert reference.screen is not None
    reference.close()


def test_values_along_a_route():
    env = SuperMarioBrosEnv("1-1", render_mode="rgb_array")
    reference = make_reference("1-1")
    env.reset()
    reference.reset()
    assert set(names_there("Info")) == set(step_reference(reference, 0)[-1])
    assert set(names_there("Info")) <= set(INFO_KEYS)
    env.step(0)
    for joypad in np.repeat(routes.load("1-1").joypad[:150], routes.FRAMES_PER_STEP).tolist():
        *_, info = env.step(joypad)
        step_reference(reference, joypad)
    for name, value in VALUES.items():
        if name == "ram":
            there = np.asarray(reference.ram._ram).tolist()
        elif name == "_left_x_position":  # its own sum overflows with NumPy 2
            there = (reference.ram[0x0086] - reference.ram[0x071C]) % 256
        else:
            there = getattr(reference, name)
        np.testing.assert_array_equal(there, value(env, info), err_msg=name)
    assert set(REWARDS.values()) == set(info["reward_terms"]) - {"clip"}
    keys = reference.get_keys_to_action()
    assert keys.pop(()) == 0
    assert env.get_keys_to_action() == keys
    assert reference.get_action_meanings() == ["NOOP"] == env.get_action_meanings()[:1]
    env.close()
    reference.close()
