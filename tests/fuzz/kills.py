"""Kill training runs and benchmarks at random, and go on: `make kills`, or `python tests/fuzz/kills.py --kills 10`.

By SIGKILL, by SIGTERM, and as a power cut would, at a random renaming of a file: before it, with half of the new file
lost, or after it. Each run is then resumed to its end, which must be that of a run that nothing stopped: the agent's
weights, every record and array. Nothing may be left running, and no half-written file.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from processes import running
from toml_suites import FER_GYM, suite

WALK = ["-e", "limit=60", "-e", "pretrain_epochs=1", "-e", "batch_size=16", "-s", "pretrain_episodes=1"]
TRAIN = ["train", "ImageSelect-v0", "--agent", "reinforce", "--episodes", "6", "--out", "out/agent", *WALK]
BENCHMARK = ["benchmark", "--suite", "suite.toml", "--out", "out", "--workers", "2"]

# `fer-gym`, which dies at the renaming of the given number; odd numbers before it.
_CUT = """
import os, signal, sys
left, rename = int(sys.argv.pop(1)), os.replace
def cut(source, target):
    global left
    left -= 1
    if left <= 0:
        if left % 2:
            rename(source, target)
        else:
            os.truncate(source, os.path.getsize(source) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
os.replace = cut
from fer_gym.cli.main import main
main()
"""


def outcome(folder: Path) -> dict[str, Any]:
    """All that a run has made, but for the time that it took."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "out").rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            record = json.loads(path.read_text())
            found[name] = {key: value for key, value in record.items() if key != "seconds"}
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                found |= {f"{name}/{array}": arrays[array].tobytes() for array in arrays}
        elif zipfile.is_zipfile(path):
            # An agent. Stable-Baselines3's member "data" has the time at which it began to learn.
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.namelist() if member != "data"]
                found |= {f"{name}/{member}": archive.read(member) for member in members}
        elif path.is_file() and path.suffix not in (".html", ".md", ".csv"):
            found[name] = path.read_bytes()
    return found


def begun(command: list[str], folder: Path, cut: int | None = None) -> subprocess.Popen[bytes]:
    """A run in a new folder, or one that goes on in its own."""
    folder.mkdir(exist_ok=True)
    (folder / "suite.toml").write_text(suite(("keep all", "keep_all"), ("learner", "reinforce")))
    program = FER_GYM if cut is None else [sys.executable, "-c", _CUT, str(cut)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([*program, *command], cwd=folder, stdout=log, stderr=log)


def strike(command: list[str], folder: Path, seconds: float, draw: random.Random) -> str:
    """Begin a run and kill it; how."""
    kind = draw.choice(("SIGKILL", "SIGTERM", "power"))
    if kind == "power":
        begun(command, folder, draw.randint(1, 8)).wait()
        return kind
    process = begun(command, folder)
    time.sleep(draw.uniform(0.3, 1.0) * seconds)
    process.send_signal(getattr(signal, kind))
    process.wait()
    return kind


def wait_until(done: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it is done within so long."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    return done()


def main() -> None:
    """Count the kills that left something else than an undisturbed run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    draw = random.Random(0)
    wrong = 0
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        os.environ["FER_GYM_CACHE"] = str(Path(name) / "cache")
        whole = {}
        for job, command in (("train", TRAIN), ("benchmark", BENCHMARK)):
            begun(command, Path(name) / "warm").wait()  # draws the faces, which are cached
            shutil.rmtree(Path(name) / "warm")
            start = time.monotonic()
            begun(command, Path(name) / job).wait()
            whole[job] = command, outcome(Path(name) / job), time.monotonic() - start
        for number in range(parser.parse_args().kills):
            job = ("train", "benchmark")[number % 2]
            command, expected, seconds = whole[job]
            folder = Path(name) / f"{job}{number}"
            kind = strike(command, folder, seconds, draw)
            faults = [] if wait_until(lambda folder=folder: not running(folder)) else ["something is left running"]
            finished = job == "train" and not (folder / "out/agent.checkpoint").exists() and outcome(folder) == expected
            status = 0 if finished else begun([*command, "--resume"], folder).wait()
            if status:
                faults.append(f"the resumed run ended with {status}: {(folder / 'log').read_text()[-500:]}")
            if (found := outcome(folder)) != expected:
                differ = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
                faults.append(f"other ends: {', '.join(differ)}")
            counts[f"{job} {kind}"] = counts.get(f"{job} {kind}", 0) + 1
            print(f"{number + 1}: {job}, {kind}: {'; '.join(faults) or 'the same bits'}", flush=True)
            wrong += bool(faults)
            shutil.rmtree(folder)
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())), f"; {wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
