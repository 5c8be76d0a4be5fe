"""The papers' tables run again: what they printed beside what the records say."""

import dataclasses
import re
from pathlib import Path

import pytest
import small_records
from typer.testing import CliRunner

from fer_gym.benchmark import records
from fer_gym.benchmark.report import page as report
from fer_gym.benchmark.report import paper
from fer_gym.benchmark.spec import papers
from fer_gym.benchmark.spec.papers import TABLES, PaperTable
from fer_gym.cli.commands import app

NOTES = Path(__file__).resolve().parents[3] / "shared" / "notes" / "papers.md"


@pytest.fixture
def tiny(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> PaperTable:
    """A table whose smoke suite a test can afford."""
    table = TABLES[request.param]
    (task,) = table.suites["smoke"].tasks
    task = dataclasses.replace(task, env={**task.env, "limit": 60}, episodes=min(task.episodes, 6))
    smoke = dataclasses.replace(table.suites["smoke"], tasks=(task,), seeds=(0,))
    table = dataclasses.replace(table, suites={**table.suites, "smoke": smoke})
    monkeypatch.setitem(papers.TABLES, table.name, table)
    return table


@pytest.mark.parametrize("tiny", ["rlps-table4", "rlps-table5", "regtune-table1"], indirect=True)
def test_reproduce_prints_the_papers_table(tiny: PaperTable, tmp_path: Path):
    result = CliRunner().invoke(app, ["reproduce", tiny.name, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    printed, _, written = result.stdout.partition("Scale smoke")
    found = records.read_folder(tmp_path)
    assert not found.missing
    for row in tiny.rows:
        line = next(line for line in printed.splitlines() if line.startswith(f"│ {row.name} "))
        cells = [cell.strip() for cell in line.strip("│").split("│")[1:]]
        record = found.tasks[0].arms[row.arm.name][0]
        measured = []
        for measure in tiny.measures:
            score = record["scores"]
            for key in (*measure.keys, *([row.key] if row.key else [])):
                score = score[key]
            measured.append(f"{100 * score if measure.percent else score:z.3f}")
        assert cells == [*row.published.values(), *measured]
    for difference in tiny.differs["smoke"]:
        assert difference in written
    assert report.PAPER in (tmp_path / "report.html").read_text().replace("&#39;", "'")
    assert "Trials" not in printed
    assert "Cost" not in printed


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_row_has_its_arm_and_every_scale_its_differences(table: PaperTable):
    assert set(table.differs) == set(papers.SCALES) >= set(table.suites) >= {"smoke", "small"}
    for suite in table.suites.values():
        (task,) = suite.tasks
        names = [arm.name for arm in task.arms]
        assert {row.arm.name for row in table.rows} <= set(names)
        assert len(set(names)) == len(names)
    assert len({tuple(row.published) for row in table.rows}) == 1


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_published_numbers_are_those_of_the_notes(table: PaperTable):
    if not NOTES.exists():
        pytest.skip("needs shared/notes/papers.md beside the repository")
    notes = re.sub(r"[/\s]+", " ", NOTES.read_text())
    if table.name == "rlps-table5":  # there the notes have a data set's kinds in a row
        columns = [[row.published[name] for row in table.rows] for name in ("RAF-DB", "ExpW")]
    else:
        columns = [[row.published[name] for row in table.rows] for name in table.rows[0].published]
    for column in columns:
        assert " ".join(column) in notes


def test_several_seeds_and_arms_that_the_paper_does_not_have(tmp_path: Path):
    plan = {"arms": {"fer2013": ["keep all", "random"]}, "seeds": [0, 1, 2]}  # the third is still to come
    of_suite = {"suite": "rlps-table2", "task": "fer2013", "plan": plan}
    trials = [
        {**small_records.selection(arm, seed, f1 + seed / 50), **of_suite}
        for arm, f1 in {"keep all": 0.3, "random": 0.2}.items()
        for seed in (0, 1)
    ]
    small_records.write(tmp_path, *trials)
    made = paper.table(records.read_folder(tmp_path))
    assert made is not None
    # 30 and 32 percent: the mean 31, its interval t(.975, 1) * 1.
    assert made.texts() == [
        ["DCNN", "66.19", "31.000 ± 12.706"],
        ["DCNN+Sigmoid", "68.72", "—"],
        ["RLPS", "72.84", "—"],
        ["(random)", "—", "21.000 ± 12.706"],
    ]
    assert "mean over 2 seeds" in made.note
    assert "no loader reads" in made.note


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rlps-table9"], "table: 'rlps-table9' is unknown; use one of rlps-table1,"),
        (["rlps-table1", "--scale", "large"], "scale: 'large' is unknown; use 'smoke', 'small', 'paper'"),
        (
            ["rlps-table3", "--scale", "paper"],
            "rlps-table3 at scale 'paper': no loader reads ExpW yet; use --scale small",
        ),
    ],
)
def test_what_cannot_be_reproduced_is_one_clear_line(arguments: list[str], said: str, tmp_path: Path):
    result = CliRunner().invoke(app, ["reproduce", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert not (tmp_path / "out").exists()
