import dataclasses
import re
import sys
from pathlib import Path

import pytest
import small_records
from toml_suites import suite
from typer.testing import CliRunner

from fer_gym.benchmark.spec import papers, suites
from fer_gym.cli import benchmark
from fer_gym.cli.commands import app
from fer_gym.cli.train import settings_of

SUITE = suite(("keep [red]all", "keep_all"), ("unreadable", "test_commands:Unreadable"))


class Unreadable:
    """An agent whose error has the form of rich's markup."""

    def __init__(self, env, seed):
        raise ValueError("cannot open [/data/faces]")


@pytest.fixture
def tiny_suite(monkeypatch) -> None:
    """The quick suite, cut to a size that a test can afford."""
    quick = suites.SUITES["quick"]
    task = quick.tasks[0]
    task = dataclasses.replace(task, env={**task.env, "limit": 40, "pretrain_epochs": 1}, episodes=1, retrain_steps=1)
    monkeypatch.setitem(suites.SUITES, "quick", dataclasses.replace(quick, tasks=(task,), seeds=(0,)))


def test_benchmark_leaves_a_report(tiny_suite, tmp_path: Path):
    runner = CliRunner()
    result = runner.invoke(app, ["benchmark", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report.md").read_text()
    for cell in ("keep all", "REINFORCE", "normalised score", "test macro F1"):
        assert cell in text
        assert cell in result.stdout
    for cell in ("AUROC: flipped", "image variance"):
        assert cell in text
        assert cell not in result.stdout  # the summary alone
    page = (tmp_path / "report.html").read_text()
    for words in ("Learning curves", "REINFORCE, seed 0", "data:image/png", "2 of 2"):
        assert words in page
    # Again: refused without --resume, nothing to run with it.
    assert runner.invoke(app, ["benchmark", "--out", str(tmp_path)]).exit_code == 2
    again = runner.invoke(app, ["benchmark", "--out", str(tmp_path), "--resume"])
    assert again.exit_code == 0
    assert (tmp_path / "report.md").read_text() == text
    # The records alone give the same.
    assert runner.invoke(app, ["report", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "report.html").read_text() == page


def test_brackets_in_errors_and_names_are_no_markup(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "mine.toml").write_text(SUITE)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    arguments = ["benchmark", "--suite", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out")]
    assert app(arguments, standalone_mode=False) == 1
    printed = capsys.readouterr()
    for seed in (0, 1):
        assert f"faces, unreadable, seed {seed} failed: ValueError: cannot open [/data/faces]" in printed.err
    assert "Summary of faces" in printed.out
    assert "│ keep [red]all " in printed.out


def test_a_suite_finds_its_data_where_the_environment_says(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FER_GYM_DATA", str(tmp_path))
    assert benchmark._default_root(suites.SUITES["rlps-table5"]) is None
    (tmp_path / "fer2013.zip").touch()
    assert benchmark._default_root(suites.SUITES["rlps-table5"]) == tmp_path / "fer2013.zip"
    assert benchmark._default_root(suites.SUITES["quick"]) is None


def test_the_help_has_every_suite_and_table():
    assert tuple(suites.SUITES) == benchmark.SUITES
    assert tuple(papers.TABLES) == benchmark.TABLES


def test_report_of_a_suite_that_is_not_ours(tmp_path: Path):
    plan = {"arms": {"walk": ["keep all", "random", "learner"]}, "seeds": [0, 1, 2, 3]}
    small_records.write(tmp_path, *({**record, "plan": plan} for record in small_records.walks()))
    (tmp_path / "records" / "walk__learner__3.json").write_text('{"format": 1, "sui')
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("suite small: 11 of 12 trials, ")
    assert lines[1:] == [f"wrote {tmp_path / name}" for name in ("report.html", "report.md", "tables.csv")]
    skipped, missing = result.stderr.splitlines()
    assert skipped.startswith(f"fer-gym: skipped {tmp_path / 'records' / 'walk__learner__3.json'}: not a record")
    assert missing == "fer-gym: no record of walk, learner, seed 3"
    assert (tmp_path / "records" / "walk__learner__3.json").read_text() == '{"format": 1, "sui'


def test_report_without_records_is_one_clear_line(tmp_path: Path):
    result = CliRunner().invoke(app, ["report", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "no records (nothing is there); fer-gym benchmark --out" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_train_saves_an_agent_that_loads(tmp_path: Path):
    from fer_gym_agents import Reinforce

    arguments = ["train", "ImageSelect-v0", "--agent", "reinforce", "--episodes", "2", "--out", str(tmp_path / "agent")]
    arguments += ["-e", "limit=40", "-e", "pretrain_epochs=0", "-s", "pretrain_episodes=1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "episode 2/2: reward" in result.output
    assert Reinforce.load(tmp_path / "agent").num_timesteps == 80


def test_settings_that_are_no_literals_are_texts() -> None:
    pairs = ["a=1", "b=x y", "c={[1]: 2}", f"d={'-' * 100_000}1", "e=(0.5, 'f')", "g=h=i"]
    expected = {"a": 1, "b": "x y", "c": "{[1]: 2}", "d": f"{'-' * 100_000}1", "e": (0.5, "f"), "g": "h=i"}
    assert settings_of(pairs) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["benchmark", "--suite", "slow"], "suite: 'slow' is unknown; use one of quick"),
        (["train", "--agent", "nobody"], "agent: 'nobody' is unknown"),
        (["train", "-e", "reward=praise"], "reward: 'praise' is unknown"),
        (["train", "-e", "limit"], "'limit' is not allowed; use KEY=VALUE"),
        (["train", "-e", "limits=3"], "environment 'ImageSelect-v0': it got an unexpected keyword argument 'limits'"),
        (["train", "-s", "limits=3"], "take these settings: got an unexpected keyword argument 'limits'"),
        (["train", ":ImageSelect-v0"], "environment ':ImageSelect-v0': there is no module's name before the colon"),
        (["train", "--out", ""], "out: it has no name"),
        (["train", "--out", "x" * 240], "cannot be written to (File name too long); choose another --out"),
        (["train", "RegTune-v0", "--agent", "reinforce"], "Reinforce needs Discrete(2)"),
        (["train", "RegTune-v0", "-s", "temperature=2"], "agent: 'ppo' does not take these settings"),
        (["train", "RegTune-v0", "-e", "chunks=0"], "chunks: 0 is not allowed"),
        (["train", "NoSuchEnv-v0"], "environment 'NoSuchEnv-v0' is unknown"),
        (["train", "Image Select"], "environment 'Image Select': Malformed environment ID"),
        (["train", "nobodys:Env-v0"], "environment 'nobodys:Env-v0': there is no module 'nobodys'"),
        (["train", "--agent", "builtins:dict"], "agent: 'builtins:dict' makes a dict, which has no method `learn`"),
        (["train", "-s", "learning_rate=abc"], "agent: 'reinforce' cannot be built with learning_rate='abc' ("),
        (["train", "-s", "ent_coef=abc"], "ent_coef: 'abc' is not allowed; use a finite number in [0, inf)"),
        (["train", "-s", "n_epochs=0"], "n_epochs: 0 is not allowed"),
        (["train", "-s", "batch_size=-5"], "batch_size: -5 is not allowed"),
        (["train", "-s", "pretrain_episodes=-1"], "pretrain_episodes: -1 is not allowed"),
        (["train", "-e", "dataset=fer2013", "-e", "root=~nosuchuser/x"], "~nosuchuser/x"),
        (["train", "--seed", "-1"], "--seed"),
        (["benchmark", "--minutes", "nan"], "minutes: nan is not allowed; use a finite number in (0, inf)"),
        (["benchmark", "--minutes", "-3"], "minutes: -3.0 is not allowed"),
        (
            ["benchmark", "--seeds", "-1"],
            "seeds: '-1' is not allowed; use whole numbers such as 0,1,2, or 'tuning'; each once",
        ),
        (["benchmark", "--seeds", "1,1"], "seeds: '1,1' is not allowed"),
        (["benchmark", "--launcher", "slurm"], "launcher: 'slurm' is unknown; use local or ray"),
        (["benchmark", "--launcher", "ray", "--workers", "2"], "workers: Ray decides how many trials run at once"),
        (["benchmark", "--launcher", "ray", "--gpus", "1.5"], "gpus: 1.5 is not allowed; use a share of one, or whole"),
        (["benchmark", "--gpus", "1"], "gpus: it is what a trial asks Ray for; add --launcher ray"),
        (["score", "ImageSelect-Flips-v0", "--agent", "ppo", "--seeds", "x"], "seeds: 'x' is not allowed"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "train" and "RegTune-v0" not in arguments:
        arguments = [*arguments, "-e", "limit=30", "-e", "pretrain_epochs=0"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not any(tmp_path.rglob("*.checkpoint"))


def test_a_folder_in_the_reports_place_is_found_at_once(tmp_path: Path):
    (tmp_path / "report.html").mkdir()
    result = CliRunner().invoke(app, ["benchmark", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "report.html: a folder is in the report's place; move it away, or choose another --out" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["train", "-e", "limit=30", "-e", "pretrain_epochs=0"], ["benchmark"]])
def test_an_output_that_cannot_be_written_is_found_at_once(command, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2
    assert re.search(r"cannot be written to \((Not a directory|it is no folder)\); choose another --out", result.stderr)
    assert result.stdout == ""
