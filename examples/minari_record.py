"""Record random play as a Minari data set, read it back, and make its environment again.

Needs `pip install . "minari[create,hdf5]" pillow` in the project's folder. The data set lies in
`~/.minari/datasets`, or where the environment variable MINARI_DATASETS_PATH says.
"""

import argparse

import gymnasium as gym
import minari

import mario_rl_envs  # noqa: F401 (registers the ids)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="MarioRL-1-1-v0", help="a registered id")
parser.add_argument("--steps", type=int, default=10_000, help="environment steps")
parser.add_argument("--out", default="mario/1-1/random-v0", help="the data set's id")
arguments = parser.parse_args()

# Without `jpeg_encoding=False` Minari may change pixels: it takes some shapes for photographs.
env = minari.DataCollector(gym.make(arguments.env), jpeg_encoding=False)
env.action_space.seed(0)
env.reset(seed=0)
for _ in range(arguments.steps):
    _, _, terminated, truncated, _ = env.step(env.action_space.sample())
    if terminated or truncated:
        env.reset()
env.create_dataset(
    arguments.out,
    eval_env=arguments.env,
    algorithm_name="random",
    description="Random play, from reset to the end of the episode.",
    author="you",
    author_email="you@example.com",
    code_permalink="https://example.com/record.py",
)
env.close()

dataset = minari.load_dataset(arguments.out)
print(f"recorded {dataset.total_steps} steps of {dataset.total_episodes} episodes")
for episode in dataset.sample_episodes(1):
    print(f"one of {len(episode)} steps, return {episode.rewards.sum():.0f}")
    print(f"observations {episode.observations.shape}, {episode.observations.dtype}")
recovered = dataset.recover_environment()
print(f"recovered {recovered}")
recovered.close()
