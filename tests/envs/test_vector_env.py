"""The vector environment equals a list of `gym.make` environments, whatever it is made of."""

import copy
import pickle
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from support.vectors import SEED, assert_same, check_equal, make_both, make_singles, play, play_both

import mario_rl_envs
from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.stages import STAGES
from mario_rl_envs.vector_env import MarioVectorEnv

_core = pytest.importorskip("mario_rl_envs.core._core", reason="it is not compiled")
_rewind = pytest.importorskip("mario_rl_envs.batch")._rewind

ENV_ID = "MarioRL-1-1-v0"
MODES = [mode.value for mode in AutoresetMode]


@pytest.mark.parametrize("mode", MODES)
def test_equals_single_environments_through_deaths(mode):
    assert check_equal(ENV_ID, 5, 250, mode) >= 5


@pytest.mark.parametrize("mode", MODES)
def test_with_everything_drawn_by_lot(mode):
    keywords = {
        "stages": ["1-1", "8-1", "3-4"],
        "noop_max": 20,
        "sticky": 0.25,
        "actions": "complex",
    }
    assert check_equal("MarioRL-Random-v0", 4, 300, mode, **keywords) >= 4


@pytest.mark.parametrize("mode", MODES)
def test_time_limit(mode):
    assert check_equal(ENV_ID, 3, 60, mode, max_episode_steps=13) >= 12


@pytest.mark.parametrize("keywords", [{}, {"size": 300}], ids=str)  # the latter one by one
@pytest.mark.parametrize("limit", [-1, None, np.int64(2)])
def test_a_limit_of_minus_one_is_none(limit, keywords):
    envs = gym.make_vec(ENV_ID, num_envs=2, max_episode_steps=limit, **keywords)
    envs.reset(seed=0)
    ends = [envs.step([0, 0])[3].any() for _ in range(3)]
    assert any(ends) == (limit == 2)
    envs.close()


@pytest.mark.parametrize(
    ("make", "keywords"),
    [
        (gym.make_vec, {"id": ENV_ID}),
        (gym.make_vec, {"id": ENV_ID, "size": 300}),  # one by one
        (MarioVectorEnv, {"stage": "1-1"}),
    ],
)
def test_an_iterator_is_for_every_game(make, keywords):
    envs = make(num_envs=2, actions=iter([["right"], []]), **keywords)
    envs.reset(seed=0)
    for _ in range(3):
        *_, infos = envs.step([0, 1])
    assert infos["x_pos"][0] > infos["x_pos"][1] == 40
    envs.close()


@pytest.mark.parametrize(
    "keywords",
    [
        {"grayscale": False},
        {"grayscale": False, "size": None, "stack": None},
        {"size": None, "stack": 2},
        {"size": 42, "stack": None},
        {"size": 240, "stack": 1},
        {"observation": "ram"},
        {"observation": "tiles"},
        {"observation": "tiles", "size": 500, "stack": 3},
        {"skip": 1},
        {"skip": 7, "stack": 3},
        {"skip": 1, "sticky": 0.5, "noop_max": 3},
        {"channels": "first"},
        {"channels": "last"},
        {"channels": "first", "grayscale": False, "size": None, "stack": 2},
        {"channels": "last", "grayscale": False},
        {"channels": "last", "stack": None, "size": 42},
        {"channels": "first", "stack": None, "grayscale": False},
        {"channels": "last", "observation": "tiles"},
        {"info": [], "stall": 20},
        {"info": ["flag_get", "x_pos"], "noop_max": 5},
        {"info": ("status", "reward_terms")},
        {"actions": "joypad"},
        {"actions": "continuous", "sticky": 0.25},
        {"actions": [["left"], ["A", "B"], ["right", "B"], ["NOOP"]]},
        {"reward": "shaped"},
        {"reward": "score"},
        {"reward": "sparse"},
        {"reward": {"coins": 0.1, "velocity": 0.3, "death": -7, "score": 1e-3, "clip": 1.1}},
    ],
    ids=str,
)
def test_every_keyword(keywords):
    check_equal("MarioRL-1-2-v0", 2, 120, **keywords)


@pytest.mark.parametrize("info", [[], ["x_pos"], ["status", "reward_terms", "life"]])
def test_infos_of_some_keys_say_what_episodes_ended_with(info):
    assert check_equal(ENV_ID, 3, 40, "SameStep", info=info, max_episode_steps=15) >= 6


def test_the_channels_are_the_frames_and_their_colors():
    """Beside the frames themselves, through resets to save states, which hold frames."""
    keywords = {"num_envs": 2, "grayscale": False, "size": 30}
    frames, first, last = (
        gym.make_vec(ENV_ID, channels=channels, **keywords) for channels in (None, "first", "last")
    )
    assert frames.reset(seed=0)[0].shape == (2, 4, 30, 30, 3)
    assert first.reset(seed=0)[0].shape == (2, 12, 30, 30)
    assert last.reset(seed=0)[0].shape == (2, 30, 30, 12)
    for step in range(12):
        obs, firsts, lasts = (each.step([1, 3])[0] for each in (frames, first, last))
        for frame, color in np.ndindex(4, 3):
            channel = 3 * frame + color
            np.testing.assert_array_equal(firsts[:, channel], obs[:, frame, :, :, color])
            np.testing.assert_array_equal(lasts[..., channel], obs[:, frame, :, :, color])
        if step == 8:
            state = first.save_state(1)
            assert state == last.save_state(1) == frames.save_state(1)
            for each in (first, last, frames):
                each.reset(options={"state": state})
    single = gym.make(ENV_ID, channels="last", grayscale=False, size=30)
    np.testing.assert_array_equal(
        single.reset(options={"state": state})[0], last.reset(options={"state": state})[0][1]
    )
    for each in (frames, first, last, single):
        each.close()


@pytest.mark.parametrize("channels", ["first", "last"])
def test_channels_without_copies_and_pickled(channels):
    vector = gym.make_vec(ENV_ID, num_envs=2, channels=channels, copy=False)
    obs, _ = vector.reset(seed=0)
    assert vector.step([1, 1])[0] is obs
    again = pickle.loads(pickle.dumps(vector))
    for _ in range(3):
        assert_same(vector.step([1, 3]), again.step([1, 3]))
    vector.close()
    again.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("keywords", [{}, {"channels": "last"}, {"copy": False}], ids=str)
def test_observations_are_written_into_an_array_that_is_given(mode, keywords):
    keywords = {"autoreset_mode": mode, "max_episode_steps": 3, **keywords}
    ours, other = (gym.make_vec(ENV_ID, num_envs=2, **keywords) for _ in range(2))
    buffer = np.full((8, *ours.observation_space.shape), 7, np.uint8)
    obs, infos = ours.reset(seed=SEED, out=buffer[0])
    assert_same((obs, infos), other.reset(seed=SEED))
    for step in range(1, 6):
        expected = other.step([1, 3])
        obs, *rest = ours.step([1, 3], out=buffer[step])
        assert obs.base is buffer
        assert_same((buffer[step], *rest), expected)
        if mode == "Disabled" and rest[2].any():
            options = {"reset_mask": np.array([True, True])}
            ours.reset(options=options, out=buffer[step])
            expected = other.reset(options=options)
            np.testing.assert_array_equal(buffer[step], expected[0])
    assert (buffer[6:] == 7).all(), "only the row that was given is written"
    assert_same(ours.step([0, 1]), other.step([0, 1]))  # and none that was given before
    ours.close()
    other.close()


def test_an_array_that_cannot_hold_the_observations_is_refused():
    vector, other = (gym.make_vec(ENV_ID, num_envs=2, sticky=0.5) for _ in range(2))
    shape = vector.observation_space.shape
    read_only = np.zeros(shape, np.uint8)
    read_only.flags.writeable = False
    wrong = [
        (np.zeros(shape, np.int8), TypeError, "an array of int8"),
        (np.zeros(shape, np.float32), TypeError, "an array of float32"),
        (np.zeros(shape, np.uint8).tolist(), TypeError, "list"),
        (np.zeros((3, *shape[1:]), np.uint8), ValueError, "of shape"),
        (np.zeros(shape, np.uint8).reshape(-1), ValueError, "of shape"),
        (np.zeros((2 * shape[0], *shape[1:]), np.uint8)[::2], ValueError, "not contiguous"),
        (read_only, ValueError, "read-only"),
    ]
    for out, error, what in wrong:
        with pytest.raises(error, match=what):
            vector.reset(seed=1, out=out)
    vector.reset(seed=SEED)
    other.reset(seed=SEED)
    for out, error, what in wrong:
        with pytest.raises(error, match=f"out is .*{what}.*accepted is a C-contiguous, writable"):
            vector.step([1, 3], out=out)
    assert not read_only.any()
    for _ in range(5):  # no game was stepped, and no random number drawn
        assert_same(vector.step([1, 3]), other.step([1, 3]))
    vector.close()
    other.close()


@pytest.mark.parametrize("dtype", ["<i8", ">i8", "i1", "u1", ">u4", "i2"])
def test_actions_of_any_integers(dtype):
    vector = gym.make_vec(ENV_ID, num_envs=3)
    vector.reset(seed=SEED)
    highest = vector.single_action_space.n - 1
    vector.step(np.array([0, 1, highest], dtype))
    too_high = np.array([0, 1, highest + 1], dtype)
    with pytest.raises(ValueError, match=f"the action {highest + 1} of environment 2 is out"):
        vector.step(too_high)
    vector.step(np.arange(9).astype(dtype)[:6:2] % (highest + 1))  # not contiguous
    if np.dtype(dtype).kind == "i":
        with pytest.raises(ValueError, match="the action -1 of environment 1 is out of range"):
            vector.step(np.array([0, -1, 1], dtype))
    vector.close()


def test_infos_without_texts_and_dicts_are_arrays_of_numbers():
    """So that wrappers can make tensors of them."""
    vector = gym.make_vec(ENV_ID, num_envs=2, info=["x_pos", "flag_get"])
    for infos in (vector.reset(seed=0)[1], vector.step([0, 1])[4]):
        kinds = {key: value.dtype.kind for key, value in infos.items()}
        assert kinds == {"x_pos": "i", "_x_pos": "b", "flag_get": "b", "_flag_get": "b"}
    vector.close()


def test_equals_single_environments_on_the_reference():
    """nes-py's pixels, made gray and small by NumPy and OpenCV, and the rules in Python."""
    ours = gym.make_vec(ENV_ID, num_envs=2, noop_max=8, sticky=0.25)
    theirs = make_singles(ENV_ID, 2, noop_max=8, sticky=0.25, emulator="nes-py")
    assert_same(ours.reset(seed=SEED), theirs.reset(seed=SEED))
    assert play_both(ours, theirs, 120, right=1.0) >= 1
    ours.close()
    theirs.close()


def test_whole_game_loses_lives():
    ours, theirs = make_both("MarioRL-v0", 2)
    assert_same(ours.reset(seed=SEED), theirs.reset(seed=SEED))
    assert play_both(ours, theirs, 350, right=1.0) >= 1
    ours.close()
    theirs.close()


def test_whole_game_from_stage_to_stage_and_to_its_end():
    """The routes reach flags, castles, pipes and vines; the one through 8-4 ends the game."""
    keywords = {"actions": "joypad", "skip": routes.FRAMES_PER_STEP}
    stages = ["1-1", "1-4", "8-4"]
    ours, theirs = make_both("MarioRL-v0", len(stages), **keywords)
    starts = {"stage": stages, "route_fraction": [0.9, 0.9, 0.95]}
    results = ours.reset(seed=SEED, options=starts)
    for index, env in enumerate(theirs.envs):
        obs, info = env.reset(options={name: values[index] for name, values in starts.items()})
        np.testing.assert_array_equal(results[0][index], obs)
        assert results[1]["x_pos"][index] == info["x_pos"]
    moves = [routes.load(stage).joypad for stage in stages]
    seen_stages, num_ends = set(), 0
    for step in range(150):
        actions = np.zeros(len(stages), np.int64)
        for env, (joypad, fraction) in enumerate(zip(moves, starts["route_fraction"], strict=True)):
            index = int(fraction * len(joypad)) + step
            actions[env] = joypad[index] if index < len(joypad) else 0
        results = ours.step(actions), theirs.step(actions)
        assert_same(*[each[1:] for each in results], f"step {step}:")
        if step > 4:  # then the stacks hold nothing from before the start any more
            assert_same(results[0][0], results[1][0], f"step {step}:")
        num_ends += int(results[0][2].sum())
        seen_stages |= set(zip(results[0][4]["world"], results[0][4]["stage"], strict=True))
    assert num_ends == 1
    assert {(1, 2), (2, 1)} <= seen_stages
    ours.close()
    theirs.close()


def test_every_stage_in_a_game_of_its_own():
    num_ends = 0
    ours, theirs = make_both(ENV_ID, len(STAGES))
    obs, infos = ours.reset(seed=SEED, options={"stage": list(STAGES)})
    assert [f"{w}-{s}" for w, s in zip(infos["world"], infos["stage"], strict=True)] == list(STAGES)
    for index, env in enumerate(theirs.envs):
        theirs._env_obs[index], _ = env.reset(seed=SEED + index, options={"stage": STAGES[index]})
        np.testing.assert_array_equal(obs[index], theirs._env_obs[index])
    num_ends = play_both(ours, theirs, 40, right=0.5)
    assert num_ends >= 1
    ours.close()
    theirs.close()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_32_games_of_all_stages(mode):
    """Random stages at every reset, and at first one of each."""
    ours, theirs = make_both("MarioRL-Random-v0", len(STAGES), mode, noop_max=30, sticky=0.25)
    ours.reset(seed=SEED, options={"stage": list(STAGES)})
    for index, env in enumerate(theirs.envs):
        theirs._env_obs[index], _ = env.reset(seed=SEED + index, options={"stage": STAGES[index]})
    num_ends = play_both(ours, theirs, 400, right=0.5)
    assert num_ends >= 90
    ours.close()
    theirs.close()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_results_do_not_depend_on_threads(mode):
    keywords = {"sticky": 0.25, "noop_max": 10, "autoreset_mode": mode}
    vectors = [
        gym.make_vec("MarioRL-Random-v0", num_envs=7, num_threads=num_threads, **keywords)
        for num_threads in (1, 2, 5)
    ]
    first, *others = [vector.reset(seed=SEED) for vector in vectors]
    rng = np.random.default_rng(0)
    for step in range(120):
        for other in others:
            assert_same(first, other, f"step {step}:")
        actions = rng.integers(5, size=7)
        first, *others = [vector.step(actions) for vector in vectors]
    for vector in vectors:
        vector.close()


# Resets


@pytest.mark.parametrize("seed", [None, 3, [5, 1, 5, 9], [5, None, 5, None]])
def test_seeds(seed):
    keywords = {"noop_max": 30, "stages": ["1-1", "2-1", "5-1"]}
    ours, theirs = make_both("MarioRL-Random-v0", 4, **keywords)
    for each in (ours, theirs):
        each.reset(seed=100)
    assert_same(ours.reset(seed=seed), theirs.reset(seed=seed))
    assert ours.np_random_seed == theirs.np_random_seed
    assert_same(ours.reset(), theirs.reset())
    ours.close()
    theirs.close()


def test_seeds_of_numpy_and_seeds_that_are_none():
    vector = gym.make_vec("MarioRL-Random-v0", num_envs=2)
    first = vector.reset(seed=3)
    for seed in (np.int64(3), np.array([3, 4]), (3, 4), range(3, 5)):
        assert_same(vector.reset(seed=seed), first)
    for wrong in (1.5, True, "3", {3, 4}):
        with pytest.raises(ValueError, match="accepted are None, an integer, and a list of one"):
            vector.reset(seed=wrong)
    vector.close()


def test_without_a_seed_games_differ():
    vector = gym.make_vec(ENV_ID, num_envs=16, noop_max=200, observation="ram")
    vector.reset()
    assert len(set(vector.np_random_seed)) == 16
    assert len({memory.tobytes() for memory in vector.ram}) > 1
    vector.close()


def test_reset_mask_leaves_the_others_alone():
    ours, theirs = make_both(ENV_ID, 4, noop_max=9, sticky=0.1)
    for each in (ours, theirs):
        each.reset(seed=SEED)
    play_both(ours, theirs, 20)
    mask = np.array([False, True, False, True])
    options = {"reset_mask": mask}
    assert_same(
        ours.reset(seed=[1, 2, 3, 4], options=options),
        theirs.reset(seed=[1, 2, 3, 4], options={"reset_mask": mask}),
    )
    assert options == {"reset_mask": mask}, "what was given is as it was"
    play_both(ours, theirs, 20)
    stage = {"stage": "4-2"}
    assert_same(
        ours.reset(options={"reset_mask": mask, **stage}),
        theirs.reset(options={"reset_mask": mask, **stage}),
    )
    play_both(ours, theirs, 60)
    ours.close()
    theirs.close()


@pytest.mark.parametrize("options", [{"stage": "4-2"}, {"route_fraction": 0.3}, {}, None])
def test_options_for_all_games(options):
    ours, theirs = make_both(ENV_ID, 3)
    kwargs = [{"seed": SEED, "options": copy.deepcopy(options)} for _ in range(2)]
    assert_same(ours.reset(**kwargs[0]), theirs.reset(**kwargs[1]))
    play_both(ours, theirs, 20)
    ours.close()
    theirs.close()


def test_options_game_by_game():
    vector = gym.make_vec(ENV_ID, num_envs=4, observation="ram")
    vector.reset(seed=0)
    vector.step([1, 2, 3, 4])
    state = vector.save_state(3)
    memory = vector.ram[3]
    options = {
        "stage": ["2-1", "1-1", None, None],
        "route_fraction": [None, 0.5, None, None],
        "state": [None, None, None, state],
    }
    obs, infos = vector.reset(options=options)
    assert infos["world"].tolist() == [2, 1, 1, 1]
    assert infos["x_pos"][1] > 1_000
    assert infos["x_pos"][2] == 40
    np.testing.assert_array_equal(obs[3], memory)
    vector.close()


def test_noops_that_end_the_episode_begin_it_again():
    """Here Mario is on his way into a gap, on the eighth frame of doing nothing he is in it."""
    keywords = {"noop_max": 20, "sticky": 0.25}
    ours, theirs = make_both("MarioRL-8-1-v0", 3, **keywords)
    options = {"route_fraction": 0.7}
    assert_same(
        ours.reset(seed=SEED, options=dict(options)), theirs.reset(seed=SEED, options=dict(options))
    )
    single = SuperMarioBrosEnv("8-1")
    single.reset(options=options)
    assert [single.step(0)[2] for _ in range(8)] == [False] * 7 + [True]
    single.close()
    play_both(ours, theirs, 20)
    ours.close()
    theirs.close()


# What Gymnasium expects


def test_every_id_makes_the_vector_environment():
    for env_id in mario_rl_envs.ENV_IDS:
        spec = gym.spec(env_id)
        assert spec.vector_entry_point == "mario_rl_envs.vector_env:make_mario_vector"
    vector = gym.make_vec("MarioRL-4-2-v0", num_envs=2)
    assert vector.spec.id == "MarioRL-4-2-v0"
    assert str(vector) == "MarioVectorEnv(MarioRL-4-2-v0, num_envs=2)"
    again = gym.make_vec(vector.spec)
    assert_same(again.reset(seed=0), vector.reset(seed=0))
    again.close()
    vector.close()


def test_modes_can_be_given_as_gymnasium_names_them():
    for mode in AutoresetMode:
        for given in (mode, mode.value):
            vector = gym.make_vec(ENV_ID, num_envs=1, autoreset_mode=given)
            assert vector.metadata["autoreset_mode"] is mode
            vector.close()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_wrapper_that_records_episodes(mode):
    ours, theirs = make_both(ENV_ID, 3, mode)
    ours, theirs = RecordEpisodeStatistics(ours), RecordEpisodeStatistics(theirs)
    ours.reset(seed=SEED)
    theirs.reset(seed=SEED)
    rng = np.random.default_rng(3)
    num_episodes = 0
    for _ in range(150):
        actions = rng.integers(1, 5, size=3)
        infos = [each.step(actions)[-1] for each in (ours, theirs)]
        assert ("episode" in infos[0]) == ("episode" in infos[1])
        if "episode" in infos[0]:
            num_episodes += 1
            for key in ("r", "l"):
                assert_same(infos[0]["episode"][key], infos[1]["episode"][key])
    assert num_episodes >= 1
    ours.close()
    theirs.close()


def test_observations_share_no_memory():
    vector = gym.make_vec(ENV_ID, num_envs=2)
    seen = [vector.reset(seed=0)[0], *(vector.step([3, 4])[0] for _ in range(20))]
    copies = [obs.copy() for obs in seen]
    play(vector, 20)
    for obs, kept in zip(seen, copies, strict=True):
        np.testing.assert_array_equal(obs, kept)
        assert not any(np.shares_memory(obs, other) for other in seen if other is not obs)
    seen[-1][:] = 0
    assert vector.step([0, 0])[0].any()
    vector.close()


def test_infos_share_no_memory_with_later_ones():
    vector = gym.make_vec(ENV_ID, num_envs=2)
    vector.reset(seed=0)
    results = [vector.step([3, 4]) for _ in range(2)]
    kept = copy.deepcopy(results[0])
    play(vector, 5)
    assert_same(results[0], kept)
    vector.close()


def test_without_copies_the_same_array_is_written_anew():
    keywords = {"noop_max": 5, "autoreset_mode": "SameStep"}
    copying, sharing = (
        gym.make_vec(ENV_ID, num_envs=3, copy=copies, **keywords) for copies in (True, False)
    )
    arrays = {id(sharing.reset(seed=SEED)[0])}
    copying.reset(seed=SEED)
    rng = np.random.default_rng(0)
    num_ends = 0
    for _ in range(150):
        actions = rng.integers(1, 5, size=3)
        ours, theirs = copying.step(actions), sharing.step(actions)
        assert_same(ours, theirs)
        arrays.add(id(theirs[0]))
        num_ends += int(ours[2].sum())
    assert len(arrays) == 1
    assert num_ends >= 1
    copying.close()
    sharing.close()


def test_ram():
    vector = gym.make_vec(ENV_ID, num_envs=3, observation="ram")
    obs, _ = vector.reset(seed=0)
    memory = vector.ram
    np.testing.assert_array_equal(memory, obs)
    memory[:] = 0
    assert vector.ram.any()
    vector.close()


def test_rendering_screens():
    ours, theirs = make_both(ENV_ID, 2, render_mode="rgb_array")
    for each in (ours, theirs):
        each.reset(seed=0)
    play_both(ours, theirs, 10)
    assert_same(ours.render(), theirs.render())
    ours.close()
    theirs.close()


def test_rendering_every_frame():
    keywords = {"render_mode": "rgb_array_list", "noop_max": 4}
    ours, theirs = make_both(ENV_ID, 2, **keywords)
    for each in (ours, theirs):
        each.reset(seed=0)
    assert_same(ours.render(), theirs.render())
    assert play_both(ours, theirs, 100, right=1.0) >= 1
    frames = ours.render()
    assert_same(frames, theirs.render())
    assert len(frames[0]) >= 30
    assert ours.render() == ([], [])
    ours.close()
    theirs.close()


@pytest.mark.parametrize("mode", ["rgb_array", "rgb_array_list"])
def test_calls_and_attributes_are_those_of_single_environments(mode):
    ours, theirs = make_both(ENV_ID, 2, render_mode=mode, actions="simple")
    for each in (ours, theirs):
        each.reset(seed=SEED)
        each.step([1, 3])
    assert_same(ours.call("render"), theirs.call("render"))
    for name in ("ram", "render_mode", "action_space", "observation_space", "np_random_seed"):
        assert_same(ours.get_attr(name), theirs.get_attr(name), name)
    for name in ("get_action_meanings", "get_keys_to_action"):
        assert_same(ours.call(name), theirs.call(name), name)
    states = ours.call("save_state")
    assert_same(states, theirs.call("save_state"))
    ours.call("load_state", states[1])
    assert (ours.ram[0] == ours.ram[1]).all()
    assert ours.get_attr("np_random") == ours.np_random
    for values in ([3, 4], (3, 4), 5):
        for each in (ours, theirs):
            each.set_attr("lane", values)
        assert ours.get_attr("lane") == theirs.get_attr("lane")
    assert ours.get_attr("unwrapped")[0].spec is ours.get_attr("spec")[0] is ours.spec
    assert ours.get_attr("metadata")[1] is ours.metadata
    for each in (ours, theirs):
        each.close()


def test_calls_and_attributes_that_there_are_not():
    vector = gym.make_vec(ENV_ID, num_envs=2)
    for name in ("step", "lives"):
        with pytest.raises(AttributeError, match=rf"no attribute '{name}'; it has .*'ram', 're"):
            vector.call(name)
    with pytest.raises(ValueError, match="'lane' got 3 values; accepted are one value, and a list"):
        vector.set_attr("lane", [1, 2, 3])
    with pytest.raises(AttributeError, match="'render_mode' of a game cannot be set"):
        vector.set_attr("render_mode", "rgb_array")
    vector.reset()
    with pytest.warns(UserWarning, match="without specifying any render mode"):
        assert vector.call("render") == (None, None)
    vector.close()


@pytest.mark.skipif(
    not hasattr(vector_wrappers, "RecordVideo"), reason="this Gymnasium records single games alone"
)
def test_videos_of_the_games(tmp_path):
    pytest.importorskip("moviepy", reason="videos need the extra 'video'")
    vector = vector_wrappers.RecordVideo(
        gym.make_vec(ENV_ID, num_envs=2, render_mode="rgb_array"),
        str(tmp_path / "videos"),
        video_aspect_ratio=(1, 1),
        record_first_only=True,
        video_length=5,
    )
    vector.reset(seed=0)
    for _ in range(8):
        vector.step([1, 3])
    vector.close()
    assert [path.suffix for path in (tmp_path / "videos").iterdir() if path.stat().st_size > 0] == [
        ".mp4"
    ]


# Where the native core does not do it


@pytest.mark.parametrize("keywords", [{"emulator": "nes-py"}, {"size": 300}])
def test_other_emulators_and_sizes_are_stepped_one_by_one(keywords):
    other = gym.make_vec(ENV_ID, num_envs=2, max_episode_steps=4, **keywords)
    assert isinstance(other, SyncVectorEnv)
    keywords = {**keywords, "emulator": "native"}
    theirs = make_singles(ENV_ID, 2, max_episode_steps=4, **keywords)
    assert_same(other.reset(seed=0), theirs.reset(seed=0))
    for _ in range(10):
        assert_same(other.step(np.array([3, 4])), theirs.step(np.array([3, 4])))
    other.close()
    theirs.close()


def test_without_the_native_core(monkeypatch):
    monkeypatch.setitem(sys.modules, "mario_rl_envs.emulators.native", None)
    monkeypatch.setattr("mario_rl_envs.emulators.create._has_warned", True)
    vector = gym.make_vec(ENV_ID, num_envs=2)
    assert isinstance(vector, SyncVectorEnv)
    assert vector.reset(seed=0)[0].shape == (2, 4, 84, 84)
    vector.close()


# Random numbers


@pytest.mark.parametrize("num_draws", [1, 3, 250])
def test_numbers_taken_back_are_drawn_again(num_draws):
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    for each in (one, other):
        each.integers(7)  # leaves half of a number for the next call
    drawn = one.random(num_draws)
    _rewind(one, num_draws)
    assert one.bit_generator.state == other.bit_generator.state
    np.testing.assert_array_equal(one.random(num_draws), drawn)
    other.random(num_draws)
    assert one.integers(1000, size=4).tolist() == other.integers(1000, size=4).tolist()
