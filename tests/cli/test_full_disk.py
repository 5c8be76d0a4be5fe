"""What a file system of 3 MB does to a command: one line for each thing that finds no room, and nothing is lost."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toml_suites import FER_GYM, suite

# Mounts the file system in a namespace of its own, and leaves so many kilobytes of it.
_MOUNTED = 'mount -t tmpfs -o size=3m tmpfs "$0" && head -c $((3072 - $1))k /dev/zero > "$0/full" && shift && exec "$@"'
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
WALK = ["-e", "limit=60", "-e", "pretrain_epochs=1", "-e", "batch_size=16", "-s", "pretrain_episodes=1"]
TRAIN = ["train", "ImageSelect-v0", "--agent", "reinforce", "--episodes", "2", "--out", "out/agent", *WALK]
BENCHMARK = ["benchmark", "--suite", "suite.toml", "--out", "out", "--workers", "2"]


def _can_mount() -> bool:
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    mount = [*_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return subprocess.run(mount, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _can_mount(), reason="a file system cannot be mounted here")


def run(folder: Path, small: str, left: int, command: list[str]) -> tuple[int, str, str]:
    """Run `fer-gym` where one folder is on a small file system; its status, output and errors.

    Args:
        folder: the working directory.
        small: the folder below it that is small.
        left: kilobytes that are free in it.
        command: `fer-gym`'s arguments.
    """
    (folder / small).mkdir()
    (folder / "tmp").mkdir()
    (folder / "suite.toml").write_text(suite(("keep all", "keep_all"), ("learner", "reinforce")))
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    if small == "cache":
        environment["FER_GYM_CACHE"] = str(folder / "cache")
    done = subprocess.run(
        [*_NAMESPACE, "bash", "-c", _MOUNTED, str(folder / small), str(left), *FER_GYM, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_cache_without_room_costs_warnings(tmp_path: Path) -> None:
    status, _, err = run(tmp_path, "cache", 100, TRAIN)
    assert (status, "Traceback" in err) == (0, False)
    assert (tmp_path / "out/agent.zip").exists()
    warnings = [line for line in err.splitlines() if "not cached" in line]
    assert len(warnings) == 4  # three parts of the data set, and the network
    for line in warnings[:3]:
        assert re.match(r"the data set is not cached, .*; set FER_GYM_CACHE to another folder", line)
    assert re.match(r"the pretrained network is not cached: .*No space left on device", warnings[3])
    assert not any(path.is_file() for path in (tmp_path / "tmp").rglob("*"))


def test_an_output_that_is_full_is_found_before_training(tmp_path: Path) -> None:
    assert run(tmp_path, "out", 0, TRAIN) == (
        2,
        "",
        "fer-gym: out: cannot be written to (No space left on device); choose another --out\n",
    )


def test_an_agent_that_finds_no_room_is_elsewhere(tmp_path: Path) -> None:
    status, out, err = run(tmp_path, "out", 500, TRAIN)
    assert (status, out.count("episode ")) == (2, 2)
    said = [line for line in err.splitlines() if "No space" in line]
    assert len(said) == 3  # two checkpoints and the agent
    assert Path(said[-1].rpartition("it is in ")[2]).stat().st_size > 100_000


def test_a_record_that_finds_no_room_is_elsewhere(tmp_path: Path) -> None:
    status, _, err = run(tmp_path, "out", 8, BENCHMARK)
    assert (status, "Traceback" in err) == (2, False)
    (said,) = re.findall("cannot be written .*; the record is in (.*): when out/records can be", err)
    assert {path.suffix for path in Path(said).iterdir()} == {".json", ".npz"}


def test_an_agent_of_a_benchmark_costs_its_own_trial(tmp_path: Path) -> None:
    # One after the other: an agent that is being written can take the room of another trial's record for a moment.
    status, _, err = run(tmp_path, "out", 150, [*BENCHMARK[:-1], "1"])
    assert (status, "Traceback" in err) == (1, False)
    said = [line for line in err.splitlines() if line.startswith("fer-gym: faces, learner, seed ")]
    assert len(said) == 2
    assert all("the agent cannot be written (No space left on device); mend that" in line for line in said)


def test_a_picture_that_finds_no_room(tmp_path: Path) -> None:
    status, _, err = run(tmp_path, "sheets", 0, ["data", "inspect", "synthetic", "--out", "sheets/faces.png"])
    assert status == 2
    assert err.endswith("fer-gym: [Errno 28] No space left on device: 'sheets/faces.png'\n")
