"""Draws have the probabilities that log_prob says, and those are torch's own."""

import gymnasium as gym
import numpy as np
import torch
from mario_rl_agents.networks.distributions import Categorical, Gaussian

BOX = gym.spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 10.0]), dtype=np.float64)


def gaussian() -> Gaussian:
    """Return one of two numbers whose deviations are 0.5 and 2."""
    distribution = Gaussian(BOX)
    distribution.log_std.data = torch.tensor([0.5, 2.0]).log()
    return distribution


def test_categorical_draws_with_its_probabilities() -> None:
    logits = np.array([[0.0, 1.0, -1.0, 2.0]], np.float32)
    distribution = Categorical(4)
    actions = distribution.sample(np.repeat(logits, 40_000, axis=0), np.random.default_rng(0))
    probabilities = np.exp(logits[0]) / np.exp(logits[0]).sum()
    # Five standard deviations of a count.
    error = 5 * np.sqrt(probabilities * (1 - probabilities) / 40_000)
    assert (np.abs(np.bincount(actions, minlength=4) / 40_000 - probabilities) < error).all()
    assert distribution.mode(logits).tolist() == [3]
    assert distribution.to_env(actions) is actions


def test_categorical_numbers_are_those_of_torch() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    action = torch.tensor([0, 1, 2, 0, 1, 2])
    expected = torch.distributions.Categorical(logits=logits)
    distribution = Categorical(3)
    torch.testing.assert_close(distribution.log_prob(logits, action), expected.log_prob(action))
    torch.testing.assert_close(distribution.entropy(logits), expected.entropy())
    large = logits + 1000  # the same probabilities
    np.testing.assert_allclose(distribution.probabilities(large.numpy()), expected.probs, rtol=1e-9)


def test_gaussian_draws_have_its_moments() -> None:
    distribution = gaussian()
    means = np.repeat(np.array([[0.5, -3.0]], np.float32), 40_000, axis=0)
    actions = distribution.sample(means, np.random.default_rng(0))
    assert actions.dtype == np.float32
    np.testing.assert_allclose(actions.mean(axis=0), [0.5, -3.0], atol=0.05)
    np.testing.assert_allclose(actions.std(axis=0), [0.5, 2.0], rtol=0.02)
    assert np.array_equal(distribution.mode(means), means)


def test_gaussian_numbers_are_those_of_torch() -> None:
    distribution = gaussian().double()
    generator = torch.Generator().manual_seed(0)
    means, action = torch.randn(2, 5, 2, generator=generator, dtype=torch.float64)
    expected = torch.distributions.Normal(means, distribution.log_std.exp())
    torch.testing.assert_close(
        distribution.log_prob(means, action), expected.log_prob(action).sum(dim=1)
    )
    torch.testing.assert_close(distribution.entropy(means), expected.entropy().sum(dim=1))


def test_gaussian_actions_are_brought_to_the_scale_and_bounds_of_the_environment() -> None:
    actions = np.array([[0.5, 0.0], [-3.0, 3.0]], np.float32)
    given = gaussian().to_env(actions)
    np.testing.assert_allclose(given, [[0.5, 5.0], [-1.0, 10.0]])
    assert given.dtype == BOX.dtype
    assert all(BOX.contains(action) for action in given)
