"""The ground floor: checks of keywords, pictures of arrays, progress."""

import math
import sys

import numpy as np
import pytest

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
    with progress("decoding [b]faces[/b]", 1_200, 3) as bar:
        bar.say("cannot open [/data/faces]")
        bar.advance()
    begun, said, ended = capsys.readouterr().err.splitlines()
    assert begun == "fer-gym: decoding [b]faces[/b] (1,200)"
    assert said == "cannot open [/data/faces]"
    assert ended.startswith("fer-gym: decoding [b]faces[/b] took ")


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
