"""Each public class has an example in its docstring, and each example does what it says."""

import doctest
import inspect
import sys

import mario_rl_agents
import pytest

import mario_rl_envs
from benchmarks import api_pages
from mario_rl_envs import routes, wrappers

DOCUMENTED = {
    name: found
    for page in api_pages.PAGES.values()
    for name, found in api_pages.documented(page).items()
}
CLASSES = [name for name, found in DOCUMENTED.items() if inspect.isclass(found)]


def test_every_public_name_is_in_the_reference():
    public = {
        f"{module.__name__}.{name}"
        for module in (mario_rl_envs, wrappers, routes, mario_rl_agents)
        for name in module.__all__
        if not inspect.ismodule(getattr(module, name)) and name != "__version__"
    }
    assert public <= DOCUMENTED.keys()


def test_every_public_name_has_a_docstring():
    for name, found in DOCUMENTED.items():
        if inspect.isclass(found) or inspect.isroutine(found):
            assert found.__doc__, name


@pytest.mark.parametrize("name", CLASSES)
def test_examples_of_classes_do_what_they_say(name):
    found = DOCUMENTED[name]
    module = sys.modules[found.__module__]
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(found, name, module, globs={"__name__": "example"})
    assert test.examples, "has no example"
    report = []
    result = doctest.DocTestRunner().run(test, out=report.append)
    assert result.failed == 0, "".join(report)
