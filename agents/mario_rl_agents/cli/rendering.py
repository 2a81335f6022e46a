"""A window in which an agent plays now and then while it learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mario_rl_agents.agent import Agent, Callback, Episode
from mario_rl_agents.reports.show import AgentPlayer, Show, agent_panel
from mario_rl_agents.reports.window import Command, Screening, Window
from mario_rl_agents.runs.loading import open_env
from mario_rl_agents.runs.run import Run

_KEYS: Final[Mapping[str, str]] = {
    "space": "pause",
    "n": "next",
    "v": "panel",
    "h": "help",
    "q": "quit",
    "escape": "quit",
}
_HELP: Final = (
    ("space", "pause"),
    ("N", "go on learning"),
    ("V", "panel on or off"),
    ("H", "these keys"),
    ("Q or Esc", "close the window, and go on learning"),
)


class GamesRenderer(Callback):
    """Has the agent play a game of its own in a window after every so many games.

    It plays as it does in training. What it learns is the same with the window and without.
    """

    def __init__(self, window: Window, run: Run, period: int) -> None:
        """Take where it plays, what is trained, and after how many games."""
        self._window, self._run, self._period = window, run, period
        self._screening = Screening(window, _KEYS, help_rows=_HELP)
        self._is_due = self._is_closed = False

    def on_training_start(self, agent: Agent) -> None:
        """Make the environment of these games."""
        # It stays: closed, Gymnasium's own take every window of the process with them.
        self._env = open_env(self._run.spec.env_id, self._run.spec.env_kwargs, "rgb_array_list")

    def on_episode_end(self, agent: Agent, episode: Episode) -> None:
        """Note whether a game is due."""
        self._is_due |= (episode.index + 1) % self._period == 0

    def on_step(self, agent: Agent) -> bool | None:
        """Play the game that is due."""
        if self._is_due and not self._is_closed:
            self._is_due = False
            self._play(agent)
        return None

    def on_training_end(self, agent: Agent) -> None:
        """Close the environment."""
        self._env.close()

    def _play(self, agent: Agent) -> None:
        epsilon, sample = agent.metrics().get("charts/epsilon", 0.0), agent.is_stochastic
        seed = agent.num_episodes
        player = AgentPlayer(agent, self._env, epsilon=epsilon, sample=sample, seed=seed)
        panel = agent_panel(agent, self._env, epsilon=epsilon, sample=sample)
        command = self._screening.run(Show(self._env, player, panel), seed)
        if command is Command.QUIT:
            self._is_closed = True
            self._window.close()
