"""`python -m mario_rl_agents`: the same as `mario-rl`."""

from mario_rl_agents.cli.app import app

app(prog_name="mario-rl")
