"""What a user can put right is one line and status 2, a bug one line and status 1, and --debug shows the traceback."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fer_gym.cli import commands
from fer_gym.cli.commands import app
from fer_gym.errors import DatasetError

TRAIN = ["train", "-e", "limit=30", "-e", "pretrain_epochs=0"]


class Numpys:
    """An agent with a bug whose exception is a ValueError of NumPy's."""

    def __init__(self, env, seed):
        self.env = env

    def learn(self, total_timesteps):
        np.zeros(3).reshape(2, 2)

    def save(self, path):
        raise NotImplementedError


def raised(monkeypatch, error: Exception, *arguments: str):
    """The result of `fer-gym data ls` when it raises."""

    def fails() -> None:
        raise error

    monkeypatch.setattr(commands.data, "DATASETS", type("Failing", (), {"items": lambda self: fails()})())
    return CliRunner().invoke(app, [*arguments])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DatasetError("faces.zip: not a\nwhole zip file"), "fer-gym: faces.zip: not a whole zip file\n"),
        (DatasetError("\x1b[31mred\x07: no"), "fer-gym: \\x1b[31mred\\x07: no\n"),
        (FileNotFoundError(2, "No such file", "sheet.png"), "fer-gym: [Errno 2] No such file: 'sheet.png'\n"),
        (
            ModuleNotFoundError("No module named 'scipy.stats'", name="scipy.stats"),
            "fer-gym: this command needs scipy.stats: pip install 'fer-gym[benchmark]'\n",
        ),
    ],
)
def test_what_a_user_can_put_right(error, line, monkeypatch):
    result = raised(monkeypatch, error, "data", "ls")
    assert (result.exit_code, result.stderr) == (2, line)
    debugged = raised(monkeypatch, error, "--debug", "data", "ls")
    assert debugged.exit_code == 2
    assert debugged.stderr.startswith("Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TypeError("2 + 'a'\nand more"), "TypeError: 2 + 'a' ("),
        (ValueError("cannot reshape"), "ValueError: cannot reshape ("),
        (AssertionError(), "AssertionError ("),
        (OSError("no file is named"), "OSError: no file is named ("),
        (ModuleNotFoundError("No module named 'mine'", name="mine"), "ModuleNotFoundError: No module named 'mine' ("),
    ],
)
def test_a_bug_is_one_line_that_says_where(error, line, monkeypatch):
    result = raised(monkeypatch, error, "data", "ls")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fer-gym: a bug, here or in an agent: {line}{__file__}, line ")
    assert result.stderr.endswith("; --debug shows the whole traceback\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--debug", "data", "ls"], ["data", "--debug", "ls"], ["data", "ls", "--debug"]])
def test_the_whole_traceback(arguments, monkeypatch):
    result = raised(monkeypatch, TypeError("2 + 'a'"), *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "in list_datasets" in result.stderr
    assert result.stderr.endswith("TypeError: 2 + 'a'\n")


def test_an_agents_value_error_is_its_bug(tmp_path: Path):
    result = CliRunner().invoke(app, [*TRAIN, "--agent", f"{__name__}:Numpys", "--out", str(tmp_path / "agent")])
    assert result.exit_code == 1
    assert "fer-gym: a bug, here or in an agent: ValueError: cannot reshape array" in result.stderr
    assert f"{__file__}, line " in result.stderr


def test_a_wrong_option_is_typers():
    result = CliRunner().invoke(app, ["data", "inspect", "synthetic", "--limit", "few"])
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert "fer-gym: " not in result.stderr


def test_the_list_of_data_sets_needs_neither_pytorch_nor_matplotlib():
    code = (
        "import sys; sys.argv = ['fer-gym', 'data', 'ls']; from fer_gym.cli.main import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'matplotlib', 'scipy', 'sklearn'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("synthetic")
