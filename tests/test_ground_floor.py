"""The ground floor: checks of keywords, pictures of arrays, progress."""

import errno
import math
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from fer_gym import files
from fer_gym.checks import check_choice, check_count, check_flag, check_number, check_options
from fer_gym.errors import UsageError
from fer_gym.pictures import to_picture
from fer_gym.progress import progress


@pytest.mark.parametrize(
    ("value", "allowed"),
    [(0, "[0, 1]"), (1.0, "[0, 1]"), (np.float32(0.5), "(0, 1)"), (-3, "(-inf, inf)"), (1e300, "(0, inf)")],
)
def test_numbers_that_are_allowed(value: object, allowed: str) -> None:
    check_number("rate", value, allowed)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (1.0, "[0, 1)"),
        (0, "(0, inf)"),
        (-0.1, "[0, 1]"),
        (True, "[0, 1]"),
        ("0.5", "[0, 1]"),
        (None, "[0, 1]"),
        (math.nan, "(-inf, inf)"),
        (math.inf, "(-inf, inf)"),
    ],
)
def test_numbers_that_are_not_allowed(value: object, allowed: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_number("rate", value, allowed)
    where = "" if allowed == "(-inf, inf)" else f" in {allowed}"
    assert str(raised.value) == f"rate: {value!r} is not allowed; use a finite number{where}"


@pytest.mark.skipif(os.name != "posix", reason="has no umask")
def test_a_file_is_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with files.written_whole(tmp_path / "new") as file:
            file.write(b"all of it")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, order = tmp_path / "file", []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: order.append("sync") or sync(handle))
    monkeypatch.setattr(os, "replace", lambda one, other: order.append("rename") or replace(one, other))
    with files.written_whole(path) as file:
        file.write(b"old")
    assert order[:2] == ["sync", "rename"]  # content, then its name: a power cut leaves old or new
    monkeypatch.setattr(os, "fsync", lambda handle: 1 / 0)
    with pytest.raises(ZeroDivisionError), files.written_whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"somebody's")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with files.written_whole(tmp_path / "link") as file:
        file.write(b"ours")
    assert (tmp_path / "elsewhere").read_bytes() == b"somebody's"
    assert (tmp_path / "link").read_bytes() == b"ours"


def test_whole_numbers() -> None:
    check_count("chunks", np.int64(3), least=3)
    for value in (2, 3.0, True, "3", None):
        with pytest.raises(UsageError, match=r"chunks: .* is not allowed; use a whole number of at least 3"):
            check_count("chunks", value, least=3)


def test_choices_flags_and_options() -> None:
    check_choice("mode", None, (None, "human"))
    check_flag("shuffle", np.True_)
    check_options({"freeze": True}, allowed=("freeze",))
    with pytest.raises(UsageError, match=r"mode: 'ansi' is unknown; use None, 'human' or a callable"):
        check_choice("mode", "ansi", (None, "human"), or_else="a callable")
    with pytest.raises(UsageError, match="shuffle: 'false' is not allowed; use True or False"):
        check_flag("shuffle", "false")
    with pytest.raises(UsageError, match="options: 'frezee' is unknown; use 'freeze'"):
        check_options({"frezee": True}, allowed=("freeze",))
    with pytest.raises(UsageError, match="options: 'freeze' is unknown; use none"):
        check_options({"freeze": True}, allowed=())


def test_pictures() -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (1, 5, 7), dtype=np.uint8), rng.integers(0, 256, (3, 5, 7), dtype=np.uint8)
    assert np.array_equal(np.asarray(to_picture(grey)), grey[0])
    assert np.array_equal(np.asarray(to_picture(colour)), colour.transpose(1, 2, 0))


def test_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("decoding [b]fa\x1bces[/b]", 1_200, 3) as bar:
        bar.say("cannot open [/data/faces]")
        bar.advance()
    begun, said, ended = capsys.readouterr().err.splitlines()
    assert begun == "fer-gym: decoding [b]fa\\x1bces[/b] (1,200)"
    assert said == "cannot open [/data/faces]"
    assert ended.startswith("fer-gym: decoding [b]fa\\x1bces[/b] took ")


def test_progress_on_a_terminal_takes_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress("the suite [/x]", 4, done=1) as bar:
        bar.say("cannot open [/data/faces]")
        bar.advance()
    shown = capsys.readouterr().err
    assert "2/4" in shown
    assert "cannot open [/data/faces]" in shown


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with files.held(tmp_path / "running"), files.held(tmp_path / "running"):
        pass


def test_young_leftovers_stay(tmp_path: Path) -> None:
    left = tmp_path / ".x-1-ab.part"
    left.touch()
    files.remove_unfinished(tmp_path, 3600)
    assert left.exists()
    os.utime(left, (0, 0))
    files.remove_unfinished(tmp_path, 3600)
    assert not left.exists()


def test_what_is_no_file_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="no regular file"):
        files.size_of(tmp_path / "link")
