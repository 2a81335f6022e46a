"""The lean Adam takes the steps of PyTorch's, bit for bit."""

import copy

import pytest
import torch
from mario_rl_agents.networks.adam import Adam, set_learning_rates
from mario_rl_agents.seeding import torch_seed
from torch import nn

LEARNING_RATE = 1e-2


def make_network():
    with torch_seed(0):
        return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def take_steps(network, optimizer, first, last, *, max_norm=None):
    """Fit the network to nothing in particular, on other inputs at each step."""
    for step in range(first, last):
        with torch_seed(step):
            inputs = torch.randn(16, 3)
        optimizer.zero_grad()
        (network(inputs) - step).square().mean().backward()
        if max_norm is not None and isinstance(optimizer, Adam):
            optimizer.clip_gradients(max_norm)
        elif max_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), max_norm)
        optimizer.step()


def make_both(**settings):
    ours, theirs = make_network(), make_network()
    return (ours, Adam(ours.parameters(), LEARNING_RATE, **settings)), (
        theirs,
        torch.optim.Adam(theirs.parameters(), LEARNING_RATE, fused=True, **settings),
    )


def assert_equal(ours, theirs):
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


@pytest.mark.parametrize("max_norm", [None, 1e-3, 1e3])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.92, 0.999)])
def test_the_steps_are_those_of_pytorch(betas, max_norm):
    (ours, our_adam), (theirs, their_adam) = make_both(betas=betas)
    take_steps(ours, our_adam, 0, 20, max_norm=max_norm)
    take_steps(theirs, their_adam, 0, 20, max_norm=max_norm)
    assert_equal(ours, theirs)
    before = make_network().state_dict()
    assert not torch.equal(before["0.weight"], ours.state_dict()["0.weight"])


def test_the_learning_rate_can_be_changed():
    (ours, our_adam), (theirs, their_adam) = make_both()
    for network, optimizer in ((ours, our_adam), (theirs, their_adam)):
        take_steps(network, optimizer, 0, 3)
        optimizer.param_groups[0]["lr"] = 0.5
        take_steps(network, optimizer, 3, 6)
    assert_equal(ours, theirs)


def test_the_state_is_that_of_pytorch_and_goes_on_exactly():
    """A state moves to a new one and from PyTorch's, also straight, without a copy of a file."""
    (ours, our_adam), (theirs, their_adam) = make_both()
    take_steps(ours, our_adam, 0, 5)
    take_steps(theirs, their_adam, 0, 5)
    state = our_adam.state_dict()["state"]
    for index, wanted in their_adam.state_dict()["state"].items():
        assert set(state[index]) == set(wanted)
        for name, value in wanted.items():
            assert torch.equal(state[index][name], value), (index, name)
    resumed = make_network()
    resumed.load_state_dict(ours.state_dict())
    resumed_adam = Adam(resumed.parameters(), LEARNING_RATE)
    resumed_adam.load_state_dict(copy.deepcopy(our_adam.state_dict()))
    take_steps(resumed, resumed_adam, 5, 10)
    take_steps(theirs, their_adam, 5, 10)
    assert_equal(resumed, theirs)
    again = make_network()
    again.load_state_dict(ours.state_dict())
    again_adam = Adam(again.parameters(), LEARNING_RATE)
    again_adam.load_state_dict(our_adam.state_dict())
    take_steps(again, again_adam, 5, 10)
    assert_equal(again, theirs)


@pytest.mark.parametrize("max_norm", [None, 1e-3])
def test_groups_have_rates_of_their_own(max_norm):
    ours, theirs = make_network(), make_network()
    our_adam, their_adam = (
        kind(
            [{"params": list(network[0].parameters())}, {"params": list(network[2].parameters())}],
            LEARNING_RATE,
            **settings,
        )
        for kind, network, settings in (
            (Adam, ours, {}),
            (torch.optim.Adam, theirs, {"fused": True}),
        )
    )
    for rates in ((1e-2, 1e-3), (0.3, 0.1)):
        set_learning_rates(our_adam, *rates)
        for group, rate in zip(their_adam.param_groups, rates, strict=True):
            group["lr"] = rate
        take_steps(ours, our_adam, 0, 5, max_norm=max_norm)
        take_steps(theirs, their_adam, 0, 5, max_norm=max_norm)
    assert_equal(ours, theirs)
    one_group = Adam(make_network().parameters(), LEARNING_RATE)
    set_learning_rates(one_group, 0.5, 0.25)
    assert [group["lr"] for group in one_group.param_groups] == [0.5]
