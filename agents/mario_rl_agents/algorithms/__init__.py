"""Algorithms: each is one file, read from top to bottom."""
