"""Plans: one environment for all sides, settings by side, seeds apart; one plan a folder."""

import dataclasses
import json

import pytest
from mario_rl_agents.errors import JobError
from mario_rl_agents.experiments.plan import Plan
from mario_rl_agents.experiments.protocol import (
    MARIO_CONDITIONS,
    MIN_EVALUATION_SEED,
    PERIODIC_SEED,
    PLAIN,
    Protocol,
)
from mario_rl_agents.recipes import find_recipe
from support.commands import fail


def cartpole_plan(algorithms=("dqn", "ppo"), **options):
    return Plan.make(
        list(algorithms), "CartPole-v1", **{"total_steps": 1_000, "num_seeds": 2, **options}
    )


def test_every_setting_is_written_out():
    plan = cartpole_plan(changes={"": {"gamma": 0.5}, "ppo": {"rollout_steps": 64}})
    dqn, ppo = plan.entries
    assert (dqn.label, dqn.algorithm, dqn.recipe, dqn.num_envs) == ("dqn", "dqn", "default", 1)
    assert ppo.num_envs == 8
    recipe = dataclasses.asdict(find_recipe("ppo", "CartPole-v1").config)
    for name in ("hidden_sizes", "demonstrations"):
        recipe[name] = list(recipe[name])
    assert ppo.config == {**recipe, "gamma": 0.5, "rollout_steps": 64}
    assert dqn.config["gamma"] == 0.5
    assert plan.protocol == Protocol(100, (PLAIN,), threshold=475.0)  # Gymnasium's
    jobs = plan.jobs()
    assert [job.name for job in jobs] == ["dqn-seed0", "ppo-seed0", "dqn-seed1", "ppo-seed1"]
    assert [job.spec.seed for job in jobs] == [0, 0, 1, 1]
    assert {job.spec.total_steps for job in jobs} == {1_000}
    assert all(job.protocol == plan.protocol for job in jobs)


@pytest.mark.parametrize("sides", [["sb3-ppo/like"], ["ppo", "sb3-ppo/like"]])
def test_a_side_like_ours_has_the_settings_for_all_sides_that_ours_lacks(sides):
    plan = cartpole_plan(sides, changes={"": {"n_epochs": 5, "gamma": 0.5}})
    like = plan.entries[-1]
    assert (like.config["n_epochs"], like.config["gamma"]) == (5, 0.5)
    assert "but for n_epochs" in like.tuning


def test_a_side_like_ours_follows_it_unless_a_setting_is_its_own():
    changes = {
        "": {"target_kl": 0.03, "n_epochs": 5},
        "ppo": {"num_epochs": 7, "gamma": 0.5},
        "sb3-ppo/like": {"n_epochs": 6},
    }
    ppo, like = cartpole_plan(["ppo", "sb3-ppo/like"], changes=changes).entries
    assert (ppo.config["target_kl"], ppo.config["num_epochs"], ppo.config["gamma"]) == (
        0.03,
        7,
        0.5,
    )
    # SB3 ends beyond 1.5 times its target_kl: as a setting of ours it is passed on in SB3's unit.
    assert like.config["target_kl"] == pytest.approx(0.02)
    assert (like.config["n_epochs"], like.config["gamma"]) == (6, 0.5)
    changes = {"ppo": {"num_epochs": 7}}
    assert (
        cartpole_plan(["ppo", "sb3-ppo/like"], changes=changes).entries[1].config["n_epochs"] == 7
    )


def test_mario_has_three_conditions_and_one_environment():
    plan = Plan.make(
        ["ppo", "dqn/tutorial"], "MarioRL-1-1-v0", total_steps=500, num_seeds=3, num_episodes=4
    )
    assert plan.protocol == Protocol(50, MARIO_CONDITIONS, num_episodes=4, threshold=0.9)
    assert [entry.label for entry in plan.entries] == ["ppo", "dqn/tutorial"]
    assert plan.jobs()[1].name == "dqn-tutorial-seed0"
    # All of them set both, so that nothing of a training with sticky actions is left.
    varied = [(x.env_kwargs["noop_max"], x.env_kwargs["sticky"]) for x in MARIO_CONDITIONS]
    assert varied == [(0, 0.0), (30, 0.0), (30, 0.25)]
    assert {x.env_kwargs["max_episode_steps"] for x in MARIO_CONDITIONS} == {1_500}


def test_recipes_for_different_environments_are_not_compared():
    sides = ["ppo/tiles", "dqn/demo"]  # of tiles; of small pictures and longer steps
    options = {"total_steps": 500, "num_seeds": 1}
    with pytest.raises(ValueError, match="for different environments, observation is ppo/tiles"):
        Plan.make(sides, "MarioRL-1-1-v0", **options)
    keywords = {"observation": "pixels", "size": 42, "skip": 4}
    plan = Plan.make(sides, "MarioRL-1-1-v0", env_kwargs=keywords, **options)
    assert plan.env_kwargs == keywords


@pytest.mark.parametrize(
    ("algorithms", "options", "message"),
    [
        ([], {}, "algorithms must be at least one"),
        (["dqn", "dqn"], {}, "algorithms must be named once each"),
        (["dqm"], {}, "no algorithm 'dqm', did you mean dqn"),
        (["dqn/none"], {}, "no recipe 'none' for dqn on CartPole-v1"),
        (["dqn"], {"num_seeds": 1_001}, "num_seeds must be at most 1000: larger seeds are for"),
        (["dqn"], {"total_steps": 0}, "total_steps must be a whole number >= 1"),
        (["dqn"], {"period": 0}, "period must be a whole number >= 1"),
        (["dqn"], {"changes": {"": {"gama": 1}}}, r"settings must be fields of a configuration"),
        (["dqn"], {"changes": {"ppo": {"gamma": 1}}}, "settings must be of one of dqn"),
        (["dqn"], {"changes": {"dqn": {"gama": 1}}}, "DQNConfig has no such field, did you mean"),
        (["dqn"], {"policies": ()}, "policies must be at least one"),
        (["dqn"], {"conditions": (PLAIN, PLAIN)}, "conditions must be of different names"),
    ],
)
def test_what_makes_no_sense_is_refused(algorithms, options, message):
    with pytest.raises(ValueError, match=message):
        cartpole_plan(algorithms, **options)


def test_seeds_of_trainings_and_evaluations_are_apart():
    plan = cartpole_plan(num_seeds=1_000)
    assert max(plan.seeds) < 1_000 < MIN_EVALUATION_SEED < PERIODIC_SEED


def test_missing_demonstrations_are_noticed_before_anything_is_trained(tmp_path):
    shown = str(tmp_path / "shown.safetensors")
    plan = cartpole_plan(changes={"ppo": {"demonstrations": (shown,)}})
    with pytest.raises(FileNotFoundError, match="there are no demonstrations at"):
        plan.check_environment()
    out = tmp_path / "out"
    sides = ["ppo", "random", "--env", "CartPole-v1", "--steps", "9", "--seeds", "1"]
    shows = f'ppo.demonstrations=["{shown}"]'
    message = fail(1, "compare", *sides, "--set", shows, "--out", out)
    assert message.startswith(f"there are no demonstrations at {shown}")
    assert not out.exists()


def test_a_plan_without_a_field_of_today_is_the_same(tmp_path):
    plan = cartpole_plan()
    plan.write(tmp_path)
    path = tmp_path / "plan.json"
    saved = json.loads(path.read_text())
    del saved["entries"][1]["config"]["demonstration_starts"]
    path.write_text(json.dumps(saved))
    plan.write(tmp_path)
    assert Plan.read(tmp_path).jobs() == plan.jobs()


def test_a_folder_holds_one_comparison(tmp_path):
    plan = cartpole_plan(command=["mario-rl", "compare"])
    plan.write(tmp_path)
    again = Plan.read(tmp_path)
    assert again == plan
    assert again.command == plan.command
    assert again.jobs() == plan.jobs()
    dataclasses.replace(plan, command=("other",)).write(tmp_path)  # the same, called otherwise
    with pytest.raises(JobError, match=r"another comparison, which differs in num_seeds, entries"):
        cartpole_plan(["dqn"], num_seeds=3).write(tmp_path)
    assert Plan.read(tmp_path) == plan
    with pytest.raises(JobError, match=r"no comparison at .*none: no plan.json in it"):
        Plan.read(tmp_path / "none")
    file = tmp_path / "plan.json"
    whole = file.read_text()
    for damage in ('{"format": 99, ', '{"format": null, ', '{"format": "1", '):
        file.write_text(whole.replace('{\n  "format": 1,', damage))
        with pytest.raises(JobError, match=r"plan.json has format \S+, this version reads 1: use"):
            Plan.read(tmp_path)
    file.write_text(whole.replace('"format": 1,', ""))
    with pytest.raises(JobError, match=r"plan.json is damaged .it has no format.: use a copy"):
        Plan.read(tmp_path)
    file.write_text('{"format": 1}')
    with pytest.raises(JobError, match=r"plan.json is damaged .*missing"):
        Plan.read(tmp_path)
