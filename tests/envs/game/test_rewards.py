"""Rewards: the terms on made-up memory, and what they add up to in play."""

import gymnasium as gym
import numpy as np
import pytest

from mario_rl_envs import routes
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import ram
from mario_rl_envs.game.rewards import REWARDS, TERMS, Reward


def digits(memory, address, value, count):
    memory[address : address + count] = bytes(int(digit) for digit in f"{value:0{count}}")


def memory_of(x=40, clock=400, score=0, coins=0, state=8, area=0xA000, flag=False):
    memory = bytearray(ram.SIZE)
    memory[ram.PLAYER_X_PAGE], memory[ram.PLAYER_X] = divmod(x, 256)
    digits(memory, ram.CLOCK, clock, 3)
    digits(memory, ram.SCORE, score, 6)
    digits(memory, ram.COINS, coins, 2)
    memory[ram.PLAYER_STATE] = state
    memory[ram.PLAYER_VIEWPORT] = 1
    memory[ram.AREA_DATA : ram.AREA_DATA + 2] = area.to_bytes(2, "little")
    if flag:
        memory[ram.ENEMY_TYPES + 4], memory[ram.PLAYER_FLOAT_STATE] = 0x31, 3
    return memory


def term_values(term, *memories):
    """Return the term's values frame by frame, after a reset to the first memory."""
    reward = Reward({term: 1.0})
    reward.reset(memories[0])
    return [reward(memory)[0] for memory in memories[1:]]


@pytest.mark.parametrize(
    ("term", "frames", "expected"),
    [
        ("velocity", [{"x": 40}, {"x": 43}, {"x": 38}, {"x": 44}, {"x": 255}], [3, -5, 0, 0]),
        ("progress", [{"x": 40}, {"x": 43}, {"x": 38}, {"x": 44}, {"x": 300}], [3, 0, 1, 0]),
        ("clock", [{"clock": 400}, {"clock": 399}, {"clock": 397}, {"clock": 400}], [-1, -2, 0]),
        ("dying", [{}, {"state": 11}, {"state": 6}, {"state": 8}], [1, 1, 0]),
        ("death", [{}, {"state": 11}, {"state": 6}, {"state": 8}, {"state": 6}], [1, 0, 0, 1]),
        ("flag", [{}, {"flag": True}, {"flag": True}, {}], [1, 0, 0]),
        ("score", [{"score": 100}, {"score": 300}, {"score": 300}], [200, 0]),
        ("coins", [{"coins": 98}, {"coins": 99}, {"coins": 0}, {"coins": 2}], [1, 1, 2]),
    ],
)
def test_term(term, frames, expected):
    assert term_values(term, *(memory_of(**frame) for frame in frames)) == expected


def test_every_term_is_tested_and_documented():
    import mario_rl_envs.game.rewards as module

    assert all(f"| `{term}` |" in module.__doc__ for term in TERMS)


def test_seven_four_zero_clips_the_sum():
    reward = Reward("progress")
    reward.reset(memory_of())
    total, terms = reward(memory_of(x=43, clock=399, state=11))
    assert total == -15.0
    assert terms == {"velocity": 3.0, "clock": -1.0, "dying": -25.0, "clip": 8.0}


def test_new_ground_is_counted_from_the_entry_of_an_area():
    reward = Reward({"progress": 1.0})
    reward.reset(memory_of(x=1_000))
    assert reward(memory_of(x=1_002))[0] == 2
    # Down a pipe into another area, further left: nothing is lost, and its ground is new.
    reward.skipped(memory_of(x=24, area=0xB000))
    assert [reward(memory_of(x=x, area=0xB000))[0] for x in (26, 27, 26, 28)] == [2, 1, 0, 1]
    # And back, further on: the way there was not walked.
    reward.skipped(memory_of(x=2_000))
    assert [reward(memory_of(x=x))[0] for x in (2_000, 2_003)] == [0, 3]


def test_a_loop_earns_nothing_the_second_time():
    reward = Reward({"progress": 1.0})
    reward.reset(memory_of(x=100))
    first = sum(reward(memory_of(x=x))[0] for x in range(100, 400, 2))
    reward.skipped(memory_of(x=24, area=0xB000))
    reward.skipped(memory_of(x=100))
    assert first == 298
    assert sum(reward(memory_of(x=x))[0] for x in range(100, 400, 2)) == 0
    assert reward(memory_of(x=400))[0] == 2


def test_a_frame_that_ends_between_the_bytes_of_the_position_loses_nothing():
    """The low byte has wrapped, the page has not followed yet: x seems 256 smaller for a frame."""
    assert term_values("progress", *(memory_of(x=x) for x in (510, 0x100, 514, 516))) == [0, 4, 2]
    assert term_values("progress", *(memory_of(x=x) for x in (513, 0x2FF, 510, 515))) == [0, 0, 2]


def test_state_goes_on_where_it_was():
    frames = [memory_of(x=x, score=x) for x in range(40, 80, 2)]
    one, other = Reward("shaped"), Reward("shaped")
    one.reset(frames[0])
    for frame in frames[:10]:
        one(frame)
    other.set_state(one.get_state())
    assert [one(frame) for frame in frames[5:]] == [other(frame) for frame in frames[5:]]


@pytest.mark.parametrize("reward", [*REWARDS, {"velocity": 0.5, "coins": 10}])
def test_terms_sum_to_the_reward(reward):
    env = gym.make("MarioRL-1-1-v0", reward=reward, actions="joypad")
    _, info = env.reset()
    weights = REWARDS[reward] if isinstance(reward, str) else reward
    assert set(info["reward_terms"]) == set(weights)
    assert set(info["reward_terms"].values()) == {0.0}
    for joypad in routes.load("1-1").joypad[:150]:
        _, total, *_, info = env.step(joypad)
        assert set(info["reward_terms"]) == set(weights)
        assert sum(info["reward_terms"].values()) == pytest.approx(total, abs=1e-9)
    env.close()


def clear(stage, reward):
    """Return the sum of each term over the route of a stage, and the total reward."""
    env = gym.make(f"MarioRL-{stage}-v0", reward=reward, actions="joypad")
    _, at_reset = env.reset()
    sums, total = {}, 0.0
    for joypad in routes.load(stage).joypad:
        _, step_reward, *_, info = env.step(joypad)
        total += step_reward
        for term, value in info["reward_terms"].items():
            sums[term] = sums.get(term, 0.0) + value
    env.close()
    return sums, total, at_reset, info


def test_shaped_reward_of_a_stage_with_pipes():
    """1-2 goes from underground through a pipe to the exit: no ground is lost or paid twice."""
    sums, total, at_reset, info = clear("1-2", "shaped")
    assert sums["flag"] == 100.0
    assert sums["death"] == 0.0
    assert sums["score"] == pytest.approx(0.01 * info["score"])
    assert sums["clock"] == info["time"] - at_reset["time"]
    # Underground from 40 to 2,643, and after the pipe from 2,872 to 3,161.
    assert sums["progress"] == pytest.approx((2_643 - 40) + (3_161 - 2_872), abs=8)
    assert total == pytest.approx(sum(sums.values()))


def test_sparse_and_score_rewards_of_a_stage():
    assert clear("1-1", "sparse")[1] == 1.0
    _, total, _, info = clear("1-1", "score")
    assert total == info["score"] == 700


def test_a_death_costs_fifteen_in_progress_and_fifty_in_shaped():
    lost = {}
    for reward in ("progress", "shaped"):
        env = SuperMarioBrosEnv("1-1", reward=reward)
        env.reset()
        terminated = False
        while not terminated:
            _, last, terminated, _, info = env.step(128)
        lost[reward] = (last, info["reward_terms"])
        env.close()
    assert lost["progress"][0] == -15.0
    assert lost["shaped"][1]["death"] == -50.0


def test_numbers_are_read_as_the_game_writes_them():
    memory = memory_of(x=0x1234, clock=7, score=12_350, coins=42)
    assert ram.x_position(memory) == 0x1234
    assert (ram.clock(memory), ram.score(memory), ram.coins(memory)) == (7, 12_350, 42)
    memory[ram.PLAYER_Y_SCREEN] = 100
    assert ram.y_position(memory) == 155
    memory[ram.PLAYER_VIEWPORT] = 0
    assert ram.y_position(memory) == 410
    memory[ram.PLAYER_X], memory[ram.SCREEN_LEFT_X] = 10, 250
    assert ram.x_screen(memory) == 16
    assert [ram.power(bytes([0] * ram.POWER + [power] + [0] * 200)) for power in (0, 1, 2, 3)] == [
        "small",
        "tall",
        "fireball",
        "fireball",
    ]
    assert isinstance(ram.x_position(np.array(memory, np.uint8).tobytes()), int)
