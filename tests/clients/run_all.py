"""Try the libraries that RL researchers use, each from the package index into an environment of its own.

Every client_*.py has a function for a cell of the table: an environment, one or several, and the library's own worker
processes. A cell runs in a process of its own, which may take five minutes. The table, with versions, is written to
docs/results/clients.md.

Run: python tests/clients/run_all.py [LIBRARY ...]
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv" / "clients"
RESULTS = ROOT / "docs" / "results" / "clients.md"
COLUMNS = {
    "image_select": "ImageSelect-v0",
    "image_select_vector": "several",
    "reg_tune": "RegTune-v0",
    "reg_tune_vector": "several",
    "workers": "worker processes",
}
SECONDS = 300


@dataclass(frozen=True)
class Client:
    """A library, or several that go together.

    Attributes:
        packages: whose versions the table shows.
        extra: of fer-gym, in the brackets of its name.
        needs: what pip installs beside the packages.
        lacks: why a cell is empty.
        title: what the table says before the versions.
    """

    packages: tuple[str, ...]
    extra: str = ""
    needs: tuple[str, ...] = ()
    lacks: str = ""
    title: str = ""


CLIENTS = {
    "gymnasium": Client(("gymnasium",)),
    "stable_baselines3": Client(("stable-baselines3", "sb3-contrib"), "[agents]"),
    "cleanrl": Client(("gymnasium",), title="a loop in CleanRL's manner", lacks="its files have no worker processes"),
    # It imports requests, and does not ask for it.
    "rl_zoo3": Client(
        ("rl-zoo3",), "[agents]", ("requests",), lacks="its worker processes are Stable-Baselines3's, see there"
    ),
    "tianshou": Client(("tianshou",)),
    "torchrl": Client(("torchrl",)),
    "rllib": Client(("ray",), "[ray]", ("ray[rllib]", "pytest", "hypothesis")),  # tests/run/test_ray.py runs there too
    "minari": Client(("minari",), needs=("minari[create]", "h5py"), lacks="it records single environments"),
    "trackers": Client(
        ("wandb", "mlflow", "optuna", "hydra-core"), "[agents]", ("tensorboard",), lacks="they start no environments"
    ),
}


def main(names: list[str]) -> int:
    """Run the clients of these names, or all; returns 1 if a cell failed. Only all of them write the table."""
    rows, failed = [], 0
    for name in names or list(CLIENTS):
        client = CLIENTS[name]
        python = _installed(name, client)
        source = (Path(__file__).parent / f"client_{name}.py").read_text()
        offered = set(re.findall(r"^def (\w+)", source, re.MULTILINE))
        cells = []
        for column in COLUMNS:
            cell = _cell(python, f"client_{name}", column) if column in offered else f"none: {client.lacks}"
            print(f"{name} {column}: {cell}", flush=True)
            failed += cell.startswith("failed")
            cells.append(cell)
        rows.append([_versions(python, client), *cells])
    table = _markdown([["library", *COLUMNS.values()], *rows])
    print(table)
    if not names:
        versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("fer-gym", "torch"))
        RESULTS.write_text(f"{table}\n\nWith {versions}, Python {sys.version.split()[0]}.\n", encoding="utf-8")
    return int(failed > 0)


def _installed(name: str, client: Client) -> Path:
    """The Python of the client's environment, which is made when it is not there."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        torch = ENVIRONMENTS / "torch.txt"  # the one pin: clients bring the versions that they were made for
        torch.write_text(re.search(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[0])
        wanted = ["-e", f"{ROOT}{client.extra}", *client.packages, *client.needs]
        subprocess.run([python, "-m", "pip", "install", "-q", "-c", torch, *wanted], check=True)
        done.touch()
    return python


def _cell(python: Path, client: str, column: str) -> str:
    """ "ok", or the last line of its error."""
    command = [python, "one_cell.py", client, column]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"failed: no end after {SECONDS} s"
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return f"failed: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}"
    return "ok"


def _versions(python: Path, client: Client) -> str:
    code = f"from importlib.metadata import version\nfor name in {client.packages}: print(name, version(name))"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    versions = ", ".join(done.stdout.splitlines())
    return f"{client.title} ({versions})" if client.title else versions


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
