"""Policies that come with the package, each one file of weights alone, named by an environment.

`policies.py` finds and loads them, `record.py` is what each says of itself, `making.py` makes one
of what a training has left. They need no network, and no training.
"""
