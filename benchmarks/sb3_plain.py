"""Train Stable-Baselines3 by plain scripts, and compare with the runs of a comparison.

    mario-rl compare sb3-dqn sb3-ppo --env CartPole-v1 --steps 50000 --seeds 5 --out runs/sb3
    python benchmarks/sb3_plain.py runs/sb3

Each run of an SB3 algorithm in the comparison is trained again as its documentation has it: SB3's
`make_vec_env`, the class with its arguments, `learn`. The returns and lengths of all training
episodes must be equal, and so must the weights.
"""

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from mario_rl_agents.config import Schedule
from mario_rl_agents.experiments import Job, JobFolder
from mario_rl_agents.experiments.plan import Plan, jobs_folder
from mario_rl_agents.runs.run import Run
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

CLASSES = {
    "sb3-dqn": stable_baselines3.DQN,
    "sb3-a2c": stable_baselines3.A2C,
    "sb3-ppo": stable_baselines3.PPO,
    "sb3-ddpg": stable_baselines3.DDPG,
    "sb3-td3": stable_baselines3.TD3,
    "sb3-sac": stable_baselines3.SAC,
    "sb3-qrdqn": sb3_contrib.QRDQN,
}
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
OURS = ("policy", "net_arch", "activation_fn", "adam_epsilon", "ortho_init", "reward_scale")


def plain_arguments(config: dict[str, Any], total_steps: int) -> dict[str, Any]:
    """Return a configuration as the arguments of the class.

    Raises:
        ValueError: It has something that is not an argument of SB3's.
    """
    if config.get("reward_scale", 1.0) != 1.0:
        raise ValueError("plain SB3 does not scale rewards")
    arguments = {name: value for name, value in config.items() if name not in OURS}
    for name, value in arguments.items():
        if isinstance(value, str) and value.startswith("linear("):
            arguments[name] = line(Schedule(value), total_steps)
    if arguments.get("max_grad_norm", 1) is None:
        arguments["max_grad_norm"] = float("inf")
    policy: dict[str, Any] = {"activation_fn": ACTIVATIONS[config["activation_fn"]]}
    if config.get("net_arch") is not None:
        policy["net_arch"] = list(config["net_arch"])
    if "ortho_init" in config:
        policy["ortho_init"] = config["ortho_init"]
    if config.get("adam_epsilon") is not None and not config.get("use_rms_prop", False):
        policy["optimizer_class"] = torch.optim.Adam
        policy["optimizer_kwargs"] = {"eps": config["adam_epsilon"]}
    return {**arguments, "policy_kwargs": policy}


def line(schedule: Schedule, total_steps: int) -> Any:
    """Return a schedule over environment steps as SB3's, over the progress that remains."""
    return lambda remaining: schedule(round((1 - remaining) * total_steps))


def train_plainly(job: Job) -> tuple[Any, list[tuple[float, int]]]:
    """Train by SB3 alone; return the model, and return and length of each training episode."""
    spec = job.spec
    envs = make_vec_env(spec.env_id, spec.num_envs, seed=spec.seed, env_kwargs=spec.env_kwargs)
    arguments = plain_arguments(spec.config, spec.total_steps)
    model = CLASSES[spec.algorithm]("MlpPolicy", envs, seed=spec.seed, device="cpu", **arguments)
    model.learn(spec.total_steps)
    # Of SB3's Monitor, environment by environment.
    columns = [
        list(itertools.chain(*envs.env_method(f"get_episode_{name}")))
        for name in ("rewards", "lengths")
    ]
    envs.close()
    return model, list(zip(*columns, strict=True))


def compare_run(job: Job, folder: Path) -> bool:
    """Print whether a run of a comparison equals the plain script's; return it."""
    run = Run.open(JobFolder(jobs_folder(folder), job.name).run)
    ours = [(row.episodic_return, row.episodic_length) for row in run.episodes()]
    model, theirs = train_plainly(job)
    # Sorted: the one has them environment by environment, the other as they ended.
    same = sorted(ours) == sorted(theirs)
    weights = load_weights(run.checkpoint)
    state = {name: x.numpy() for name, x in model.policy.state_dict().items()}
    equal = all(np.array_equal(weights[name], x) for name, x in state.items())
    print(
        f"{job.name}: {len(ours):,} episodes here, {len(theirs):,} there, "
        f"{'equal' if same else 'DIFFERENT'}; mean return {np.mean([x for x, _ in theirs]):.3f}; "
        f"weights {'equal' if equal else 'DIFFERENT'}"
    )
    return same and equal


def load_weights(path: Path) -> dict[str, Any]:
    """Return the weights of the policy in a checkpoint."""
    from safetensors.numpy import load_file

    return {
        name.removeprefix("policy/"): x
        for name, x in load_file(path).items()
        if name.startswith("policy/")
    }


def main() -> int:
    """Train every SB3 run of a comparison again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of a comparison on vectors")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = Plan.read(options.folder)
    jobs = [job for job in plan.jobs() if job.spec.algorithm in CLASSES]
    equal = [compare_run(job, options.folder) for job in jobs]
    print(f"{sum(equal)} of {len(equal)} runs equal")
    return 0 if equal and all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
