"""Double DQN: DQN that does not over-estimate as much (van Hasselt et al. 2016)."""

from typing import ClassVar

from torch import Tensor

from mario_rl_agents.algorithms.dqn import DQN
from mario_rl_agents.buffers.replay import Batch


class DoubleDQN(DQN):
    """DQN whose online network picks the next action while the target network rates it.

    The maximum over noisy estimates is too high on average. Two networks rarely err on the same
    action.

    Example:
        >>> from mario_rl_agents import DQNConfig, DoubleDQN
        >>> config = DQNConfig(learning_starts=50, hidden_sizes=(32,))
        >>> agent = DoubleDQN.create("CartPole-v1", config, seed=0)
        >>> agent.learn(100)
        >>> agent.env.close()
    """

    algorithm: ClassVar[str] = "double_dqn"

    def td_target(self, batch: Batch) -> Tensor:
        """Return r + gamma (1 - terminated) Q_target(s', argmax_a Q(s', a)), shape [B]."""
        next_action = self.q(batch.next_obs).argmax(dim=1, keepdim=True)  # [B, 1]
        next_q: Tensor = self.q_target(batch.next_obs).gather(1, next_action).squeeze(1)  # [B]
        return self.bootstrap_target(batch, next_q)
