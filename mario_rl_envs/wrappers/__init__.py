"""Wrappers, each usable alone on any Gymnasium environment that fits."""

from mario_rl_envs.wrappers.channels import ChannelsObservation
from mario_rl_envs.wrappers.info import SelectInfo
from mario_rl_envs.wrappers.joypad import ContinuousJoypad, JoypadSpace
from mario_rl_envs.wrappers.noop import NoopReset
from mario_rl_envs.wrappers.pixels import (
    FrameStackObservation,
    GrayscaleObservation,
    ResizeObservation,
)
from mario_rl_envs.wrappers.ram import RamObservation, TileObservation
from mario_rl_envs.wrappers.skip import SkipFrame
from mario_rl_envs.wrappers.stall import TruncateOnStall
from mario_rl_envs.wrappers.sticky import StickyAction
from mario_rl_envs.wrappers.video import RecordVideo

__all__ = [
    "ChannelsObservation",
    "ContinuousJoypad",
    "FrameStackObservation",
    "GrayscaleObservation",
    "JoypadSpace",
    "NoopReset",
    "RamObservation",
    "RecordVideo",
    "ResizeObservation",
    "SelectInfo",
    "SkipFrame",
    "StickyAction",
    "TileObservation",
    "TruncateOnStall",
]
