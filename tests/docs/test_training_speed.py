"""Both sides of the training speed do the same work, and the table says what was measured."""

import argparse
import dataclasses

import pytest

pytest.importorskip("stable_baselines3", reason="needs the extra 'sb3'")

from benchmarks import training_speed
from benchmarks.training_speed import TASKS, Side, describe, header, measure, ratios

SIDES = ("ours", "theirs")
ROUNDS = [
    {"ours": {"wall": 300.0, "cpu": 400.0}, "theirs": {"wall": 100.0, "cpu": 200.0}},
    {"ours": {"wall": 160.0, "cpu": 330.0}, "theirs": {"wall": 100.0, "cpu": 220.0}},
    {"ours": {"wall": 200.0, "cpu": 420.0}, "theirs": {"wall": 100.0, "cpu": 300.0}},
]
# Old Gym, which Mario needs, says that it is old when Stable-Baselines3 looks for it.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def count(networks):
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


@pytest.mark.parametrize("name", [name for name in TASKS if name != "td3-pendulum-tutorial"])
def test_the_networks_are_of_the_same_size(name):
    task = TASKS[name]
    agent, model = task.ours(False).__self__, task.theirs().func.__self__
    networks = [agent.networks[key] for key in agent.networks if "target" not in key]
    if name.startswith("sac"):
        networks.remove(agent.networks["temperature"])  # Stable-Baselines3 has it beside the policy
    policy = model.policy
    theirs = {
        "dqn": lambda: [policy.q_net],
        "ppo": lambda: [policy],
        "td3": lambda: [policy.actor, policy.critic],
        "sac": lambda: [policy.actor, policy.critic],
    }[name.partition("-")[0]]()
    assert count(networks) == count(theirs)


@pytest.mark.parametrize(
    ("name", "num_steps", "num_updates"),
    [
        ("td3-pendulum-tutorial", 112, 12),
        ("sac-pendulum", 268, 12),
        ("dqn-cartpole", 1_040, 10),
        ("ppo-cartpole", 2_048, 320),
    ],
)
def test_both_take_as_many_gradient_steps(name, num_steps, num_updates):
    task = TASKS[name]
    ours, theirs = task.ours(False), task.theirs()
    ours(num_steps)
    theirs(num_steps)
    assert abs(ours.__self__.num_updates - num_updates) <= 1
    # Stable-Baselines3 counts the epochs of PPO; a rollout is 32 batches of 64.
    their_updates = theirs.func.__self__._n_updates * (32 if name == "ppo-cartpole" else 1)
    assert abs(their_updates - num_updates) <= 1


@pytest.mark.slow
def test_a_task_is_measured_in_rounds_after_each_start():
    task = dataclasses.replace(TASKS["dqn-cartpole"], warm_up=20, num_steps=20)
    rounds = measure(task, SIDES, starts=2, rounds=2, options=["--threads", "1"])
    assert len(rounds) == 4
    assert all(each[side][clock] > 0 for each in rounds for side in SIDES for clock in each[side])


@pytest.mark.slow
def test_a_side_that_fails_is_named():
    side = Side(dataclasses.replace(TASKS["dqn-cartpole"]), "theirs", [])
    with pytest.raises(RuntimeError, match="theirs ended with exit code 1"):
        side.train("no number")
    side.close()


def test_ratios_are_taken_within_a_round():
    assert ratios(ROUNDS, SIDES, "wall") == [3.0, 1.6, 2.0]
    assert ratios(ROUNDS, SIDES, "cpu") == [2.0, 1.5, 1.4]


def test_a_line_says_median_range_and_whether_it_is_enough():
    task = dataclasses.replace(TASKS["dqn-cartpole"], title="A task", settings="small")
    line = "| A task; small | 200 | 100 | 2.00 [1.60 to 3.00] | 1.50 [1.40 to 2.00] | yes |"
    assert describe(task, SIDES, ROUNDS) == line
    slower = [{**each, "ours": {"wall": 200.0, "cpu": 290.0}} for each in ROUNDS]
    assert describe(task, SIDES, slower).endswith("1.32 [0.97 to 1.45] | no |")
    assert header(SIDES).startswith("| task | ours, steps/s | SB3, steps/s |")


def test_the_setup_names_versions_and_threads():
    options = argparse.Namespace(starts=2, rounds=5, threads=2, precision="bfloat16")
    text = training_speed.setup(options)
    assert "of 10 rounds, 5 after each of 2 starts of both processes. 2 torch threads a" in text
    assert "ours in bfloat16" in text
    assert "stable-baselines3 2." in text
