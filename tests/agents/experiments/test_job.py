"""A job is data: complete, equal to itself read from JSON, and refused where it makes no sense."""

import dataclasses
import json

import pytest
from mario_rl_agents.experiments import Job, PeriodicEvaluation
from mario_rl_agents.recipes import find_recipe
from mario_rl_agents.runs.run import RunSpec
from support.jobs import learner_job, random_job


def test_a_job_is_equal_to_itself_read_from_json():
    job = learner_job(
        seed=3,
        config={"gamma": 0.5, "hidden_sizes": (8, 8)},
        evaluation=PeriodicEvaluation(100, num_episodes=5, stop_at=7.5),
        max_episodes=9,
        max_minutes=0.5,
        check_reload=True,
        num_cores=2,
    )
    again = Job.from_json(json.loads(json.dumps(job.to_json())))
    assert again == job
    assert again.evaluation == PeriodicEvaluation(100, 5, 7.5)
    assert again.spec.config["hidden_sizes"] == [8, 8]


def test_a_recipe_is_written_out():
    recipe = find_recipe("double_dqn", "MarioRL-1-1-v0", "demo")
    job = Job.from_recipe(
        "double_dqn", "MarioRL-1-1-v0", "demo", config={"gamma": 0.5}, env_kwargs={"skip": 2}
    )
    expected = dataclasses.asdict(dataclasses.replace(recipe.config, gamma=0.5))
    assert job.spec.config == json.loads(json.dumps(expected))
    assert job.spec.env_kwargs == {"size": 52, "skip": 2}
    assert job.spec.total_steps == recipe.total_steps
    assert job.spec.evaluation_epsilon == 0.05
    assert job.name == "double_dqn-MarioRL-1-1-v0-seed0"


def test_a_configuration_is_completed_with_the_defaults():
    spec = RunSpec("dqn", "CartPole-v1", {}, {"gamma": 0.5}, seed=0, total_steps=10)
    whole = dataclasses.replace(spec, config=Job(spec).spec.config)
    assert len(whole.config) > 1
    assert Job(spec) == Job(whole)


def test_a_name_is_a_folder_on_every_system():
    job = learner_job("support.flag_walk:FlagWalk-v0", seed=2)
    assert job.name == "double_dqn-support.flag_walk-FlagWalk-v0-seed2"
    for name in ("a/b", "..", ".hidden", "with space"):
        with pytest.raises(ValueError, match=f"name must be letters, digits .* received '{name}'"):
            random_job(name=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {"gama": 0.5}}, "gama: DQNConfig has no such field, did you mean gamma"),
        ({"config": {"gamma": 2}}, "gamma"),
        ({"config": {"gamma": object()}}, "config must be an object"),
        ({"env_kwargs": {"size": {1, 2}}}, "env_kwargs must be an object"),
        ({"total_steps": 0}, "total_steps must be a whole number >= 1, got 0"),
        ({"max_episodes": 0}, "max_episodes must be a whole number >= 1 or None, got 0"),
        ({"max_minutes": 0.0}, "max_minutes must be a number > 0 or None, got 0.0"),
        ({"max_minutes": float("nan")}, "max_minutes must be a number > 0 or None, got nan"),
        ({"num_test_episodes": 0}, "num_test_episodes must be a whole number"),
        ({"num_cores": 1.5}, "num_cores must be a whole number >= 1, got 1.5"),
        ({"recipe": "best"}, "there is no recipe 'best' for double_dqn on Acrobot-v1"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        learner_job(**changes)


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="there is no algorithm 'dqnn', did you mean dqn"):
        Job.from_recipe("dqnn", "CartPole-v1")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"period": 0}, "period must be a whole number >= 1, got 0"),
        ({"period": 10, "num_episodes": 0}, "num_episodes must be"),
        ({"period": 10, "stop_at": float("inf")}, "stop_at must be a finite number"),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        PeriodicEvaluation(**values)


def test_json_that_is_no_job_is_refused():
    content = random_job().to_json()
    for wrong, message in (
        ({}, "fields of Job must be complete, spec is missing"),
        ({**content, "luck": 1}, r"fields of Job must be among spec, .*, got \['luck'\]"),
        ({**content, "spec": None}, "spec must be "),
    ):
        with pytest.raises(ValueError, match=message):
            Job.from_json(wrong)
