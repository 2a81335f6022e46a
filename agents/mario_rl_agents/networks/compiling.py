"""`compile=True`: losses as code that torch.compile writes for this machine."""

import os
import shutil
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compile_loss(
    loss: Callable[Arguments, Result], device: torch.device
) -> Callable[Arguments, Result]:
    """Return a loss that is compiled when it is first called, which takes a minute or so.

    It is the function that is compiled and no network, so that a checkpoint keeps its names. The
    result differs from that of the loss as it is by rounding alone.

    Args:
        loss: A function of tensors.
        device: Where they are.

    Raises:
        ValueError: If they are on the CPU and there is no C++ compiler.
    """
    if device.type == "cpu":
        usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        compiler = os.environ.get("CXX", usual)
        if shutil.which(compiler) is None:
            raise ValueError(
                f"compile=True needs a C++ compiler, and there is no {compiler!r} here: install "
                "one, name it in the environment variable CXX, or leave compile False"
            )
    return torch.compile(loss)
