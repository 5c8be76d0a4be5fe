"""`fer-gym tasks` and `fer-gym score`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_gym import tasks
from fer_gym.benchmark.spec import calibrated
from fer_gym.cli import tasks as command
from fer_gym.cli.commands import app
from fer_gym.tasks import CALIBRATION_SEEDS, TASKS, CalibratedTask, Reference


def _scores(mean: float) -> tuple[float, ...]:
    return tuple(mean + 0.001 * place for place in range(10))


@pytest.fixture
def tiny(monkeypatch) -> CalibratedTask:
    env = {"limit": 40, "noise": ("symmetric", 0.4), "pretrain_epochs": 0, "batch_size": 16, "precision": "fp32"}
    task = CalibratedTask(
        "Tiny-v0",
        "",
        "",
        "ImageSelect-v0",
        env,
        1,
        {"retrain_steps": 2},
        Reference("keep all", "keep_all", {}, _scores(0.1)),
        Reference("oracle", "oracle", {"keep_ratio": 0.6}, _scores(0.6)),
    )
    for module in (calibrated, command):
        monkeypatch.setattr(module, "TASKS", {task.id: task})
    monkeypatch.setattr(command, "CANDIDATES", {task.id: task})
    return task


def test_ls_shows_every_task_in_a_hundred_columns():
    result = CliRunner().invoke(app, ["tasks", "ls"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    for task in TASKS.values():
        (line,) = (line for line in lines if line.startswith(task.id))
        assert f"{task.headroom:.3f}" in line


def test_calibrate_makes_the_references_again_and_resumes(tiny: CalibratedTask, tmp_path: Path):
    arguments = ["tasks", "calibrate", tiny.id, "--out", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    made = sorted((tmp_path / "records").glob("*.json"))
    assert len(made) == 2 * len(CALIBRATION_SEEDS)
    gone = json.loads(made[0].read_text())["scores"]["test"]["macro_f1"]
    made[0].unlink()
    assert CliRunner().invoke(app, arguments).exit_code == 2  # it holds records already
    result = CliRunner().invoke(app, [*arguments, "--resume"])
    assert result.exit_code == 0, result.output
    assert json.loads(made[0].read_text())["scores"]["test"]["macro_f1"] == gone
    first, _, second, _ = result.stdout.splitlines()
    assert first.startswith("keep all: mean ")
    assert second.endswith(" of 10 seeds; frozen 0.6045 [0.6023, 0.6067]")


def test_score_prints_a_line_and_a_json(tiny: CalibratedTask, tmp_path: Path):
    arguments = [
        "score",
        tiny.id,
        "--agent",
        "oracle",
        "--seeds",
        "3,1",
        "--out",
        str(tmp_path),
        "-s",
        "keep_ratio=0.5",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    line, made = result.stdout.splitlines()
    assert line.startswith("Tiny-v0, oracle: normalised ")
    assert ", 2 seeds, " in line
    found = json.loads(made)
    assert found["seeds"] == [3, 1]
    place = (sum(found["scores"]) / 2 - tiny.trivial.mean) / 0.5
    assert found["normalised"]["estimate"] == pytest.approx(place)
    record = json.loads((tmp_path / "records" / "Tiny-v0__oracle__3.json").read_text())
    assert record["scores"]["test"]["macro_f1"] == found["scores"][0]
    assert record["settings"]["agent_settings"] == {"keep_ratio": 0.5}


def test_an_id_that_is_none():
    result = CliRunner().invoke(app, ["score", "Flips", "--agent", "oracle"])
    assert result.exit_code == 2
    assert "task: 'Flips' is unknown; use 'ImageSelect-Flips-v0'" in result.stderr


def test_what_learning_and_scoring_cost():
    flips = tasks.TASKS["ImageSelect-Flips-v1"]
    assert flips.gradient_steps == ((24 + 13) * 32, 3000)  # 2,000 images are 32 batches of 64
    assert tasks.TASKS["RegTune-Overfit-v0"].gradient_steps == (60 * 10 * 40, 2 * 10 * 40)
