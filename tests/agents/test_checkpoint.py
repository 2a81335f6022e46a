"""Checkpoint files: what they hold, how they fail, and that the old one survives."""

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from mario_rl_agents.algorithms.double_dqn import DoubleDQN
from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.algorithms.sac import SAC, SACConfig
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.errors import CheckpointError
from mario_rl_agents.loops import episode_log
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from support.agent_toys import (
    CORRIDOR_CONFIG,
    SIDE_CONFIG,
    assert_same_weights,
    cartpole,
    corridor,
    run_python,
    side,
    weights,
)
from support.signed_files import read_signed, write_signed

SAC_CONFIG = SACConfig(learning_starts=50, replay_capacity=3_000, hidden_sizes=(8,), batch_size=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the checkpoint, without replay memory, of an agent with 150 steps on CartPole."""
    agent = DQN.create(cartpole(), CORRIDOR_CONFIG, seed=7, device="cpu")
    agent.learn(150)
    agent.save(tmp_path / "agent.safetensors")
    return tmp_path / "agent.safetensors"


def rewrite(path: Path, **changes: Any) -> None:
    """Change entries of the metadata and leave all else as it is."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    save_file(load_file(path), path, {**metadata, **changes})


def test_header_tells_all_but_the_tensors(path: Path) -> None:
    header = read_header(path)
    assert header.algorithm == "dqn"
    assert header.config == json.loads(json.dumps(dataclasses.asdict(CORRIDOR_CONFIG)))
    assert (header.env_id, header.env_kwargs) == ("CartPole-v1", {})
    assert header.observation_space == "Box(shape=(4,), dtype=float32)"
    assert header.action_space == "Discrete(2)"
    assert (header.seed, header.num_steps, header.num_updates) == (7, 150, 50)
    assert set(header.generators) == {"exploration", "replay"}
    assert header.replay is None


def test_arguments_of_the_environment_are_kept_as_json(tmp_path: Path) -> None:
    env = gym.make("CartPole-v1", sutton_barto_reward=True)
    DQN.create(env, CORRIDOR_CONFIG, device="cpu").save(tmp_path / "a.safetensors")
    assert read_header(tmp_path / "a.safetensors").env_kwargs == {"sutton_barto_reward": True}
    DQN.create(corridor(), CORRIDOR_CONFIG, device="cpu").save(tmp_path / "b.safetensors")
    assert read_header(tmp_path / "b.safetensors").env_id is None


def test_it_is_an_ordinary_safetensors_file(path: Path) -> None:
    tensors = load_file(path)
    agent = DQN.load(path, cartpole(), device="cpu")
    assert set(tensors) == set(weights(agent))
    np.testing.assert_array_equal(tensors["q/layers.0.weight"], weights(agent)["q/layers.0.weight"])
    assert path.stat().st_mode & 0o044 == 0o044  # readable like any file, not as a temporary one


def test_replay_file_is_replaced_with_its_checkpoint(path: Path) -> None:
    folder = path.parent
    agent = DQN.create(cartpole(), CORRIDOR_CONFIG, seed=7, device="cpu")
    agent.learn(20)
    agent.save(path, replay=True)
    assert [x.name.split("-")[1] for x in folder.glob("*replay*")] == ["20"]
    agent.learn(20)
    agent.save(path, replay=True)
    (replay,) = folder.glob("*replay*")
    reference = read_header(path).replay
    assert reference is not None
    assert (replay.name, replay.stat().st_size) == (reference.name, reference.num_bytes)
    assert replay.name.startswith("agent.replay-40-")
    assert len(DQN.load(path, cartpole(), device="cpu").replay) == 40
    agent.save(path)
    assert [x.name for x in folder.iterdir()] == ["agent.safetensors"]


def test_missing(tmp_path: Path, path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"there is no checkpoint .*none.safetensors: check"
    ):
        DQN.load(tmp_path / "none.safetensors", cartpole())
    agent = DQN.load(path, cartpole(), device="cpu")
    agent.save(path, replay=True)
    (replay,) = tmp_path.glob("*replay*")
    whole = replay.read_bytes()
    replay.unlink()
    agent = DQN.load(path, cartpole(), device="cpu")
    agent.act(np.zeros((1, 4), np.float32))  # it plays without
    message = rf"needs the replay memory {replay.name} in the same folder to go on training"
    for go_on in (lambda: agent.learn(1), lambda: agent.save(path, replay=True)):
        with pytest.raises(FileNotFoundError, match=message):
            go_on()
    replay.write_bytes(whole[:-1])
    with pytest.raises(
        CheckpointError, match=r"bytes instead of .*: it is truncated or of another"
    ):
        agent.learn(1)
    replay.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"is corrupted \(its checksum is wrong\)"):
        agent.learn(1)
    replay.write_bytes(whole)
    agent.learn(1)


@pytest.mark.parametrize("kept", [0, 5, 300, 0.5, 0.999])
def test_truncated(path: Path, kept: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(CheckpointError, match="is truncated, corrupted or no checkpoint at all"):
        DQN.load(path, cartpole())


def test_every_flipped_byte_is_noticed(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    env = cartpole()
    places = np.random.default_rng(0).integers(0, len(whole), 60).tolist()
    header = int.from_bytes(whole[:8], "little")
    for place in [*places, *range(8, 8 + header, 97)]:
        damaged = whole.copy()
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            DQN.load(path, env, device="cpu")
    damaged = whole.copy()
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(
        CheckpointError, match=r"is corrupted \(its checksum is wrong\): use another"
    ):
        DQN.load(path, env, device="cpu")


def test_not_ours(tmp_path: Path, path: Path) -> None:
    save_file({"x": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(
        CheckpointError, match="is not a checkpoint of mario_rl_agents: give a file"
    ):
        DQN.load(tmp_path / "other.safetensors", cartpole())
    (tmp_path / "text.safetensors").write_text("hello, this is not a checkpoint")
    with pytest.raises(CheckpointError, match="no checkpoint at all"):
        read_header(tmp_path / "text.safetensors")
    rewrite(path, version="2")
    with pytest.raises(
        CheckpointError, match="has checkpoint format 2, this version of mario_rl_ag"
    ):
        read_header(path)


def test_another_algorithm(path: Path) -> None:
    message = "holds an agent of algorithm 'dqn', not 'double_dqn': load it with the class"
    with pytest.raises(CheckpointError, match=message):
        DoubleDQN.load(path, cartpole())


def test_does_not_fit_the_environment(path: Path) -> None:
    message = (
        r"does not fit the environment: the agent was trained with observation space Box\(shape="
        r"\(4,\), dtype=float32\), the environment has Box\(shape=\(5,\), dtype=float32\)"
    )
    with pytest.raises(CheckpointError, match=message):
        DQN.load(path, corridor())
    env = cartpole()
    env.action_space = gym.spaces.Discrete(3)
    message = r"action space Discrete\(2\), the environment has Discrete\(3\)"
    with pytest.raises(CheckpointError, match=message):
        DQN.load(path, env)


def test_unknown_config_key_and_bad_value(path: Path) -> None:
    agent = DQN.load(path, cartpole(), device="cpu")

    @dataclasses.dataclass(frozen=True)
    class Newer(type(agent.config)):  # type: ignore[misc]
        momentum: float = 0.5

    values = {f.name: getattr(agent.config, f.name) for f in dataclasses.fields(agent.config)}
    agent.config = Newer(**values)
    agent.save(path)
    message = r"unknown config keys \['momentum'\]; DQNConfig knows \['learning_rate', "
    with pytest.raises(CheckpointError, match=message):
        DQN.load(path, cartpole())
    agent.config = dataclasses.replace(CORRIDOR_CONFIG)
    object.__setattr__(agent.config, "gamma", 7.0)
    agent.save(path)
    with pytest.raises(
        CheckpointError, match=r"a config that is not accepted: gamma must be a number in"
    ):
        DQN.load(path, cartpole())


FULL_DISK = """
import resource, signal, sys
from support.agent_toys import CORRIDOR_CONFIG, cartpole
from mario_rl_agents.algorithms.dqn import DQN
agent = DQN.load({path!r}, cartpole(), device="cpu")
agent.learn(150)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for replay, limit in ((False, {limit}), (True, 4000), (True, {limit})):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        agent.save({path!r}, replay=replay)
    except OSError as error:
        print(error.errno, error)
    else:
        print("saved")
"""


def test_full_disk_keeps_the_old_checkpoint(path: Path) -> None:
    pytest.importorskip("resource", reason="limits of file sizes are a POSIX feature")
    old = path.read_bytes()
    # Some kilobytes are missing: the checkpoint fails; then its replay memory; then it, after that.
    output = run_python(FULL_DISK.format(path=str(path), limit=len(old) - 5000))
    for line in output.splitlines():
        assert line == (
            f"27 [Errno 27] cannot write checkpoint {path} (File too large); the previous "
            "checkpoint is kept; free disk space or save elsewhere, then save again"
        )
    assert len(output.splitlines()) == 3
    assert path.read_bytes() == old
    assert [x.name for x in path.parent.iterdir()] == ["agent.safetensors"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    agent = DQN.create(cartpole(), CORRIDOR_CONFIG, device="cpu")
    with pytest.raises(OSError, match=r"cannot write checkpoint .*nothing was written; free disk"):
        agent.save(tmp_path / "file" / "agent.safetensors")


def test_image_agents_too(tmp_path: Path) -> None:
    agent = DoubleDQN.create(side(), SIDE_CONFIG, device="cpu")
    agent.learn(60)
    agent.save(tmp_path / "deep" / "agent.safetensors")
    loaded = DoubleDQN.load(tmp_path / "deep" / "agent.safetensors", side(), device="cpu")
    assert_same_weights(weights(agent), weights(loaded))
    obs = np.random.default_rng(0).integers(0, 256, (3, 4, 36, 36), dtype=np.uint8)
    np.testing.assert_array_equal(agent.action_values(obs), loaded.action_values(obs))
    kernel = loaded.q.get_parameter("convolutions.0.weight")
    assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_the_actions_of_a_long_episode_are_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agent = SAC.create(pendulum(3_000), SAC_CONFIG, seed=1, device="cpu")
    agent.learn(100)
    agent.save(path, replay=True)
    sizes = [len(header_bytes(path))]
    agent.learn(1_000)
    agent.save(path, replay=True)
    sizes.append(len(header_bytes(path)))
    assert sizes[1] - sizes[0] < 200  # digits of counters and offsets
    actions = load_file(path)["episode/actions"]
    assert actions.shape == (1_100, 1)
    assert actions.dtype == np.float32
    resumed = SAC.load(path, pendulum(3_000), device="cpu")
    for each in (agent, resumed):
        each.learn(30)
    assert_same_weights(agent.tensors(), resumed.tensors())


def test_an_episode_without_end_takes_no_memory_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episode_log, "MAX_ACTION_BYTES", 4 * 100)
    path = tmp_path / "agent.safetensors"
    agent = SAC.create(pendulum(-1), SAC_CONFIG, seed=1, device="cpu")
    agent.learn(100)
    agent.save(path, replay=True)
    assert load_file(path)["episode/actions"].shape == (100, 1)
    agent.learn(1)
    agent.save(path, replay=True)
    assert "episode/actions" not in load_file(path)
    resumed = SAC.load(path, pendulum(-1), device="cpu")
    with pytest.warns(RuntimeWarning, match="an episode was too long for its actions to be kept"):
        resumed.learn(1)
    assert resumed.num_steps == 102


def test_what_cannot_be_read_back_does_not_replace_a_checkpoint(path: Path) -> None:
    """The header of a safetensors file has 100 MB at most."""
    old = path.read_bytes()
    agent = DQN.load(path, cartpole(), device="cpu")
    assert agent.single_env.spec is not None
    agent.single_env.spec.kwargs["text"] = "x" * 100_000_001
    with pytest.raises(CheckpointError, match=r"cannot be read back; the previous checkpoint is"):
        agent.save(path, replay=True)
    assert path.read_bytes() == old
    assert [x.name for x in path.parent.iterdir()] == ["agent.safetensors"]


def test_only_replay_memories_that_no_checkpoint_names_are_deleted(path: Path) -> None:
    folder = path.parent
    agent = DQN.create(cartpole(), CORRIDOR_CONFIG, device="cpu")
    agent.learn(40)
    agent.save(path, replay=True)
    (kept,) = folder.glob("*replay*")
    shutil.copy(path, folder / "copy.safetensors")
    others = ["agent.replay-150-notes.safetensors", "other.replay-1-0123abcd.safetensors", "a.txt"]
    abandoned = [
        "agent.replay-9-0123abcd.safetensors",
        ".agent.safetensors.0123abcd.tmp.safetensors",
        ".agent.replay-9-0123abcd.safetensors.0123abcd.tmp.safetensors",
    ]
    for name in (*others, *abandoned):
        (folder / name).touch()
    agent.learn(10)
    agent.save(path)
    left = {x.name for x in folder.iterdir()}
    assert left == {"agent.safetensors", "copy.safetensors", kept.name, *others}
    assert len(DQN.load(folder / "copy.safetensors", cartpole(), device="cpu").replay) == 40


def test_a_header_cannot_have_other_files_deleted_or_read(path: Path) -> None:
    """It may name any file as its replay memory."""
    for name in ("thesis.tex", "../agent.replay-1-0123abcd.safetensors", "..", "/etc/passwd"):
        (path.parent / "thesis.tex").write_text("years")
        agent = DQN.create(cartpole(), CORRIDOR_CONFIG, device="cpu")
        agent.save(path, replay=True)
        header, tensors = read_signed(path)
        header["replay"]["name"] = name
        write_signed(path, header, tensors)
        with pytest.raises(CheckpointError, match=r"name must be NAME\.replay-STEPS-DIGEST"):
            DQN.load(path, cartpole(), device="cpu")
        agent.save(path)
        assert (path.parent / "thesis.tex").read_text() == "years"


SAVER = """
from support.agent_toys import CORRIDOR_CONFIG, cartpole
from mario_rl_agents.algorithms.dqn import DQN
agent = DQN.create(cartpole(), CORRIDOR_CONFIG, seed={seed}, device="cpu")
agent.learn({steps})
for _ in range(15):
    agent.save({path!r}, replay=True)
"""


def test_two_processes_that_save_to_one_path_leave_a_whole_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    codes = [SAVER.format(seed=i, steps=30 + i, path=str(path)) for i in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run_python, codes))
    agent = DQN.load(path, cartpole(), device="cpu")
    assert len(agent.replay) == agent.num_steps
    assert len(list(tmp_path.iterdir())) == 2


def test_playing_takes_no_room_for_a_replay_memory(path: Path, tmp_path: Path) -> None:
    """A file may ask for any size, and for any folder."""
    for capacity, folder in ((10**15, None), (10**18, None), (100, str(tmp_path / "made"))):
        change_config(path, replay_capacity=capacity, replay_dir=folder)
        agent = DQN.load(path, cartpole(), device="cpu")
        agent.act(np.zeros((1, 4), np.float32))
    assert not (tmp_path / "made").exists()
    agent.learn(1)
    assert list((tmp_path / "made").iterdir()) == []  # its file has no name
    change_config(path, replay_capacity=10**15, replay_dir=None)
    with pytest.raises(OSError, match=r"no room for a replay memory of [\d,]* bytes: choose a sma"):
        DQN.load(path, cartpole(), device="cpu").learn(1)


def test_a_network_larger_than_its_file_is_not_made(path: Path) -> None:
    change_config(path, hidden_sizes=[2**20, 2**20])
    with pytest.raises(CheckpointError, match="make a network of more than the"):
        DQN.load(path, cartpole(), device="cpu")


def test_keywords_are_stored_as_what_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    env = cartpole()
    assert env.spec is not None
    env.spec.kwargs.update(skip=np.int64(2), sticky=np.float32(0.25), rom_path=Path("a/b"))
    DQN.create(env, CORRIDOR_CONFIG, device="cpu").save(path)
    assert read_header(path).env_kwargs == {"skip": 2, "sticky": 0.25, "rom_path": "a/b"}
    env.spec.kwargs.update(reward=abs)  # no file can say how to make it
    DQN.create(env, CORRIDOR_CONFIG, device="cpu").save(path)
    assert (read_header(path).env_id, read_header(path).env_kwargs) == (None, {})


def header_bytes(path: Path) -> bytes:
    content = path.read_bytes()
    return content[8 : 8 + int.from_bytes(content[:8], "little")]


def change_config(path: Path, **changes: Any) -> None:
    header, tensors = read_signed(path)
    header["config"].update(changes)
    write_signed(path, header, tensors)


def pendulum(max_episode_steps: int) -> gym.Env[Any, Any]:
    return gym.make("Pendulum-v1", max_episode_steps=max_episode_steps)
