"""How far random play comes in every stage: measured once, kept in random_play.json.

`python benchmarks/stage_pages.py --measure 500` measures it anew.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
from gymnasium.vector import AutoresetMode
from mario_rl_agents import RandomAgent, evaluate
from mario_rl_agents.config import read
from mario_rl_agents.experiments.protocol import MIN_EVALUATION_SEED, NO_OPS
from mario_rl_agents.runs.provenance import describe_commit, describe_machine

FILE: Final = Path(__file__).with_name("random_play.json")
ACTIONS: Final = "right_only"  # the default of gym.make, and what the policies of the package have

_NUM_ENVS: Final = 64
# Random play looks at nothing: the memory costs least.
_UNSEEN: Final[dict[str, Any]] = {"observation": "ram", "info": ["x_pos", "flag_get"]}


@dataclass(frozen=True)
class StagePlay:
    """What games of random play in one stage came to."""

    num_episodes: int
    num_cleared: int
    clear_rate_interval: tuple[float, float]  # Wilson, 95 %
    x_pos_mean: float  # pixels from the start of the area where a game ended
    x_pos_max: int  # likewise
    length_mean: float  # decisions of four frames

    @property
    def clear_rate(self) -> float:
        """The share of games that cleared the stage."""
        return self.num_cleared / self.num_episodes


@dataclass(frozen=True)
class RandomPlay:
    """What random play came to, and how that was measured."""

    command: str
    commit: str
    machine: str
    date: str  # ISO 8601, UTC
    actions: str
    env_kwargs: dict[str, Any]  # of gym.make, beside actions
    num_envs: int  # games side by side
    seed: int  # of the first game of each stage, and of its actions
    stages: dict[str, StagePlay]


def load(path: Path = FILE) -> RandomPlay:
    """Return what was measured.

    Raises:
        FileNotFoundError: Nothing was.
        ValueError: The file holds something else.
    """
    return read(RandomPlay, json.loads(path.read_text(encoding="utf-8")))


def measure(
    stages: Iterable[str],
    num_episodes: int,
    *,
    command: str,
    tell: Callable[[str], None] = print,
) -> RandomPlay:
    """Play random games in stages.

    Args:
        stages: As "1-1".
        num_episodes: Of each stage.
        command: What was called for this, to be kept.
        tell: Called with a line for every stage.
    """
    commit = describe_commit()  # of the code that is running, whatever is checked out meanwhile
    played = {}
    for stage in stages:
        played[stage] = _measure(stage, num_episodes)
        tell(f"{stage}: {played[stage]}")
    return RandomPlay(
        command=command,
        commit=commit,
        machine=describe_machine(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        actions=ACTIONS,
        env_kwargs=NO_OPS.env_kwargs,
        num_envs=_NUM_ENVS,
        seed=MIN_EVALUATION_SEED,
        stages=played,
    )


def save(play: RandomPlay, path: Path = FILE) -> None:
    """Keep what was measured; the file of before is replaced whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(play), indent=1) + "\n", encoding="utf-8")
    os.replace(new, path)


def _measure(stage: str, num_episodes: int) -> StagePlay:
    envs = gym.make_vec(
        f"MarioRL-{stage}-v0",
        num_envs=_NUM_ENVS,
        actions=ACTIONS,
        autoreset_mode=AutoresetMode.DISABLED,
        **_UNSEEN,
        **NO_OPS.env_kwargs,
    )
    with contextlib.closing(envs):
        agent = RandomAgent.create(envs, seed=MIN_EVALUATION_SEED)
        played = evaluate(agent, envs, num_episodes=num_episodes, seed=MIN_EVALUATION_SEED)
    assert played.x_pos_mean is not None, "infos have x_pos"
    assert played.clear_rate_interval is not None, "infos have flag_get"
    low, high = played.clear_rate_interval
    return StagePlay(
        num_episodes=num_episodes,
        num_cleared=sum(bool(episode.cleared) for episode in played.episodes),
        clear_rate_interval=(round(low, 6), round(high, 6)),
        x_pos_mean=round(played.x_pos_mean, 3),
        x_pos_max=max(episode.x_pos or 0 for episode in played.episodes),
        length_mean=round(played.length_mean, 3),
    )
