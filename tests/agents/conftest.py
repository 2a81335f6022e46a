"""Registers the environments that tests of the agents name by id."""

from support import flag_walk as flag_walk
