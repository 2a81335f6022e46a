"""Save states: refused when anything about them is wrong, and then nothing has changed."""

import hashlib
import struct

import pytest

from mario_rl_envs import states
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import rom


@pytest.fixture(scope="module", params=["native", "nes-py"])
def env(request):
    env = SuperMarioBrosEnv("1-1", emulator=request.param)
    env.reset()
    for _ in range(40):
        env.step(128)
    yield env
    env.close()


def rewrite(state, old, new):
    """Return the state with a part of its content exchanged and the checksum made right again."""
    assert old in state
    body = state[38:].replace(old, new)
    return state[:6] + hashlib.sha256(body).digest() + body


def other_rom(state):
    return rewrite(state, rom.SHA256.encode(), b"0" * 64)


def other_emulator(state):
    name = b'"native"' if b'"native"' in state else b'"nes-py"'
    return rewrite(state, name, b'"mesen2"')


def other_header(state):
    return rewrite(state, b'{"rom"', b'["rom"')


def changed(state, **changes):
    """Return the state with other memory of the environment, well packed."""
    emulator = "native" if b'"native"' in state else "nes-py"
    saved = states.unpack(state, emulator)
    return states.pack(saved._replace(environment={**saved.environment, **changes}), emulator)


def changed_reward(state, **changes):
    emulator = "native" if b'"native"' in state else "nes-py"
    reward = states.unpack(state, emulator).environment["reward"]
    return changed(state, reward={**reward, **changes})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state[:20], "truncated: 20 bytes"),
        (lambda state: state[:-1], "truncated or corrupted"),
        (lambda state: state[:200], "truncated or corrupted"),
        (lambda state: state + b"x", "truncated or corrupted"),
        (lambda state: state[:100] + b"?" + state[101:], "truncated or corrupted"),
        (lambda state: b"", "are no save state"),
        (lambda state: b"NES\x1a" + state[4:], "do not begin with 'MRLS'"),
        (
            lambda state: state[:4] + struct.pack("<H", 99) + state[6:],
            "format version 99, this version of mario_rl_envs reads 1",
        ),
        (other_rom, f"from the ROM with SHA-256 {'0' * 64}, this one has {rom.SHA256}"),
        (other_emulator, "from emulator='mesen2', this environment has emulator='n"),
        (other_header, "header is damaged"),
        (lambda state: changed(state, in_episode=5), "in_episode is 5"),
        (lambda state: changed(state, reward=None), "the reward's memory is damaged"),
        (lambda state: changed(state, reward={}), "the reward's memory"),
        (lambda state: changed_reward(state, x=-1), "the reward's memory is damaged: x is -1"),
        (lambda state: changed_reward(state, dead=0), "the reward's memory is damaged: dead is 0"),
        (lambda state: changed_reward(state, area=7), "its area .*is none of its frontiers"),
        (lambda state: changed_reward(state, frontiers=[[1]]), r"a frontier is \[1\]"),
        (lambda state: changed_reward(state, frontiers={}), "damaged: .*frontiers"),
        (lambda state: state[:-1] + bytes([state[-1] ^ 1]), "truncated or corrupted"),
    ],
)
def test_bad_state_is_refused_and_nothing_changes(env, spoil, message):
    before = env.save_state()
    memory = env.ram.tobytes()
    bad = spoil(before)
    for load in (env.load_state, lambda state: env.reset(options={"state": state})):
        with pytest.raises(ValueError, match=message):
            load(bad)
    assert env.save_state() == before
    assert env.ram.tobytes() == memory


def test_state_that_is_no_bytes(env):
    with pytest.raises(TypeError, match=r"a save state is bytes, as save_state.* got str"):
        env.load_state("MRLS")


@pytest.fixture(scope="module")
def reference_env():
    env = SuperMarioBrosEnv("1-1", emulator="nes-py")
    env.reset()
    yield env
    env.close()


def test_state_of_another_emulator_is_refused(reference_env):
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    for one, other in ((env, reference_env), (reference_env, env)):
        before = other.save_state()
        name = one._emulator.name
        with pytest.raises(ValueError, match=f"load it in one made with emulator='{name}'"):
            other.load_state(one.save_state())
        assert other.save_state() == before
    env.close()


def test_native_state_that_no_machine_can_have():
    env = SuperMarioBrosEnv("1-1")
    env.reset()
    before = env.save_state()
    saved = states.unpack(before, "native")
    for wrong in (b"", saved.machine[:-1], b"\x07" + saved.machine[1:], b"\1" + bytes(5_000)):
        with pytest.raises(ValueError, match="save state of the native console is damaged"):
            env.load_state(states.pack(saved._replace(machine=wrong), "native"))
        assert env.save_state() == before
    env.close()


def test_state_that_replays_to_another_memory_is_refused(reference_env):
    """As one from an nes-py that behaves differently would."""
    env = reference_env
    saved = states.unpack(env.save_state(), "nes-py")
    wrong = bytes(16) + saved.machine[16:]
    before = env.save_state()
    with pytest.raises(ValueError, match="led to another memory than was saved"):
        env.load_state(states.pack(saved._replace(machine=wrong), "nes-py"))
    assert env.save_state() == before


def test_more_states_than_machines_are_kept():
    """The oldest machines are freed, and their states are reached again by playing."""
    other = SuperMarioBrosEnv("1-1", emulator="nes-py")
    other.reset()
    first = other.save_state()
    memory = other.ram.tobytes()
    for _ in range(42):
        other.step(128)
        other.load_state(other.save_state())
    assert other.ram.tobytes() != memory
    other.load_state(first)
    assert other.ram.tobytes() == memory
    other.close()
