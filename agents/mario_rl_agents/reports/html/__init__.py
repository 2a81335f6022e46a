"""Reports as one HTML file that needs nothing else: no network, no file beside it, no server.

`page.py` puts it together, `blocks.py` and `charts.py` are what it is made of, `templates/` how
that looks. Nothing here knows of runs or comparisons.
"""
