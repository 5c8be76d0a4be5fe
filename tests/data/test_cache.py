import errno
import multiprocessing
import os
import platform
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fer_gym import DatasetError
from fer_gym.data import cache


def build_seven(directory: Path) -> None:
    np.save(directory / "numbers.npy", np.arange(7))


def fail(directory: Path) -> None:
    raise AssertionError("built again")


def test_built_once_then_mapped(empty_cache: Path) -> None:
    first = cache.cached("test", {"a": 1}, build_seven)
    again = cache.cached("test", {"a": 1}, fail)
    for arrays in (first, again):
        assert list(arrays) == ["numbers"]
        assert arrays["numbers"].tolist() == list(range(7))
        assert isinstance(arrays["numbers"].base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            arrays["numbers"][0] = 1
    assert len(list(empty_cache.iterdir())) == 1


def test_every_key_and_name_has_its_entry(empty_cache: Path) -> None:
    for name, key in (("test", {"a": 1}), ("test", {"a": 2}), ("other", {"a": 1})):
        cache.cached(name, key, build_seven)
    assert len(list(empty_cache.iterdir())) == 3
    with pytest.raises(AssertionError, match="built again"):
        cache.cached("test", {"a": 1, "b": 0}, fail)


@pytest.mark.parametrize("error", [DatasetError, OSError, KeyboardInterrupt, SystemExit])
def test_failed_build_leaves_nothing(empty_cache: Path, error: type[BaseException]) -> None:
    def build(directory: Path) -> None:
        build_seven(directory)
        raise error("stop")

    with pytest.raises(error, match="stop"):
        cache.cached("test", {}, build)
    assert list(empty_cache.iterdir()) == []
    assert cache.cached("test", {}, build_seven)["numbers"].tolist() == list(range(7))


def test_folder_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_GYM_CACHE", "~/mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cache.folder() == tmp_path / "mine"
    monkeypatch.delenv("FER_GYM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "fer-gym"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == tmp_path / ".cache" / "fer-gym"


def test_folder_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FER_GYM_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        array = cache.cached("test", {}, build_seven)["numbers"]
        assert array.tolist() == list(range(7))
        assert not array.flags.writeable
    message = f"cannot write to the cache folder {tmp_path / 'file'} (File exists); set FER_GYM_CACHE"
    assert caplog.text.count(message) == 2


def full(code: int, times: list[int]):
    """A build that finds the disk full, so many times."""

    def build(directory: Path) -> None:
        build_seven(directory)
        if times[0]:
            times[0] -= 1
            raise OSError(code, os.strerror(code))

    return build


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_costs_a_warning(code: int, empty_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cache.cached("test", {}, full(code, [1]))["numbers"].tolist() == list(range(7))
    assert list(empty_cache.iterdir()) == []
    assert f"cannot write to the cache folder {empty_cache} ({os.strerror(code)})" in caplog.text
    with pytest.raises(DatasetError, match=r"nor to .* set FER_GYM_CACHE to a folder with room"):
        cache.cached("test", {}, full(code, [2]))
    assert list(empty_cache.iterdir()) == []


@pytest.mark.parametrize(
    "message",
    ["8064000 requested and 3145600 written", "Not enough free space to write 66145536 bytes"],
)
def test_numpys_words_for_a_full_disk(message: str, empty_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    times = [1]

    def build(directory: Path) -> None:
        build_seven(directory)
        if times[0]:
            times[0] -= 1
            raise OSError(message)

    assert cache.cached("test", {}, build)["numbers"].tolist() == list(range(7))
    assert f"cannot write to the cache folder {empty_cache} ({message})" in caplog.text


def test_a_changed_label_is_found_at_each_use(empty_cache: Path) -> None:
    cache.cached("test", {}, build_seven)
    (path,) = empty_cache.glob("*/numbers.npy")
    content = bytearray(path.read_bytes())
    for position in (20, len(content) - 8):
        content[position] ^= 1
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"numbers\.npy does not match its checksum.*delete this folder"):
            cache.cached("test", {}, fail)


@pytest.mark.skipif(os.name != "posix", reason="has no umask")
def test_others_may_read_what_the_umask_lets_them(empty_cache: Path) -> None:
    before = os.umask(0o022)
    try:
        cache.cached("test", {}, build_seven)
    finally:
        os.umask(before)
    (entry,) = empty_cache.iterdir()
    assert stat.S_IMODE(entry.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in entry.iterdir()} == {0o644}


def test_damaged_entry_is_named(empty_cache: Path) -> None:
    cache.cached("test", {}, build_seven)
    (entry,) = empty_cache.iterdir()
    (entry / "numbers.npy").write_bytes(b"")
    with pytest.raises(DatasetError, match="delete this folder") as error:
        cache.cached("test", {}, fail)
    assert str(entry) in str(error.value)


def test_an_entry_that_lost_a_file_is_named(empty_cache: Path) -> None:
    cache.cached("test", {}, build_seven)
    (entry,) = empty_cache.iterdir()
    (entry / "numbers.npy").unlink()
    with pytest.raises(DatasetError, match=r"damaged cache entry .*numbers\.npy.*delete this folder"):
        cache.cached("test", {}, fail)


def build_slowly(directory: Path) -> None:
    np.save(directory / "pid.npy", np.array([os.getpid()]))
    time.sleep(0.5)


def one_of_two(barrier: multiprocessing.Barrier, answers: multiprocessing.Queue) -> None:
    barrier.wait()
    answers.put(int(cache.cached("test", {}, build_slowly)["pid"][0]))


def test_two_processes_at_once_agree(empty_cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=one_of_two, args=(barrier, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    pids = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert pids[0] == pids[1]
    assert pids[0] in [process.pid for process in processes]
    assert len(list(empty_cache.iterdir())) == 1


def test_entry_that_appears_meanwhile_is_used(empty_cache: Path) -> None:
    """What the slower of two builders sees."""

    def build(directory: Path) -> None:
        cache.cached("test", {}, build_seven)
        np.save(directory / "numbers.npy", np.arange(3))

    assert cache.cached("test", {}, build)["numbers"].tolist() == list(range(7))
    assert len(list(empty_cache.iterdir())) == 1


def test_killed_builder_is_cleaned_up(empty_cache: Path) -> None:
    script = (
        "import os, signal\n"
        "from fer_gym.data import cache\n"
        "cache.cached('test', {}, lambda directory: os.kill(os.getpid(), signal.SIGKILL))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode != 0
    (left,) = empty_cache.iterdir()
    foreign = empty_cache / ".building-another-host-1-abc"
    foreign.mkdir()
    stray = empty_cache / ".building-x"
    stray.mkdir()
    another_container = empty_cache / f".building-{platform.node()}-12345-999999-abc"
    another_container.mkdir()
    old = empty_cache / ".building-another-host-2-abc"
    old.mkdir()
    os.utime(old, (0, 0))
    cache.cached("test", {}, build_seven)
    assert not left.exists()
    assert not old.exists()
    # It may be at work still, on the machine that shares this folder.
    assert foreign.exists()
    assert another_container.exists()
    assert stray.exists()


def test_keys_of_files_and_folders_follow_every_change(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("22")
    seen = [cache.file_key(one), cache.file_key(two)]
    os.utime(one, ns=(0, 123))
    seen.append(cache.file_key(one))
    listings = [["one"], ["two"], ["one", "two"]]
    seen += [cache.folder_key(tmp_path, listing) for listing in listings]
    os.utime(two, ns=(0, 456))
    seen.append(cache.folder_key(tmp_path, ["one", "two"]))
    assert cache.folder_key(tmp_path, ["one", "two"]) == seen[-1]
    assert all(seen.count(key) == 1 for key in seen)
