"""A suite of one's own, from a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from fer_gym import files
from fer_gym.benchmark.spec.suites import SUITES
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite, Task
from fer_gym.checks import LARGEST_SEED, check_count, check_number
from fer_gym.errors import UsageError

_MOST_BYTES = 1 << 20
# The time and memory that a key of n dotted parts takes grow with n squared.
_MOST_DOTS = 1000
_NUMBER = (int, float)
_TASKS: dict[str, type[SelectionTask] | type[RegTuneTask]] = {
    kind.env_id: kind for kind in (SelectionTask, RegTuneTask)
}
# What every system takes as part of a file's name.
_NAME = re.compile(r'\w[^/\\:*?"<>|\x00-\x1f]{,99}')


def read(path: Path) -> Suite:
    """Read a suite.

    A file has `seeds`, and for each `[[tasks]]` an `env_id`, the fields of `SelectionTask` or `RegTuneTask`, and its
    `[[tasks.arms]]` with those of `Arm`. Its name is that of the suite, unless it has a `name`.

    Raises:
        ValueError: if it cannot be read; the message names the file, the key and what is allowed.
    """
    try:
        if files.size_of(path) > _MOST_BYTES:
            raise UsageError(f"more than {_MOST_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8")
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            raise UsageError(f"a line with more than {_MOST_DOTS:,} dots")
        content = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: it cannot be read as TOML ({error})") from error
    try:
        return _suite(content, path.stem)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _suite(content: dict[str, Any], name: str) -> Suite:
    suite = _built(Suite, {"name": name, **content}, "the suite")
    if not suite.seeds:
        raise UsageError("seeds: [] is not allowed; use whole numbers such as [0, 1, 2]")
    for seed in suite.seeds:
        check_count("seeds", seed, least=0, most=LARGEST_SEED)
    _refuse_twice(list(suite.seeds), "seeds: seed")
    if suite.name in SUITES:
        raise UsageError(f"name: {suite.name!r} is a suite of the package; use another")
    tasks = tuple(_task(table, f"tasks[{place}]") for place, table in enumerate(_tables(suite.tasks, "tasks")))
    _refuse_twice([task.name for task in tasks], "tasks: the name")
    # Names are parts of the records' names, where a space is a hyphen, and some systems take A for a.
    stems = [f"{task.name}__{arm.name}".replace(" ", "-").lower() for task in tasks for arm in task.arms]
    _refuse_twice(stems, "tasks: two arms would share their records; the name")
    return Suite(suite.name, tasks, tuple(suite.seeds))


def _task(table: dict[str, Any], where: str) -> Task:
    env_id = table.pop("env_id", None)
    if env_id not in _TASKS:
        raise UsageError(f"{where}.env_id: {env_id!r} is unknown; use one of {', '.join(_TASKS)}")
    task = _built(_TASKS[env_id], table, where)
    _check_name(task.name, where)
    _check_env(task.env, where)
    for key in ("episodes", "children"):
        check_count(f"{where}.{key}", getattr(task, key, 1), least=1)
    arms = tuple(
        _built(Arm, arm, f"{where}.arms[{place}]") for place, arm in enumerate(_tables(task.arms, f"{where}.arms"))
    )
    _refuse_twice([arm.name for arm in arms], f"{where}.arms: the name")
    before: list[str] = []
    for place, arm in enumerate(arms):
        _check_name(arm.name, f"{where}.arms[{place}]")
        _check_env(arm.env, f"{where}.arms[{place}]")
        if arm.keep_ratio_of not in (None, *before):
            raise UsageError(f"{where}.arms: {arm.name!r} follows {arm.keep_ratio_of!r}, which is no arm before it")
        before.append(arm.name)
    changed: dict[str, Any] = {"arms": arms}
    if isinstance(task, SelectionTask):
        changed["removal"] = _shares(task.removal, f"{where}.removal")
    made: Task = replace(task, **changed)
    return made


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{where}.name: {name!r} is not allowed in a file's name; begin with a letter or digit, and "
            'leave out / \\ : * ? " < > |'
        )


def _check_env(env: Mapping[str, Any], where: str) -> None:
    for key, instead in {"data_seed": "which is the trial's seed", "root": "for which the command has --root"}.items():
        if key in env:
            raise UsageError(f"{where}.env.{key}: it is not allowed, {instead}; leave it out")


def _shares(found: Sequence[Any], where: str) -> tuple[float, ...]:
    for share in found:
        check_number(where, share, "(0, 1)")
    return tuple(map(float, found))


def _built(kind: Callable[..., Any], table: dict[str, Any], where: str) -> Any:
    """A dataclass from a table that has its fields and no other key, each of the right type."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key, found in table.items():
        if key not in known:
            raise UsageError(f"{where}.{key}: there is no such key; use {', '.join(known)}")
        expected = _expected(str(known[key].type))
        if not isinstance(found, expected) or isinstance(found, bool):
            raise UsageError(f"{where}.{key}: {found!r} is not allowed; expected {_in_words(expected)}")
    for key, field in known.items():
        if key not in table and field.default is MISSING and field.default_factory is MISSING:
            raise UsageError(f"{where}.{key}: it is missing")
    try:
        return kind(**table)
    except UsageError as error:
        raise UsageError(f"{where}.{error}") from error


def _expected(annotation: str) -> type | tuple[type, ...]:
    """What TOML has for a field's type."""
    if annotation.startswith("tuple"):
        return list
    if annotation.startswith("Mapping"):
        return Mapping
    if annotation == "float":
        return _NUMBER
    return int if annotation == "int" else str


def _in_words(kind: type | tuple[type, ...]) -> str:
    return {list: "a list", int: "a whole number", _NUMBER: "a number", str: "text"}.get(kind, "a table")


def _tables(found: Any, where: str) -> list[dict[str, Any]]:
    if not found or not all(isinstance(table, dict) for table in found):
        raise UsageError(f"{where}: expected [[{where}]] tables, at least one")
    return [dict(table) for table in found]


def _refuse_twice(names: Sequence[str | int], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{what} {name!r} occurs twice")
