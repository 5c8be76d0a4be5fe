import json

import gymnasium as gym
import numpy as np
import pytest
import small_records
import tiny_data

from fer_gym import agents
from fer_gym.benchmark import records
from fer_gym.benchmark.report import page as report
from fer_gym.benchmark.report import tables
from fer_gym.benchmark.run import reg_tune, trial
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, Trial

OF_CHUNKS = ("train_losses", "val_losses", "schedule")
SMALL = {"chunks": 4, "chunk_size": 3, "val_batches": 2, "batch_size": 4, "precision": "fp32"}
TASK = RegTuneTask("tiny", (), {"dataset": tiny_data.splits(30), **SMALL}, episodes=4, children=2)


def run(agent: str, env: dict | None = None, seed: int = 5, **settings) -> dict:
    rows: list = []
    result = reg_tune.run(Trial(TASK, Arm(agent, agent, env=env or {}), seed), settings, None, rows.append)
    without = [{key: each for key, each in row.items() if key not in OF_CHUNKS} for row in rows]
    children = [
        {key: each for key, each in child.items() if key not in ("test", "confusion", "looked_at")}
        for child in result["children"]
    ]
    learnt = len(result["episodes"])
    # Those of an agent that draws follow, by its mean action.
    assert without[: learnt + TASK.children] == result["episodes"] + children
    for of, of_kind in (("episode", rows[:learnt]), ("child", rows[learnt : learnt + TASK.children])):
        for key in OF_CHUNKS if of_kind else ():
            wanted = np.array([row[key] for row in of_kind])
            assert result["arrays"][f"{of}_{key}"] == pytest.approx(wanted, rel=1e-3)
    return result


def test_a_fixed_agent_uses_no_budget():
    result = run("static", strength=0.3)
    assert result["episodes"] == []
    assert result["scores"]["gradient_steps"] == {"learning": 0, "each child": 15}
    assert result["scores"]["mean_strength"] == pytest.approx(0.3)
    assert result["arrays"]["child_schedule"] == pytest.approx(np.full((2, 4, 1), 0.3))
    assert result["scores"]["test"]["accuracy"] == np.mean([child["test"]["accuracy"] for child in result["children"]])


def test_a_learners_budget_is_counted():
    result = run("ppo")
    assert len(result["episodes"]) == 4
    # A child has a warm-up chunk and four more, of three steps each.
    assert result["scores"]["gradient_steps"] == {"learning": 4 * 15, "each child": 15}
    assert result["scores"]["images_trained"] == {
        "learning": 4 * 15 * 4,
        "children": 4 * 15 * 4,
    }  # two drawn, two by mean
    val, test = len(TASK.env["dataset"].val), len(TASK.env["dataset"].test)
    assert result["scores"]["images_evaluated"] == {  # two batches a chunk, and every run's end
        "learning": 4 * (5 * 2 * 4 + val),
        "children": 4 * (5 * 2 * 4 + val + test),
    }
    again = run("ppo", {"train_f1": "eval"})["scores"]["images_evaluated"]  # the chunk's own batches once more
    assert again == {"learning": 4 * (5 * 5 * 4 + val), "children": 4 * (5 * 5 * 4 + val + test)}
    assert [row["gradient_steps"] for row in result["episodes"]] == [15, 30, 45, 60]
    assert [row["env_steps"] for row in result["episodes"]] == [4, 8, 12, 16]


def test_a_searchs_branches_are_counted():
    result = run("greedy", strengths=(0.0, 0.5))
    assert result["episodes"] == []
    assert result["scores"]["gradient_steps"]["learning"] == 2 * (3 + 2 * 12)  # two children of two branches a chunk
    # Two batches for each of 2 * (1 + 2 * 4) chunks, and both branches of the last chunk end.
    ends = 2 * 2 * len(TASK.env["dataset"].val)
    assert result["scores"]["images_evaluated"]["learning"] == 18 * 2 * 4 + ends


def test_what_an_agent_from_outside_counts_may_be_numpys(monkeypatch):
    static = agents.make("static", gym.make("RegTune-v0", **TASK.env), 0, {})
    static.chunks_trained, static.runs_ended = np.int64(3), np.int64(1)
    monkeypatch.setattr(agents, "make", lambda *_: static)
    scores = run("static")["scores"]
    assert scores["gradient_steps"]["learning"] == 3 * 3
    assert type(scores["gradient_steps"]["learning"]) is type(scores["images_evaluated"]["learning"]) is int


def test_a_childs_confusion_matrix_gives_its_scores():
    first, second = run("static")["children"]
    matrix = np.array(first["confusion"]["counts"])
    assert matrix.shape == (len(first["confusion"]["classes"]),) * 2
    assert np.trace(matrix) / matrix.sum() == first["test"]["accuracy"]
    assert "confusion" not in second


def test_both_returns_are_there_whatever_the_reward():
    paid = {reward: run("static", {"reward": reward})["children"][0] for reward in ("gap", "val_f1_change")}
    assert paid["gap"]["reward"] == pytest.approx(paid["gap"]["gap_return"])
    assert paid["val_f1_change"]["reward"] == pytest.approx(paid["val_f1_change"]["val_f1_change"])
    for key in ("gap_return", "val_f1_change", "test"):
        assert paid["gap"][key] == paid["val_f1_change"][key]


def test_every_arm_of_a_seed_meets_the_same_children():
    bounds = {"regularizers": {"dropout": (0.0, 0.8)}}
    static, linear = run("static", bounds), run("linear", bounds, start=0.0, end=0.0)
    assert static["children"] == linear["children"]
    assert static["children"] != run("static", bounds, seed=6)["children"]


def test_a_record_replays_to_the_same_child(tmp_path):
    first = run("random_per_chunk")
    schedule = first["arrays"]["child_schedule"][0].tolist()
    (tmp_path / "child.json").write_text(json.dumps({"schedule": schedule}))
    replayed = run("replay", schedule=str(tmp_path / "child.json"))
    assert replayed["children"][0] == first["children"][0]
    assert (replayed["arrays"]["child_schedule"][0] == first["arrays"]["child_schedule"][0]).all()


def test_a_report_of_it(tmp_path):
    for agent in ("static", "random_per_chunk"):
        for seed in (0, 1):
            about = {**small_records.tuning(agent, seed, 0.0, 0.0, task="tiny"), "suite": "tiny"}
            records.write(records.path_of(tmp_path, "tiny", agent, seed), {**about, **run(agent, seed=seed)})
    (task,) = records.read_folder(tmp_path).tasks
    scores = tables.of_scores(task)[0]
    assert scores.columns[:2] == ("arm", "test macro F1")
    assert [row[0] for row in scores.rows] == ["random_per_chunk", "static"]
    assert tables.of_differences(task)[0].title == "Differences to random_per_chunk"
    titles = [section.title for section in report.make(tmp_path).chapters["tiny"]]
    assert titles == [
        "Test scores",
        "Against random_per_chunk",
        "Return and score",
        "Confusion",
        "Children",
        "What was run",
    ]


def test_instances_take_turns_and_an_agent_that_draws_is_scored_by_its_mean_too():
    instances = ({"limit": 12}, {"limit": 24})
    task = RegTuneTask("differ", (), {**TASK.env, "warmup": None, "instances": instances}, episodes=2, children=4)
    knows = Arm("knows", "knows_instance", {"strengths": [0.1, 0.4]})
    result = reg_tune.run(Trial(task, knows, 5), dict(knows.settings), None, lambda row: None)
    assert [child["instance"] for child in result["children"]] == [0, 1, 0, 1]
    # Who resumes builds the environment and looks whether the data is the record's.
    assert trial.refuse_other_data(Trial(task, knows, 5), {"data": result["data"]}, None) is None
    assert [child[0, 0] for child in result["arrays"]["child_schedule"]] == pytest.approx([0.1, 0.4, 0.1, 0.4])
    assert result["scores"]["test_by_mean"] == result["scores"]["test"]
    blind = Arm("random", "random_per_chunk")
    drawn = reg_tune.run(Trial(task, blind, 5), {}, None, lambda row: None)
    # The four drawn children, and four whose draws are called its mean.
    assert drawn["scores"]["images_trained"]["children"] == 8 * 12 * 4
