"""Save states: refused when anything about them is wrong, and then nothing has changed."""

import hashlib
import struct
import zlib

import numpy as np
import pytest

from mario_rl_envs import save_state
from mario_rl_envs.emulators import nes_py
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game import rom
from mario_rl_envs.history import FrameFormat, Frames


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


def emulator_of(state):
    return "native" if b'"native"' in state else "nes-py"


def changed(state, **changes):
    """Return the state with other content, well packed."""
    saved = save_state.unpack(state, emulator_of(state))
    content = {**saved._asdict(), "emulator": emulator_of(state), **changes}
    return save_state.pack(content.pop("machine"), content.pop("reward"), **content)


def changed_reward(state, **changes):
    reward = save_state.unpack(state, emulator_of(state)).reward
    return changed(state, reward={**reward, **changes})


def with_frames(state, **changes):
    """Return the state with the frames of a stack, which say something wrong of themselves."""
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    form = FrameFormat(("GrayscaleObservation",), 4, pixels.shape)
    return changed(state, frames=Frames(form._replace(**changes), pixels))


def with_more_frames(state):
    """Return the state, which says that there are more bytes of frames than are left."""
    body = with_frames(state)[38:]
    header = body[4 : 4 + struct.unpack_from("<I", body)[0]]
    wrong = header.replace(b'"num_bytes":', b'"num_bytes":999999')
    return rewrite(with_frames(state), body[:4] + header, struct.pack("<I", len(wrong)) + wrong)


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
            "format version 99, this version of mario_rl_envs reads 1 and 2",
        ),
        (other_rom, f"from the ROM with SHA-256 {'0' * 64}, this one has {rom.SHA256}"),
        (other_emulator, "from emulator='mesen2', this environment has emulator='n"),
        (other_header, "header is damaged"),
        (lambda state: changed(state, in_episode=5), "in_episode is 5"),
        (lambda state: changed(state, reward=None), "the reward's memory is damaged"),
        (lambda state: changed(state, reward={}), "the reward's memory"),
        (lambda state: changed_reward(state, x=-1), "the reward's memory is damaged: x is -1"),
        (lambda state: changed_reward(state, score=10**18), "reward's memory is damaged: score is"),
        (lambda state: changed_reward(state, frontiers=[[2**32, 1]]), "reward's memory is damaged"),
        (lambda state: changed_reward(state, frontiers=[[1, 70_000]]), "reward's memory is dama"),
        (
            lambda state: changed_reward(state, frontiers=[[i, i] for i in range(5_000)]),
            "memory is damaged: it has 5000 frontiers; accepted are 4096 or less",
        ),
        (lambda state: changed_reward(state, dead=0), "the reward's memory is damaged: dead is 0"),
        (lambda state: changed_reward(state, area=7), "its area .*is none of its frontiers"),
        (lambda state: changed_reward(state, frontiers=[[1]]), r"a frontier is \[1\]"),
        (lambda state: changed_reward(state, frontiers={}), "damaged: .*frontiers"),
        (lambda state: state[:-1] + bytes([state[-1] ^ 1]), "truncated or corrupted"),
        (lambda state: with_frames(state, skip=0), "header is damaged .*the frames' numbers"),
        (lambda state: with_frames(state, skip=True), "header is damaged .*the frames' numbers"),
        (lambda state: with_frames(state, shape=(2, -3)), "header is damaged .*frames' numbers"),
        (lambda state: with_frames(state, shape=5), "header is damaged"),
        (lambda state: with_frames(state, view=(5,)), "header is damaged .*the frames' view"),
        (with_more_frames, "header is damaged .*the frames are 9"),
    ],
)
def test_bad_state_is_refused_and_nothing_changes(env, spoil, message):
    before = env.save_state()
    memory, generator = env.ram.tobytes(), env.np_random.bit_generator.state
    bad = spoil(before)
    for load in (env.load_state, lambda state: env.reset(seed=3, options={"state": state})):
        with pytest.raises(ValueError, match=message):
            load(bad)
    assert env.save_state() == before
    assert env.ram.tobytes() == memory
    assert env.np_random.bit_generator.state == generator


def test_damaged_values_are_told_in_a_line(env):
    state = env.save_state()
    long = "x" * 10_000
    spoilt = [
        changed(state, reward=long),
        changed_reward(state, x=long),
        changed_reward(state, frontiers=[[long]]),
        changed(state, in_episode=long),
        rewrite(state, b'"rom":"', b'"rom":"' + long.encode()),
        with_frames(state, view=(*range(5_000),)),
    ]
    for bad in spoilt:
        with pytest.raises(ValueError, match=r"damaged|ROM") as refused:
            env.load_state(bad)
        assert len(str(refused.value)) < 500


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
    saved = save_state.unpack(before, "native")
    for wrong in (b"", saved.machine[:-1], b"\x07" + saved.machine[1:], b"\1" + bytes(5_000)):
        with pytest.raises(ValueError, match="save state of the native console is damaged"):
            env.load_state(changed(before, machine=wrong))
        assert env.save_state() == before
    env.close()


def test_state_that_replays_to_another_memory_is_refused(reference_env):
    """As one from an nes-py that behaves differently would."""
    env = reference_env
    before = env.save_state()
    wrong = bytes(16) + save_state.unpack(before, "nes-py").machine[16:]
    with pytest.raises(ValueError, match="led to another memory than was saved"):
        env.load_state(changed(before, machine=wrong))
    assert env.save_state() == before


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (struct.pack("<I", 600_000), "it has 600000 frames; accepted are 500000 or less"),
        (struct.pack("<I", 0) + struct.pack("<IHB", 0, 0x800, 1), "it writes beyond the memory"),
        (bytes(10_000_000), "it is truncated, or longer than 8000000 bytes"),
        (b"", "requires a buffer of at least 4 bytes"),
    ],
)
def test_histories_that_are_not_played(reference_env, history, message):
    before = reference_env.save_state()
    machine = save_state.unpack(before, "nes-py").machine
    bad = changed(before, machine=machine[:16] + zlib.compress(history))
    with pytest.raises(ValueError, match=message):
        reference_env.load_state(bad)
    assert reference_env.save_state() == before


def test_more_states_than_machines_are_kept(monkeypatch):
    """The oldest machines are freed, and their states are reached again by playing."""
    monkeypatch.setattr(nes_py, "_MAX_ANCHORS", 4)
    other = SuperMarioBrosEnv("1-1", emulator="nes-py")
    other.reset()
    first = other.save_state()
    memory = other.ram.tobytes()
    for _ in range(6):
        other.step(128)
        other.load_state(other.save_state())
    assert len(other._emulator._anchors) == 4
    assert other.ram.tobytes() != memory
    other.load_state(first)
    assert other.ram.tobytes() == memory
    other.close()


def test_frames_come_back_as_they_were(env):
    state = save_state.unpack(with_frames(env.save_state()), env._emulator.name)
    form = FrameFormat(("GrayscaleObservation",), 4, (2, 3, 4))
    np.testing.assert_array_equal(state.frames_for(form).ravel(), range(24))
    assert state.machine == save_state.unpack(env.save_state(), env._emulator.name).machine
    for other in (form._replace(skip=5), form._replace(view=()), form._replace(shape=(3, 3, 4))):
        assert state.frames_for(other) is None


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 3, 4)])
def test_frames_that_are_not_of_their_shape(env, shape):
    state = save_state.unpack(with_frames(env.save_state(), shape=shape), env._emulator.name)
    with pytest.raises(ValueError, match="the save state's frames are damaged: they are not"):
        state.frames_for(state.frames.format)


def test_frames_that_do_not_decompress(env):
    state = save_state.unpack(with_frames(env.save_state()), env._emulator.name)
    with pytest.raises(ValueError, match="the save state's frames are damaged"):
        state.frames._replace(data=b"?" + state.frames.data[1:]).decompress()


def test_states_of_version_1_are_read(env):
    """They differ by their number alone, where there is no stack."""
    state = env.save_state()
    memory = env.ram.tobytes()
    env.step(128)
    env.load_state(state[:4] + struct.pack("<H", 1) + state[6:])
    assert env.ram.tobytes() == memory
