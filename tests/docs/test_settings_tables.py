"""Tables of settings in the docs are those of the dataclasses, and none is missing."""

import dataclasses

import pytest
from mario_rl_agents.recipes import ALGORITHMS

from benchmarks.settings_tables import PAGES, documented, table_of, with_tables


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_up_to_date(page):
    text = page.read_text()
    assert with_tables(text) == text, "run python benchmarks/settings_tables.py"


def test_every_setting_is_in_a_table_with_a_comment():
    for agent_class in ALGORITHMS.values():
        config_class = agent_class.config_class
        fields = dataclasses.fields(config_class)
        if fields:
            assert (config_class.__module__, config_class.__name__) in documented()
            rows = table_of(config_class).splitlines()[2:]
            assert [row.split("`")[1] for row in rows] == [field.name for field in fields]
            assert not [row for row in rows if row.endswith("|  |")]
