"""Recipes: found by their files, imported when asked for."""

from pathlib import Path

import pytest
from mario_rl_agents.recipes import (
    ALGORITHMS,
    ANY,
    MARIO,
    find_recipe,
    recipe_names,
    recipes_of,
)
from mario_rl_agents.runs.loading import spec_from_recipe
from support.agent_toys import run_python


def test_every_algorithm_has_a_file_of_its_name_and_recipes_for_all() -> None:
    assert len(ALGORITHMS) == len(list(ALGORITHMS)) >= 10
    for name, agent_class in ALGORITHMS.items():
        assert agent_class.algorithm == name
        assert {(MARIO, "default"), (ANY, "default")} <= recipes_of(name).keys()
    assert "recipe" not in ALGORITHMS
    with pytest.raises(KeyError, match="alphago"):
        ALGORITHMS["alphago"]


def test_the_most_specific_recipe_is_found() -> None:
    recipes = recipes_of("ppo")
    assert find_recipe("ppo", "CartPole-v1") is recipes["CartPole-v1", "default"]
    assert find_recipe("ppo", "mario_rl_envs:MarioRL-1-1-v0") is recipes[MARIO, "default"]
    assert find_recipe("ppo", "Other-v0") is recipes[ANY, "default"]
    with pytest.raises(ValueError, match=r"no recipe 'fast' for ppo on Other-v0: known are def"):
        find_recipe("ppo", "Other-v0", "fast")


def test_like_is_the_recipe_of_the_counterpart_in_the_arguments_of_sb3() -> None:
    like, ours = find_recipe("sb3-ppo", "CartPole-v1", "like"), find_recipe("ppo", "CartPole-v1")
    assert "like" in recipe_names("sb3-ppo", "CartPole-v1")
    assert (like.total_steps, like.num_envs) == (ours.total_steps, ours.num_envs)
    assert like.config.n_steps == ours.config.rollout_steps
    assert like.config.learning_rate == ours.config.learning_rate
    assert like.tuning == f"not tuned for SB3: like ppo ({ours.tuning})"
    assert like.remarks
    assert like.measured is None
    mario = find_recipe("sb3-sac", "MarioRL-1-1-v0", "like")
    assert mario.env_kwargs == find_recipe("sac", "MarioRL-1-1-v0").env_kwargs
    with pytest.raises(ValueError, match="no recipe 'like' for sb3-qrdqn"):
        find_recipe("sb3-qrdqn", "CartPole-v1", "like")


def test_like_is_for_the_steps_and_environments_that_are_asked_for() -> None:
    recipe = find_recipe("sb3-dqn", "Any-v0", "like", total_steps=20_000, num_envs=8)
    assert (recipe.total_steps, recipe.num_envs) == (20_000, 8)
    assert recipe.config.exploration_fraction == 10_000 / 20_000
    assert (recipe.config.train_freq, recipe.config.gradient_steps) == (1, 8)
    spec = spec_from_recipe("sb3-dqn", "Any-v0", "like", total_steps=20_000, num_envs=8)
    assert type(recipe.config)(**spec.config) == recipe.config


def test_what_a_recipe_came_to_stands_in_the_results() -> None:
    page = Path(__file__).parents[3].joinpath("benchmarks", "results.md").read_text()
    measured = [
        recipe.measured
        for name in ALGORITHMS
        for recipe in recipes_of(name).values()
        if recipe.measured is not None
    ]
    assert len(measured) >= 10
    for each in measured:
        _, is_section, section = page.partition(f"\n## {each.row}\n")
        if is_section:
            text = section.partition("\n## ")[0]
            wanted = [each.result.removeprefix("1-1 cleared ")]
        else:
            rows = [line for line in page.splitlines() if line.startswith(f"| {each.row} |")]
            assert rows, each
            text = "\n".join(rows)
            wanted = [each.result, f"| {each.minutes:.1f}"]
        wanted += [] if each.steps is None else [f" {each.steps:,}"]
        assert [words for words in wanted if words not in text] == [], each


def test_every_recipe_says_how_its_numbers_were_found() -> None:
    for name in ALGORITHMS:
        for recipe in recipes_of(name).values():
            assert recipe.tuning


def test_looking_one_up_imports_no_other() -> None:
    code = (
        "import sys\n"
        "from mario_rl_agents.recipes import ALGORITHMS, find_recipe\n"
        "assert 'dqn' in ALGORITHMS\n"
        "assert not any(name.startswith('mario_rl_agents.algorithms.') for name in sys.modules)\n"
        "find_recipe('ppo', 'CartPole-v1')\n"
        "print([name for name in sys.modules if name.startswith('mario_rl_agents.recipes.')])\n"
    )
    assert run_python(code).strip() == (
        "['mario_rl_agents.recipes.recipe', 'mario_rl_agents.recipes.ppo']"
    )
