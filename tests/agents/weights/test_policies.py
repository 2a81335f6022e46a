"""The policies that come with the package: what their files hold, and that they play."""

from pathlib import Path

import pytest
from mario_rl_agents import PPO, load_policy, policy_ids, policy_record
from mario_rl_agents.checkpoint import read_header
from mario_rl_agents.envs import make_vec_env
from mario_rl_agents.experiments.protocol import MARIO_CONDITIONS, NO_OPS
from mario_rl_agents.runs.evaluation import evaluate
from mario_rl_agents.weights.making import MAX_BYTES
from mario_rl_agents.weights.policies import policy_path

EVERY = pytest.mark.parametrize("env_id", policy_ids())


@EVERY
def test_the_file_says_how_it_was_made_and_what_it_reaches(env_id: str) -> None:
    path, record = policy_path(env_id), policy_record(env_id)
    header = read_header(path)
    assert header.env_id == env_id
    assert path.stat().st_size <= MAX_BYTES
    assert record.commit not in ("", "unknown")
    assert "with changes" not in record.commit
    conditions = [condition.name for condition in MARIO_CONDITIONS]
    measured = {(rate.condition, rate.policy) for rate in record.rates}
    assert measured == {(x, policy) for x in conditions for policy in ("greedy", "sampled")}
    for rate in record.rates:
        assert rate.num_episodes >= 100 or (rate.condition, rate.policy) == ("plain", "greedy")
    assert record.choice_seed != record.rates_seed
    assert header.seed < 1_000  # of the training: evaluations have others
    assert str(Path.home()) not in str(record.to_json())


@EVERY
def test_it_loads_and_plays(env_id: str) -> None:
    agent = load_policy(env_id, device="cpu")
    env = agent.single_env
    obs, _ = env.reset(seed=0)
    for _ in range(20):
        obs, _, _, _, info = env.step(int(agent.act(obs[None], greedy=True)[0]))
    assert info["x_pos"] > 50  # it goes to the right
    env.close()


def test_all_files_together_are_small() -> None:
    assert sum(policy_path(env_id).stat().st_size for env_id in policy_ids()) <= 50_000_000


def test_the_policy_for_1_1_reaches_the_flag() -> None:
    """By the policy that was chosen; of eight games more than half are cleared, as measured."""
    agent = load_policy("MarioRL-1-1-v0", device="cpu")
    record = policy_record("MarioRL-1-1-v0")
    kwargs = {**read_header(policy_path("MarioRL-1-1-v0")).env_kwargs, **NO_OPS.env_kwargs}
    envs = make_vec_env("MarioRL-1-1-v0", 8, kwargs)
    played = evaluate(agent, envs, num_episodes=8, sample=record.policy == "sampled", seed=5)
    assert played.clear_rate is not None
    assert played.clear_rate > 0.5
    envs.close()
    agent.env.close()


def test_it_learns_on_without_the_demonstrations_that_it_began_with(tmp_path: Path) -> None:
    path = policy_path("MarioRL-1-4-v0")
    header = read_header(path)
    assert header.config["demonstrations"]
    envs = make_vec_env("MarioRL-1-4-v0", 8, header.env_kwargs)
    agent = PPO.load(path, envs, device="cpu")
    assert agent.config.demonstrations == ()
    num_steps = 8 * agent.config.rollout_steps
    agent.learn(num_steps)
    num_batches = num_steps // agent.config.batch_size
    assert agent.num_updates == header.num_updates + agent.config.num_epochs * num_batches
    agent.save(tmp_path / "on.safetensors", replay=True)
    again = PPO.load(tmp_path / "on.safetensors", envs, device="cpu")
    again.learn(8)
    assert again.num_steps == agent.num_steps + 8
    envs.close()


def test_its_games_have_no_op_starts_and_no_sticky_actions() -> None:
    trained = read_header(policy_path("MarioRL-1-1-v0")).env_kwargs
    assert trained["sticky"] == 0.25
    agent = load_policy("MarioRL-1-1-v0", device="cpu")
    spec = agent.single_env.spec
    assert spec is not None
    assert (spec.kwargs["sticky"], spec.kwargs["noop_max"]) == (0.0, 30)
    agent.env.close()
    agent = load_policy("MarioRL-1-1-v0", env_kwargs={"sticky": 0.5}, device="cpu")
    assert agent.single_env.spec is not None
    assert agent.single_env.spec.kwargs["sticky"] == 0.5
    agent.env.close()


def test_a_stage_without_a_policy_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no policy for 'MarioRL-9-9-v0' .*MarioRL-1-1-v0"):
        load_policy("MarioRL-9-9-v0")
    with pytest.raises(ValueError, match=r"no policy for 'MarioRL-1-1' .*, did you mean MarioRL-1"):
        policy_path("MarioRL-1-1")
    # An environment that there is, is no slip of another.
    with pytest.raises(ValueError, match=r"no policy for 'MarioRL-8-4-v0' comes with the package:"):
        policy_path("MarioRL-8-4-v0")
    assert policy_path("mario_rl_envs:MarioRL-1-1-v0") == policy_path("MarioRL-1-1-v0")
