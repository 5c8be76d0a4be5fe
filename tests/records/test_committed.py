"""The records in docs/results: the documentation's tables come from them, and they stay small."""

import sys
from pathlib import Path

import pytest

from fer_gym.benchmark import records
from fer_gym.benchmark.report import page as report
from fer_gym.tasks import CALIBRATION_SEEDS, TASKS

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDERS = sorted(path for path in (DOCS / "results").iterdir() if path.is_dir())


@pytest.fixture
def check_results(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(DOCS)
    import check_results

    yield check_results
    del sys.modules["check_results"]


def test_the_tables_of_the_pages_are_those_of_the_records(check_results):
    text = check_results.text_of_pages()
    assert list(check_results.mismatches(text)) == []
    numbers = sum(
        len(cells) - 1
        for name in check_results.SECTIONS
        for table in check_results.tables(text)[name]
        for cells in table
    )
    assert numbers > 400
    (changed,) = check_results.mismatches(text.replace("| 0.959 ± 0.009 |", "| 0.958 ± 0.009 |", 1))
    assert changed.startswith("Cut faces, table 1, REINFORCE: ['0.958 ± 0.009'")
    without = text.replace("Cut faces", "Other faces")
    assert "Cut faces: 0 tables, 2 are made from records" in list(check_results.mismatches(without))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_report_is_made_from_them(folder: Path):
    found = records.read_folder(folder)
    assert found.skipped == ()
    assert found.missing == []
    made = report.make(folder)
    assert "Test scores" in report.markdown(made)
    assert all("give --root" in warning for warning in made.warnings)
    for record in found:
        assert "saved_agent" not in record  # no agent's file is committed


def test_they_are_small():
    files = [path for folder in FOLDERS for path in (folder / "records").iterdir()]
    assert {path.suffix for path in files} == {".json", ".npz"}
    assert sum(path.stat().st_size for path in files) < 7_000_000
    for path in files:
        arrays = path.with_suffix(".npz")
        if path.suffix == ".json":
            assert path.stat().st_size + (arrays.stat().st_size if arrays.exists() else 0) < 40_000


def test_the_references_of_the_calibrated_tasks_are_those_of_the_records():
    found = {task.name: task for task in records.read_folder(DOCS / "results" / "calibration").tasks}
    assert set(found) >= set(TASKS)
    for task in TASKS.values():
        for reference in (task.trivial, *task.others, task.reference):
            scores = found[task.id].scores(reference.name, "test", "macro_f1")
            assert tuple(scores) == CALIBRATION_SEEDS
            assert reference.scores == pytest.approx(tuple(scores.values()), abs=5e-5)
