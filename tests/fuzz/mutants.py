"""Change the code of rewards, metrics, noise, credits and statistics, one place at a time: `make mutants`.

By mutmut, in a copy of the repository. A mutant is killed when a test fails. Those that survive are printed: of some no
test can fail, since they compute the same.
"""

import ast
import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What is changed, with the tests that run it.
MODULES = {
    "fer_gym/training/metrics.py": ["tests/training/test_metrics.py"],
    "fer_gym/data/noise.py": ["tests/data/test_noise.py"],
    "fer_gym/envs/image_select/rewards.py": [
        "tests/envs/image_select/test_image_rewards.py",
        "tests/envs/image_select/test_vector_image_select.py",
    ],
    "fer_gym/envs/reg_tune/rewards.py": ["tests/envs/reg_tune/test_reg_tune.py"],
    "fer_gym/benchmark/report/statistics.py": ["tests/report/test_statistics.py", "tests/report/test_ranking.py"],
    "fer_gym_agents/sb3/credit.py": ["tests/agents/sb3/test_credit.py", "tests/agents/sb3/test_credit_algorithms.py"],
}
_NO_TEST = 33  # mutmut's number for it


def run(folder: Path, modules: list[str]) -> None:
    """Have mutmut change some modules in a copy of the repository."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "results", "_build", "mutants"))
    (folder / "agents/fer_gym_agents").rename(folder / "fer_gym_agents")  # it names modules by their folders
    tests = [test for module in modules for test in MODULES[module]]
    settings = {
        "source_paths": ["fer_gym", "fer_gym_agents"],
        "only_mutate": modules,
        "also_copy": ["fer_gym", "fer_gym_agents", "examples"],
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": tests,
    }
    with (folder / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    (folder / "mutants").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(folder / "mutants"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "1"], cwd=folder, env=environment)


def summary(folder: Path, module: str) -> tuple[int, int, list[str]]:
    """How many mutants of a module were killed, of how many, and those that were not."""
    changed = folder / "mutants" / module
    statuses = json.loads(changed.with_name(f"{changed.name}.meta").read_text())["exit_code_by_key"]
    lines = changed.read_text().splitlines()
    functions = {
        node.name: lines[node.lineno - 1 : node.end_lineno]
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, ast.FunctionDef)
    }
    left = []
    for key, status in statuses.items():
        if status in (0, None, _NO_TEST):
            name = key.rpartition(".")[2]
            function = name.partition("__mutmut_")[0]
            changes = difflib.unified_diff(functions[f"{function}__mutmut_orig"], functions[name], lineterm="", n=0)
            places = [
                line
                for line in changes
                if line[0] in "+-" and "__mutmut_" not in line and line[1:3] not in ("++", "--")
            ]
            what = " no test" if status == _NO_TEST else ""
            left.append("\n    ".join([f"{module}, {name}:{what}", *places]))
    return len(statuses) - len(left), len(statuses), left


def main() -> None:
    """Change the modules that are named, by default all, and print a table and what survived."""
    modules = sys.argv[1:] or list(MODULES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "copy"
        run(folder, modules)
        found = {module: summary(folder, module) for module in modules}
    print("| module | mutants | killed |\n|---|---|---|")
    for module, (killed, of, _) in found.items():
        print(f"| {module} | {of:,} | {killed:,}, {100 * killed / of:.1f} % |")
    print(*(survivor for *_, left in found.values() for survivor in left), sep="\n")


if __name__ == "__main__":
    main()
