"""`fer-gym benchmark`, `reproduce` and `report`."""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_gym import data
from fer_gym.checks import LARGEST_SEED, check_number
from fer_gym.cli import errors
from fer_gym.errors import UsageError
from fer_gym.progress import printable

if TYPE_CHECKING:  # with PyTorch and Matplotlib, which the other commands do not need
    from fer_gym.benchmark.records import Record
    from fer_gym.benchmark.report import page
    from fer_gym.benchmark.run.launchers import Launcher
    from fer_gym.benchmark.spec.tasks import Suite

# The names of the suites and of the papers' tables, for the help: importing the suites imports PyTorch.
TABLES = ("rlps-table1", "rlps-table2", "rlps-table3", "rlps-table4", "rlps-table5", "regtune-table1")
SUITES = ("quick", "standard", "rl", *TABLES)

_Workers = Annotated[int | None, typer.Option(help="Trials side by side, each with its share of the cores.", min=1)]
_Minutes = Annotated[float | None, typer.Option(help="Minutes after which a trial counts as failed.")]
_Launcher = Annotated[str, typer.Option(help="local, or ray: trials as tasks of Ray, which then decides how many run.")]
_Gpus = Annotated[
    float | None, typer.Option(help="GPUs that a trial asks Ray for, such as 0.25; by default none.", min=0)
]
Resume = Annotated[bool, typer.Option("--resume", help="Run only the trials that have no record yet.")]


def benchmark(
    suite: Annotated[str, typer.Option(help=f"One of {', '.join(SUITES)}, or a TOML file of your own.")] = "quick",
    out: Annotated[Path, typer.Option(help="Where the records and the report go.")] = Path("results"),
    root: Annotated[Path | None, typer.Option(help="The file or folder of the suite's data set.")] = None,
    resume: Resume = False,
    seeds: Annotated[
        str | None, typer.Option(help="Other seeds than the suite's, such as 0,1,2; 'tuning': 100,101,102.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="This task of the suite alone; may be given again.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="This arm alone, likewise.")] = None,
    workers: _Workers = None,
    minutes: _Minutes = None,
    launcher: _Launcher = "local",
    gpus: _Gpus = None,
) -> None:
    """Compare agents: one record a trial, tables, and a report."""
    from fer_gym.benchmark.spec import suites, toml

    if suite not in SUITES and not suite.endswith(".toml"):
        raise UsageError(f"suite: {suite!r} is unknown; use one of {', '.join(SUITES)}, or a file NAME.toml")
    chosen = suites.SUITES[suite] if suite in SUITES else toml.read(Path(suite))
    if seeds is not None:
        chosen = dataclasses.replace(chosen, seeds=seeds_of(seeds))
    chosen = chosen.restricted(task, arm)
    root = root or _default_root(chosen)
    if root is None:
        chosen, left_out = chosen.without_files()
        for name in left_out:
            print(f"fer-gym: without --root or FER_GYM_DATA, task {name} is left out", file=sys.stderr)
    _run(chosen, out, root, resume, launcher_of(launcher, workers, gpus), minutes)


def reproduce(
    table: Annotated[str, typer.Argument(help=f"One of {', '.join(TABLES)}.")],
    scale: Annotated[
        str,
        typer.Option(
            help="smoke: a minute on embedded faces; small: a part of FER2013 on two cores; full: the whole of it, for "
            "hours; paper: all settings of the paper, on a GPU."
        ),
    ] = "smoke",
    out: Annotated[Path | None, typer.Option(help="Where records and report go; by default results/SUITE.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Run it on this data set, in place of the scale's: a name of `fer-gym data ls`.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="The file or folder of the data set.")] = None,
    resume: Resume = False,
    workers: _Workers = None,
    minutes: _Minutes = None,
    launcher: _Launcher = "local",
    gpus: _Gpus = None,
) -> None:
    """Run a paper's table again, and print what the paper published beside what was measured."""
    from fer_gym.benchmark.report import page
    from fer_gym.benchmark.spec import papers

    if table not in TABLES:
        raise UsageError(f"table: {table!r} is unknown; use one of {', '.join(TABLES)}")
    suite = papers.TABLES[table].suite(scale, dataset)
    launch = launcher_of(launcher, workers, gpus)
    _run(suite, out or Path("results") / suite.name, root or _default_root(suite), resume, launch, minutes, page.PAPER)


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out of the benchmark.")],
    root: Annotated[Path | None, typer.Option(help="The suite's data set, to show faces of it.")] = None,
) -> None:
    """Write a report of a benchmark's records: report.html, report.md and tables.csv beside them."""
    from fer_gym.benchmark.report import page

    made = page.make(folder, None if root is None else str(root))
    print(f"suite {made.suite}: {made.facts['trials']} trials, {len(made.tables)} tables")
    _write(made, folder)


def _default_root(suite: Suite) -> Path | None:
    """The root of the suite's data set, if it is in files and FER_GYM_DATA says where."""
    from fer_gym.benchmark.spec.tasks import needs_files

    names = {task.env["dataset"] for task in suite.tasks if needs_files(task)}
    return data.default_root(names.pop()) if len(names) == 1 else None


def launcher_of(launcher: str, workers: int | None, gpus: float | None = None) -> Launcher:
    """What runs the trials: by name, one after the other or side by side.

    Raises:
        UsageError: if there is none of this name, or an option does not concern it.
    """
    from fer_gym.benchmark.run import launchers

    if launcher == "ray":
        if workers is not None:
            raise UsageError("workers: Ray decides how many trials run at once; leave --workers out")
        if gpus is not None and gpus > 1 and gpus % 1:
            raise UsageError(f"gpus: {gpus:g} is not allowed; use a share of one, or whole ones")
        return functools.partial(launchers.on_ray, gpus=gpus or 0.0)
    if launcher != "local":
        raise UsageError(f"launcher: {launcher!r} is unknown; use local or ray")
    if gpus is not None:
        raise UsageError("gpus: it is what a trial asks Ray for; add --launcher ray")
    return launchers.in_turn if workers in (None, 1) else functools.partial(launchers.side_by_side, workers=workers)


def seeds_of(text: str) -> tuple[int, ...]:
    """Seeds as they are written on the command line."""
    from fer_gym.benchmark.spec.tasks import TUNING_SEEDS

    if text == "tuning":
        return TUNING_SEEDS
    try:
        seeds = tuple(int(seed) for seed in text.split(","))
    except ValueError:
        seeds = (-1,)
    if len(set(seeds)) < len(seeds) or not all(0 <= seed <= LARGEST_SEED for seed in seeds):
        raise UsageError(f"seeds: {text!r} is not allowed; use whole numbers such as 0,1,2, or 'tuning'; each once")
    return seeds


def _run(
    suite: Suite,
    out: Path,
    root: Path | None,
    resume: bool,
    launch: Launcher,
    minutes: float | None,
    chapter: str | None = None,
) -> None:
    """Run a suite, print a chapter of its report, by default the summary, and write the report."""
    from fer_gym.benchmark.report import page

    if minutes is not None:
        check_number("minutes", minutes, "(0, inf)")
    page.check_places(out)
    done, failed = run_trials(suite, out, root, resume, launch, minutes)
    if done:
        made = page.make(out, None if root is None else str(root))
        _print(made, chapter or page.SUMMARY)
        _write(made, out)
    exit_if_failed(failed)


def run_trials(
    suite: Suite, out: Path, root: Path | None, resume: bool, launch: Launcher, minutes: float | None = None
) -> tuple[list[Record], dict[str, str]]:
    """The records of a suite, and why each trial without one has failed; Ctrl-C exits, and says how to go on."""
    from fer_gym.benchmark.run import runner

    place = None if root is None else str(root)
    try:
        return runner.run(suite, out, place, resume=resume, launch=launch, minutes=minutes)
    except KeyboardInterrupt:
        print(f"\nfer-gym: stopped; the finished trials are in {out}, go on with --resume", file=sys.stderr)
        raise typer.Exit(errors.INTERRUPTED) from None


def exit_if_failed(failed: dict[str, str]) -> None:
    """Name the trials that failed, and exit with status 1 if there are some."""
    for trial, reason in failed.items():
        print(printable(f"fer-gym: {trial} failed: {reason}"), file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _write(made: page.Report, folder: Path) -> None:
    """Write a report, and print where it is and what it lacks."""
    from fer_gym.benchmark.report import page

    for warning in made.warnings:
        print(printable(f"fer-gym: {warning}"), file=sys.stderr)
    for path in page.write(made, folder):
        print(f"wrote {path}")


def _print(made: page.Report, chapter: str) -> None:
    """Print the tables of one chapter of a report, with their notes."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # a text has no markup: names of arms and tasks may have brackets

    console = Console()
    if not console.is_terminal:
        console.width = 1000  # a file or a pipe has no width of its own, and 80 columns break the cells
    for of, table in made.tables:
        if of != chapter:
            continue
        shown = Table(title=Text(printable(table.title)), title_justify="left")
        for column in table.columns:
            shown.add_column(Text(printable(column)))
        for row in table.texts():
            shown.add_row(*(Text(printable(cell)) for cell in row))
        console.print(shown)
        console.print(Text(table.note))
