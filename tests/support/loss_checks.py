"""What the checks of losses share: agents in float64, random batches, comparisons."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from mario_rl_agents.agent import Agent
from mario_rl_agents.buffers.replay import Batch
from support import literal
from torch import Tensor, nn

GAMMA = 0.9
RATE = 0.05  # of plain gradient descent, where a whole update is checked
NUM_TRANSITIONS = 9
DISCRETE = gym.spaces.Discrete(3)
# Of the environment; the agents' -1 and 1.
CONTINUOUS = gym.spaces.Box(np.array([-2, -1], np.float32), np.array([2, 3], np.float32))


class Spaces(gym.Env[Any, Any]):
    """Only spaces."""

    observation_space = gym.spaces.Box(-9, 9, (4,), np.float32)

    def __init__(self, action_space: gym.Space[Any]) -> None:
        self.action_space = action_space


class Cut(gym.Env[Any, Any]):
    """Episodes that end as told, with random observations; remembers every step."""

    observation_space = gym.spaces.Box(-9, 9, (4,), np.float32)

    def __init__(
        self,
        action_space: gym.Space[Any],
        how: str,
        num_steps: tuple[int, int] = (3, 3),
    ) -> None:
        """Make episodes of at least `num_steps[0]` and at most `num_steps[1]` steps."""
        self.action_space = action_space
        self.history: list[literal.Transition] = []
        self._flags = (how == "terminated", how == "truncated")
        self._num_steps = num_steps

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._left = int(self.np_random.integers(*self._num_steps, endpoint=True))
        self._obs = self.np_random.normal(size=4).astype(np.float32)
        return self._obs, {}

    def step(self, action):
        self._left -= 1
        ends = (False, False) if self._left else self._flags
        obs, reward = self.np_random.normal(size=4).astype(np.float32), 1 + self._left / 4
        before, after = (torch.from_numpy(x.copy()).double() for x in (self._obs, obs))
        self.history.append(literal.Transition(before, action, reward, after, *ends))
        self._obs = obs
        return obs, reward, *ends, {}


def make(agent_class: type[Agent], config: Any, actions: gym.Space[Any]) -> Any:
    """Return an agent in float64 whose target networks differ from the others."""
    agent = agent_class.create(Spaces(actions), config, seed=5, device="cpu")
    generator = torch.Generator().manual_seed(6)
    for name, network in agent.networks.items():
        network.double()
        if "target" in name or name == "distribution":
            for x in network.parameters():
                x.data += 0.3 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return agent


def make_batch(seed: int, actions: gym.Space[Any], **more: Any) -> Batch:
    """Return random transitions in float64; a third terminated, a third were truncated."""
    rng = np.random.default_rng(seed)
    n = NUM_TRANSITIONS
    if isinstance(actions, gym.spaces.Discrete):
        action = torch.from_numpy(rng.integers(actions.n, size=n))
    else:
        assert isinstance(actions, gym.spaces.Box)
        action = torch.from_numpy(rng.uniform(actions.low, actions.high, (n, *actions.shape)))
    obs, next_obs = torch.from_numpy(rng.normal(size=(2, n, 4)))
    reward = torch.from_numpy(3 * rng.normal(size=n))
    kind = torch.arange(n) % 3
    return Batch(obs, action, reward, next_obs, kind == 1, kind == 2, **more)


def transitions(batch: Batch, reward_scale: float = 1.0) -> list[literal.Transition]:
    """Return a batch one by one; continuous actions on the agents' scale."""
    return [
        literal.Transition(
            batch.obs[i],
            int(batch.action[i]) if batch.action.ndim == 1 else scaled(batch.action[i]),
            reward_scale * float(batch.reward[i]),
            batch.next_obs[i],
            bool(batch.terminated[i]),
            bool(batch.truncated[i]),
        )
        for i in range(len(batch.reward))
    ]


def scaled(env_action: Tensor) -> Tensor:
    """Return an action in [-1, 1]."""
    low, high = torch.from_numpy(CONTINUOUS.low), torch.from_numpy(CONTINUOUS.high)
    return (env_action - low) / (high - low) * 2 - 1


def linear_layers(module: nn.Module) -> list[tuple[Tensor, Tensor]]:
    return [(x.weight.T, x.bias) for x in module.modules() if isinstance(x, nn.Linear)]


def network(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a fully connected network as a function of one observation."""
    return lambda obs: literal.dense(linear_layers(module), obs)


def dueling_network(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a network with two streams, side by side in its last hidden layer."""

    def values(obs: Tensor) -> Tensor:
        *hidden, value, advantage = linear_layers(module)
        streams = literal.dense(hidden, obs)
        streams = torch.where(streams > 0, streams, torch.zeros_like(streams))
        half = len(streams) // 2
        v = literal.dense([value], streams[:half])[0]
        return torch.stack(literal.dueling(v, literal.dense([advantage], streams[half:])))

    return values


def scalar(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a network with one output."""
    return lambda obs: network(module)(obs)[0]


def critic(critics: Any, i: int, *, layer_norm: bool = False) -> literal.ActionValue:
    """Return one of several critics as a function of one observation and one action."""

    def value(obs: Tensor, action: Tensor) -> Tensor:
        layers = [(layer.weight[i], layer.bias[i, 0]) for layer in critics.layers]
        return literal.dense(layers, torch.cat([obs, action]), normalize=layer_norm)[0]

    return value


def policy(
    distribution: Any, outputs: Callable[[Tensor], Tensor]
) -> tuple[literal.LogProb, Callable[[Tensor], Tensor]]:
    """Return log pi(a | s) and the entropy of pi(. | s)."""
    if not hasattr(distribution, "log_std"):
        return (
            lambda obs, action: literal.categorical_log_prob(outputs(obs), action),
            lambda obs: literal.categorical_entropy(outputs(obs)),
        )
    stds = [torch.exp(x) for x in distribution.log_std]
    return (
        lambda obs, action: literal.gaussian_log_prob(outputs(obs), stds, action),
        lambda obs: literal.gaussian_entropy(stds),
    )


def parameters(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    return [x for module in modules for x in module.parameters()]


def gradients(loss: Tensor, of: Sequence[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(loss, of, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(of, found, strict=True)]


def state(agent: Agent) -> dict[str, Any]:
    """Return everything that a loss must leave alone."""
    return {
        "tensors": {name: x.clone() for name, x in agent.tensors().items()},
        "gradients": [
            None if x.grad is None else x.grad.clone() for x in parameters(agent.networks.values())
        ],
        "generators": {name: g.bit_generator.state for name, g in agent.generators.items()},
        "counters": (agent.num_steps, agent.num_updates, agent.num_episodes),
    }


def assert_same_state(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert all(torch.equal(x, b["tensors"][name]) for name, x in a["tensors"].items())
    for x, y in zip(a["gradients"], b["gradients"], strict=True):
        assert (x is None and y is None) or torch.equal(x, y)
    assert (a["generators"], a["counters"]) == (b["generators"], b["counters"])


def close(actual: Any, expected: Any, what: str = "") -> None:
    actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
    assert actual.dtype == torch.float64, f"{what} left float64"
    torch.testing.assert_close(
        actual, expected.to(torch.float64), rtol=1e-6, atol=1e-8, msg=lambda text: f"{what}: {text}"
    )


def check_loss(
    agent: Agent,
    loss: Callable[[], Tensor],
    expected: Callable[[], Tensor],
    *,
    learning: Sequence[nn.Module],
    constant: Sequence[nn.Module] = (),
) -> None:
    """Check a loss: its value, its gradients, that it changes nothing.

    Args:
        agent: Whose it is.
        loss: As the agent computes it.
        expected: As the paper does.
        learning: Modules that the gradients are compared for.
        constant: Modules that no gradient may reach.
    """
    before = state(agent)
    value, again, truth = loss(), loss(), expected()
    assert torch.equal(value, again), "a second call is another loss"
    close(value, truth, "loss")
    learned = parameters(learning)
    assert all(x.requires_grad for x in learned)
    found, true_gradients = gradients(value, learned), gradients(truth, learned)
    assert any(bool(g.any()) for g in true_gradients), "the batch teaches nothing"
    for number, (g, true_g) in enumerate(zip(found, true_gradients, strict=True)):
        close(g, true_g, f"gradient of parameter {number}")
    for x in parameters(constant):
        assert not x.requires_grad or not gradients(again, [x])[0].any(), "gradient of a constant"
    assert_same_state(before, state(agent))


def descend(loss: Tensor, modules: Sequence[nn.Module]) -> None:
    """Take a step of plain gradient descent."""
    learned = parameters(modules)
    for x, g in zip(learned, gradients(loss, learned), strict=True):
        x.data -= RATE * g


def average(target: nn.Module, online: nn.Module, tau: float) -> None:
    """Move a target network."""
    for x, y in zip(target.parameters(), online.parameters(), strict=True):
        moved = literal.polyak(x.data.flatten().tolist(), y.data.flatten().tolist(), tau)
        x.data = torch.tensor(moved, dtype=torch.float64).view_as(x)


def assert_same_networks(agent: Agent, expected: dict[str, nn.Module]) -> None:
    for name, module in agent.networks.items():
        other = expected[name].state_dict()
        for key, x in module.state_dict().items():
            close(x, other[key], f"{name}/{key} after the update")
