"""Adam for small networks: PyTorch's, without what a step of it does besides the arithmetic."""

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Adam(torch.optim.Adam):
    """Adam (Kingma and Ba 2015), equal to `torch.optim.Adam(fused=True)` to the last bit.

    A step of that one gathers its tensors anew, which takes several times longer than the update
    of a network of a few thousand weights. Here they are gathered once. The state, and with it a
    checkpoint, is the same.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        epsilon: float = 1e-8,
    ) -> None:
        """Take the weights, on one device and of one type.

        Args:
            parameters: All get a gradient before each step. Groups of them, each a dict with its
                "params", may have rates of their own.
            learning_rate: Step size at first; `set_learning_rates` changes it.
            betas: Decay of the running mean of gradients, and of their squares.
            epsilon: Added to the root of the mean square.
        """
        super().__init__(parameters, learning_rate, betas, epsilon, fused=True)
        self._weights = self._all_weights()
        self._gathered: tuple[list[Tensor], list[Tensor], Tensor] | None = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients to None."""
        if not set_to_none:
            super().zero_grad(set_to_none=False)
            return
        for weight in self._weights:
            weight.grad = None

    @torch.no_grad()
    def clip_gradients(self, max_norm: float) -> None:
        """Scale all gradients down so that their L2 norm is at most `max_norm` (Pascanu 2013)."""
        gradients = self._gradients()
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # PyTorch's return what the closure does
        """Move the weights against their gradients."""
        assert closure is None
        if self._gathered is None:
            self._gathered = self._gather()
        means, squares, num_steps = self._gathered
        num_steps += 1
        gradients, first = self._gradients(), 0
        for group in self.param_groups:
            own = slice(first, first + len(group["params"]))
            torch._fused_adam_(
                self._weights[own],
                gradients[own],
                means[own],
                squares[own],
                [],
                [num_steps] * len(group["params"]),
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=0.0,
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )
            first = own.stop

    vars(step)["hooked"] = True  # PyTorch adds nothing for its profiler then

    # PyTorch's own, without what imports its compiler (two seconds) at the first call.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    _load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another one."""
        self._load_state_dict(state_dict)
        for state in self.state.values():  # may be the other's own, and one for all weights
            state["step"] = state["step"].clone()
        self._weights = self._all_weights()
        self._gathered = None

    def _gather(self) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Return the running means, of gradients and of their squares, and the count of steps."""
        states = [self.state[weight] for weight in self._weights]
        for weight, state in zip(self._weights, states, strict=True):
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
                state["exp_avg"] = torch.zeros_like(weight)
                state["exp_avg_sq"] = torch.zeros_like(weight)
            state["step"] = states[0]["step"]  # one count is enough
        means, squares = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
        return means, squares, states[0]["step"]

    def _all_weights(self) -> list[Tensor]:
        return [weight for group in self.param_groups for weight in group["params"]]

    def _gradients(self) -> list[Tensor]:
        return [weight.grad for weight in self._weights if weight.grad is not None]


def set_learning_rates(optimizer: torch.optim.Optimizer, *rates: float) -> None:
    """Set the rate of each group of weights; where there are fewer groups, the first rates."""
    for group, rate in zip(optimizer.param_groups, rates, strict=False):
        group["lr"] = rate
