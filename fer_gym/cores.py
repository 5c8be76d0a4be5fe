"""How many cores this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def usable_cores(proc: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> int:
    """The cores of this process: those of its affinity mask, or fewer where a control group limits its time.

    Args:
        proc: Linux's list of the control groups that the process is in.
        mounted: where their files are.

    Returns:
        At least 1; a quota of 1.5 cores counts as 1.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, int(min([cores, *_quotas(proc, mounted)])))


def _quotas(proc: Path, mounted: Path) -> Iterator[float]:
    """The limits, in cores, of the process's control groups and of those above them."""
    try:
        lines = proc.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)  # version 2 has one line and names no controllers
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = mounted / controllers if controllers else mounted
        path = PurePosixPath(group.lstrip("/"))
        # In a container the group's path is the host's, and its files are at the root.
        for above in (path, *path.parents):
            yield from _quota(root / above)


def _quota(folder: Path) -> Iterator[float]:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
    except (OSError, ValueError):
        return
