"""Suites from a TOML file: what they say is what runs, and what is wrong in them is named."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import fer_gym_agents
from fer_gym.benchmark.run import runner
from fer_gym.benchmark.spec import toml as own_suite
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite
from fer_gym.cli.commands import app

WHOLE = """
name = "mine"
seeds = [3, 4]

[[tasks]]
env_id = "ImageSelect-v0"
name = "flips"
episodes = 1
retrain_epochs = 2
keep_at_most = 0.75
env = {limit = 40, noise = ["symmetric", 0.2], pretrain_epochs = 1}

[[tasks.arms]]
name = "half"
agent = "random"
settings = {keep_ratio = 0.5}

[[tasks.arms]]
name = "as many"
agent = "image_variance"
keep_ratio_of = "half"

[[tasks]]
env_id = "RegTune-v0"
name = "schedule"
episodes = 2
children = 1
env = {limit = 40, chunks = 2, chunk_size = 2, val_batches = 2, batch_size = 8}

[[tasks.arms]]
name = "noise"
agent = "static"
settings = {strength = 0.2}
env = {regularizers = {feature_noise = [0.0, 0.4]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE)
    return path


def test_it_is_the_suite_that_it_says(file: Path):
    flips = SelectionTask(
        "flips",
        (Arm("half", "random", {"keep_ratio": 0.5}), Arm("as many", "image_variance", keep_ratio_of="half")),
        {"limit": 40, "noise": ["symmetric", 0.2], "pretrain_epochs": 1},
        episodes=1,
        retrain_epochs=2,
        keep_at_most=0.75,
    )
    schedule = RegTuneTask(
        "schedule",
        (Arm("noise", "static", {"strength": 0.2}, {"regularizers": {"feature_noise": [0.0, 0.4]}}),),
        {"limit": 40, "chunks": 2, "chunk_size": 2, "val_batches": 2, "batch_size": 8},
        episodes=2,
        children=1,
    )
    assert own_suite.read(file) == Suite("mine", (flips, schedule), (3, 4))
    file.write_text(WHOLE.replace('name = "mine"', ""))
    assert own_suite.read(file).name == "mine"  # the file's


def test_it_runs(file: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["benchmark", "--suite", str(file), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert len(list((out / "records").glob("*.json"))) == 2 * 3
    assert "feature_noise" in (out / "report.md").read_text()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("seeds = [3, 4]", "seeds = [3, 4", "it cannot be read as TOML"),
        ("seeds = [3, 4]", f"seeds = {'[' * 5000}", "it cannot be read as TOML"),
        ('name = "mine"', 'name = "quick"', "name: 'quick' is a suite of the package; use another"),
        ("seeds = [3, 4]", "", "the suite.seeds: it is missing"),
        ("seeds = [3, 4]", "seeds = []", "seeds: [] is not allowed; use whole numbers such as [0, 1, 2]"),
        ("seeds = [3, 4]", "seeds = [1.5]", "seeds: 1.5 is not allowed; use a whole number of at least 0"),
        ("seeds = [3, 4]", "seeds = 3", "the suite.seeds: 3 is not allowed; expected a list"),
        (
            "seeds = [3, 4]",
            "seeds = [4294967296]",
            "seeds: 4294967296 is not allowed; use a whole number of at least 0 and",
        ),
        (
            "limit = 40, chunks",
            "data_seed = 1, chunks",
            "tasks[1].env.data_seed: it is not allowed, which is the trial's",
        ),
        ("env = {regularizers", "env = {root = 'a', regularizers", "tasks[1].arms[0].env.root: it is not allowed, for"),
        ("seeds", "seed", "the suite.seed: there is no such key; use name, tasks, seeds"),
        ('env_id = "RegTune-v0"', "", "tasks[1].env_id: None is unknown; use one of ImageSelect-v0, RegTune-v0"),
        ("children", "retrain_epochs", "tasks[1].retrain_epochs: there is no such key; use name, arms, env, episodes"),
        ("children = 1", "", "tasks[1].children: it is missing"),
        ("episodes = 2", 'episodes = "two"', "tasks[1].episodes: 'two' is not allowed; expected a whole number"),
        ("episodes = 2", "episodes = true", "tasks[1].episodes: True is not allowed; expected a whole number"),
        ("= 0.75", '= "many"', "tasks[0].keep_at_most: 'many' is not allowed; expected a number"),
        ("= 0.75", "= 75", "tasks[0].keep_at_most: 75 is not allowed; use a finite number in (0, 1]"),
        ('agent = "static"', "agent = 3", "tasks[1].arms[0].agent: 3 is not allowed; expected text"),
        ("settings = {strength", "setting = {strength", "tasks[1].arms[0].setting: there is no such key; use name"),
        ("settings = {strength = 0.2}", "settings = 0.2", "tasks[1].arms[0].settings: 0.2 is not allowed; expected a"),
        ('keep_ratio_of = "half"', 'keep_ratio_of = "as many"', "tasks[0].arms: 'as many' follows 'as many', which is"),
        ('name = "as many"', 'name = "half"', "tasks[0].arms: the name 'half' occurs twice"),
        ('name = "schedule"', 'name = "flips"', "tasks: the name 'flips' occurs twice"),
        (
            'name = "as many"',
            'name = "Half"',
            "tasks: two arms would share their records; the name 'flips__half'",
        ),
        (
            'name = "flips"',
            'name = "../flips"',
            "tasks[0].name: '../flips' is not allowed in a file's name; begin with",
        ),
        ('name = "noise"', 'name = "a/b"', "tasks[1].arms[0].name: 'a/b' is not allowed in a file's name"),
        ("seeds = [3, 4]", "seeds = [3, 3]", "seeds: seed 3 occurs twice"),
        ("children = 1", "children = 0", "tasks[1].children: 0 is not allowed; use a whole number of at least 1"),
        ("episodes = 2", "episodes = -3", "tasks[1].episodes: -3 is not allowed; use a whole number of at least 1"),
        ("retrain_epochs = 2", "retrain_epochs = -1", "tasks[0].retrain_epochs: -1 is not allowed"),
        ("retrain_epochs = 2", "", "tasks[0].retrain_epochs: 0, retrain_steps: 0; give one of the two"),
        (
            "retrain_epochs = 2",
            "retrain_epochs = 2\nremoval = ['x']",
            "tasks[0].removal: 'x' is not allowed; use a finite number in (0, 1)",
        ),
        (
            "retrain_epochs = 2",
            "retrain_epochs = 2\nremoval = [1]",
            "tasks[0].removal: 1 is not allowed; use a finite number in (0, 1)",
        ),
    ],
)
def test_what_is_wrong_is_named(before: str, after: str, said: str, file: Path):
    assert before in WHOLE
    file.write_text(WHOLE.replace(before, after))
    result = CliRunner().invoke(app, ["benchmark", "--suite", str(file), "--out", str(file.parent / "out")])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f"{file}: {said}" in line
    assert not (file.parent / "out").exists()


def test_a_file_that_is_not_there(tmp_path: Path):
    result = CliRunner().invoke(app, ["benchmark", "--suite", str(tmp_path / "no.toml")])
    assert result.exit_code == 2
    assert "no.toml: it cannot be read as TOML" in result.stderr


@pytest.mark.parametrize("page", ["command_line.md", "tutorials.md"])
def test_the_documentations_file_runs(page: str, tmp_path: Path, monkeypatch):
    root = Path(__file__).resolve().parents[2]
    monkeypatch.syspath_prepend(root / "examples")
    monkeypatch.setitem(sys.modules, "my_module", SimpleNamespace(MyAgent=fer_gym_agents.Reinforce))
    (text,) = re.findall(r"```toml\n(.*?)```", (root / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(text)
    suite = own_suite.read(tmp_path / "mine.toml")
    if page == "command_line.md":
        assert [task.env_id for task in suite.tasks] == ["ImageSelect-v0", "RegTune-v0"]
        assert suite.tasks[0].removal == (0.1, 0.25)
    less = {"limit": 40, "pretrain_epochs": 1}  # of which RegTune-v0 has the first alone
    tasks = [
        replace(task, env={**task.env, **less}, retrain_epochs=0, retrain_steps=5)
        if isinstance(task, SelectionTask)
        else replace(task, env={**task.env, "limit": 40, "chunks": 2}, episodes=min(task.episodes, 2))
        for task in suite.tasks
    ]
    done, failed = runner.run(Suite("mine", tuple(tasks), suite.seeds[:1]), tmp_path / "out", None, resume=False)
    assert failed == {}
    assert len(done) == sum(len(task.arms) for task in tasks)


@pytest.mark.parametrize(
    "content", [b'name = "\xff"', b"x = " + b"[" * 100_000, b"\0", b"x = 1" + b"0" * 10_000, b"a." * 9999]
)
def test_bytes_that_are_no_toml(tmp_path: Path, content: bytes):
    """Not UTF-8, nested deeper than Python recurses, a number that Python does not read, a key of 10,000 parts."""
    (tmp_path / "mine.toml").write_bytes(content)
    result = CliRunner().invoke(app, ["benchmark", "--suite", str(tmp_path / "mine.toml")])
    assert result.exit_code == 2
    assert "mine.toml: it cannot be read as TOML" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes in folders")
def test_a_pipe_and_a_giant(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.toml")
    with (tmp_path / "giant.toml").open("wb") as file:
        file.truncate(1 << 40)
    for name, said in (("pipe.toml", "no regular file"), ("giant.toml", "more than 1,048,576 bytes")):
        result = CliRunner().invoke(app, ["benchmark", "--suite", str(tmp_path / name)])
        assert result.exit_code == 2
        assert f"{name}: it cannot be read as TOML" in result.stderr
        assert said in result.stderr
