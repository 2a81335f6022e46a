"""Rewards: named terms read from memory once a frame, weighted and summed.

| term | its value on a frame |
|---|---|
| `velocity` | change of the position in pixels, 0 when over 5 either way (7.4.0's v) |
| `progress` | pixels of new ground in this area, from where it was entered; never negative |
| `clock` | change of the game clock in ticks, 0 when positive (7.4.0's c) |
| `dying` | 1 on every frame on which the player is dying or dead (7.4.0's d) |
| `death` | 1 on the first such frame of each death |
| `flag` | 1 on the frame on which a stage is cleared |
| `score` | change of the score in points |
| `coins` | coins gained |
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as short_repr  # damaged values may be long
from types import MappingProxyType
from typing import Final, TypedDict, cast

from mario_rl_envs.checks import did_you_mean, is_finite, unknown_name
from mario_rl_envs.game import ram
from mario_rl_envs.game.ram import Ram

TERMS: Final = ("velocity", "progress", "clock", "dying", "death", "flag", "score", "coins")
CLIP: Final = "clip"  # not a term: the bound on the sum of a frame's terms, either way

REWARDS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "progress": {"velocity": 1.0, "clock": 1.0, "dying": -25.0, CLIP: 15.0},
        "shaped": {"progress": 1.0, "clock": 1.0, "death": -50.0, "flag": 100.0, "score": 0.01},
        "score": {"score": 1.0},
        "sparse": {"flag": 1.0},
    }
)

# A player moves 3 pixels a frame at most; 7.4.0 takes more than 5 for a jump of the camera, not a
# movement.
_MAX_VELOCITY: Final = 5
# Wider than any gap that running leaves when a frame ends between the writes of the position's two
# bytes.
_MAX_STRIDE: Final = 16
_NUM_COINS_PER_LIFE: Final = 100
# The largest numbers that memory can show; decimal digits are six bytes.
_MAX_X: Final = 0xFFFF  # pixels
_MAX_AREA: Final = 0xFFFFFFFF
_MAX_DECIMAL: Final = 255_255_255_255_255_255
_FRONTIER: Final = (_MAX_AREA, _MAX_X)
_HIGHEST: Final[Mapping[str, int]] = MappingProxyType(
    {
        "x": _MAX_X,
        "clock": _MAX_DECIMAL,
        "score": _MAX_DECIMAL,
        "coins": _MAX_DECIMAL,
        "area": _MAX_AREA,
    }
)
_MAX_FRONTIERS: Final = 4_096  # many times as many areas as the game has


class RewardState(TypedDict):
    """What a reward remembers between frames, as plain numbers (JSON-safe)."""

    x: int
    clock: int
    score: int
    coins: int
    dead: bool
    flag: bool
    area: int
    frontiers: list[list[int]]


def reward_weights(reward: str | Mapping[str, float]) -> dict[str, float]:
    """Return the weights of a reward.

    Args:
        reward: A name out of `REWARDS`, or weights by term (and "clip", the bound of a frame's
            sum).

    Raises:
        ValueError: The name or a term is unknown, there is no term, a weight is not a finite
            number, or the clip is not positive.
    """
    names, terms = (", ".join(map(repr, names)) for names in (REWARDS, TERMS))
    accepted = f"a name ({names}) or a dict of weights for {terms}"
    if isinstance(reward, str):
        if reward not in REWARDS:
            suggestion = did_you_mean(reward, REWARDS)
            raise ValueError(f"unknown reward {reward!r}; accepted is {accepted}{suggestion}")
        return dict(REWARDS[reward])
    if not isinstance(reward, Mapping) or not reward:
        raise ValueError(f"unknown reward {reward!r}; accepted is {accepted}")
    for term, weight in reward.items():
        if term not in (*TERMS, CLIP):
            raise ValueError(unknown_name("reward term", term, (*TERMS, CLIP)))
        if not is_finite(weight):
            raise ValueError(
                f"the weight of reward term {term!r} is {weight!r}; accepted is a finite number"
            )
    if set(reward) == {CLIP}:
        raise ValueError(f"the reward {dict(reward)!r} has no term to clip; accepted is {accepted}")
    if CLIP in reward and reward[CLIP] <= 0:
        raise ValueError(f"the reward's clip is {reward[CLIP]!r}; accepted is a positive number")
    return {term: float(weight) for term, weight in reward.items()}


def check_reward_state(state: object) -> RewardState:
    """Return `state` if a reward can go on from it.

    Raises:
        ValueError: It cannot; no reward returned it.
    """
    if not isinstance(state, dict) or set(state) != set(RewardState.__annotations__):
        raise ValueError(f"the reward's memory is damaged: {short_repr(state)} has not its keys")
    frontiers = state["frontiers"]
    if not isinstance(frontiers, list):
        raise ValueError(
            f"the reward's memory is damaged: its frontiers are {short_repr(frontiers)}"
        )
    if len(frontiers) > _MAX_FRONTIERS:
        raise ValueError(
            f"the reward's memory is damaged: it has {len(frontiers)} frontiers; accepted are "
            f"{_MAX_FRONTIERS} or less"
        )
    for pair in frontiers:
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_count, pair, _FRONTIER)):
            raise ValueError(f"the reward's memory is damaged: a frontier is {short_repr(pair)}")
    for name, highest in _HIGHEST.items():
        if not _is_count(state[name], highest):
            raise ValueError(f"the reward's memory is damaged: {name} is {short_repr(state[name])}")
    for name in ("dead", "flag"):
        if not isinstance(state[name], bool):
            raise ValueError(f"the reward's memory is damaged: {name} is {short_repr(state[name])}")
    if state["area"] not in (area for area, _ in frontiers):
        raise ValueError("the reward's memory is damaged: its area is none of its frontiers")
    return cast("RewardState", state)


def _is_count(value: object, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


class Reward:
    """A weighted sum of terms, frame by frame.

    Call `reset` at the start of an episode, the object itself after every frame that a player
    controlled, and `skipped` after frames that no player controlled.
    """

    def __init__(self, reward: str | Mapping[str, float] = "progress") -> None:
        """Take a name out of `REWARDS` or weights by term; errors as of `reward_weights`."""
        self.weights = reward_weights(reward)
        self.spec: str | dict[str, float] = reward if isinstance(reward, str) else dict(reward)
        self.clip = self.weights.pop(CLIP, None)
        self.no_terms = dict.fromkeys(self.weights, 0.0)
        if self.clip is not None:
            self.no_terms[CLIP] = 0.0

    def reset(self, memory: Ram) -> None:
        """Begin an episode from this memory."""
        self._frontiers: dict[int, int] = {}  # the furthest x reached, by area
        self._x = ram.x_position(memory)
        self._clock = ram.clock(memory)
        self._score = ram.score(memory)
        self._coins = ram.coins(memory)
        self._dead = ram.is_dying(memory) or ram.is_dead(memory)
        self._flag = ram.is_flag_reached(memory)
        self._enter_area(memory)

    def skipped(self, memory: Ram) -> None:
        """Note that frames were skipped: ground that the game walked by itself earns nothing."""
        self._enter_area(memory)

    def __call__(self, memory: Ram) -> tuple[float, dict[str, float]]:
        """Return a frame's reward and its weighted terms; they sum to it, "clip" included."""
        values = self._values(memory)
        terms = {}
        total = 0.0
        for term, weight in self.weights.items():
            terms[term] = weight * values[term]
            total += terms[term]  # sum() would round in another way from Python 3.12 on
        if self.clip is not None:
            clipped = max(-self.clip, min(self.clip, total))
            terms[CLIP] = clipped - total
            total = clipped
        return total, terms

    def _values(self, memory: Ram) -> dict[str, int]:
        x, clock = ram.x_position(memory), ram.clock(memory)
        score, coins = ram.score(memory), ram.coins(memory)
        dead = ram.is_dying(memory) or ram.is_dead(memory)
        flag = ram.is_flag_reached(memory)
        velocity = x - self._x
        coins_gained = coins - self._coins
        if (
            coins_gained < -_NUM_COINS_PER_LIFE // 2
        ):  # the hundredth coin is a life and the counter starts anew
            coins_gained += _NUM_COINS_PER_LIFE
        values = {
            "velocity": velocity if abs(velocity) <= _MAX_VELOCITY else 0,
            "progress": self._new_ground(memory, x),
            "clock": min(0, clock - self._clock),
            "dying": int(dead),
            "death": int(dead and not self._dead),
            "flag": int(flag and not self._flag),
            "score": score - self._score,
            "coins": coins_gained,
        }
        self._x, self._clock, self._score, self._coins = x, clock, score, coins
        self._dead, self._flag = dead, flag
        return values

    def _new_ground(self, memory: Ram, x: int) -> int:
        if ram.area_key(memory) != self._area:
            if ram.is_busy(memory):  # loading: the position may still be that of the area before
                return 0
            self._enter_area(memory)
        stride = x - self._frontiers[self._area]
        if not 0 < stride <= _MAX_STRIDE:
            return 0
        self._frontiers[self._area] = x
        return stride

    def _enter_area(self, memory: Ram) -> None:
        self._area = ram.area_key(memory)
        x = ram.x_position(memory)
        self._frontiers[self._area] = max(x, self._frontiers.get(self._area, x))

    def get_state(self) -> RewardState:
        """Return what the reward remembers, JSON-safe."""
        return RewardState(
            x=self._x,
            clock=self._clock,
            score=self._score,
            coins=self._coins,
            dead=self._dead,
            flag=self._flag,
            area=self._area,
            frontiers=[[area, x] for area, x in self._frontiers.items()],
        )

    def set_state(self, state: RewardState) -> None:
        """Remember what `get_state` returned."""
        self._x, self._clock = state["x"], state["clock"]
        self._score, self._coins = state["score"], state["coins"]
        self._dead, self._flag = state["dead"], state["flag"]
        self._area = state["area"]
        self._frontiers = {area: x for area, x in state["frontiers"]}
