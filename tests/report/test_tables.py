import csv
import io
from pathlib import Path

import pytest
import small_records

from fer_gym.benchmark import records
from fer_gym.benchmark.records import TaskResults
from fer_gym.benchmark.report import tables
from fer_gym.benchmark.report.tables import Table


@pytest.fixture
def walk(tmp_path: Path) -> TaskResults:
    plan = {"arms": {"walk": ["keep all", "learner", "random"]}, "seeds": []}
    found = [{**record, "plan": plan} for record in small_records.walks()]
    return records.read_folder(small_records.write(tmp_path, *found)).tasks[0]


def cell(table: Table, row: str, column: str) -> str:
    names = [texts[0] for texts in table.texts()]
    return table.texts()[names.index(row)][table.columns.index(column)]


def test_scores_by_hand(walk: TaskResults):
    iqm, means = tables.of_scores(walk)
    # Keep all: .5 .6 .7 .9, the middle two .65. Learner: .7 .7 .8 .8, .75.
    assert cell(iqm, "keep all", "test macro F1").startswith("0.650 [")
    assert cell(iqm, "learner", "test macro F1") == "0.750 [0.700, 0.800]"
    assert cell(iqm, "learner", "keep ratio") == "0.750 [0.750, 0.750]"
    # Mean .675; deviations -.175 -.075 .025 .225: sd .17078; half t(.975, 3) = 3.18245 * .17078 / 2 = .27175.
    assert cell(means, "keep all", "test macro F1") == "0.675 ± 0.272"
    assert cell(means, "keep all", "test accuracy") == "0.775 ± 0.272"


def test_differences_by_hand(walk: TaskResults):
    means, improvement = tables.of_differences(walk)
    # Learner less keep all: .2 .1 .1 -.1, mean .075, sd .12583, half 3.18245 * .12583 / 2 = .20022.
    assert cell(means, "learner", "test macro F1") == "0.075 ± 0.200"
    assert cell(improvement, "learner", "difference").startswith("0.100 [")
    # Learner beats keep all under three seeds of four: scipy.stats.binomtest(3, 4).proportion_ci().
    assert cell(improvement, "learner", "P(improvement)") == "0.750 [0.194, 0.994]"
    # Random under the same seed as keep all: a tie, a tie, lost, lost.
    assert cell(improvement, "random", "P(improvement)").startswith("0.250 [")
    assert cell(improvement, "random", "pairs") == "4"


def test_who_was_kept_by_hand(walk: TaskResults):
    (by_kind,) = tables.of_kept(walk)
    assert cell(by_kind, "learner", "keep probability: full") == "0.750 ± 0.000"
    assert cell(by_kind, "learner", "share kept: none") == "0.375 ± 0.000"
    (rankings,) = tables.of_rankings(walk)
    assert [row[0] for row in rankings.rows] == ["keep all", "learner", "random", "(entropy)"]
    assert cell(rankings, "learner", "AUROC: none face") == "0.875 ± 0.046"  # .85 .85 .9 .9
    assert cell(rankings, "(entropy)", "AUROC: none face") == "0.750 ± 0.000"


def test_every_return_stands_beside_the_test_score(tmp_path: Path):
    (run,) = records.read_folder(small_records.write(tmp_path, *small_records.runs())).tasks
    for table in tables.of_scores(run):
        assert table.columns[1:4] == ("test macro F1", "test accuracy", "gap return")
        assert table.columns.index("change of validation F1") == 4
    assert cell(table, "vanilla", "gap return") == "-20.500 ± 6.353"  # t(.975, 1) = 12.706 * .70711 / sqrt(2)
    (cost,) = tables.of_cost(run)
    assert cell(cost, "ppo", "gradient steps: learning") == "6,000"
    assert cell(cost, "ppo", "seconds") == "10"
    (settings,) = tables.of_settings(run)
    assert cell(settings, "static", "its settings") == "strength=0.2"
    assert "regularizers={'dropout': [0.0, 0.8]}" in settings.note
    assert tables.of_kept(run) == tables.of_rankings(run) == []


def test_over_tasks_by_hand(tmp_path: Path):
    second = [{**r, "scores": {**r["scores"], "test": {"macro_f1": 0.3}}} for r in small_records.runs("second")]
    found = records.read_folder(small_records.write(tmp_path, *small_records.runs("first"), *second))
    ((name, table),) = tables.over_tasks(found)
    assert name == "RegTune-v0"
    # Ppo, first by name, is beaten by every run of vanilla in the first task and ties in the second: 3 of 4.
    assert table.title == "Improvement on ppo over 2 tasks: test macro F1"
    assert cell(table, "vanilla", "P(improvement)") == "0.750 [0.194, 0.994]"
    # .2 under either seed of the first task, nothing in the second.
    assert cell(table, "vanilla", "difference") == "0.100 [0.100, 0.100]"
    assert cell(table, "vanilla", "pairs") == "4"


def test_what_is_missing_is_a_dash(tmp_path: Path):
    plan = {"arms": {"walk": ["keep all", "lost", "random"]}, "seeds": [0, 1]}
    found = [{**record, "plan": plan} for record in small_records.walks() if record["seed"] < 2]
    found[2]["scores"]["test"]["accuracy"] = float("nan")
    del found[2]["scores"]["test"]["macro_f1_of_means"]
    (walk,) = records.read_folder(small_records.write(tmp_path, *found)).tasks
    made = [*tables.of_scores(walk), *tables.of_differences(walk)]
    for table in made:
        assert set(table.texts()[[row[0] for row in table.rows].index("lost")][1:]) == {"—"}
    # Random has one accuracy left: no interval.
    assert cell(made[0], "random", "test accuracy") == "0.700"
    assert cell(tables.of_cost(walk)[0], "lost", "trials") == "0 of 2"


def test_one_seed_has_no_intervals_and_no_differences(tmp_path: Path):
    (walk,) = records.read_folder(small_records.write(tmp_path, *small_records.walks()[:3])).tasks
    (scores,) = tables.of_scores(walk)
    assert cell(scores, "keep all", "test macro F1") == "0.500"
    assert tables.of_differences(walk) == []


def test_markdown_and_csv(walk: TaskResults):
    table = tables.of_scores(walk)[1]
    lines = table.markdown().splitlines()
    assert lines[0] == "**Scores: means**"
    assert lines[2].startswith("| arm | test macro F1 | test accuracy |")
    assert lines[4].startswith("| keep all | 0.675 ± 0.272 | 0.775 ± 0.272 |")
    assert lines[-1].startswith("A network retrained from scratch")
    (first, *_) = csv.DictReader(io.StringIO(tables.to_csv([("walk", table)])))
    assert {key: first[key] for key in ("task", "table", "row", "column")} == {
        "task": "walk",
        "table": "Scores: means",
        "row": "keep all",
        "column": "test macro F1",
    }
    numbers = [float(first[key]) for key in ("value", "low", "high")]
    assert numbers == pytest.approx([0.675, 0.40325, 0.94675], abs=1e-5)
    assert Table("", "", ("arm", "settings"), (("a|b", "—"),)).markdown().splitlines()[4] == "| a\\|b | — |"


def test_what_a_name_can_do_in_markdown_and_in_a_spreadsheet():
    table = Table("=a", "", ("arm", "x"), (("<img src=x>\n![p](http://p)", "@SUM(1)"), ("-b", -0.5)))
    row = table.markdown().splitlines()[4]
    assert row == "| &lt;img src=x&gt; ![p]\\(http://p) | @SUM(1) |"
    lines = list(csv.reader(io.StringIO(tables.to_csv([("+t", table)]))))[1:]
    assert lines[0][:2] == ["'+t", "'=a"]
    assert lines[0][4] == "'@SUM(1)"
    assert lines[1][2:5] == ["'-b", "x", "-0.5"]
