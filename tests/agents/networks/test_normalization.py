"""Running moments against all numbers at once, and rewards against a loop."""

import numpy as np
import pytest
import torch
from mario_rl_agents.networks.normalization import (
    ObservationNormalizer,
    RewardNormalizer,
    RunningMeanStd,
)


def test_moments_are_those_of_all_numbers_seen() -> None:
    rng = np.random.default_rng(0)
    batches = [rng.normal(1e4, 3.0, size=(size, 2, 3)) for size in (1, 7, 30, 2)]
    moments = RunningMeanStd((2, 3))
    for batch in batches:
        moments.update(torch.from_numpy(batch))
    everything = np.concatenate(batches)
    np.testing.assert_allclose(moments.mean.numpy(), everything.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance.numpy(), everything.var(axis=0), rtol=1e-9)
    assert moments.count.item() == 40


def test_observations_are_as_they_are_until_something_was_seen() -> None:
    normalizer = ObservationNormalizer((2,))
    obs = torch.tensor([[0.5, -3.0], [11.0, -20.0]])
    expected = torch.tensor([[0.5, -3.0], [10.0, -10.0]])
    torch.testing.assert_close(normalizer(obs), expected)
    normalizer.update(torch.tensor([[0.0, 100.0], [4.0, 100.0]]))
    # Mean 2 and 100, deviation 2 and none: a number that never changes is 0 until it does.
    assert normalizer(torch.tensor([[6.0, 100.0]])).tolist()[0] == pytest.approx([2.0, 0.0])
    assert normalizer(torch.tensor([[100.0, 101.0]])).tolist() == [[10.0, 10.0]]


def test_what_a_rollout_holds_is_taken_in_on_another_device() -> None:
    normalizer = ObservationNormalizer((2,)).to("meta")  # as on a GPU, but on every machine
    normalizer.update(torch.tensor([[0.0, 100.0], [4.0, 100.0]]))
    assert {x.device.type for x in normalizer.buffers()} == {"meta"}
    assert normalizer.mean.shape == normalizer.variance.shape == (2,)
    assert normalizer.count.shape == ()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float64])
def test_observations_of_any_type_are_normalized(dtype: torch.dtype) -> None:
    normalizer = ObservationNormalizer((2,))
    seen = torch.tensor([[0, 1], [1, 1]])
    normalizer.update(seen.to(dtype))
    expected = normalizer(seen.to(torch.float32))
    assert expected.tolist() == [[pytest.approx(-1.0), 0.0], [pytest.approx(1.0), 0.0]]
    assert torch.equal(normalizer(seen.to(dtype)), expected)


def test_rewards_are_divided_by_the_deviation_of_discounted_returns() -> None:
    rng = np.random.default_rng(1)
    normalizer = RewardNormalizer(2, gamma=0.9)
    returns, running = [], [0.0, 0.0]
    for _ in range(3):
        reward = rng.normal(2.0, 5.0, size=(4, 2)).astype(np.float32)
        ended = rng.random((4, 2)) < 0.3
        scaled = normalizer(reward, ended)
        for step in range(4):
            for env in range(2):
                running[env] = 0.9 * running[env] + float(reward[step, env])
                returns.append(running[env])
                if ended[step, env]:
                    running[env] = 0.0
        np.testing.assert_allclose(scaled, reward / np.std(returns), rtol=1e-5)
        assert scaled.dtype == np.float32


def test_an_outlier_is_clipped() -> None:
    normalizer = RewardNormalizer(1, gamma=0.0)
    reward = np.zeros((1000, 1), np.float32)
    reward[-1] = 1e6
    ended = np.zeros((1000, 1), np.bool_)
    assert normalizer(reward, ended)[-1].tolist() == [10.0]


def test_statistics_are_part_of_the_state() -> None:
    first, second = RewardNormalizer(2, 0.9), RewardNormalizer(2, 0.9)
    reward, ended = np.ones((5, 2), np.float32), np.zeros((5, 2), np.bool_)
    first(reward, ended)
    second.load_state_dict(first.state_dict())
    assert np.array_equal(first(reward, ended), second(reward, ended))
