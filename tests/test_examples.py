"""The examples run, and the Python of the README and the documentation is theirs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fer_gym.cli.commands import app

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> list[str]:
    shells = re.findall(r"```(?:sh|bash)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = "".join(shells).replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0] for line in lines if line.startswith("fer-gym ") and "--help" not in line]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda path: path.stem)
def test_a_page_shows_commands_that_are_understood(page: Path) -> None:
    for line in commands(page):
        words = shlex.split(line)[1:]
        command, name = typer.main.get_command(app), "fer-gym"
        while True:  # a wrong name, option or type raises
            context = command.make_context(name, list(words), resilient_parsing=False)
            if not isinstance(command, typer.core.TyperGroup):
                break
            name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])


def test_the_readme_has_python() -> None:
    assert len(python_blocks(ROOT / "README.md")) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_shows_lines_of_the_examples(page: Path) -> None:
    for block in python_blocks(page):
        assert any(block in example.read_text(encoding="utf-8") for example in EXAMPLES), block


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_includes_examples_that_exist(page: Path) -> None:
    for name in re.findall(r"examples/(\w+\.py)", page.read_text(encoding="utf-8")):
        assert ROOT / "examples" / name in EXAMPLES


# This one scores an agent in a whole task, which takes minutes; test_tasks.py scores it in a small one.
@pytest.mark.parametrize(
    "example", [each for each in EXAMPLES if each.stem != "clean_loop"], ids=lambda path: path.stem
)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip(), "an example shows something"
    assert list(tmp_path.iterdir()) == [], "an example leaves nothing behind"
