"""What is released: wheel and source distribution, built twice, and used where nothing but the core is installed."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
# What a working folder has and a clone has not.
NOT_IN_A_CLONE = shutil.ignore_patterns(".venv*", ".git", ".*_cache", ".hypothesis", "__pycache__", "_build", "results")


def built(source: Path, into: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution of a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(into)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("release")
    shutil.copytree(ROOT, folder / "clone", ignore=NOT_IN_A_CLONE)
    return built(folder / "clone", folder / "dist")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_build_is_reproducible_from_the_source_distribution(release: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, sdist = release
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    again = built(tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "dist")
    assert [digest(path) for path in again] == [digest(wheel), digest(sdist)]


def test_the_source_distribution_is_small(release: tuple[Path, Path]) -> None:
    _, sdist = release
    assert sdist.stat().st_size < 1_000_000


def test_the_page_on_an_index_has_no_link_into_the_repository(release: tuple[Path, Path]) -> None:
    wheel, _ = release
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        page = archive.read(name).decode()
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert "https://gymnasium.farama.org" in links
    assert [link for link in links if not link.startswith("https://")] == []
    assert "docs/results.md" in page  # as words
    assert "![" not in page
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```.*?```", readme, re.DOTALL):
        assert block in page


def of_the_core(into: Path) -> None:
    """Link what the core needs, of the distributions that are installed, into a folder."""
    waiting, done = ["fer-gym"], set()
    while waiting:
        name = waiting.pop()
        done.add(name)
        distribution = metadata.distribution(name)
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.name not in done and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
                waiting.append(requirement.name)
        if name == "fer-gym":
            continue
        for top in {path.parts[0] for path in distribution.files or []} - {"..", "__pycache__"}:
            place = into / top
            if not place.exists():
                place.symlink_to(str(distribution.locate_file(top)))


def test_the_wheel_and_the_core_run_the_readme(release: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, _ = release
    into = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(into), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    of_the_core(into)
    first = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]

    def python(code: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(into), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-S", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    done = python(first)
    assert done.returncode == 0, done.stderr
    assert re.search(r"kept \d+% of the images, reward -?\d", done.stdout)
    assert python("import fer_gym; print(fer_gym.__file__)").stdout.strip() == str(into / "fer_gym/__init__.py")
    for code, extra in (
        ("import fer_gym_agents", "agents"),
        ("from fer_gym.cli.main import main; main()", "benchmark"),
        ("import fer_gym.benchmark", "benchmark"),
    ):
        assert f"pip install 'fer-gym[{extra}]'" in python(code).stderr
