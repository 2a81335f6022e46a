"""Parts that are identical in every algorithm: replay, networks, schedules, seeds, checkpoints, the off-policy loop."""
