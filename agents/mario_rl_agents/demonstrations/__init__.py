"""What a teacher does in an environment, recorded: for agents that begin by imitating it."""
