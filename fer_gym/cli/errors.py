"""What the command line says when a command fails, and its exit status."""

from __future__ import annotations

import signal
import sys
import traceback

from fer_gym.errors import UsageError
from fer_gym.progress import printable

#: Exit status for what a user can put right: a wrong value, a file that is not there, an extra that is not installed.
MISTAKE = 2
#: Exit status for any other exception.
BUG = 1
#: Exit status of a command that Ctrl-C stopped.
INTERRUPTED = 128 + signal.SIGINT

# What the commands import of the extra `benchmark`.
_EXTRA = {"jinja2", "matplotlib", "rich", "scipy", "sklearn", "typer"}


def report(error: Exception, *, debug: bool) -> int:
    """Print one line on standard error, or the whole traceback.

    Args:
        error: what a command has raised.
        debug: whether to print the traceback.

    Returns:
        The exit status.
    """
    mistake = _mistake(error)
    if debug:
        traceback.print_exception(error)
    else:
        print(f"fer-gym: {printable(' '.join((mistake or _bug(error)).splitlines()))}", file=sys.stderr)
    return MISTAKE if mistake else BUG


def _mistake(error: Exception) -> str | None:
    """What a user can put right, in words; None if the exception is a bug."""
    if isinstance(error, UsageError) or (isinstance(error, OSError) and error.filename is not None):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in _EXTRA:
        return f"this command needs {error.name}: pip install 'fer-gym[benchmark]'"
    return None


def _bug(error: Exception) -> str:
    what = "".join(traceback.format_exception_only(error)).strip().partition("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f" ({ours[-1].filename}, line {ours[-1].lineno})" if ours else ""
    return f"a bug, here or in an agent: {what}{place}; --debug shows the whole traceback"
