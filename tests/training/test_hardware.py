"""What the trainer asks of the machine: here of the C library's allocator."""

import os
import platform
import subprocess
import sys

import pytest

# A training step's allocations: some large tensors at once, then all of them freed. The first rounds need new pages.
_FAULTS_IN_FIVE_STEPS = """
import resource
import torch
from fer_gym.training import hardware

def step():
    tensors = [torch.ones(12 * 2**20, dtype=torch.uint8) for _ in range(8)]

hardware.keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_freed_tensors_are_not_faulted_in_again_unless_the_user_says_so() -> None:
    """Five steps of 96 MiB are 122,880 pages of 4 KiB; where pages are larger, there are fewer."""

    def faults(**settings: str) -> int:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
        command = [sys.executable, "-c", _FAULTS_IN_FIVE_STEPS]
        run = subprocess.run(command, env=plain | settings, capture_output=True, text=True, check=True)
        return int(run.stdout)

    assert faults() * 10 < faults(MALLOC_TRIM_THRESHOLD_="131072")
