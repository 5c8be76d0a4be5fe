"""The commands themselves, built on Typer."""

from __future__ import annotations

import ast
import dataclasses
import functools
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from fer_gym.benchmark.report import page as report
from fer_gym.benchmark.run import launchers, runner
from fer_gym.benchmark.run.launchers import Launcher
from fer_gym.benchmark.spec import papers
from fer_gym.benchmark.spec import toml as own_suite
from fer_gym.benchmark.spec.suites import SUITES
from fer_gym.benchmark.spec.tasks import TUNING_SEEDS, Suite
from fer_gym.cli import data as cli_data
from fer_gym.cli.data import errors
from fer_gym.errors import UsageError
from fer_gym.train import run as training

app = typer.Typer(
    help="Facial expression recognition as Gymnasium tasks.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(cli_data.app, name="data")


_Workers = Annotated[int, typer.Option(help="Trials side by side, each with its share of the cores.", min=1)]
_Minutes = Annotated[float | None, typer.Option(help="What a trial may take before it counts as failed.")]
_Launcher = Annotated[str, typer.Option(help="local, or ray: trials as tasks of Ray, which then decides how many run.")]
_Gpus = Annotated[float, typer.Option(help="What a trial asks Ray for, such as 0.25.", min=0)]


@app.command()
def benchmark(
    suite: Annotated[str, typer.Option(help=f"One of {', '.join(SUITES)}, or a TOML file of your own.")] = "quick",
    out: Annotated[Path, typer.Option(help="Where the records and the report go.")] = Path("results"),
    root: Annotated[Path | None, typer.Option(help="The file or folder of the suite's data set.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run only the trials that have no record yet.")] = False,
    seeds: Annotated[
        str | None, typer.Option(help="Other seeds than the suite's, such as 0,1,2; 'tuning': 100,101,102.")
    ] = None,
    workers: _Workers = 1,
    minutes: _Minutes = None,
    launcher: _Launcher = "local",
    gpus: _Gpus = 0.0,
) -> None:
    """Compare agents: one record a trial, tables, and a report."""
    with errors():
        if suite not in SUITES and not suite.endswith(".toml"):
            raise UsageError(f"suite: {suite!r} is unknown; use one of {', '.join(SUITES)}, or a file NAME.toml")
        chosen = SUITES[suite] if suite in SUITES else own_suite.read(Path(suite))
        if seeds is not None:
            chosen = dataclasses.replace(chosen, seeds=_seeds(seeds))
        if root is None:
            chosen, left_out = chosen.without_files()
            for task in left_out:
                print(f"fer-gym: without --root, task {task} is left out", file=sys.stderr)
        _run(chosen, out, root, resume, _launch(launcher, workers, gpus), minutes)


@app.command()
def reproduce(
    table: Annotated[str, typer.Argument(help=f"One of {', '.join(papers.TABLES)}.")],
    scale: Annotated[
        str, typer.Option(help="smoke: a minute on embedded faces; small: FER2013 on two cores; paper: all of it.")
    ] = "smoke",
    out: Annotated[Path | None, typer.Option(help="Where records and report go; by default results/SUITE.")] = None,
    root: Annotated[Path | None, typer.Option(help="The file or folder of FER2013.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run only the trials that have no record yet.")] = False,
    workers: _Workers = 1,
    minutes: _Minutes = None,
    launcher: _Launcher = "local",
    gpus: _Gpus = 0.0,
) -> None:
    """Run a paper's table again, and print what it published beside what was measured."""
    with errors():
        if table not in papers.TABLES:
            raise UsageError(f"table: {table!r} is unknown; use one of {', '.join(papers.TABLES)}")
        suite = papers.TABLES[table].suite(scale)
        _run(
            suite,
            out or Path("results") / suite.name,
            root,
            resume,
            _launch(launcher, workers, gpus),
            minutes,
            report.PAPER,
        )


def _launch(launcher: str, workers: int, gpus: float) -> Launcher:
    if launcher == "ray":
        return functools.partial(launchers.on_ray, gpus=gpus)
    if launcher != "local":
        raise UsageError(f"launcher: {launcher!r} is unknown; use local or ray")
    return launchers.in_turn if workers == 1 else functools.partial(launchers.side_by_side, workers=workers)


def _seeds(text: str) -> tuple[int, ...]:
    if text == "tuning":
        return TUNING_SEEDS
    try:
        return tuple(int(seed) for seed in text.split(","))
    except ValueError as error:
        raise UsageError(f"seeds: {text!r} is not allowed; use whole numbers such as 0,1,2, or 'tuning'") from error


def _run(
    suite: Suite,
    out: Path,
    root: Path | None,
    resume: bool,
    launch: Launcher,
    minutes: float | None,
    chapter: str | None = None,
) -> None:
    """Run a suite, print its tables (those of `chapter`, where one is named), and write the report."""
    data = None if root is None else str(root)
    try:
        done, failed = runner.run(suite, out, data, resume=resume, launch=launch, minutes=minutes)
    except KeyboardInterrupt:
        print(f"\nfer-gym: stopped; the finished trials are in {out}, go on with --resume", file=sys.stderr)
        raise typer.Exit(130) from None
    if done:
        made = report.make(out, data)
        _print(made, chapter)
        _write(made, out)
    for trial, reason in failed.items():
        print(f"fer-gym: {trial} failed: {reason}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


@app.command("report")
def write_report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What was the benchmark's --out.")],
    root: Annotated[Path | None, typer.Option(help="The suite's data set, to show faces of it.")] = None,
) -> None:
    """Write what a benchmark's records tell: report.html, report.md and tables.csv beside them."""
    with errors():
        made = report.make(folder, None if root is None else str(root))
        print(f"suite {made.suite}: {made.facts['trials']} trials, {len(made.tables)} tables")
        _write(made, folder)


def _write(made: report.Report, folder: Path) -> None:
    """Write a report, and say where it is and what it lacks."""
    for warning in made.warnings:
        print(f"fer-gym: {warning}", file=sys.stderr)
    for path in report.write(made, folder):
        print(f"wrote {path}")


def _print(made: report.Report, only: str | None) -> None:
    """Print a report's tables, or those of one chapter with their notes."""
    console = Console()
    if not console.is_terminal:
        console.width = 1000  # a file or a pipe has no width of its own, and 80 columns break the cells
    for chapter, table in made.tables:
        if only not in (None, chapter):
            continue
        rich_table = RichTable(*table.columns, title=f"{chapter}: {table.title}", title_justify="left")
        for row in table.texts():
            rich_table.add_row(*map(escape, row))
        console.print(rich_table)
        if only is not None:
            console.print(escape(table.note))


def _settings(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs, values as Python literals where they are some."""
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r}: expected KEY=VALUE")
        try:
            settings[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[key] = text
    return settings


@app.command()
def train(
    env_id: Annotated[str, typer.Argument(help="The environment, such as ImageSelect-v0.")] = "ImageSelect-v0",
    agent: Annotated[
        str | None, typer.Option(help="An installed agent's name, or module:Name; by default the paper's.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="Episodes to learn from.", min=1)] = 10,
    env: Annotated[list[str], typer.Option("--env", "-e", help="KEY=VALUE: a keyword of the environment.")] = [],  # noqa: B006
    agent_settings: Annotated[list[str], typer.Option("--set", "-s", help="KEY=VALUE: a keyword of the agent.")] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of the environment and the agent.")] = 0,
    num_envs: Annotated[int, typer.Option(help="Walkers, or children, at once.", min=1)] = 1,
    out: Annotated[Path, typer.Option(help="Where the agent is saved.")] = Path("agent"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run of the same arguments.")] = False,
) -> None:
    """Train one agent, say how each episode went, and save it."""
    with errors():
        chosen = agent or ("ppo" if "RegTune" in env_id else "reinforce")
        arguments = training.Arguments(
            env_id, _settings(env), chosen, _settings(agent_settings), episodes, seed, num_envs
        )
        try:
            training.run(arguments, out, resume=resume)
        except training.Stopped as stopped:
            print(f"\nfer-gym: stopped; {stopped}", file=sys.stderr)
            raise typer.Exit(130) from None
