"""A result names the commit of the code and the machine."""

import re

from mario_rl_agents.runs import provenance


def test_the_commit_is_that_of_the_package(tmp_path, monkeypatch):
    assert re.fullmatch(r"unknown|[0-9a-f]{7,}( with changes)?", provenance.describe_commit())
    # Installed, the package is in no repository, or in that of somebody else.
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.describe_commit.__wrapped__() == "unknown"


def test_the_machine_is_named():
    assert re.fullmatch(r".+, \d+ cores", provenance.describe_machine())
