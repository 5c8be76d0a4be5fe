"""The processes that a command has left."""

import os
from pathlib import Path


def running(folder: Path) -> list[str]:
    """The command lines of the processes that have this working directory; Linux."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if os.readlink(process / "cwd") == str(folder) and "State:\tZ" not in (process / "status").read_text():
                found.append((process / "cmdline").read_text())
        except OSError:  # no process, or it has ended
            continue
    return found
