"""The summary and the ranking over calibrated tasks, worked out by hand."""

import numpy as np
import pytest
import small_records

from fer_gym.benchmark import records
from fer_gym.benchmark.report import page, ranking, summary
from fer_gym.benchmark.report.statistics import Interval, Placed, interquartile_mean_over_tasks, normalised
from fer_gym.benchmark.report.tables import NOTHING
from fer_gym.tasks import CalibratedTask, Reference


def _calibrated(name: str, low: float, high: float) -> CalibratedTask:
    def reference(mean: float) -> Reference:
        return Reference(f"at {mean}", "keep_all", {}, tuple(mean + 0.001 * place for place in range(-5, 5)))

    return CalibratedTask(name, "", "", "ImageSelect-v0", {}, 1, {}, reference(low), reference(high))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two tasks, in which "ours" wins half and all of the headroom, and "keep all" nothing."""
    tasks = {name: _calibrated(name, low, high) for name, low, high in (("one", 0.4, 0.6), ("two", 0.2, 0.3))}
    for module in (summary, ranking):
        monkeypatch.setattr(module, "TASKS", tasks)
    for name, ours, nothing in (("one", 0.5, 0.4), ("two", 0.3, 0.2)):
        for arm, f1 in (("keep all", nothing), ("ours", ours)):
            for seed in range(4):
                record = small_records.selection(arm, seed, f1)
                record |= {"task": name, "plan": {"arms": {name: ["keep all", "ours"]}, "seeds": [0, 1, 2, 3]}}
                records.write(records.path_of(tmp_path, name, arm, seed), record)
    return tmp_path


def test_a_summary_places_each_arm_between_the_references(folder):
    task = records.read_folder(folder).tasks[0]
    table = summary.table(task)
    assert table.columns == ("arm", "normalised score", "test macro F1", "gradient steps", "seconds")
    shown = {row[0]: row[1].estimate for row in table.rows}
    assert shown == pytest.approx({"keep all": 0.0, "ours": 0.5}, abs=0.01)
    assert "0 is at 0.4 (0.400), 1 is at 0.6 (0.600)" in table.note


def test_a_mean_action_is_what_counts_and_its_draws_stand_beside_it(folder):
    task = records.read_folder(folder).tasks[0]
    record = task.arms["ours"][0]
    record["scores"]["test_by_mean"] = {"macro_f1": 0.9}
    assert summary.scores(task, "ours") == {0: 0.9, 1: 0.5, 2: 0.5, 3: 0.5}
    table = summary.table(task)
    cells = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert cells["ours"]["test macro F1"].estimate == pytest.approx(0.6)
    assert cells["ours"]["by its draws"].estimate == pytest.approx(0.5)
    assert cells["keep all"]["by its draws"] == NOTHING


def test_a_ranking_pools_normalised_scores_best_first(folder):
    tasks = ranking.by_environment(records.read_folder(folder))["ImageSelect-v0"]
    table = ranking.table(tasks)
    assert [row[0] for row in table.rows] == ["ours", "keep all"]
    # Four scores of 1/2 and four of 1: without a quarter at either end, two and two are left.
    assert table.rows[0][1].estimate == pytest.approx(0.75, abs=0.01)
    assert isinstance(table.rows[0][2], Interval)
    assert table.rows[0][2].estimate == 1.0
    assert table.rows[0][3] == 8
    picture = ranking.profile(tasks)
    assert picture is not None
    assert "Medians: keep all 0.0" in picture.panels[0].alt


def test_a_ranking_compares_with_the_first_arm_that_is_in_it(folder):
    for task in ("one", "two"):
        for seed in range(4):
            record = small_records.selection("ours as well", seed, 0.3)
            record |= {
                "task": task,
                "plan": {"arms": {task: ["keep all", "ours", "ours as well"]}, "seeds": [*range(4)]},
            }
            records.write(records.path_of(folder, task, "ours as well", seed), record)
    for path in records.path_of(folder, "two", "keep all", 0).parent.glob("two__keep-all__*"):
        path.unlink()
    table = ranking.table(ranking.by_environment(records.read_folder(folder))["ImageSelect-v0"])
    assert table.columns[2] == "P(improvement on ours)"
    assert {row[0]: row[2] for row in table.rows} == {"ours": NOTHING, "ours as well": table.rows[1][2]}
    assert table.rows[1][2].estimate == 0.25  # four losses in one, four ties in two


def test_the_report_begins_with_the_ranking_and_the_summary(folder):
    made = page.make(folder)
    first, *_ = made.chapters
    assert first == page.SUMMARY
    assert [section.title for section in made.chapters[first]] == ["ImageSelect-v0: ranking", "Scores and costs"]
    assert page.html(made).count("<img") > 1


def test_an_interval_counts_the_doubt_about_the_references():
    rng = np.random.default_rng(0)
    ours, low, high = rng.normal(0.5, 0.01, 10), rng.normal(0.4, 0.01, 10), rng.normal(0.6, 0.01, 10)
    wide = normalised(ours, low, high + rng.normal(0, 0.1, 10))
    sure = normalised(ours, np.full(10, low.mean()), np.full(10, high.mean()))
    assert sure.estimate == pytest.approx((ours.mean() - low.mean()) / (high.mean() - low.mean()))
    assert wide.high - wide.low > 2 * (sure.high - sure.low)
    one = interquartile_mean_over_tasks([Placed(np.full(4, 0.5), low, high)])
    assert one.estimate == pytest.approx((0.5 - low.mean()) / (high.mean() - low.mean()))
