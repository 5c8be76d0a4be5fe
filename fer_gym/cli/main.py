"""The program `fer-gym`."""

from __future__ import annotations

import signal
import sys

from fer_gym.cli import errors


def main() -> None:
    """Run the command line; without its libraries, say which extra brings them.

    SIGTERM and SIGHUP stop a command as Ctrl-C does: it says how to go on, and its workers end. The exit status is 128
    and the signal's number.
    """
    received: list[int] = []

    def stop(number: int, frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP; `nohup` has it ignored
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
    try:
        from fer_gym.cli.commands import app

        app()
    except ModuleNotFoundError as error:
        sys.exit(errors.report(error, debug="--debug" in sys.argv))
    except KeyboardInterrupt:  # while modules were imported
        print("\nfer-gym: stopped", file=sys.stderr)
        sys.exit(128 + received[0] if received else errors.INTERRUPTED)
    except SystemExit as end:
        if received and end.code == errors.INTERRUPTED:
            sys.exit(128 + received[0])
        raise
