"""A3C, and what only it needs: workers in processes, weights that they share, their loop."""
