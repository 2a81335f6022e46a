"""Recipes: found by their files, imported when asked for."""

import pytest
from mario_rl_agents.recipes import ALGORITHMS, ANY, MARIO, find_recipe, recipes_of
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
