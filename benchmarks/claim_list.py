"""The claims of the tutorials' authors: arms, tasks, budgets, measures, and the rule of a verdict.

All of it was written before the first run. `claims.py` runs the arms, `claim_page.py` writes the
page.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from mario_rl_agents.config import linear, plain
from mario_rl_agents.experiments import Job
from mario_rl_agents.experiments.statistics import (
    Estimate,
    mean_estimate,
    probability_of_improvement,
)
from mario_rl_agents.recipes import find_recipe

# A job completes the configuration of an agent whose module is imported.
from benchmarks import claim_agents, claim_tasks

SEEDS: Final = range(5)
NUM_TEST_EPISODES: Final = 30
PENDULUM: Final = "Pendulum-v1"
TORQUES: Final = f"{claim_tasks.__name__}:{claim_tasks.ID}"


@dataclass(frozen=True)
class Arm:
    """One way to train: what a job is made from, but for the seed."""

    id: str
    algorithm: str  # of the package, or MODULE:CLASS
    env_id: str
    steps: int  # environment steps that training cannot exceed
    minutes: float  # that a job keeps one core busy, about: by this the claims are ordered
    games: int | None = None  # training games that end it before
    settings_of: Sequence[str] | None = None  # algorithm and recipe; None: the class's defaults
    settings: dict[str, Any] = field(default_factory=dict)  # that differ from those, as JSON values
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    num_cores: int = 1

    def job(self, seed: int) -> Job:
        """Return what is run with a seed."""
        config: dict[str, Any] = {}
        if self.settings_of is not None:
            algorithm, recipe = self.settings_of
            config = dataclasses.asdict(find_recipe(algorithm, self.env_id, recipe).config)
        return Job.from_recipe(
            self.algorithm,
            self.env_id,
            "default",
            config={**config, **self.settings},
            env_kwargs=self.env_kwargs,
            num_envs=1,
            total_steps=self.steps,
            seed=seed,
            max_episodes=self.games,
            num_test_episodes=NUM_TEST_EPISODES,
            num_cores=self.num_cores,
            name=f"{self.id}-seed{seed}",
        )

    @property
    def budget(self) -> str:
        """The budget as the page says it."""
        return f"{self.steps:,} steps" if self.games is None else f"{self.games:,} games"

    def to_json(self) -> dict[str, Any]:
        """Return what decides its results: stored with them, it tells whether they are of it."""
        content: dict[str, Any] = plain(dataclasses.asdict(self))
        del content["minutes"], content["num_cores"]
        return content


class Measure(NamedTuple):
    """A number of one run; the higher it is, the better."""

    title: str
    value: Callable[[Mapping[str, Any]], float]  # of what `claim_results.summarize` returns


def _later_half(name: str) -> Callable[[Mapping[str, Any]], float]:
    def mean(run: Mapping[str, Any]) -> float:
        rows = [row for row in run["values"] if row["step"] > run["num_steps"] / 2]
        return float(sum(row[name] for row in rows) / len(rows))

    return mean


def _excess(run: Mapping[str, Any]) -> float:
    return MEASURES["estimate"].value(run) - MEASURES["truth"].value(run)


MEASURES: Final[Mapping[str, Measure]] = {
    "all": Measure("mean return of all training games", lambda run: float(run["all"])),
    "last_100": Measure(
        "mean return of the last 100 training games", lambda run: float(run["last_100"])
    ),
    "test": Measure(
        f"mean return of {NUM_TEST_EPISODES} greedy games after training",
        lambda run: float(run["test"]),
    ),
    "estimate": Measure(
        "highest action value, mean over the states of greedy games in the second half of training",
        _later_half("estimate"),
    ),
    "truth": Measure("discounted return from the same states on", _later_half("truth")),
    "accuracy": Measure(
        "the true value less the estimate, means as above", lambda run: -_excess(run)
    ),
}


@dataclass(frozen=True)
class Side:
    """One side of a claim: an arm by a measure."""

    label: str
    arm: Arm
    measure: str  # a key of MEASURES


@dataclass(frozen=True)
class Claim:
    """What is said, and how it is judged.

    The difference is that of `first` less `second`. A claim that the first is "better" needs a
    difference of `margin`; that it is "as good" allows one of it in the other direction.
    """

    id: str
    title: str  # the claim as a sentence
    source: str  # who says it
    task: str
    kind: Literal["better", "as good"]
    first: Side
    second: Side
    margin: float  # the least difference that counts, in the unit of the measure
    remark: str  # what is compared, and what the result cannot say
    others: tuple[Side, ...] = ()  # shown, not judged
    over: Literal["games", "steps"] = "games"  # what the curves are drawn over

    @property
    def sides(self) -> tuple[Side, ...]:
        """All sides, those that are judged first."""
        return (self.first, self.second, *self.others)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of the sides, each once."""
        return tuple({side.arm.id: side.arm for side in self.sides}.values())

    @property
    def minutes(self) -> float:
        """Minutes of one core that all its arms take with all seeds, about."""
        return len(SEEDS) * sum(arm.minutes for arm in self.arms)


class Verdict(NamedTuple):
    """What the seeds say of a claim."""

    word: Literal["holds", "does not hold", "cannot tell"]
    difference: Estimate  # of the first side less the second
    improvement: Estimate  # probability that a run of the first is better than one of the second


def judge(kind: str, first: Sequence[float], second: Sequence[float], margin: float) -> Verdict:
    """Return the verdict on a claim.

    The difference is the mean over seeds of first less second, its interval (95 %) the bootstrap
    over seeds. Of a claim "better" that

    - holds: the interval lies above 0, and the difference is at least `margin`;
    - does not hold: the interval lies below `margin`;
    - cannot tell: neither.

    A claim "as good" is the opposite of "the second is better", so that it

    - holds: the interval lies above -`margin`;
    - does not hold: the interval lies below 0, and the difference is at most -`margin`;
    - cannot tell: neither.

    Args:
        kind: "better" or "as good".
        first: A value of each seed.
        second: The other side's, of the same seeds in the same order.
        margin: The least difference that counts, above 0.

    Raises:
        ValueError: The sides have not as many values, or fewer than two; or `margin` is not above
            0, or `kind` is unknown.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            "expected values of the same seeds, two at least, on both sides; received "
            f"{len(first)} and {len(second)}"
        )
    if not margin > 0:
        raise ValueError(f"margin must be above 0, received {margin}")
    if kind not in ("better", "as good"):
        raise ValueError(f'kind must be "better" or "as good", received {kind!r}')
    difference = mean_estimate([x - y for x, y in zip(first, second, strict=True)])
    value, low, high = difference
    assert low is not None
    assert high is not None
    improvement = probability_of_improvement(first, second)
    if kind == "better":
        holds, fails = low > 0 and value >= margin, high < margin
    else:
        holds, fails = low > -margin, high < 0 and value <= -margin
    word: Literal["holds", "does not hold", "cannot tell"] = "cannot tell"
    if holds:
        word = "holds"
    elif fails:
        word = "does not hold"
    return Verdict(word, difference, improvement)


def find_claims(names: Sequence[str], claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that a user names by ids or patterns (`ppo-*`), in order; none names all.

    Raises:
        ValueError: A name that fits no claim.
    """
    for name in names:
        if not any(fnmatch.fnmatchcase(claim.id, name) for claim in claims):
            ids = ", ".join(claim.id for claim in claims)
            raise ValueError(f"no claim is called {name!r}: known are {ids}")
    return [
        claim
        for claim in claims
        if not names or any(fnmatch.fnmatchcase(claim.id, name) for name in names)
    ]


_OWN: Final = claim_agents.__name__
# Learning begins after as many random steps in every arm on Pendulum, with networks, batches and
# rates alike: what an algorithm adds is all that differs.
_PENDULUM: Final = {
    "hidden_sizes": [64, 64],
    "batch_size": 64,
    "replay_capacity": 20_000,
    "learning_starts": 500,
}
_DETERMINISTIC: Final = {
    **_PENDULUM,
    "actor_learning_rate": 1e-3,
    "critic_learning_rate": 1e-3,
    "random_steps": 500,
}
# The first form, with a value network, as the tutorial has it.
_SAC: Final = {
    **_PENDULUM,
    "learning_rate": 1e-3,
    "random_steps": 500,
    "reward_scale": 2.0,
    "value_network": True,
    "temperature": 1.0,
}
# What DDPG has of these numbers, DQN has here.
_TORQUES: Final = {
    **_PENDULUM,
    "learning_rate": 1e-3,
    "loss": "mse",
    "gamma": 0.99,
    "target_update_period": 1,
    "tau": 0.005,
    "epsilon": linear(1.0, 0.05, 2_500),
}
# The tutorial's 1024-512 and 1e-5 take 20 minutes a job. One run of the plain arm with seed 1000,
# which no result here has, showed that these learn within 400 games.
_ACTOR_CRITIC: Final = {"hidden_sizes": [256, 128], "learning_rate": 1e-4}


def _pendulum(id: str, algorithm: str, minutes: float, **fields: Any) -> Arm:
    return Arm(id, algorithm, PENDULUM, steps=10_000, minutes=minutes, games=50, **fields)


def _torques(num_torques: int) -> Arm:
    return Arm(
        f"dqn-{num_torques}-torques",
        "dqn",
        TORQUES,
        steps=10_000,
        minutes=0.4,
        games=50,
        settings=_TORQUES,
        env_kwargs={"num_torques": num_torques},
    )


def _actor_critic(id: str, algorithm: str = "actor_critic", **settings: Any) -> Arm:
    return Arm(
        id,
        algorithm,
        "CartPole-v0",
        steps=80_000,
        minutes=0.9,
        games=400,
        settings_of=("actor_critic", "tutorial"),
        settings={**_ACTOR_CRITIC, **settings},
    )


def _ppo(id: str, algorithm: str = "ppo", **settings: Any) -> Arm:
    return Arm(
        id,
        algorithm,
        "CartPole-v0",
        steps=30_000,
        minutes=0.8,
        games=150,
        settings_of=("ppo", "tutorial"),
        settings=settings,
    )


def _a3c(num_workers: int) -> Arm:
    return Arm(
        f"a3c-{num_workers}",
        "a3c",
        "CartPole-v0",
        steps=80_000,
        minutes=0.8,
        games=400,
        settings_of=("a3c", "default"),
        settings={"num_workers": num_workers},
        num_cores=num_workers,
    )


def _rated(id: str, algorithm: str) -> Arm:
    return Arm(
        id,
        algorithm,
        "CartPole-v1",
        steps=20_000,
        minutes=0.9,
        settings_of=("dqn", "default"),
    )


_ARMS: Final = (
    _torques(3),
    _torques(81),
    _pendulum("ddpg", "ddpg", 0.6, settings=_DETERMINISTIC),
    _pendulum("ddpg-ou", f"{_OWN}:OrnsteinUhlenbeckDDPG", 0.6, settings=_DETERMINISTIC),
    _pendulum("ddpg-batch-norm", f"{_OWN}:BatchNormDDPG", 1.0, settings=_DETERMINISTIC),
    _pendulum("td3", "td3", 0.6, settings=_DETERMINISTIC),
    _pendulum("sac", "sac", 0.9, settings=_SAC),
    _pendulum("sac-likelihood", "sac", 0.9, settings={**_SAC, "reparameterize": False}),
    _rated("dqn-rated", f"{_OWN}:RatedDQN"),
    _rated("double-dqn-rated", f"{_OWN}:RatedDoubleDQN"),
    _ppo("ppo-clip-0.2", clip_range=0.2),
    _ppo("ppo-clip-0.1", clip_range=0.1),
    _ppo("ppo-layers", f"{_OWN}:LayersPPO", clip_range=0.2),
    _actor_critic("actor-critic"),
    _actor_critic("actor-critic-detached", detach=True),
    _actor_critic("actor-critic-separate", f"{_OWN}:SeparateActorCritic"),
    _actor_critic("actor-critic-replay", f"{_OWN}:ReplayedActorCritic"),
    *(_a3c(num_workers) for num_workers in (1, 2, 4, 8)),
)
ARMS: Final[Mapping[str, Arm]] = MappingProxyType({arm.id: arm for arm in _ARMS})

# Returns: CartPole-v0 goes from 20 or so to 200, Pendulum from -1,200 or so to -150. Values of
# CartPole-v1 go up to 100.
_CARTPOLE_MARGIN: Final = 10.0
_PENDULUM_MARGIN: Final = 25.0
_VALUE_MARGIN: Final = 5.0


def _side(label: str, arm: str, measure: str) -> Side:
    return Side(label, ARMS[arm], measure)


_CLAIM_LIST: Final = (
    Claim(
        id="torques",
        title="Discretized actions do not scale: DQN learns Pendulum worse with 81 torques than "
        "with 3",
        source="the DDPG tutorial, as the reason to leave DQN",
        task="Pendulum-v1 with torques evenly spaced from -2 to 2",
        kind="better",
        first=_side("DQN, 3 torques", "dqn-3-torques", "test"),
        second=_side("DQN, 81 torques", "dqn-81-torques", "test"),
        margin=_PENDULUM_MARGIN,
        remark="81 are what four joints of 3 torques each would have. One joint with 81 is kinder: "
        "its neighbors are alike.",
    ),
    Claim(
        id="discretized",
        title="DDPG learns Pendulum better than DQN with discretized actions",
        source="the DDPG tutorial",
        task="Pendulum-v1; for DQN with 3 torques, evenly spaced from -2 to 2",
        kind="better",
        first=_side("DDPG", "ddpg", "test"),
        second=_side("DQN, 3 torques", "dqn-3-torques", "test"),
        margin=_PENDULUM_MARGIN,
        remark="Discount, batches, rates, targets and sizes of layers are the same on both sides.",
    ),
    Claim(
        id="ou-noise",
        title="DDPG does not need Ornstein-Uhlenbeck noise: Gaussian noise is as good",
        source="the DDPG tutorial",
        task="Pendulum-v1",
        kind="as good",
        first=_side("Gaussian noise", "ddpg", "test"),
        second=_side("Ornstein-Uhlenbeck noise", "ddpg-ou", "test"),
        margin=_PENDULUM_MARGIN,
        remark="Gaussian: deviation 0.1 of actions in [-1, 1], the package's default. "
        "Ornstein-Uhlenbeck: theta 0.15, sigma 0.2 (Lillicrap et al. 2016): a deviation of 0.38.",
    ),
    Claim(
        id="td3-sac",
        title="SAC tends to perform a little better than TD3",
        source="the SAC tutorial",
        task="Pendulum-v1",
        kind="better",
        first=_side("SAC", "sac", "test"),
        second=_side("TD3", "td3", "test"),
        margin=10.0,
        remark="SAC is its first form, with a value network, as the tutorial's. Both have the same "
        "sizes, batches and rates, which are tuned for neither. It was said of larger tasks.",
    ),
    Claim(
        id="ppo-clip",
        title="PPO's clip range of 0.2 learns better than 0.1",
        source="Schulman et al. 2017, table 1 (continuous actions); the PPO tutorial names both",
        task="CartPole-v0",
        kind="better",
        first=_side("clip 0.2", "ppo-clip-0.2", "all"),
        second=_side("clip 0.1", "ppo-clip-0.1", "all"),
        margin=_CARTPOLE_MARGIN,
        remark="The tutorial's settings, in half of its 300 games.",
    ),
    Claim(
        id="ppo-sequential",
        title="PPO learns better with networks of nn.Sequential than with layers named one by one",
        source='the PPO tutorial, which calls it "repeatable"',
        task="CartPole-v0",
        kind="better",
        first=_side("nn.Sequential", "ppo-clip-0.2", "all"),
        second=_side("separate layers", "ppo-layers", "all"),
        margin=_CARTPOLE_MARGIN,
        remark="Both draw the same initial weights from a seed and compute the same numbers in the "
        "same order: a difference would be a difference of arithmetic. Where weights are drawn in "
        "another order, the runs differ as two seeds do.",
    ),
    Claim(
        id="batch-norm",
        title="DDPG does not need batch normalization",
        source="the DDPG tutorial",
        task="Pendulum-v1",
        kind="as good",
        first=_side("without", "ddpg", "test"),
        second=_side("batch normalization", "ddpg-batch-norm", "test"),
        margin=_PENDULUM_MARGIN,
        remark="Of the observation and the actor's hidden layers, and of the critic's observation "
        "(Lillicrap et al. 2016: of everything before the action enters).",
    ),
    Claim(
        id="over-estimation",
        title="DQN over-estimates on a real task",
        source="the Double DQN tutorials; van Hasselt et al. 2016",
        task="CartPole-v1; the truth is that of games without its limit of 500 steps",
        kind="better",
        first=_side("estimate", "dqn-rated", "estimate"),
        second=_side("truth", "dqn-rated", "truth"),
        margin=_VALUE_MARGIN,
        remark="Every 1,000 steps the agent plays five greedy games of at most 1,000 steps. The "
        "estimate is the mean of max Q(s, a) over their states, the truth the mean discounted "
        'return from these states. "Better" is higher here.',
        over="steps",
    ),
    Claim(
        id="sac-reparameterized",
        title="SAC learns better with the gradient through re-parameterized actions than with that "
        "of their likelihood",
        source="Haarnoja et al. 2018a, section 4.2; the SAC tutorial passes over it",
        task="Pendulum-v1",
        kind="better",
        first=_side("re-parameterized", "sac", "test"),
        second=_side("likelihood", "sac-likelihood", "test"),
        margin=_PENDULUM_MARGIN,
        remark="`reparameterize` is all that differs.",
    ),
    Claim(
        id="double-dqn",
        title="Double DQN over-estimates less than DQN",
        source="the Double DQN tutorials; van Hasselt et al. 2016",
        task="CartPole-v1, as above",
        kind="better",
        first=_side("Double DQN", "double-dqn-rated", "accuracy"),
        second=_side("DQN", "dqn-rated", "accuracy"),
        margin=_VALUE_MARGIN,
        remark="The measure is the truth less the estimate, negative where it is too high.",
        over="steps",
    ),
    Claim(
        id="replay",
        title="Replay bolted onto one-step actor-critic does not work",
        source="the actor-critic tutorial",
        task="CartPole-v0",
        kind="better",
        first=_side("on-line", "actor-critic", "last_100"),
        second=_side("with replay", "actor-critic-replay", "last_100"),
        margin=_CARTPOLE_MARGIN,
        remark="A memory of 50,000 and batches of 64, as DQN's; the loss stays as it is, with "
        "nothing that corrects for older policies. The tutorial's settings but for smaller layers "
        "(256-128) and a larger rate (1e-4), so that 400 games are enough.",
    ),
    Claim(
        id="two-heads",
        title="Separate networks for actor and critic are harder than two heads on one trunk",
        source="the actor-critic tutorial",
        task="CartPole-v0",
        kind="better",
        first=_side("two heads", "actor-critic", "last_100"),
        second=_side("separate networks", "actor-critic-separate", "last_100"),
        margin=_CARTPOLE_MARGIN,
        remark="Each separate network has the hidden layers of the trunk. Settings as above.",
    ),
    Claim(
        id="detach",
        title="One-step actor-critic learns better where delta is a constant to the actor and "
        "V(s') to both",
        source="the update of Sutton and Barto 2018, section 13.5; the tutorials detach nothing",
        task="CartPole-v0",
        kind="better",
        first=_side("detached", "actor-critic-detached", "last_100"),
        second=_side("not detached", "actor-critic", "last_100"),
        margin=_CARTPOLE_MARGIN,
        remark="`detach` is all that differs. Settings as above.",
    ),
    Claim(
        id="a3c-workers",
        title="At equal games, A3C with 8 workers learns as well as with 1",
        source="the A3C tutorial, which takes as many workers as there are cores",
        task="CartPole-v0",
        kind="as good",
        first=_side("8 workers", "a3c-8", "last_100"),
        second=_side("1 worker", "a3c-1", "last_100"),
        margin=_CARTPOLE_MARGIN,
        remark="400 games of all workers together, recipe `default`. Runs of several workers are "
        "not reproducible: what one learns reaches the others as fast as the machine lets it.",
        others=(_side("2 workers", "a3c-2", "last_100"), _side("4 workers", "a3c-4", "last_100")),
    ),
)
CLAIMS: Final = tuple(sorted(_CLAIM_LIST, key=lambda claim: claim.minutes))
