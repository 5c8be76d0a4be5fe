import dataclasses
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from fer_gym.benchmark import suites
from fer_gym.cli_commands import app


@pytest.fixture
def tiny_suite(monkeypatch) -> None:
    """The quick suite, cut to a size that a test can afford."""
    quick = suites.SUITES["quick"]
    task = quick.tasks[0]
    task = dataclasses.replace(task, env={**task.env, "limit": 40, "pretrain_epochs": 1}, episodes=1, retrain_epochs=1)
    monkeypatch.setitem(suites.SUITES, "quick", dataclasses.replace(quick, tasks=(task,), seeds=(0,)))


def test_benchmark_leaves_tables_and_pictures(tiny_suite, tmp_path: Path):
    runner = CliRunner()
    result = runner.invoke(app, ["benchmark", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "tables.md").read_text()
    for cell in ("keep all", "REINFORCE", "random", "AUROC of none face", "image variance", "macro F1"):
        assert cell in text
    for name in ("faces-faces.png", "faces-rewards.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
    # Again: refused without --resume, nothing to run with it.
    assert runner.invoke(app, ["benchmark", "--out", str(tmp_path)]).exit_code == 2
    again = runner.invoke(app, ["benchmark", "--out", str(tmp_path), "--resume"])
    assert again.exit_code == 0
    assert (tmp_path / "tables.md").read_text() == text


def test_train_saves_an_agent_that_loads(tmp_path: Path):
    from fer_gym_agents import Reinforce

    arguments = ["train", "ImageSelect-v0", "--agent", "reinforce", "--episodes", "2", "--out", str(tmp_path / "agent")]
    arguments += ["-e", "limit=40", "-e", "pretrain_epochs=0", "-s", "pretrain_episodes=1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "episode 2/2: reward" in result.output
    assert Reinforce.load(tmp_path / "agent").num_timesteps == 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["benchmark", "--suite", "slow"], "suite: 'slow' is unknown; use one of quick"),
        (["train", "--agent", "nobody"], "agent: 'nobody' is unknown"),
        (["train", "-e", "reward=praise"], "reward: 'praise' is unknown"),
        (["train", "-e", "limit"], "expected KEY=VALUE"),
        (["train", "RegTune-v0", "--agent", "reinforce"], "Reinforce needs Discrete(2)"),
        (["train", "RegTune-v0", "-s", "temperature=2"], "agent: 'ppo' does not take these settings"),
        (["train", "RegTune-v0", "-e", "chunks=0"], "chunks: 0 is not allowed"),
        (["train", "NoSuchEnv-v0"], "environment 'NoSuchEnv-v0' is unknown"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
