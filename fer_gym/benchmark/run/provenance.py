"""Which code and which machine a trial ran with."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import fer_gym
from fer_gym.training import VERSION, Trainer

#: For what is not known.
UNKNOWN = "unknown"

_PACKAGES = ("fer-gym", "torch", "gymnasium", "numpy")


def versions() -> dict[str, str]:
    """The versions of the packages, of the training code, and the commit of this package's checkout."""
    return {
        **{name: version(name) for name in _PACKAGES},
        "training": str(VERSION),
        "commit": commit(Path(fer_gym.__file__).parents[1]),
    }


@functools.cache
def commit(folder: Path) -> str:
    """The git commit of a checkout, with "+dirty" if a file that git tracks was changed; "unknown" if it is none.

    Args:
        folder: the checkout's own folder; one inside a checkout, such as an environment's site-packages, is none.
    """

    def git(*command: str) -> str:
        return subprocess.run(
            ("git", "-C", str(folder), *command), capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return UNKNOWN
        dirty = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+dirty" if dirty else "")
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN


def machine(trainer: Trainer) -> dict[str, Any]:
    """The processor, and what a trainer's "auto" came to: device, precision; and PyTorch's threads."""
    return {
        "processor": _processor(),
        "device": str(trainer.device),
        "precision": "bf16" if trainer.bf16 else "fp32",
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    """The processor's name where Linux says it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
