"""Run every bench_*.py of this folder and print one table: what, against what, ratio, target.

A benchmark prints a line for each thing that it measures, the four separated by " | ". Its other lines pass through.

Run: python tests/benchmarks/run_all.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import rich.box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def main() -> int:
    """Print each benchmark's lines as they come, then the table; returns 1 if a benchmark failed."""
    table = Table("what", "against what", "ratio", "target", box=rich.box.SIMPLE)
    failed = []
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"-- {script.name}", flush=True)
        with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                cells = line.strip().split(" | ")
                if len(cells) == 4:
                    table.add_row(*map(escape, [*cells[:3], cells[3].removeprefix("target ")]))
        if process.returncode:
            failed.append(script.name)
    Console().print(table)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
