import json
from pathlib import Path

import pytest
import small_records

from fer_gym.benchmark import records

PLAN = {"arms": {"walk": ["keep all", "random", "learner"], "run": ["vanilla"]}, "seeds": [0, 1, 2, 3]}


def test_records_are_arranged(tmp_path: Path):
    small_records.write(tmp_path, *small_records.walks(), *small_records.runs())
    found = records.read_folder(tmp_path)
    assert found.suite == "small"
    assert [(task.name, task.environment) for task in found.tasks] == [
        ("run", "RegTune-v0"),
        ("walk", "ImageSelect-v0"),
    ]
    run, walk = found.tasks
    assert walk.scores("learner", "test", "macro_f1") == {0: 0.7, 1: 0.7, 2: 0.8, 3: 0.8}
    assert walk.paired_scores("learner", "random", "test", "macro_f1")[1] == [0.5, 0.6, 0.6, 0.5]
    assert run.scores("ppo", "no", "such") == {}
    assert len(list(found)) == 18
    assert (run.seeds, walk.seeds) == ((0, 1), (0, 1, 2, 3))
    assert found.missing == []  # these records have no plan


def test_the_plan_gives_the_order_and_what_is_missing(tmp_path: Path):
    walks = [{**record, "plan": PLAN} for record in small_records.walks() if record["arm"] != "learner"]
    small_records.write(tmp_path, *walks)
    walk, run = records.read_folder(tmp_path).tasks
    assert list(walk.arms) == ["keep all", "random", "learner"]
    assert walk.missing == [f"walk, learner, seed {seed}" for seed in range(4)]
    assert run.missing == [f"run, vanilla, seed {seed}" for seed in range(4)]


def test_seeds_that_one_arm_alone_was_run_under_are_not_missing_from_another(tmp_path: Path):
    walks = [each for each in small_records.walks() if each["arm"] == "learner" or each["seed"] < 2]
    plans = {
        "first": {"arms": {"walk": ["keep all", "random", "learner"]}, "seeds": [0, 1]},
        "more": {"arms": {"walk": ["learner"]}, "seeds": [2, 3, 4]},
    }
    made = [{**each, "plan": plans["first" if each["seed"] < 2 else "more"]} for each in walks]
    (walk,) = records.read_folder(small_records.write(tmp_path, *made)).tasks
    assert walk.planned == {"keep all": (0, 1), "random": (0, 1), "learner": (0, 1, 2, 3, 4)}
    assert walk.missing == ["walk, learner, seed 4"]
    assert walk.seeds == (0, 1, 2, 3, 4)


def test_scores_are_paired_by_seed(tmp_path: Path):
    walks = [each for each in small_records.walks() if (each["arm"], each["seed"]) != ("keep all", 1)]
    (walk,) = records.read_folder(small_records.write(tmp_path, *walks)).tasks
    assert walk.paired_scores("learner", "keep all", "test", "macro_f1") == ([0.7, 0.8, 0.8], [0.5, 0.7, 0.9])


@pytest.mark.parametrize(
    "text",
    [
        '{"format": 3, "sui',
        "[1, 2]",
        "{}",
        "[" * 100_000,
        '{"format": 3, "suite": "small"}',
        '{"format": true}',
        "\udce9",
        "copy",
    ],
    ids=["half", "list", "no format", "deep", "no fields", "format no number", "not UTF-8", "copy"],
)
def test_what_is_no_record_is_skipped_and_kept(tmp_path: Path, text):
    small_records.write(tmp_path, *small_records.walks())
    path = tmp_path / "records" / "other.json"
    whole = (tmp_path / "records" / "walk__random__0.json").read_text()
    path.write_bytes((whole if text == "copy" else text).encode(errors="surrogateescape"))
    before = path.read_bytes()
    found = records.read_folder(tmp_path)
    assert len(list(found)) == 12
    (line,) = found.skipped
    assert str(path) in line
    assert path.read_bytes() == before
    records.refuse_other_suites(tmp_path, "small")


@pytest.mark.parametrize(
    ("part", "wrong", "said"),
    [
        ("scores", {"test": {"macro_f1": "<b>"}}, "'scores' has a value that is no number"),
        ("episodes", [1], "'episodes' has a row that is no dict"),
        ("scores", {"deep": json.loads('{"a": ' * 700 + "1" + "}" * 700)}, "it nests deeper than 32"),
        ("settings", {"env": [1], "agent": "x", "agent_settings": {}}, "'settings' has no 'env' that is a dict"),
        ("scores", {"test": {"macro_f1": 10**400}}, "'scores' has a value that is no number"),
        ("arm", "random \udc80", r"it has text that cannot be written: 'random \udc80'"),
        ("plan", {"arms": {"walk": "random"}, "seeds": [0]}, "'plan' has no 'arms' that are lists of names"),
        ("plan", {"arms": [], "seeds": [0]}, "'plan' has no 'arms' that are lists of names"),
        ("plan", {"arms": {}, "seeds": ["0"]}, "'plan' has no 'seeds' that are whole numbers"),
    ],
)
def test_a_record_of_other_types_is_skipped_and_named(tmp_path: Path, part, wrong, said):
    small_records.write(tmp_path, *small_records.walks())
    path = tmp_path / "records" / "walk__random__0.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: wrong}))
    (line,) = records.read_folder(tmp_path).skipped
    assert line.startswith(f"{path}: not a record ({said})")


def test_other_suites_and_versions_are_refused(tmp_path: Path):
    small_records.write(tmp_path, *small_records.walks())
    with pytest.raises(ValueError, match=r"walk__keep-all__0.json: a record of suite 'small', not 'quick'"):
        records.refuse_other_suites(tmp_path, "quick")
    other = {**small_records.selection("keep all", 9, 0.5), "suite": "else"}
    path = records.path_of(tmp_path, "walk", "keep all", 9)
    records.write(path, other)
    with pytest.raises(ValueError, match=r"records of several suites \('small', 'else'\)"):
        records.read_folder(tmp_path)
    path.write_text(json.dumps({**other, "format": 1, "arrays": []}))
    with pytest.raises(ValueError, match=r"keep-all__9.json: a record of format 1, not of format 3"):
        records.read_folder(tmp_path)


def test_an_empty_folder_is_said_to_be_one(tmp_path: Path):
    with pytest.raises(ValueError, match=r"records: no records \(nothing is there\)"):
        records.read_folder(tmp_path)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "half.json").write_text("{")
    with pytest.raises(ValueError, match=r"none of its 1 files is one: .*half.json"):
        records.read_folder(tmp_path)
