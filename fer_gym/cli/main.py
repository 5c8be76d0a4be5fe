"""The program `fer-gym`."""

from __future__ import annotations

import sys

from fer_gym.cli import errors


def main() -> None:
    """Run the command line; without its libraries, say which extra brings them."""
    try:
        from fer_gym.cli.commands import app
    except ModuleNotFoundError as error:
        sys.exit(errors.report(error, debug="--debug" in sys.argv))
    app()
