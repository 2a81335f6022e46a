"""What is known of Mario's stages: where their flags stand."""

import gymnasium as gym
import pytest
from mario_rl_agents.reports.mario import flag_of

from mario_rl_envs import routes
from mario_rl_envs.game.stages import STAGES


def test_flags_stand_where_the_recorded_routes_end() -> None:
    for stage in STAGES:
        env_id = f"MarioRL-{stage}-v0"
        if stage.endswith("-4"):
            assert flag_of(env_id) is None  # castles have an axe
            continue
        env = gym.make(env_id, actions="joypad", skip=1, observation="ram")
        env.reset()
        for joypad in routes.load(stage).frames.tolist():
            *_, terminated, _, info = env.step(joypad)
            if terminated:
                break
        env.close()
        assert info["flag_get"]
        assert flag_of(env_id) == info["x_pos"], stage


@pytest.mark.parametrize(
    "env_id", ["MarioRL-v0", "MarioRL-random-v0", "CartPole-v1", "Mine-1-1-v0"]
)
def test_others_have_no_flag(env_id: str) -> None:
    assert flag_of(env_id) is None
    assert flag_of("mario_rl_envs:MarioRL-1-1-v0") == 3161
