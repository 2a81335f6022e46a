"""Recipe `tutorial` is the author's, value by value; what differs, its page says.

The values below were written down from the tutorials and, where these are silent, from the code
that their authors have published. They stand in the terms of our settings.
"""

import dataclasses
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from mario_rl_agents.recipes import ALGORITHMS, MARIO, recipes_of

ROOT: Final = Path(__file__).resolve().parents[3]
SECTION: Final = "## Differences from the tutorial"
TIME_LIMIT: Final = "the time limit"
BUDGET: Final = "the budget"


class Deliberate(NamedTuple):
    """A setting that is not the author's."""

    author: Any
    ours: Any
    named: str  # how the page's section begins the difference


class Audited(NamedTuple):
    """One tutorial: what its author sets, and what differs here."""

    algorithm: str
    env_ids: tuple[str, ...]
    page: str
    author: dict[str, Any]  # by field of the configuration
    deliberate: dict[str, Deliberate]  # by field
    other: tuple[str, ...]  # first words of differences that are no setting


# What no author says, and what changes no result or nothing on these environments.
COMMON: Final = {
    "reward_scale",
    "encoder",
    "precision",
    "frame_stack",
    "replay_dir",
    "overlap",
    "compile",
    "max_restarts",
}
# Parts that no author has. Off, they have no say.
OFF: Final[dict[str, Any]] = {
    "max_grad_norm": None,
    "layer_norm": False,
    "ema_decay": 0.0,
    "num_return_steps": 1,
    "dueling": False,
    "prioritized": False,
    "reward_clip": None,
    "gradient_steps": 1,
    "update_period": 1,
    "entropy_coefficient": 0.0,
    "normalize_advantages": "none",
    "normalize_observations": False,
    "normalize_rewards": False,
    "value_clip": None,
    "target_kl": None,
    "demonstrations": (),
    "retries": 0.0,
    "taken": False,
    "bootstrap": False,
    "explore": False,
    "replay": False,
    "target_network": False,
    "double": False,
}
# Numbers of parts that are off.
UNUSED: Final = {
    "dqn": {"priority_alpha", "priority_beta"},
    "double_dqn": {"priority_alpha", "priority_beta"},
    "ppo": {"cloning_epochs", "demonstration_coefficient", "demonstration_starts"},
    "sac": {"target_entropy"},
    "naive_q": {
        "gamma",
        "epsilon",
        "replay_batch_size",
        "replay_capacity",
        "replay_starts",
        "target_update_period",
    },
}
PYTORCH: Final = {"initialization": "pytorch", "adam_epsilon": 1e-8}
KERAS: Final = {"initialization": "glorot", "adam_epsilon": 1e-7}

_MARIO: Final = Audited(
    "double_dqn",
    (MARIO,),
    "dqn",
    {
        **PYTORCH,
        "learning_rate": 2.5e-4,
        "loss": "mse",
        "gamma": 0.9,
        "batch_size": 32,
        "replay_capacity": 100_000,
        "replacement": True,
        "learning_starts": 32,
        "target_update_period": 10_000,
        "tau": 1.0,
        "exploration": "epsilon_greedy",
        "epsilon": "exponential(1, 0.1, 0.99999975)",
    },
    {},
    ("the target", "the memory", "the picture", "pixels", "epsilon", "tests", BUDGET),
)
AUDIT: Final = {
    "T2": Audited(
        "dqn",
        ("CartPole-v0", "CartPole-v1"),
        "dqn",
        {
            **KERAS,
            "learning_rate": 1e-3,
            "loss": "mse",
            "gamma": 0.99,
            "batch_size": 32,
            "replay_capacity": 50_000,
            "replacement": False,
            "learning_starts": 10,
            "target_update_period": 1,
            "tau": 1e-2,
            "exploration": "boltzmann",
            "temperature": 1.0,
            "hidden_sizes": (24, 24),
        },
        {},
        (TIME_LIMIT, "the loss", "the score"),
    ),
    "T3": Audited(
        "naive_q",
        ("CartPole-v0", "CartPole-v1"),
        "naive_q",
        {**PYTORCH, "learning_rate": 1e-3, "hidden_sizes": (1024, 512)},
        {},
        ("the environment", "the ladder", TIME_LIMIT),
    ),
    "T4": _MARIO,
    "T4 as its code has it": _MARIO._replace(algorithm="dqn"),
    "T5": Audited(
        "actor_critic",
        ("CartPole-v0", "CartPole-v1"),
        "actor_critic",
        {
            **KERAS,
            "learning_rate": 1e-5,
            "gamma": 0.99,
            "hidden_sizes": (1024, 512),
            "value_coefficient": 1.0,
            "value_loss": "mse",
            "detach": False,
        },
        {},
        (TIME_LIMIT, BUDGET),
    ),
    "T6": Audited(
        "ddpg",
        ("Pendulum-v1",),
        "ddpg",
        {
            **KERAS,
            "actor_learning_rate": 1e-3,
            "critic_learning_rate": 2e-3,
            "gamma": 0.99,
            "tau": 0.005,
            "batch_size": 64,
            "replay_capacity": 1_000_000,
            "replacement": False,
            "random_steps": 0,
            "learning_starts": 64,
            "hidden_sizes": (400, 300),
        },
        {"exploration_noise": Deliberate(0.1, 0.05, "the noise")},
        ("actions", "the networks", TIME_LIMIT),
    ),
    "T7": Audited(
        "td3",
        ("BipedalWalker-v3",),
        "td3",
        {
            **PYTORCH,
            "actor_learning_rate": 1e-3,
            "critic_learning_rate": 1e-3,
            "gamma": 0.99,
            "tau": 0.005,
            "batch_size": 100,
            "replay_capacity": 1_000_000,
            "replacement": True,
            "random_steps": 1_000,
            "random_actions": "normal",
            "learning_starts": 100,
            "policy_period": 2,
            "exploration_noise": 0.1,
            "shared_noise": True,
            "target_noise": 0.2,
            "target_noise_clip": 0.5,
            "hidden_sizes": (400, 300),
        },
        {},
        ("noise on the target's action", "the first weights", TIME_LIMIT, BUDGET),
    ),
    "T8": Audited(
        "ppo",
        ("CartPole-v0", "CartPole-v1"),
        "ppo",
        {
            **PYTORCH,
            "rollout_steps": 20,
            "num_epochs": 4,
            "batch_size": 5,
            "learning_rate": 3e-4,
            "critic_learning_rate": None,
            "gamma": 0.99,
            "gae_lambda": 0.95,
            "clip_range": 0.2,
            "value_coefficient": 0.5,
            "value_loss": "mse",
            "hidden_sizes": (256, 256),
        },
        {},
        ("the last transition of a rollout", "the sum of GAE", "Adam", TIME_LIMIT, BUDGET),
    ),
    "T9": Audited(
        "sac",
        ("InvertedPendulumBulletEnv-v0",),
        "sac",
        {
            **KERAS,
            "learning_rate": 3e-4,
            "gamma": 0.99,
            "tau": 0.005,
            "reward_scale": 2.0,
            "value_network": True,
            "temperature": 1.0,
            "actor_std": "clamped",
            "batch_size": 256,
            "replay_capacity": 1_000_000,
            "replacement": True,
            "random_steps": 0,
            "learning_starts": 256,
            "hidden_sizes": (256, 256),
        },
        {
            "reparameterize": Deliberate(False, True, "the sample of the actor's loss"),
            "critic_learning_rate": Deliberate(3e-4, None, "learning rates"),
        },
        ("the order of gradient steps", "log pi(a given s)", "tests", TIME_LIMIT, BUDGET),
    ),
    "T10": Audited(
        "a3c",
        ("CartPole-v0", "CartPole-v1"),
        "a3c",
        {
            **PYTORCH,
            "num_workers": None,
            "t_max": 5,
            "learning_rate": 1e-4,
            "betas": (0.92, 0.999),
            "gamma": 0.99,
            "value_coefficient": 1.0,
            "value_loss": "mse",
            "detach": False,
            "hidden_sizes": (128,),
        },
        {},
        (
            "a segment bootstraps",
            "a segment ends",
            "steps of Adam",
            "a worker that dies",
            TIME_LIMIT,
            BUDGET,
        ),
    ),
}
CASES: Final = [(row, env_id) for row, audited in AUDIT.items() for env_id in audited.env_ids]
each = pytest.mark.parametrize(("row", "env_id"), CASES)


def config_of(row: str, env_id: str) -> Any:
    return recipes_of(AUDIT[row].algorithm)[env_id, "tutorial"].config


def differences(page: str) -> list[str]:
    """Return the first cells of the tables in a page's section on the tutorial."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert text.count(f"\n{SECTION}\n") == 1
    section = text.partition(f"\n{SECTION}\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
    for row in rows:
        assert len(row) == 6, row
        assert all(cell.strip() for cell in row[2:5]), row
    return [name for row in rows if (name := row[1].strip())]


@each
def test_each_value_is_the_authors_or_named_as_another(row: str, env_id: str) -> None:
    audited, config = AUDIT[row], config_of(row, env_id)
    for field, value in audited.author.items():
        assert getattr(config, field) == value, field
    for field, (author, ours, _) in audited.deliberate.items():
        assert getattr(config, field) == ours != author, field


@each
def test_no_setting_is_left_out(row: str, env_id: str) -> None:
    audited, config = AUDIT[row], config_of(row, env_id)
    usual = type(config)()
    unused = UNUSED.get(audited.algorithm, set())
    if getattr(config, "exploration", "") == "boltzmann":
        unused = unused | {"epsilon"}
    elif env_id == MARIO:
        unused = unused | {"temperature", "hidden_sizes"}  # of Boltzmann exploration, for vectors
    for field in (field.name for field in dataclasses.fields(config)):
        if field in audited.author or field in audited.deliberate:
            continue
        if field in COMMON | unused:
            assert field == "overlap" or getattr(config, field) == getattr(usual, field), field
        else:
            assert getattr(config, field) == OFF[field], field


@pytest.mark.parametrize("page", sorted({audited.page for audited in AUDIT.values()}))
def test_the_page_names_each_difference_and_no_other(page: str) -> None:
    expected = {
        name
        for audited in AUDIT.values()
        if audited.page == page
        for name in (*audited.other, *(x.named for x in audited.deliberate.values()))
    }
    found = differences(page)
    assert sorted(found) == sorted(expected)


def test_every_recipe_of_a_tutorial_is_audited() -> None:
    recipes = {
        (algorithm, env_id)
        for algorithm in ALGORITHMS
        for env_id, name in recipes_of(algorithm)
        if name == "tutorial"
    }
    audited = {(x.algorithm, env_id) for x in AUDIT.values() for env_id in x.env_ids}
    assert recipes == audited


def test_the_budgets_are_those_of_the_authors() -> None:
    """In steps; where the author counts games, what these have at most or, on Mario, about."""
    steps = {
        case: recipes_of(AUDIT[case[0]].algorithm)[case[1], "tutorial"].total_steps
        for case in CASES
    }
    assert steps == {
        ("T2", "CartPole-v0"): 50_000,
        ("T2", "CartPole-v1"): 50_000,
        ("T3", "CartPole-v0"): 20_000,  # ours
        ("T3", "CartPole-v1"): 20_000,
        ("T4", MARIO): 50_000 * 200,
        ("T4 as its code has it", MARIO): 50_000 * 200,
        ("T5", "CartPole-v0"): 1_800 * 200,
        ("T5", "CartPole-v1"): 1_800 * 500,
        ("T6", "Pendulum-v1"): 250 * 200,
        ("T7", "BipedalWalker-v3"): 1_000_000,
        ("T8", "CartPole-v0"): 300 * 200,
        ("T8", "CartPole-v1"): 300 * 500,
        ("T9", "InvertedPendulumBulletEnv-v0"): 250 * 1_000,
        ("T10", "CartPole-v0"): 5_000 * 200,
        ("T10", "CartPole-v1"): 5_000 * 500,
    }
