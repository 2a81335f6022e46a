"""What agents learn from: replay memories and rollouts."""
