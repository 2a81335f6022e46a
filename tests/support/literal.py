"""The losses as the papers print them: one transition at a time, with the four operations.

Slow and plain on purpose. Nothing here is shared with the agents: `test_losses.py` and
`test_on_policy_losses.py` compare the two. Networks are functions of one observation. Scalars are
tensors without axes, so that autograd can say what the gradient of each formula is; `constant`
marks what a paper takes as given.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

Action = Any  # an int, or a vector of numbers
StateValue = Callable[[Tensor], Tensor]  # V(s)
ActionValues = Callable[[Tensor], Tensor]  # Q(s, .), one number per action
ActionValue = Callable[[Tensor, Tensor], Tensor]  # Q(s, a) for a vector of numbers
Actor = Callable[[Tensor], Tensor]  # mu(s), a vector of numbers
LogProb = Callable[[Tensor, Action], Tensor]  # log pi(a | s)


class Transition(NamedTuple):
    """One step: what was seen, done, given, and seen next."""

    obs: Tensor
    action: Action
    reward: float
    next_obs: Tensor  # the true one, also where the episode ended
    terminated: bool
    truncated: bool


def constant(x: Tensor) -> Tensor:
    """Return `x` as a number that no gradient flows through."""
    return x.detach()


def mean(terms: Sequence[Tensor]) -> Tensor:
    """Return 1 / N times the sum."""
    return total(terms) / len(terms)


def total(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


def smaller(a: Tensor, b: Tensor) -> Tensor:
    """Return the minimum of two numbers."""
    return a if a <= b else b


def larger(a: Tensor, b: Tensor) -> Tensor:
    """Return the maximum of two numbers."""
    return a if a >= b else b


def between(x: Tensor, low: float, high: float) -> Tensor:
    """Return `x` clipped to [low, high]; a limit has no gradient."""
    if x < low:
        return torch.full_like(x, low)
    return torch.full_like(x, high) if x > high else x


def best(values: Tensor) -> int:
    """Return the first index of the largest of several numbers."""
    index = 0
    for i in range(len(values)):
        if values[i] > values[index]:
            index = i
    return index


def dense(layers: Sequence[tuple[Tensor, Tensor]], x: Tensor, *, normalize: bool = False) -> Tensor:
    """Return the outputs of weights [inputs, outputs] and biases, with ReLU between layers.

    Args:
        layers: First to last.
        x: The inputs.
        normalize: Whether each hidden layer has its mean taken away and is divided by its standard
            deviation before the ReLU (Ba et al. 2016, "Layer normalization", equation 3).
    """
    for number, (weights, biases) in enumerate(layers):
        if number > 0 and normalize:
            centered = x - mean(list(x))
            x = centered / torch.sqrt(mean(list(centered * centered)) + 1e-5)
        if number > 0:
            x = torch.where(x > 0, x, torch.zeros_like(x))
        x = total([x[i] * weights[i] for i in range(len(x))]) + biases
    return x


# Values of discrete actions: Mnih et al. 2015, van Hasselt et al. 2016, Wang et al. 2016,
# Schaul et al. 2016, Sutton and Barto 2018.


def huber(error: Tensor) -> Tensor:
    """Return the squared error within one, clipped to slope one outside (Mnih et al., Methods)."""
    if -1 <= error <= 1:
        return error * error / 2
    return (error if error > 0 else -error) - 0.5


def squared(error: Tensor) -> Tensor:
    """Return the squared error."""
    return error * error


def dqn_target(target: ActionValues, t: Transition, discount: float) -> Tensor:
    """Return y = r, where s' is terminal, or else r + gamma max_a Q'(s', a) (Mnih, algorithm 1)."""
    if t.terminated:
        return torch.tensor(t.reward, dtype=torch.float64)
    values = target(t.next_obs)
    return constant(t.reward + discount * values[best(values)])


def double_dqn_target(
    online: ActionValues, target: ActionValues, t: Transition, discount: float
) -> Tensor:
    """Return y = r + gamma Q'(s', argmax_a Q(s', a)) (van Hasselt et al. 2016, equation 4)."""
    if t.terminated:
        return torch.tensor(t.reward, dtype=torch.float64)
    return constant(t.reward + discount * target(t.next_obs)[best(online(t.next_obs))])


def weighted_td_loss(
    q: ActionValues,
    batch: Sequence[Transition],
    targets: Sequence[Tensor],
    weights: Sequence[float],
    error_loss: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return the mean of w_i loss(y_i - Q(s_i, a_i)) (Schaul et al. 2016, algorithm 1, line 13)."""
    return mean(
        [
            weight * error_loss(y - q(t.obs)[t.action])
            for t, y, weight in zip(batch, targets, weights, strict=True)
        ]
    )


def importance_weights(
    priorities: Sequence[float], drawn: Sequence[int], beta: float
) -> list[float]:
    """Return (1 / (N P(i)))^beta over the largest of those drawn (Schaul et al., section 3.4).

    Args:
        priorities: p_i^alpha of every transition in memory.
        drawn: Which are in the batch.
        beta: How far the bias is corrected.
    """
    size, whole = len(priorities), sum(priorities)
    weights = [(1 / (size * (priorities[i] / whole))) ** beta for i in drawn]
    return [weight / max(weights) for weight in weights]


def dueling(value: Tensor, advantages: Tensor) -> list[Tensor]:
    """Return Q(s, a) = V(s) + A(s, a) - the mean of A(s, .) (Wang et al. 2016, equation 9)."""
    average = mean(list(advantages))
    return [value + advantage - average for advantage in advantages]


class NStep(NamedTuple):
    """What follows a transition: R = r_t + gamma r_t+1 + ..., and where it stops."""

    reward: float
    discount: float  # gamma^k, for the value of next_obs
    next_index: int  # the transition whose next_obs comes after the k steps
    terminated: bool
    truncated: bool


def n_step(episode: Sequence[Transition], start: int, n: int, gamma: float) -> NStep:
    """Return the n-step return from `start`, or as many steps as the episode had left.

    The target is R + gamma^k max_a Q(s_t+k, a), without the second where the episode terminated
    (Sutton and Barto 2018, equation 7.1; Hessel et al. 2018, section "Multi-step learning").
    """
    reward, k = 0.0, 0
    while True:
        t = episode[start + k]
        reward += gamma**k * t.reward
        k += 1
        if k == n or t.terminated or t.truncated:
            return NStep(reward, gamma**k, start + k - 1, t.terminated, t.truncated)


# Log-probabilities.


def categorical_log_prob(logits: Tensor, action: int) -> Tensor:
    """Return log(exp(l_a) / sum_b exp(l_b))."""
    return torch.log(torch.exp(logits[action]) / total([torch.exp(x) for x in logits]))


def categorical_entropy(logits: Tensor) -> Tensor:
    """Return -sum_a pi(a) log pi(a)."""
    log_probs = [categorical_log_prob(logits, a) for a in range(len(logits))]
    return -total([torch.exp(x) * x for x in log_probs])


def gaussian_log_prob(means: Tensor, stds: Sequence[Tensor], x: Tensor) -> Tensor:
    """Return the log of prod_i exp(-(x_i - m_i)^2 / (2 s_i^2)) / (s_i sqrt(2 pi))."""
    return total(
        [
            -((x[i] - means[i]) ** 2) / (2 * stds[i] ** 2)
            - torch.log(stds[i])
            - math.log(math.sqrt(2 * math.pi))
            for i in range(len(x))
        ]
    )


def gaussian_entropy(stds: Sequence[Tensor]) -> Tensor:
    """Return the sum of log(s_i sqrt(2 pi e))."""
    return total([torch.log(std) + 0.5 * math.log(2 * math.pi * math.e) for std in stds])


def tanh_log_prob(means: Tensor, stds: Sequence[Tensor], x: Tensor) -> Tensor:
    """Return log N(x) - sum_i log(1 - tanh(x_i)^2) (Haarnoja et al. 2018, appendix C, eq. 21).

    1 - tanh(x)^2 = (2 / (e^x + e^-x))^2 keeps its digits where tanh(x) rounds to one.
    """
    correction = total([2 * torch.log(2 / (torch.exp(y) + torch.exp(-y))) for y in x])
    return gaussian_log_prob(means, stds, x) - correction


# Policies: Sutton and Barto 2018, Mnih et al. 2016, Schulman et al. 2016 and 2017.


def one_step_delta(value: StateValue, t: Transition, gamma: float) -> Tensor:
    """Return delta = r + gamma V(s') - V(s), V(s') = 0 if terminal (Sutton and Barto, ch. 13.5)."""
    next_value = 0 if t.terminated else value(t.next_obs)
    return constant(t.reward + gamma * next_value - value(t.obs))


def one_step_critic_loss(value: StateValue, t: Transition, gamma: float) -> Tensor:
    """Return delta^2, r + gamma V(s') held fixed."""
    next_value = 0 if t.terminated else constant(value(t.next_obs))
    delta = t.reward + gamma * next_value - value(t.obs)
    return delta * delta


def policy_gradient_loss(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """Return -log pi(a | s) times the advantage, which is held fixed."""
    return -log_prob * constant(advantage)


def a3c_returns(value: StateValue, steps: Sequence[Transition], gamma: float) -> list[Tensor]:
    """Return R for each step: R = 0 or V(s_last), then backwards R = r + gamma R (algorithm S3)."""
    last = steps[-1]
    r = torch.zeros((), dtype=torch.float64) if last.terminated else constant(value(last.next_obs))
    returns: list[Tensor] = []
    for t in reversed(steps):
        r = t.reward + gamma * r
        returns.insert(0, r)
    return returns


def gae(
    rewards: Sequence[float],
    values: Sequence[float],
    next_values: Sequence[float],
    terminated: Sequence[bool],
    truncated: Sequence[bool],
    gamma: float,
    lambda_: float,
) -> list[float]:
    """Return A_t = sum_l (gamma lambda)^l delta_t+l within the episode (Schulman 2016, eq. 16).

    `next_values` are those of the true next observations. The sum stops where an episode ended;
    delta has no next value where it terminated.
    """
    advantages = []
    for start in range(len(rewards)):
        advantage, factor = 0.0, 1.0
        for t in range(start, len(rewards)):
            next_value = 0.0 if terminated[t] else next_values[t]
            advantage += factor * (rewards[t] + gamma * next_value - values[t])
            factor *= gamma * lambda_
            if terminated[t] or truncated[t]:
                break
        advantages.append(advantage)
    return advantages


def clipped_surrogate(
    log_prob: Tensor, old_log_prob: float, advantage: float, epsilon: float
) -> Tensor:
    """Return min(r A, clip(r, 1 - epsilon, 1 + epsilon) A) (Schulman et al. 2017, equation 7)."""
    ratio = torch.exp(log_prob - old_log_prob)
    return smaller(ratio * advantage, between(ratio, 1 - epsilon, 1 + epsilon) * advantage)


def clipped_value_loss(value: Tensor, old_value: float, target: float, epsilon: float) -> Tensor:
    """Return the larger of (V - R)^2 and (V_old + clip(V - V_old, -epsilon, epsilon) - R)^2."""
    clipped = old_value + between(value - old_value, -epsilon, epsilon)
    return larger(squared(value - target), squared(clipped - target))


def normalized(advantages: Sequence[float]) -> list[float]:
    """Return (A - mean) / the standard deviation of the sample (with N - 1)."""
    average = sum(advantages) / len(advantages)
    variance = sum((a - average) ** 2 for a in advantages) / (len(advantages) - 1)
    return [(a - average) / (math.sqrt(variance) + 1e-8) for a in advantages]


# Continuous actions: Lillicrap et al. 2016, Fujimoto et al. 2018, Haarnoja et al. 2018.


def ddpg_target(actor: Actor, critic: ActionValue, t: Transition, gamma: float) -> Tensor:
    """Return y = r + gamma Q'(s', mu'(s')) (Lillicrap et al. 2016, algorithm 1)."""
    if t.terminated:
        return torch.tensor(t.reward, dtype=torch.float64)
    return constant(t.reward + gamma * critic(t.next_obs, actor(t.next_obs)))


def td3_target(
    actor: Actor,
    critics: tuple[ActionValue, ActionValue],
    t: Transition,
    noise: Tensor,
    noise_clip: float,
    gamma: float,
) -> Tensor:
    """Return y = r + gamma min_i Q_i'(s', mu'(s') + clip(noise, -c, c)) (Fujimoto, algorithm 1).

    The sum stays within the bounds of the actions, here -1 and 1 (the paper's appendix).
    """
    if t.terminated:
        return torch.tensor(t.reward, dtype=torch.float64)
    smooth = torch.stack(
        [
            between(mu + between(epsilon, -noise_clip, noise_clip), -1, 1)
            for mu, epsilon in zip(actor(t.next_obs), noise, strict=True)
        ]
    )
    rated = smaller(critics[0](t.next_obs, smooth), critics[1](t.next_obs, smooth))
    return constant(t.reward + gamma * rated)


def critic_loss(
    critic: ActionValue, batch: Sequence[Transition], targets: Sequence[Tensor]
) -> Tensor:
    """Return the mean of (y - Q(s, a))^2 (Lillicrap et al. 2016, algorithm 1)."""
    return mean([squared(y - critic(t.obs, t.action)) for t, y in zip(batch, targets, strict=True)])


def deterministic_actor_loss(
    actor: Actor, critic: ActionValue, batch: Sequence[Transition]
) -> Tensor:
    """Return the mean of -Q(s, mu(s)), whose gradient is equation 6 of Lillicrap et al. 2016."""
    return mean([-critic(t.obs, actor(t.obs)) for t in batch])


class Sample(NamedTuple):
    """A squashed Gaussian action and its log-probability, both functions of the actor's weights."""

    action: Tensor
    log_prob: Tensor


def squashed_sample(means: Tensor, stds: Sequence[Tensor], noise: Tensor) -> Sample:
    """Return a = tanh(m + s noise) (Haarnoja et al. 2018, equation 11 and appendix C)."""
    x = torch.stack([means[i] + stds[i] * noise[i] for i in range(len(noise))])
    return Sample(torch.tanh(x), tanh_log_prob(means, stds, x))


def sac_value_target(
    critics: tuple[ActionValue, ActionValue], obs: Tensor, sample: Sample, alpha: float
) -> Tensor:
    """Return min_i Q_i(s, a) - alpha log pi(a | s) (2018a, equations 3 and 5: alpha is 1)."""
    lower = smaller(critics[0](obs, sample.action), critics[1](obs, sample.action))
    return constant(lower - alpha * sample.log_prob)


def sac_q_target(target_value: StateValue, t: Transition, scale: float, gamma: float) -> Tensor:
    """Return scale r + gamma V'(s') (Haarnoja et al. 2018a, equation 8)."""
    reward = torch.tensor(scale * t.reward, dtype=torch.float64)
    return reward if t.terminated else constant(reward + gamma * target_value(t.next_obs))


def soft_q_target(
    critics: tuple[ActionValue, ActionValue],
    t: Transition,
    next_sample: Sample,
    alpha: float,
    scale: float,
    gamma: float,
) -> Tensor:
    """Return r + gamma (min_i Q_i'(s', a') - alpha log pi(a' | s')) (2018b, equations 3 and 5)."""
    reward = torch.tensor(scale * t.reward, dtype=torch.float64)
    if t.terminated:
        return reward
    action = next_sample.action
    lower = smaller(critics[0](t.next_obs, action), critics[1](t.next_obs, action))
    return constant(reward + gamma * (lower - alpha * next_sample.log_prob))


def sac_actor_loss(
    critics: tuple[ActionValue, ActionValue],
    batch: Sequence[Transition],
    samples: Sequence[Sample],
    alpha: float,
) -> Tensor:
    """Return the mean of alpha log pi(a | s) - min_i Q_i(s, a), a = f(noise; s) (2018b, eq. 7)."""
    terms = []
    for t, sample in zip(batch, samples, strict=True):
        lower = smaller(critics[0](t.obs, sample.action), critics[1](t.obs, sample.action))
        terms.append(alpha * sample.log_prob - lower)
    return mean(terms)


def temperature_loss(alpha: Tensor, log_probs: Sequence[Tensor], target_entropy: float) -> Tensor:
    """Return the mean of -alpha log pi(a | s) - alpha target_entropy (2018b, equation 18)."""
    return mean([-alpha * constant(x) - alpha * target_entropy for x in log_probs])


def polyak(target: Sequence[float], online: Sequence[float], tau: float) -> list[float]:
    """Return tau online + (1 - tau) target (Lillicrap et al. 2016, algorithm 1)."""
    return [tau * x + (1 - tau) * y for x, y in zip(online, target, strict=True)]


class AdamMoments:
    """What Adam remembers of one parameter."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Begin with zeros."""
        self.mean = torch.zeros(shape, dtype=torch.float64)
        self.square = torch.zeros(shape, dtype=torch.float64)
        self.num_steps = 0


def adam(
    x: Tensor, gradient: Tensor, moments: AdamMoments, rate: float, beta1: float, beta2: float
) -> Tensor:
    """Return what a step makes of `x` (Kingma and Ba 2015, algorithm 1, with epsilon 1e-8)."""
    moments.num_steps += 1
    moments.mean = beta1 * moments.mean + (1 - beta1) * gradient
    moments.square = beta2 * moments.square + (1 - beta2) * gradient**2
    mean_hat = moments.mean / (1 - beta1**moments.num_steps)
    square_hat = moments.square / (1 - beta2**moments.num_steps)
    return x - rate * mean_hat / (torch.sqrt(square_hat) + 1e-8)


def finite_differences(
    function: Callable[[], Tensor], parameters: Sequence[Tensor], step: float = 1e-6
) -> Iterator[Tensor]:
    """Yield the gradient of `function` at each of `parameters` from its values alone."""
    for parameter in parameters:
        gradient = torch.zeros_like(parameter)
        flat, slope = parameter.data.view(-1), gradient.view(-1)
        for i in range(len(flat)):
            before = float(flat[i])
            flat[i] = before + step
            above = float(function())
            flat[i] = before - step
            below = float(function())
            flat[i] = before
            slope[i] = (above - below) / (2 * step)
        yield gradient
