"""The working directory is on the path while `module:Name` is imported, and at no other time."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from toml_suites import FER_GYM, suite

from fer_gym import imports

EXECUTED = "open('executed.txt', 'w').write('executed')\n"
AGENT = """
import helper_of_mine
from fer_gym_agents import KeepAll

class Mine(KeepAll):
    assert helper_of_mine.NUMBER == 3
"""
SUITE = suite(("mine", "agent_of_mine:Mine"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    """A working directory with an agent, its sibling, and a file that has the name of a module that libraries probe."""
    (tmp_path / "pyarrow.py").write_text(EXECUTED)
    (tmp_path / "helper_of_mine.py").write_text("NUMBER = 3\n")
    (tmp_path / "agent_of_mine.py").write_text(AGENT)
    (tmp_path / "mine.toml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    # As the installed program has it: its own folder in place of the working directory.
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    return tmp_path


def fer_gym(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*FER_GYM, *arguments], capture_output=True, text=True)


def test_a_file_in_the_working_directory_is_not_executed(here: Path):
    # Pandas, which scikit-learn imports, probes pyarrow.
    for arguments in (["data", "ls"], ["benchmark", "--suite", "nobody's"], ["report", "nowhere"]):
        done = fer_gym(*arguments)
        assert done.returncode == (0 if arguments == ["data", "ls"] else 2), done.stderr
    assert not (here / "executed.txt").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_agent_in_the_working_directory(here: Path, workers: str):
    done = fer_gym("benchmark", "--suite", "mine.toml", "--out", "out", "--workers", workers)
    assert done.returncode == 0, done.stderr
    assert len(list((here / "out" / "records").glob("*.json"))) == 2
    assert not (here / "executed.txt").exists()


def test_an_exception_of_its_own(here: Path):
    """The class is known where the agent ran, and nowhere else."""
    raising = "\n    def learn(self, *args, **keywords):\n        raise OwnError('mine')\n"
    Path("agent_of_mine.py").write_text(AGENT + raising + "\nclass OwnError(Exception):\n    pass\n")
    done = fer_gym("benchmark", "--suite", "mine.toml", "--out", "out", "--workers", "2")
    assert done.returncode == 1, done.stderr
    assert "OwnError: mine" in done.stderr
    logs = sorted((here / "out" / "records").glob("*.log"))
    assert len(logs) == 2
    assert "raise OwnError('mine')" in logs[0].read_text()


def test_what_is_found_and_where(here: Path):
    before = list(sys.path)
    try:
        mine = imports.find("agent_of_mine:Mine")
        assert pickle.loads(pickle.dumps(mine)) is mine
        assert imports.find("agent_of_mine:Mine.__name__") == "Mine"
        with pytest.raises(ModuleNotFoundError):
            imports.find("nobody_of_mine:Mine")
        with pytest.raises(AttributeError):
            imports.find("agent_of_mine:Yours")
        assert sys.path == before
        assert str(here) not in before
    finally:
        for name in ("agent_of_mine", "helper_of_mine"):
            sys.modules.pop(name, None)


def test_no_file_hides_an_installed_module(here: Path):
    Path("numpy.py").write_text(EXECUTED)
    assert imports.find("numpy:ndarray").__module__ == "numpy"
    assert os.listdir(here).count("executed.txt") == 0
