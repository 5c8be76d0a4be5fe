"""The command line as a whole: its groups of commands, and what they have in common."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import fer_gym
from fer_gym.cli import agents, benchmark, data, errors, tasks, train


class _CommandLine(TyperGroup):
    """Ends a failed command with one line and an exit status."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take --debug after the command as well, where it is added to the line that failed."""
        if "--debug" in args:
            args = ["--debug", *(each for each in args if each != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:  # in a command that has nothing to say of it
            print("\nfer-gym: stopped", file=sys.stderr)
            raise typer.Exit(errors.INTERRUPTED) from None
        except Exception as error:
            if hasattr(error, "exit_code"):  # Typer's own: a wrong option, or an exit that a command asked for
                raise
            raise typer.Exit(errors.report(error, debug=ctx.params["debug"])) from error


app = typer.Typer(
    cls=_CommandLine,
    help="Facial expression recognition as Gymnasium tasks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _say_version(asked: bool) -> None:
    if asked:
        print(f"fer-gym {fer_gym.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback of an error; also taken after the command.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Facial expression recognition as Gymnasium tasks."""


app.add_typer(data.app, name="data")
app.add_typer(tasks.app, name="tasks")
app.add_typer(agents.app, name="agents")
app.command()(tasks.score)
app.command()(train.train)
app.command()(benchmark.benchmark)
app.command()(benchmark.reproduce)
app.command()(benchmark.report)
