"""Who imports whom: nothing upwards, no circle, and few imports between the wings of a package."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GROUND = ("checks", "progress", "pictures", "files", "imports")
#: A module may import from the rooms of lower numbers and from its own.
LEVELS = {
    "errors": -1,
    **dict.fromkeys(GROUND, 0),
    "data": 1,
    "description": 2,
    "training": 3,
    "envs": 4,
    "agents": 5,
    "episodes": 5,
}
LEVELS |= {"tasks": 6, "train": 7, "benchmark": 7, "cli": 8}


def _modules() -> dict[str, Path]:
    """Every module of both packages, by name."""
    found = {}
    for top in (ROOT / "fer_gym", ROOT / "agents" / "fer_gym_agents"):
        for path in top.rglob("*.py"):
            parts = path.relative_to(top.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _named(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """What a file imports: modules, and names from modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((str(node.module), alias.name) for alias in node.names)


def _imports() -> set[tuple[str, str]]:
    """Pairs of modules, the first of which imports from the second; others than ours by their top package."""
    pairs = set()
    for name, path in MODULES.items():
        for module, attribute in _named(ast.parse(path.read_text(encoding="utf-8"))):
            target = f"{module}.{attribute}"
            pairs.add(
                (name, target if target in MODULES else module if module in MODULES else module.partition(".")[0])
            )
    return pairs


IMPORTS = _imports()


def _part(module: str, package: str) -> str | None:
    """The part of a package that a module is in: a sub-package, or the module itself."""
    return module.removeprefix(f"{package}.").partition(".")[0] if module.startswith(f"{package}.") else None


def _between(package: str, left_out: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    """The imports from one part of a package to another."""
    pairs = set()
    for source, target in IMPORTS:
        ends = _part(source, package), _part(target, package)
        if None not in ends and ends[0] != ends[1] and not {*ends} & {*left_out}:
            pairs.add((source, target))
    return pairs


def _assert_no_circle(pairs: set[tuple[str, str]]) -> None:
    graph: dict[str, set[str]] = {}
    for source, target in pairs:
        graph.setdefault(source, set()).add(target)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_nothing_imports_upwards() -> None:
    assert {_part(name, "fer_gym") for name in MODULES} - {None} <= LEVELS.keys(), "a room without a level"
    upwards = []
    for source, target in IMPORTS:
        above, below = _part(source, "fer_gym"), _part(target, "fer_gym")
        if above and below and above != below and LEVELS[above] <= LEVELS[below]:
            upwards.append(f"{source} imports {target}")
    assert upwards == []


def test_the_package_knows_no_library_of_reinforcement_learning() -> None:
    libraries = {"stable_baselines3", "sb3_contrib", "fer_gym_agents"}
    assert [pair for pair in IMPORTS if pair[0].startswith("fer_gym.") and pair[1].partition(".")[0] in libraries] == []


def test_no_module_is_in_a_circle() -> None:
    _assert_no_circle({(source, target) for source, target in IMPORTS if target in MODULES and source != target})


@pytest.mark.parametrize(
    ("package", "left_out", "most"),
    # What stands on all wings, or below all of them, is left out.
    [("fer_gym.benchmark", ("scoring",), 16), ("fer_gym_agents", ("base",), 8)],
)
def test_the_wings_import_little_from_each_other(package: str, left_out: tuple[str, ...], most: int) -> None:
    between = _between(package, left_out)
    assert between
    assert len(between) <= most, "\n".join(sorted(f"{source} imports {target}" for source, target in between))
    _assert_no_circle({(str(_part(source, package)), str(_part(target, package))) for source, target in between})


def test_reports_know_records_and_running_draws_nothing() -> None:
    pairs = {(_part(source, "fer_gym.benchmark"), _part(target, "fer_gym.benchmark")) for source, target in IMPORTS}
    assert {"run", "spec"} & {target for source, target in pairs if source == "records"} == set()
    assert ("report", "run") not in pairs
    assert ("run", "report") not in pairs
    spec = {target for source, target in _between("fer_gym.benchmark") if source.startswith("fer_gym.benchmark.report")}
    assert {target for target in spec if ".spec" in target} == {"fer_gym.benchmark.spec.papers"}
