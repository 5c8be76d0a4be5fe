"""The commands themselves, built on Typer."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from fer_gym import cli_data, data
from fer_gym.benchmark import figures, runner, tables, training
from fer_gym.benchmark.suites import SUITES, RegTuneTask, Suite
from fer_gym.cli_data import errors

app = typer.Typer(
    help="Facial expression recognition as Gymnasium tasks.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(cli_data.app, name="data")


@app.command()
def benchmark(
    suite: Annotated[str, typer.Option(help=f"One of {', '.join(SUITES)}.")] = "quick",
    out: Annotated[Path, typer.Option(help="Where records, tables and pictures go.")] = Path("results"),
    root: Annotated[Path | None, typer.Option(help="The file or folder of the suite's data set.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run only the trials that have no record yet.")] = False,
    seeds: Annotated[str | None, typer.Option(help="Other seeds than the suite's, such as 0,1,2.")] = None,
    workers: Annotated[int, typer.Option(help="Trials side by side, each with its share of the cores.", min=1)] = 1,
) -> None:
    """Compare agents: one record a trial, tables, and pictures of what was kept."""
    with errors():
        if suite not in SUITES:
            raise ValueError(f"suite: {suite!r} is unknown; use one of {', '.join(SUITES)}")
        chosen = SUITES[suite]
        if seeds is not None:
            chosen = Suite(chosen.name, chosen.tasks, tuple(int(seed) for seed in seeds.split(",")))
        try:
            done, failed = runner.run(chosen, out, None if root is None else str(root), resume=resume, workers=workers)
        except KeyboardInterrupt:
            print(f"\nfer-gym: stopped; the finished trials are in {out}, go on with --resume", file=sys.stderr)
            raise typer.Exit(130) from None
        if done:
            _report(chosen, done, out, None if root is None else str(root))
        for trial, reason in failed.items():
            print(f"fer-gym: {trial} failed: {reason}", file=sys.stderr)
        if failed:
            raise typer.Exit(1)


def _report(suite: Suite, records: list[dict[str, Any]], out: Path, root: str | None) -> None:
    """Print the tables, and write them and the pictures beside the records."""
    console = Console()
    if not console.is_terminal:
        console.width = 160  # a file or a pipe has no width of its own, and 80 columns break the cells
    made = tables.tables(records)
    for table in made:
        rich_table = RichTable(*table.columns, title=table.title, title_justify="left")
        for row in table.rows:
            rich_table.add_row(*row)
        console.print(rich_table)
    (out / "tables.md").write_text("\n".join(table.markdown() for table in made), encoding="utf-8")
    written = [out / "tables.md"]
    for task in suite.tasks:
        of_task = [record for record in records if record["task"] == task.name]
        if isinstance(task, RegTuneTask):
            written.append(out / f"{task.name}-schedules.png")
            figures.schedules(of_task, written[-1])
            continue
        learners = [record for record in of_task if record["episodes"]]
        if not learners:
            continue
        written += [out / f"{task.name}-rewards.png", out / f"{task.name}-faces.png"]
        figures.reward_curves(learners, written[-2])
        keywords = {key: task.env[key] for key in ("limit", "noise") if key in task.env}
        first = learners[0]
        splits = data.load(task.env.get("dataset", "synthetic"), root, data_seed=first["seed"], **keywords)
        figures.extreme_faces(first, splits, written[-1])
    for path in written:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


def _settings(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs, values as Python literals where they are some."""
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair!r}: expected KEY=VALUE")
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
    out: Annotated[Path, typer.Option(help="Where the agent is saved.")] = Path("agent"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run of the same arguments.")] = False,
) -> None:
    """Train one agent, say how each episode went, and save it."""
    with errors():
        chosen = agent or ("ppo" if "RegTune" in env_id else "reinforce")
        arguments = training.Arguments(env_id, _settings(env), chosen, _settings(agent_settings), episodes, seed)
        try:
            training.run(arguments, out, resume=resume)
        except training.Stopped as stopped:
            print(f"\nfer-gym: stopped; {stopped}", file=sys.stderr)
            raise typer.Exit(130) from None
