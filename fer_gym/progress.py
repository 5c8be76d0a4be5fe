"""How far long work is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def printable(text: str) -> str:
    r"""Text for a terminal: control characters other than line ends are escaped as in Python, ESC as \x1b.

    Names of classes, arms and files come from files, and a terminal obeys the escape sequences in them.
    """
    return "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else repr(c)[1:-1] for c in text)


class Progress:
    """How far the work is, on standard error.

    Args:
        bar: rich's, and its task's number; None without a terminal or without rich.
    """

    def __init__(self, bar: tuple[Any, Any] | None = None) -> None:
        self._bar = bar

    def say(self, text: str) -> None:
        """Show a line beside the bar, or by itself; brackets in it are no markup."""
        text = printable(text)
        if self._bar is None:
            print(text, file=sys.stderr, flush=True)
            return
        from rich.markup import escape

        bar, task = self._bar
        bar.update(task, description=escape(text))

    def advance(self) -> None:
        """Count one piece of work as done."""
        if self._bar is not None:
            bar, task = self._bar
            bar.advance(task)


@contextmanager
def progress(name: str, total: int, done: int = 0) -> Iterator[Progress]:
    """Show how far long work is.

    Args:
        name: of the work, such as "decoding fer2013.zip".
        total: pieces of work.
        done: those that an earlier run did.

    Yields:
        A `Progress`.
    """
    name = printable(name)
    if sys.stderr.isatty():
        try:
            from rich.console import Console
            from rich.markup import escape
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar
        except ImportError:
            pass
        else:
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            # What is printed meanwhile goes above the bar, unless standard output is a file or a pipe.
            bar = Bar(
                *columns,
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                redirect_stdout=sys.stdout.isatty(),
            )
            with bar:
                yield Progress((bar, bar.add_task(escape(name), total=total, completed=done)))
            return
    print(f"fer-gym: {name} ({total:,})", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield Progress()
    print(f"fer-gym: {name} took {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
