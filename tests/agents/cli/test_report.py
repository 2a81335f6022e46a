"""`mario-rl report`: of a run, of a comparison, of raw data alone; mistakes are one line."""

from pathlib import Path

from support.commands import fail, run_command, succeed
from support.comparisons import make_comparison


def comparison_in(folder: Path) -> Path:
    make_comparison(("ppo",), range(2), num_evaluations=2, num_games=4, num_points=4).write(folder)
    return folder


def test_run_has_its_page_in_its_folder(tmp_path: Path) -> None:
    run = tmp_path / "a run"
    succeed("train", "random", "CartPole-v1", "--steps", "300", "--out", run)
    assert succeed("report", run) == [str(run / "report.html")]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<h1>random on CartPole-v1</h1>" in page
    for name in ("config.json", "episodes.csv", "metrics.csv", "evaluation.json"):
        assert f'href="{name}"' in page


def test_comparison_has_its_page_where_it_is_wanted(tmp_path: Path) -> None:
    folder = comparison_in(tmp_path / "compared")
    assert succeed("report", folder) == [str(folder / "report.html")]
    out = tmp_path / "pages" / "page.html"
    assert succeed("report", folder, "--out", out) == [str(out)]
    assert 'href="../compared/runs.csv"' in out.read_text(encoding="utf-8")


def test_page_is_made_again_from_raw_data(tmp_path: Path) -> None:
    folder = comparison_in(tmp_path)
    for place in (folder / "runs.csv", folder / "games.csv", folder):
        assert succeed("report", "--again", place) == [str(folder / "report.html")]
        (folder / "report.html").unlink()


def test_table_that_was_changed_is_told(tmp_path: Path) -> None:
    folder = comparison_in(tmp_path)
    table = folder / "runs.csv"
    table.write_text(table.read_text().replace("finished", "unfinished", 1))
    warning, path = run_command(0, "report", "--again", table)
    assert warning.startswith(f"warning: {table} does not fit its SHA-256 in comparison.json")
    assert "runs.csv" in Path(path).read_text(encoding="utf-8").split("does not fit")[1]


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert "no run at" in fail(1, "report", nothing)
    assert "comparison.json" in fail(1, "report", nothing)
    assert "there is no comparison at" in fail(1, "report", "--again", nothing / "runs.csv")
    assert "give the folder" in fail(2, "report")
    assert "give the folder" in fail(2, "report", nothing, "--again", nothing)
    folder = comparison_in(tmp_path / "compared")
    (folder / "games.csv").unlink()
    assert "games.csv is missing" in fail(1, "report", folder)
