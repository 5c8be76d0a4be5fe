"""Which commit a record names."""

import subprocess
from pathlib import Path

import pytest
import tiny_data

from fer_gym.benchmark.run import provenance
from fer_gym.training import VERSION, Trainer, TrainerSettings


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    author = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    (tmp_path / "package.py").write_text("first = 1\n")
    for command in (("init", "-q"), ("add", "package.py"), (*author, "commit", "-q", "-m", "first")):
        subprocess.run(("git", "-C", str(tmp_path), *command), check=True)
    provenance.commit.cache_clear()
    return tmp_path


def test_the_commit_of_a_checkout(checkout: Path) -> None:
    head = subprocess.run(("git", "-C", str(checkout), "rev-parse", "HEAD"), capture_output=True, text=True, check=True)
    assert provenance.commit(checkout) == head.stdout.strip()
    (checkout / "results").mkdir()
    (checkout / "package.py").write_text("second = 2\n")
    provenance.commit.cache_clear()
    assert provenance.commit(checkout) == f"{head.stdout.strip()}+dirty"


def test_an_installed_package_is_no_checkout(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    installed = checkout / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    assert provenance.commit(installed) == "unknown"  # the commit is that of something else
    assert provenance.commit(tmp_path_factory.mktemp("no checkout")) == "unknown"


def test_without_git_it_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.commit(checkout) == "unknown"


def test_versions_and_machine_are_whole() -> None:
    versions = provenance.versions()
    assert versions["training"] == str(VERSION)
    assert set(versions) == {"fer-gym", "training", "commit", "torch", "gymnasium", "numpy"}
    trainer = Trainer(tiny_data.splits(9), TrainerSettings(precision="fp32", device="cpu"))
    machine = provenance.machine(trainer)
    assert (machine["device"], machine["precision"]) == ("cpu", "fp32")
    assert machine["threads"] >= 1
