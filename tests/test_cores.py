"""How many cores a process may use, by its affinity and by files like those of Linux's control groups."""

import os
from pathlib import Path

import pytest

from fer_gym import cores
from fer_gym.benchmark.run import launchers


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


def _usable(tmp_path: Path, proc: str) -> int:
    (tmp_path / "cgroup").write_text(proc)
    return cores.usable_cores(tmp_path / "cgroup", tmp_path / "sys")


def test_the_affinity_counts_not_the_machine(tmp_path: Path) -> None:
    assert _usable(tmp_path, "") == 8
    assert cores.usable_cores(tmp_path / "none", tmp_path) == 8


def test_without_affinity_the_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert _usable(tmp_path, "") == 64


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("max 100000", 8), ("9900000 100000", 8)],
)
def test_the_quota_of_version_2(tmp_path: Path, quota: str, expected: int) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys" / "cpu.max").write_text(quota)
    assert _usable(tmp_path, "0::/\n") == expected


def test_a_group_above_limits_too(tmp_path: Path) -> None:
    for folder, quota in (("user/job", "max 100000"), ("user", "300000 100000")):
        (tmp_path / "sys" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / folder / "cpu.max").write_text(quota)
    assert _usable(tmp_path, "0::/user/job\n") == 3


@pytest.mark.parametrize(("quota", "expected"), [("400000", 4), ("-1", 8)])
def test_the_quota_of_version_1(tmp_path: Path, quota: str, expected: int) -> None:
    folder = tmp_path / "sys" / "cpu,cpuacct" / "docker"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text("100000")
    assert _usable(tmp_path, "5:memory:/docker\n4:cpu,cpuacct:/docker\n") == expected


def test_workers_share_the_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    began = []
    monkeypatch.setattr(launchers, "usable_cores", lambda: 6)
    monkeypatch.setattr(launchers, "_Process", began.append)
    with pytest.raises(AttributeError):  # what was made is no process
        list(launchers.side_by_side(None, [None, None], {}, print, workers=2))
    assert began == [3, 3]
