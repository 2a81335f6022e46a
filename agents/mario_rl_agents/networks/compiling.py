"""`compile=True`: losses as code that torch.compile writes for this machine."""

import os
import shutil
import sys
from collections.abc import Sequence

import torch


def compile_losses(agent: object, names: Sequence[str]) -> None:
    """Replace methods of an agent by what is compiled when it is first called, in a minute or so.

    It is the method that is compiled and no network, so that a checkpoint keeps its names. The
    result differs from that of the method as it is by rounding alone.

    Args:
        agent: Whose methods they are.
        names: Of methods that compute a loss from tensors.
    """
    for name in names:
        setattr(agent, name, torch.compile(getattr(agent, name)))


def check_compiler(device: torch.device) -> None:
    """Check that losses can be compiled, before an agent learns: one that plays needs no compiler.

    Args:
        device: Where they are computed.

    Raises:
        ValueError: If that is the CPU and there is no C++ compiler.
    """
    if device.type == "cpu":
        usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        compiler = os.environ.get("CXX", usual)
        if shutil.which(compiler) is None:
            raise ValueError(
                f"compile=True needs a C++ compiler, and there is no {compiler!r} here: install "
                "one, name it in the environment variable CXX, or leave compile False"
            )
