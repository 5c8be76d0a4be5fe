"""A bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress(name: str, total: int, done: int = 0) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Show on standard error how far long work is.

    Args:
        name: what the bar is called until something is said.
        total: pieces of work.
        done: those that an earlier run did.

    Yields:
        A function that says a line, beside the bar or, without a terminal, by itself; and one that counts a piece.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield (lambda text: console.print(text, highlight=False, soft_wrap=True)), (lambda: None)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # What is printed meanwhile goes above the bar, unless it goes to a file or a pipe.
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(name, total=total, completed=done)
        yield (lambda text: bar.update(task, description=text)), (lambda: bar.advance(task))
