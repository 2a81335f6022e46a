"""Pictures and videos of runs."""
