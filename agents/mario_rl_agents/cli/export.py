"""`mario-rl export`: an agent as a file for programs without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mario_rl_agents.cli.options import Checkpoint, Trust
from mario_rl_agents.cli.terminal import (
    UsageError,
    ask_to_trust,
    make_console,
    one_line_errors,
    styled,
    usage_errors,
)


def export(
    checkpoint: Checkpoint,
    onnx: Annotated[
        Path, typer.Option(metavar="FILE", help="The ONNX file to write.", show_default=False)
    ],
    trust: Trust = False,
) -> None:
    """Write an agent as an ONNX file, which runs without PyTorch.

    Its input is a batch of observations, its outputs are the action and what it was chosen by:
    values, probabilities, or a mean and a deviation. The environment is not needed. It takes the
    extra "onnx".

    mario-rl export runs/demo --onnx demo.onnx

    mario-rl export MarioRL-1-1-v0 --onnx 1-1.onnx
    """
    with one_line_errors():
        from mario_rl_agents.cli.checkpoints import find
        from mario_rl_agents.files import check_writable
        from mario_rl_agents.runs.loading import load_agent
        from mario_rl_agents.runs.onnx_file import SUFFIX, export_onnx
        from mario_rl_agents.weights.record import read_record

        if onnx.suffix != SUFFIX:
            raise UsageError(f"--onnx must be a file that ends in {SUFFIX}, got {onnx}")
        check_writable(onnx)
        path = find(checkpoint).checkpoint
        with usage_errors():
            agent = ask_to_trust(
                lambda trust: load_agent(path, make_env=False, device="cpu", trust=trust),
                trust=trust,
            )
        record = read_record(path)
        notes = {} if record is None else {"plays_best": record.policy}
        with usage_errors(kind=TypeError):
            outputs = ", ".join(agent.acting().outputs)
        export_onnx(agent, onnx, notes=notes)
        console = make_console(stderr=False)
        console.print(styled((str(onnx), "bold"), f": obs -> {outputs}"), soft_wrap=True)
