"""Training loops: act, step the environments, observe."""
