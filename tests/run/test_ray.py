"""The launcher of Ray: the same records, whatever dies, and one line for what cannot be."""

import contextlib
import functools
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_records
import tiny_data
from toml_suites import FER_GYM, suite

from fer_gym.benchmark.run import launchers, runner
from fer_gym.benchmark.spec.tasks import Arm, SelectionTask, Suite
from fer_gym.errors import UsageError

pytest.importorskip("ray")
from ray.cluster_utils import Cluster

ENV = {"dataset": tiny_data.splits(30), "pretrain_epochs": 0, "precision": "fp32"}
ONE_THREAD = functools.partial(launchers.side_by_side, workers=os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray on this machine, whatever cluster the shell knows, with these tests' modules on its path."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def walks(*arms: Arm, seeds: tuple[int, ...] = (0,)) -> Suite:
    return Suite("test", (SelectionTask("walk", arms, ENV, 1, 1),), seeds)


def test_the_same_records(tmp_path: Path) -> None:
    one, broken = Arm("one", "random", {"keep_ratio": 0.5}), Arm("broken", "no_such_module:Agent")
    several = walks(one, Arm("other", "random", keep_ratio_of="one"), broken)
    here, failed_here = runner.run(several, tmp_path / "here", None, resume=False, launch=ONE_THREAD)
    done, failed = runner.run(several, tmp_path / "ray", None, resume=False, launch=launchers.on_ray)
    assert list(map(small_records.comparable, done)) == list(map(small_records.comparable, here))
    assert failed == failed_here


def test_a_killed_process_costs_nothing(tmp_path: Path) -> None:
    arms = Arm("killed", "hanging:KilledOnce", {"folder": str(tmp_path)}), Arm("all", "keep_all")
    done, failed = runner.run(walks(*arms), tmp_path / "out", None, resume=False, launch=launchers.on_ray)
    assert failed == {}
    assert done[0]["scores"] == done[1]["scores"]


def test_one_that_is_always_killed_costs_its_own_trial(tmp_path: Path) -> None:
    arms = Arm("killed", "hanging:Killed"), Arm("all", "keep_all")
    done, failed = runner.run(walks(*arms), tmp_path / "out", None, resume=False, launch=launchers.on_ray)
    assert [record["arm"] for record in done] == ["all"]
    assert failed == {"walk, killed, seed 0": "its process was killed, as the system does when memory runs out"}


@contextlib.contextmanager
def two_nodes() -> Iterator[tuple[Cluster, Any]]:
    """A cluster of two nodes with a core each, and the one that may die."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield cluster, cluster.add_node(num_cpus=1)
    finally:
        cluster.shutdown()


def test_a_killed_node_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = walks(Arm("slow", "hanging:SlowAtFirst", {"folder": str(tmp_path)}), seeds=(0, 1, 2))
    with two_nodes() as (cluster, node):
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)

        def kill() -> None:
            while not (tmp_path / f"began-{node.node_id}").exists():
                time.sleep(0.1)
            cluster.remove_node(node, allow_graceful=False)
            (tmp_path / "killed").touch()

        killer = threading.Thread(target=kill)
        killer.start()
        done, failed = runner.run(slow, tmp_path / "out", None, resume=False, launch=launchers.on_ray)
        killer.join()
    assert failed == {}
    assert [record["seed"] for record in done] == [0, 1, 2]


def test_an_address_where_nothing_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for form in (address, f"ray://{address}"):
        monkeypatch.setenv("RAY_ADDRESS", form)
        with pytest.raises(UsageError, match=f"RAY_ADDRESS: nothing answers at {form}: .*refused"):
            runner.run(walks(Arm("all", "keep_all")), tmp_path, None, resume=False, launch=launchers.on_ray)


def test_more_gpus_than_a_node_has(tmp_path: Path) -> None:
    launch = functools.partial(launchers.on_ray, gpus=99.0)
    with pytest.raises(UsageError, match=r"gpus: 99 are more than the \d+ of any node"):
        runner.run(walks(Arm("all", "keep_all")), tmp_path, None, resume=False, launch=launch)


def test_a_relative_folder_is_the_caller_s(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(suite(("bandit", "bandit")))
    command = [*FER_GYM, "benchmark", "--suite", "suite.toml", "--out", "out", "--seeds", "0", "--launcher", "ray"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out" / "agents").iterdir())
