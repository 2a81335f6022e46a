"""Fully connected networks."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class MLP(nn.Module):
    """Fully connected network with ReLU between its layers."""

    def __init__(self, num_inputs: int, hidden_sizes: Sequence[int], num_outputs: int) -> None:
        """Build the layers num_inputs -> hidden_sizes -> num_outputs."""
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden_sizes:
            layers += [nn.Linear(num_inputs, size), nn.ReLU()]
            num_inputs = size
        self.layers = nn.Sequential(*layers, nn.Linear(num_inputs, num_outputs))
        self._linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, obs: Tensor) -> Tensor:
        """Return shape [B, num_outputs] for vectors of shape [B, num_inputs]."""
        # By hand: calling each small layer as a module takes as long again as what it computes.
        *hidden, output = self._linears
        x = obs.to(output.weight.dtype)
        for layer in hidden:
            x = F.linear(x, layer.weight, layer.bias).relu_()
        return F.linear(x, output.weight, output.bias)
