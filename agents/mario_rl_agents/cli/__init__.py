"""The command line, `mario-rl`: one module a command, assembled in `app.py`."""
