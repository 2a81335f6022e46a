"""The pipeline that the registered ids stand for: the raw environment and its wrappers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import gymnasium as gym
import numpy as np

from mario_rl_envs.checks import (
    MAX_COUNT,
    check_fraction,
    check_integer,
    named_keywords,
    unknown_name,
)
from mario_rl_envs.emulators.emulator import NATIVE
from mario_rl_envs.env import SuperMarioBrosEnv
from mario_rl_envs.game.actions import ACTION_SETS
from mario_rl_envs.game.rules import INFO_KEYS
from mario_rl_envs.specs import PipelineWrapper, readable_once
from mario_rl_envs.wrappers import (
    ChannelsObservation,
    ContinuousJoypad,
    FrameStackObservation,
    GrayscaleObservation,
    JoypadSpace,
    NoopReset,
    RamObservation,
    ResizeObservation,
    SelectInfo,
    SkipFrame,
    StickyAction,
    TileObservation,
    TruncateOnStall,
)
from mario_rl_envs.wrappers.channels import CHANNELS

OBSERVATIONS: Final = ("pixels", "ram", "tiles")

_RAW_ACTIONS: Final = "joypad"
_CONTINUOUS_ACTIONS: Final = "continuous"
_ACTIONS: Final = (*ACTION_SETS, _RAW_ACTIONS, _CONTINUOUS_ACTIONS)
_MAX_SIZE: Final = 4_096  # pixels
_MAX_STACK: Final = 1_000


@named_keywords
def make_mario(
    stage: str | None = None,
    *,
    stages: Iterable[str] | None = None,
    actions: str | Iterable[Sequence[str]] = "right_only",
    skip: int = 4,
    grayscale: bool = True,
    size: int | None = 84,
    stack: int | None = 4,
    channels: str | None = None,
    observation: str = "pixels",
    info: Iterable[str] | None = None,
    reward: str | Mapping[str, float] = "progress",
    noop_max: int = 0,
    sticky: float = 0.0,
    stall: int | None = None,
    render_mode: str | None = None,
    emulator: str = NATIVE,
    rom_path: str | os.PathLike[str] | None = None,
) -> gym.Env[Any, Any]:
    """Make an environment that is ready to learn from.

    Args:
        stage: As "1-1": one stage, one life. None: the whole game, or `stages`.
        stages: One of these is drawn at every reset.
        actions: "right_only" (5 actions), "simple" (7), "complex" (12), "joypad" (256),
            "continuous" (three numbers in [-1, 1]: left or right, A, B), or a list of lists of
            buttons.
        skip: Frames each action is repeated for.
        grayscale: Whether pixels are gray.
        size: Side of the square that pixels are resized to; None keeps 240 x 256.
        stack: Number of last frames in an observation of pixels; None returns one frame without the
            stack's axis.
        channels: "first" ([C, size, size]) or "last" ([size, size, C]): pixels are one image whose
            channels are the frames, the oldest first, and their colors, see `ChannelsObservation`.
            None: the frames are an axis, and so are the colors.
        observation: "pixels", "ram" (uint8, [2048]) or "tiles" (uint8, [13, 16]); `grayscale`,
            `size`, `stack` and `channels` are for pixels.
        info: The keys of infos, out of `mario_rl_envs.game.rules.INFO_KEYS`; []: infos are empty.
            None: all.
        reward: "progress", "shaped", "score", "sparse", or weights by term.
        noop_max: The most frames of doing nothing at reset, their number drawn with the seed.
        sticky: Probability, on every frame, that the action of the frame before is repeated.
        stall: Steps without new ground after which the episode is truncated, see
            `TruncateOnStall`; None: never.
        render_mode: None, "rgb_array", "rgb_array_list" or "human".
        emulator: The console: "native", or "nes-py", the reference. "compiled" and "interpreted"
            are the native one, forced to run the game's code in that way.
        rom_path: A ROM; None takes the one that gym-super-mario-bros installs.

    Returns:
        The environment. Pixels are uint8, [4, 84, 84] by default.

    Raises:
        ValueError: An argument is not one of those accepted; the message names them.
        FileNotFoundError: There is no ROM.
        ImportError: What the emulator or the window needs is not installed or not compiled.
    """
    read = readable_once({"stages": stages, "actions": actions, "info": info})
    stages, actions = read.get("stages", stages), read.get("actions", actions)
    info = read.get("info", info)
    _check_pixels(observation, grayscale, size, stack, channels)
    keys = None if info is None else check_info(info)
    check_integer("skip", skip, 1, MAX_COUNT)
    check_integer("noop_max", noop_max, 0, MAX_COUNT)
    check_fraction("sticky", sticky)
    if stall is not None:
        check_integer("stall", stall, 1)
    if isinstance(actions, str) and actions not in _ACTIONS:
        raise ValueError(unknown_name("actions", actions, _ACTIONS, " and a list of button lists"))

    raw = SuperMarioBrosEnv(
        stage,
        stages=stages,
        reward=reward,
        render_mode=render_mode,
        emulator=emulator,
        rom_path=rom_path,
    )
    raw.read_keywords = read
    env: gym.Env[Any, Any] = raw
    if noop_max > 0:
        env = NoopReset(env, noop_max)
    if isinstance(actions, str) and actions == _CONTINUOUS_ACTIONS:
        env = ContinuousJoypad(env)
    elif not isinstance(actions, str) or actions != _RAW_ACTIONS:
        env = JoypadSpace(env, actions)
    if sticky > 0:
        env = StickyAction(env, sticky)
    env = SkipFrame(env, skip)
    if stall is not None:
        env = TruncateOnStall(env, stall)
    if keys is not None:
        env = SelectInfo(env, keys)
    if observation == "pixels":
        env = _observe_pixels(env, grayscale, size, stack, channels)
    else:
        env = RamObservation(env) if observation == "ram" else TileObservation(env)
    wrapper = env
    while isinstance(wrapper, PipelineWrapper):
        wrapper.is_of_pipeline = True
        wrapper = wrapper.env
    return env


def check_info(info: Iterable[str]) -> list[str]:
    """Return the keyword `info` as a list of keys.

    Raises:
        ValueError: It is no list of keys that infos have; the message names those.
    """
    if isinstance(info, str):
        raise ValueError(f"info is a list of keys, got the string {info!r}; write [{info!r}]")
    if not isinstance(info, Iterable):
        raise ValueError(f"info is {info!r}; accepted are None and a list of keys, as ['x_pos']")
    keys = list(info)
    for key in keys:
        if key not in INFO_KEYS:
            raise ValueError(unknown_name("info key", key, INFO_KEYS))
    return keys


def _observe_pixels(
    env: gym.Env[Any, Any],
    grayscale: bool,
    size: int | None,
    stack: int | None,
    channels: str | None,
) -> gym.Env[Any, Any]:
    if grayscale:
        env = GrayscaleObservation(env)
    if size is not None:
        env = ResizeObservation(env, (size, size))
    if stack is not None:
        env = FrameStackObservation(env, int(stack))
    return env if channels is None else ChannelsObservation(env, channels)


def _check_pixels(
    observation: str, grayscale: bool, size: int | None, stack: int | None, channels: str | None
) -> None:
    if observation not in OBSERVATIONS:
        raise ValueError(unknown_name("observation", observation, OBSERVATIONS))
    if not isinstance(grayscale, bool | np.bool_):
        raise ValueError(f"grayscale is {grayscale!r}; accepted are True and False")
    if size is not None:
        check_integer("size", size, 1, _MAX_SIZE)
    if stack is not None:
        check_integer("stack", stack, 1, _MAX_STACK)
    if channels is not None and channels not in CHANNELS:
        raise ValueError(unknown_name("channels", channels, CHANNELS, " and None"))
