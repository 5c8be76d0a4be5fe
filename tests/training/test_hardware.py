"""What the trainer asks of the machine: here of the C library's allocator."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fer_gym.training import hardware

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


def test_what_is_launched_side_by_side_waits_for_what_was_before_and_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The streams are played: no work waits for another, whatever the device would make of them."""
    events: list[tuple[str, ...]] = []

    class Stream:
        def __init__(self, name: str) -> None:
            self.name = name

        def wait_stream(self, other: "Stream") -> None:
            events.append((self.name, "waits for", other.name))

        def __enter__(self) -> None:
            events.append((self.name, "begins"))

        def __exit__(self, *_: object) -> None:
            events.append((self.name, "ends"))

    main = Stream("main")
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(hardware, "_side_stream", lambda device, number: Stream(f"side {number}"))
    works = [lambda name=name: events.append((name,)) for name in ("first", "second")]
    hardware.side_by_side(works, torch.device("cuda"))
    assert events == [
        ("side 0", "waits for", "main"),
        ("side 0", "begins"),
        ("first",),
        ("side 0", "ends"),
        ("side 1", "waits for", "main"),
        ("side 1", "begins"),
        ("second",),
        ("side 1", "ends"),
        ("main", "waits for", "side 0"),
        ("main", "waits for", "side 1"),
    ]


_THREADS_OF_A_WORKER = """
import multiprocessing, os, sys
import torch

def count(queue, given):
    if given:
        torch.set_num_threads(given)
    from fer_gym.training import hardware
    hardware._DEFAULT_THREADS = 4  # of a machine with four cores
    if not given:
        torch.set_num_threads(4)
    hardware.one_thread_in_a_worker()
    queue.put(torch.get_num_threads())

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    worker = context.Process(target=count, args=(queue, int(sys.argv[1])), daemon=sys.argv[2] == "daemon")
    worker.start()
    print(queue.get())
    worker.join()
"""


@pytest.mark.parametrize(
    ("given", "process", "environment", "threads"),
    [(0, "daemon", {}, 1), (0, "own", {}, 4), (3, "daemon", {}, 3), (0, "daemon", {"OMP_NUM_THREADS": "4"}, 4)],
    ids=["a worker", "no worker", "set by a call", "set by a variable"],
)
def test_the_threads_of_a_worker(
    given: int, process: str, environment: dict[str, str], threads: int, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(_THREADS_OF_A_WORKER)
    known = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, str(script), str(given), process]
    done = subprocess.run(command, capture_output=True, text=True, env=known | environment, timeout=120)
    assert done.stdout.split() == [str(threads)], done.stderr
