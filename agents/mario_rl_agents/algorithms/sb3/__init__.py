"""Stable-Baselines3 and sb3-contrib as agents of this package (Raffin et al. 2021).

Nothing but `_models` and `_bridge` imports them, and those are imported when an agent is made.
"""
