"""The command line: `fer-gym data`, `train`, `benchmark` and `report`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; without its libraries, say which extra brings them."""
    # Where `--agent module:Name` may be. Last, so that no file there hides a library's module of its name.
    sys.path.append(os.getcwd())
    try:
        from fer_gym.cli.commands import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "fer_gym":
            raise
        sys.exit(f"fer-gym: the command line needs {error.name}: pip install 'fer-gym[benchmark]'")
    app()
