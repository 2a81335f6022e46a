"""Every code block of README and docs runs, and every link to a file leads to one."""

import re
import shlex

import pytest
from mario_rl_agents import policy_ids
from support.commands import succeed
from sybil.example import SybilFailure

from benchmarks.course import LESSONS
from benchmarks.documentation import PAGES, ROOT, is_long, parse
from mario_rl_envs.game.stages import STAGES

IDS = [str(page.relative_to(ROOT)) for page in PAGES]
RUN_HERE = [page for page in PAGES if page not in LESSONS]  # the lessons: test_course.py


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = list(parse(page, tmp_path).examples())
    for example in examples:
        if is_long(example):
            continue
        # Where nothing but these stands in a block they run in this process, far sooner.
        commands = commands_of(example.document.text[example.start : example.end])
        for command in commands:
            succeed(*command)
        if not commands:
            example.evaluate()


def commands_of(block):
    """Return the arguments of a block's `mario-rl` commands; none if it has something else."""
    fence, *lines = block.strip().removesuffix("```").replace("\\\n", "").splitlines()
    needs_shell = re.search(r"[|;&<>$`*?~#]", "".join(lines))
    if fence != "```bash" or needs_shell or not all(x.startswith("mario-rl ") for x in lines):
        return []
    return [shlex.split(line)[1:] for line in lines]


def test_blocks_of_commands_alone_are_found():
    block = '```bash\nmario-rl envs\nmario-rl recipes \\\n    "dqn" --show\n```\n'
    assert commands_of(block) == [["envs"], ["recipes", "dqn", "--show"]]
    for block in ("bash\nmario-rl envs | head", "bash\nmario-rl envs\npython a.py", "text\nx"):
        assert commands_of(f"```{block}\n```") == []


def test_pages_have_blocks_that_run(tmp_path):
    num_blocks = {
        str(page.relative_to(ROOT)): sum(
            not is_long(example) for example in parse(page, tmp_path).examples()
        )
        for page in PAGES
    }
    assert num_blocks["README.md"] >= 1
    assert num_blocks["docs/environments.md"] >= 5


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_block_has_a_language_that_is_run(page):
    languages = re.findall(r"^```(\w*)\n.*?^```$", page.read_text(), flags=re.M | re.S)
    assert set(languages) <= {"python", "bash", "text", "py"}  # py: quotes, which others test


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_a_broken_block_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```bash\nfalse\n```\n\n```python\nassert 1 == 2\n```\n")
    shell, python = parse(page, tmp_path).examples()
    with pytest.raises(SybilFailure, match="exit status 1"):
        shell.evaluate()
    with pytest.raises(AssertionError):
        python.evaluate()


def test_the_roadmap_counts_the_stages_without_a_policy_and_its_links_lead_somewhere():
    text = (ROOT / "ROADMAP.md").read_text()
    missing = {f"MarioRL-{stage}-v0" for stage in STAGES} - set(policy_ids())
    assert f"{len(missing)} of the {len(STAGES)} stages" in text
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / target).exists(), target
