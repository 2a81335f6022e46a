"""Parts that algorithms share: replay, networks, schedules, seeds, checkpoints, the loop."""
