"""What the native core is worth to Stable-Baselines3: its PPO on three vectors of the same games.

    python benchmarks/sb3_vectors.py                    # 8 games, Nature's network, 5 rounds
    python benchmarks/sb3_vectors.py --network small    # where the network is not most of the time
    python benchmarks/sb3_vectors.py --quick            # a look: 2 games, 1 round
    python benchmarks/sb3_vectors.py --page             # writes benchmarks/results.md

The vectors are `mario_rl_envs.sb3.make_vec_env`; Stable-Baselines3's own `make_vec_env` over
`gym.make`; and the same over gym-super-mario-bros with Gymnasium's wrappers. Each is a process of
its own. First they show that they do the same work. Then rounds go through them, one after the
other, so that a slow moment of the machine hits all alike; a ratio is taken within a round.
Measured are the environment alone, stepped with random actions, and a whole training; of that, how
much of the time passes in the environment's steps. Needs the extra `sb3`.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common import env_util
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
from torch import Tensor, nn

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT))

from benchmarks.sides import CHECK_ACTIONS, ENV_ID, gym_super_mario_bros_env, serve  # noqa: E402
from benchmarks.throughput import (  # noqa: E402
    TOLERANCE,
    Process,
    SideError,
    available_cores,
    cpu_name,
    describe_commit,
    describe_versions,
    ratios,
    round_figure,
    save,
    spread,
    tell,
    times,
)
from mario_rl_envs.sb3 import make_vec_env  # noqa: E402

RESULTS: Final = ROOT / "benchmarks" / "results.md"
MARK: Final = "sb3-vectors"
PACKAGES: Final = ("torch", "stable-baselines3", "gymnasium", "numpy", "gym-super-mario-bros")
SEED: Final = 0
MAX_BATCH: Final = 256
COMPARED_STEPS: Final = 100  # of each game
QUICK: Final = {"games": 2, "steps": 8, "network": "small", "rounds": 1, "seconds": 0.05}

NETWORKS: Final = {"nature": "Nature's CNN", "small": "a CNN of one convolution and a layer"}

Ask = Callable[[str], Mapping[str, Any]]  # answers a command
Round = dict[str, dict[str, dict[str, Any]]]  # by command and side, what was measured


class Side(NamedTuple):
    """A vector of games."""

    title: str  # in the tables
    make: Callable[[int], VecEnv]  # of so many games


SIDES: Final = {
    "sb3": Side(
        "`mario_rl_envs.sb3.make_vec_env`",
        lambda num_envs: make_vec_env(ENV_ID, num_envs, SEED),
    ),
    "gym.make": Side(
        "SB3's `make_vec_env` over `gym.make`",
        lambda num_envs: env_util.make_vec_env(ENV_ID, num_envs, SEED),
    ),
    "gym-super-mario-bros": Side(
        "SB3's `make_vec_env` over gym-super-mario-bros, Gymnasium's wrappers",
        lambda num_envs: env_util.make_vec_env(gym_super_mario_bros_env, num_envs, SEED),
    ),
}
OURS: Final = ("sb3", "gym.make")  # whose observations are equal
BASELINES: Final = {"gym.make": "x `gym.make`", "gym-super-mario-bros": "x gym-super-mario-bros"}


def main() -> None:
    """Measure, print the tables and save them; be a side if told to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--games", type=int, default=8)
    parser.add_argument("--steps", type=int, default=128, help="of each game in a rollout")
    parser.add_argument("--network", choices=list(NETWORKS), default="nature")
    parser.add_argument("--device", default="cpu", help="of the network")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the environment alone")
    parser.add_argument("--quick", action="store_true", help="small numbers, where none are given")
    parser.add_argument(
        "--page", type=Path, nargs="?", const=RESULTS, help="Markdown file to put the tables in"
    )
    parser.add_argument("side", nargs="?", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, nargs="*", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(**QUICK)
        options = parser.parse_args()
    if options.side is not None:
        serve(Player(SIDES[options.side], options).do, options.cores)
        return
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown size"
    work, rounds = measure(options)
    text = "\n\n".join(report(options, load, work, rounds))
    print(text)
    if options.page is not None:
        save(options.page, text, MARK)


# --- A side, in its process ----------------------------------------------------------------------


class Player:
    """Plays and trains as commands say."""

    def __init__(self, side: Side, options: argparse.Namespace) -> None:
        """Make the games and the agent."""
        torch.set_num_threads(options.threads)
        self._options = options
        self._games = side.make(options.games)
        self._rng = np.random.default_rng(SEED)
        self._timed = Timed(side.make(options.games))
        self._agent = make_agent(self._timed, options, options.device)

    def do(self, command: str) -> dict[str, Any]:
        """Do what a command says."""
        name, *arguments = command.split()
        commands: dict[str, Callable[..., dict[str, Any]]] = {
            "place": self.place,
            "compare": self.compare,
            "play": self.play,
            "train": self.train,
        }
        return commands[name](*arguments)

    def place(self) -> dict[str, Any]:
        """Return where given actions lead; None if infos do not tell."""
        self._games.reset()
        for action in CHECK_ACTIONS:
            *_, infos = self._games.step(np.full(self._games.num_envs, action))
        return {"x": infos[0].get("x_pos")}

    def compare(self) -> dict[str, Any]:
        """Return digests of a short play, and of the weights that a short training leads to."""
        self._games.seed(SEED)
        self._games.reset()
        rng, played = np.random.default_rng(SEED), hashlib.sha256()
        for _ in range(COMPARED_STEPS):
            obs, rewards, dones, _ = self._games.step(draw_actions(self._games, rng))
            for array in (obs, rewards, dones):
                played.update(np.asarray(array).tobytes())
        options = argparse.Namespace(**{**vars(self._options), "steps": 16})
        agent = make_agent(self._games, options, "cpu")  # which repeats to the bit
        agent.learn(2 * options.steps * options.games)
        weights = hashlib.sha256()
        for tensor in agent.policy.state_dict().values():
            weights.update(tensor.numpy().tobytes())
        return {"played": played.hexdigest(), "weights": weights.hexdigest()}

    def play(self, seconds: str) -> dict[str, float]:
        """Step the games alone for so long; return steps a second, by wall and CPU time."""
        self._games.reset()
        wall, cpu = time.perf_counter(), time.process_time()
        end = wall + float(seconds)
        num_steps = 0
        while time.perf_counter() < end or not num_steps:
            self._games.step(draw_actions(self._games, self._rng))
            num_steps += self._options.games
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": num_steps / wall, "cpu": num_steps / cpu}

    def train(self) -> dict[str, Any]:
        """Train for a rollout.

        Returns:
            Steps a second, by wall and CPU time; the environment's share of the time; and the work,
            [steps, gradient steps].
        """
        num_steps = self._options.games * self._options.steps
        before = np.array([self._agent.num_timesteps, num_updates(self._agent)])
        self._timed.seconds = 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        self._agent.learn(num_steps, reset_num_timesteps=False)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        work = np.array([self._agent.num_timesteps, num_updates(self._agent)]) - before
        return {
            "wall": num_steps / wall,
            "cpu": num_steps / cpu,
            "share": self._timed.seconds / wall,
            "work": work.tolist(),
        }


class Timed(VecEnvWrapper):
    """Tells how long the steps of a vector took."""

    def __init__(self, games: VecEnv) -> None:
        """Wrap `games`."""
        super().__init__(games)
        self.seconds = 0.0  # of steps so far

    def reset(self) -> Any:
        """Reset."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Take a step."""
        start = time.perf_counter()
        result = self.venv.step_wait()
        self.seconds += time.perf_counter() - start
        return result


class SmallNetwork(BaseFeaturesExtractor):
    """A convolution and a layer."""

    def __init__(self, observation_space: gym.spaces.Box, num_features: int = 64) -> None:
        """Make it for images, [channels, height, width]."""
        super().__init__(observation_space, num_features)
        channels, height, width = observation_space.shape
        num_patches = (height // 8) * (width // 8)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 8, kernel_size=8, stride=8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * num_patches, num_features),
            nn.ReLU(),
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return the features of images."""
        features: Tensor = self.layers(observations)
        return features


def make_agent(games: VecEnv, options: argparse.Namespace, device: str) -> PPO:
    """Return Stable-Baselines3's PPO with the settings of its Atari games."""
    is_small = options.network == "small"
    return PPO(
        "CnnPolicy",
        games,
        n_steps=options.steps,
        batch_size=min(MAX_BATCH, options.steps * options.games),
        n_epochs=4,
        learning_rate=2.5e-4,
        clip_range=0.1,
        ent_coef=0.01,
        policy_kwargs={"features_extractor_class": SmallNetwork} if is_small else None,
        seed=SEED,
        device=device,
    )


def num_updates(agent: PPO) -> int:
    """Return the gradient steps that were taken: Adam counts them, of each weight."""
    steps = {int(state["step"]) for state in agent.policy.optimizer.state.values()}
    return max(steps, default=0)


def draw_actions(games: VecEnv, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a random action for each game."""
    assert isinstance(games.action_space, gym.spaces.Discrete)
    return rng.integers(games.action_space.n, size=games.num_envs)


# --- All of them ---------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> tuple[list[int], list[Round]]:
    """Return the work of a training, [steps, gradient steps], and what each round measured.

    Raises:
        SideError: The sides do not do the same work.
    """
    names = ("games", "steps", "network", "device", "threads")
    arguments = [f"--{name}={getattr(options, name)}" for name in names]
    cores = max(1, len(available_cores()))
    processes = {
        name: Process({"name": name, "num_threads": cores}, "benchmarks.sb3_vectors", arguments)
        for name in SIDES
    }
    try:
        check_games({name: process.ask for name, process in processes.items()})
        for process in processes.values():
            process.ask("train")  # gets warm, which is not measured
        rounds = []
        for index in range(options.rounds):
            measured: Round = {}
            for command in (f"play {options.seconds}", "train"):
                what = command.split()[0]
                measured[what] = {name: each.ask(command) for name, each in processes.items()}
                rates = {name: round(each["wall"]) for name, each in measured[what].items()}
                tell(f"round {index + 1} of {options.rounds}, {what}: {rates}")
            work = check_same("work", measured["train"])
            rounds.append(measured)
    finally:
        for process in processes.values():
            process.close()
    return work, rounds


def check_games(sides: Mapping[str, Ask]) -> None:
    """See that all sides play the same game, and that ours play and train alike to the bit.

    Raises:
        SideError: They do not.
    """
    answers = {name: ask("place")["x"] for name, ask in sides.items()}
    places = [x for x in answers.values() if x is not None]
    if len(places) < 2 or max(places) - min(places) > TOLERANCE:
        raise SideError(f"the same inputs should lead to the same place, but led to {answers}")
    compared = {name: sides[name]("compare") for name in OURS}
    for what in ("played", "weights"):
        check_same(what, compared)


def check_same(what: str, answers: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return what is the same in all answers.

    Raises:
        SideError: It is not.
    """
    found = {name: each[what] for name, each in answers.items()}
    first, *others = found.values()
    if any(other != first for other in others):
        raise SideError(f"{what!r} should be the same, but is {found}")
    return first


def report(
    options: argparse.Namespace, load: str, work: Sequence[int], rounds: Sequence[Round]
) -> Iterable[str]:
    """Yield the paragraphs of the results."""
    steps, updates = work
    yield (
        f"{options.games} games of {ENV_ID}, SB3's PPO, {NETWORKS[options.network]} on the device "
        f"{options.device!r}: rollouts of {steps:,} steps, after each of which come {updates} "
        "gradient steps. Before anything was measured the first two vectors gave the same "
        "observations, rewards and ends, and trained to the same weights, bit for bit; the third "
        "led to the same place by the same inputs."
    )
    yield "A whole training, and the part of its time that passes in the environment's steps:"
    yield table([each["train"] for each in rounds], has_share=True)
    yield "The environment alone, with random actions:"
    yield table([each["play"] for each in rounds], has_share=False)
    yield (
        f"Median [lowest to highest] of {options.rounds} rounds; a ratio is the median of the "
        f"rounds' ratios. {options.threads} torch thread{'s' * (options.threads > 1)} a side; the "
        "first side's games have a thread for each core, the others' one for all. "
        f"{datetime.date.today()}, {describe_commit()}; {cpu_name()}, {os.cpu_count()} cores, "
        f"a load of {load} from other processes; {platform.system()}; Python "
        f"{platform.python_version()}, {', '.join(describe_versions(PACKAGES))}."
    )


def table(rounds: Sequence[dict[str, dict[str, Any]]], has_share: bool) -> str:
    """Return a Markdown table: rates, and how many times those of the baselines they are."""
    columns = ["steps/s", "steps/CPU-s", *(["share"] if has_share else []), *BASELINES.values()]
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name, side in SIDES.items():
        rates = [each[name]["wall"] for each in rounds]
        cells = [spread(rates)]
        cells.append(round_figure(statistics.median(each[name]["cpu"] for each in rounds)))
        if has_share:
            cells.append(f"{statistics.median(each[name]['share'] for each in rounds):.0%}")
        for baseline in BASELINES:
            others = [each[baseline]["wall"] for each in rounds]
            cells.append(times(ratios(rates, others), 2))
        lines.append(f"| {side.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
