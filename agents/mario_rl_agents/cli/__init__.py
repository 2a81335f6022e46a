"""The command line, `mario-rl`."""

from mario_rl_agents.cli.app import app as app
