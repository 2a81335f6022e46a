"""The lessons: what is stored is what they say, their quotes stand in the package, they run."""

import itertools
import re

import matplotlib.pyplot as plt
import nbformat
import pytest

from benchmarks.course import (
    COURSE,
    LESSONS,
    MAX_BYTES,
    ROOT,
    Quote,
    code_of,
    is_quoted_right,
    notebook_of,
    pictures_of,
    printed,
    quotes,
    references,
    source_of,
    stored,
    take_over,
    with_outputs,
)

PAGES = sorted(COURSE.glob("*.md"))
QUOTES = [quote for page in PAGES for quote in quotes(page)]
# A lesson that runs whole. Of the others every line runs, but trainings are cut to so many steps.
WHOLE = "1-corridor"
FEW_STEPS = 1_500  # of PPO a rollout and more
FEWER_STEPS = {"2-values": 600, "4-continuous": 600}  # where every step is learned from

each_lesson = pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)


def shortened(code: str, num_steps: int) -> str:
    return re.sub(r"^(\w*num_steps) = [\d_]+$", rf"\1 = {num_steps}", code, flags=re.MULTILINE)


def test_there_are_six_lessons():
    assert [page.stem[0] for page in LESSONS] == ["1", "2", "3", "4", "5", "6"]


@each_lesson
def test_the_notebook_has_the_cells_of_the_page(page):
    cells = [(cell.cell_type, cell.source) for cell in notebook_of(page.read_text()).cells]
    assert [(cell.cell_type, cell.source) for cell in stored(page).cells] == cells, "make course"


@each_lesson
def test_the_page_shows_what_the_notebook_printed_and_drew(page):
    text, notebook = page.read_text(), stored(page)
    assert with_outputs(text, notebook) == text, "make course"
    drawn = pictures_of(text, notebook)
    assert drawn
    for name, picture in drawn.items():
        assert (COURSE / name).read_bytes() == picture


@each_lesson
def test_the_notebook_was_run_in_order_without_errors_or_warnings(page):
    notebook = stored(page)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(printed(cell) for cell in cells)  # raises for an error, and for what warnings write
    assert not [cell.metadata for cell in notebook.cells if cell.metadata]
    assert notebook.metadata.language_info == {"name": "python"}
    assert not re.search(r"/(home|root|tmp|work|usr|Users)/|[A-Z]:\\\\", nbformat.writes(notebook))


def test_every_picture_is_of_a_lesson():
    named = {name for page in LESSONS for name in pictures_of(page.read_text(), stored(page))}
    assert {f"images/{path.name}" for path in (COURSE / "images").iterdir()} == named


def test_the_course_is_small():
    sizes = [path.stat().st_size for path in COURSE.rglob("*") if path.suffix in (".ipynb", ".png")]
    assert sum(sizes) < MAX_BYTES


@pytest.mark.parametrize("quote", QUOTES, ids=[f"{q.name}-{i}" for i, q in enumerate(QUOTES)])
def test_quoted_lines_stand_in_the_package(quote):
    assert quote.path.is_relative_to(ROOT)
    assert is_quoted_right(quote), f"{quote.name} in {quote.path.name} no longer has these lines"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_references_lead_to_functions_and_classes(page):
    for path, name in references(page):
        assert source_of(path, name)


def test_each_lesson_quotes_what_it_teaches():
    quoted = {page.stem: {quote.name.partition(".")[0] for quote in quotes(page)} for page in PAGES}
    assert {"NaiveQ", "DQN", "DoubleDQN"} <= quoted["2-values"]
    assert {"Reinforce", "ActorCritic", "PPO"} <= quoted["3-policies"]
    assert {"DDPG", "TD3", "SAC"} <= quoted["4-continuous"]
    assert {"a3c_loss", "n_step_returns"} <= quoted["5-workers"]


def test_a_changed_line_is_noticed(tmp_path):
    source = tmp_path / "module.py"
    source.write_text(
        "class A:\n    def f(self):\n        x = 1\n        y = 2\n        return x\n"
    )

    def holds(text: str, name: str = "A.f") -> bool:
        return is_quoted_right(Quote(source, name, text))

    assert holds("x = 1\ny = 2\n")
    assert holds("x = 1\n...\nreturn x\n")
    assert not holds("x = 1\nreturn x\n")
    assert not holds("return x\n...\nx = 1\n")
    assert not holds("x = 2\n")
    assert not holds("x = 1\n    y = 2\n")
    with pytest.raises(LookupError, match=r"module\.py has no A\.g"):
        holds("x = 1\n", "A.g")


def test_a_page_that_differs_from_its_notebook_is_noticed():
    page = LESSONS[0]
    text, notebook = page.read_text(), stored(page)
    output = next(printed(cell) for cell in notebook.cells if cell.cell_type == "code")
    assert with_outputs(text.replace(output.rstrip(), "something else", 1), notebook) == text
    without = re.sub(r"\n!\[[^\]]*\]\(images/[^)]+\)\n", "", text, count=1)
    with pytest.raises(ValueError, match="1 pictures need a line"):
        with_outputs(without, notebook)


def test_outputs_are_taken_over_if_the_code_is_the_same():
    text = LESSONS[0].read_text()
    other = notebook_of(text.replace("# 1. A walk", "# 1. A long walk", 1))
    take_over(other, stored(LESSONS[0]))
    assert with_outputs(text, other) == text
    changed = notebook_of(text.replace("self.cell = 2", "self.cell = 3", 1))
    with pytest.raises(ValueError, match="its code has changed"):
        take_over(changed, stored(LESSONS[0]))


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@each_lesson
def test_the_code_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = code_of(page.read_text())
    if page.stem != WHOLE:
        num_steps = FEWER_STEPS.get(page.stem, FEW_STEPS)
        short = [shortened(block, num_steps) for block in blocks]
        assert short != blocks
        blocks = short
    namespace: dict[str, object] = {"__name__": "lesson"}
    try:
        for number, block in zip(itertools.count(1), blocks, strict=False):
            exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)
    finally:
        plt.close("all")
    assert capsys.readouterr().out
