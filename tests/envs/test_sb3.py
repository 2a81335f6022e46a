"""Stable-Baselines3 learns on the environments as they are: no wrapper of ours, no warning."""

import gymnasium as gym
import pytest

stable_baselines3 = pytest.importorskip(
    "stable_baselines3", reason="needs the extra 'sb3' (PyTorch is not installed everywhere)"
)
NUM_STEPS = 1_000


def make_agent(algorithm, env):
    if algorithm == "DQN":
        return stable_baselines3.DQN(
            "CnnPolicy", env, buffer_size=1_000, learning_starts=100, train_freq=32, device="cpu"
        )
    return stable_baselines3.PPO(
        "CnnPolicy", env, n_steps=125, batch_size=125, n_epochs=1, device="cpu"
    )


@pytest.mark.parametrize("algorithm", ["DQN", "PPO"])
@pytest.mark.parametrize("num_envs", [1, 4])
def test_stable_baselines3_trains(algorithm, num_envs):
    from stable_baselines3.common.env_util import make_vec_env

    import mario_rl_envs  # noqa: F401

    if num_envs == 1:
        env = gym.make("MarioRL-1-1-v0")
    else:
        env = make_vec_env("MarioRL-1-1-v0", n_envs=num_envs, seed=0)
    agent = make_agent(algorithm, env)
    agent.learn(NUM_STEPS)
    assert agent.num_timesteps >= NUM_STEPS
    assert agent._n_updates > 0
    env.close()


def test_the_wrapper_of_atari_fits():
    from stable_baselines3.common.atari_wrappers import AtariWrapper

    import mario_rl_envs  # noqa: F401

    raw = gym.make("MarioRL-1-1-v0", skip=1, stack=None, size=None, grayscale=False)
    env = AtariWrapper(raw, terminal_on_life_loss=False)  # that asks for Atari's emulator
    assert env.reset(seed=0)[0].shape == (84, 84, 1)
    assert env.step(1)[0].shape == (84, 84, 1)
    env.close()


def test_gymnasium_vector_of_four_steps():
    envs = gym.make_vec("MarioRL-1-1-v0", num_envs=4)
    obs, _ = envs.reset(seed=0)
    assert obs.shape == (4, 4, 84, 84)
    for _ in range(5):
        obs, reward, terminated, truncated, info = envs.step([0, 1, 1, 3])
    assert reward.shape == terminated.shape == truncated.shape == (4,)
    waits, walks, walks_too, runs = info["x_pos"].tolist()
    assert 40 == waits < walks == walks_too <= runs
    envs.close()
