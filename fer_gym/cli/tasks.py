"""`fer-gym tasks` and `fer-gym score`: the calibrated tasks, their references, and an agent's score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_gym import data, files
from fer_gym.cli.benchmark import Resume, exit_if_failed, launcher_of, run_trials, seeds_of
from fer_gym.cli.train import settings_of
from fer_gym.tasks import CANDIDATES, TASKS, CalibratedTask

if TYPE_CHECKING:
    from fer_gym.benchmark.records import Record
    from fer_gym.benchmark.spec.tasks import Suite

app = typer.Typer(help="List the calibrated tasks, and make their references again.", no_args_is_help=True)

_Task = Annotated[str, typer.Argument(metavar="ID", help="One of those that `fer-gym tasks ls` lists.")]
_Root = Annotated[Path | None, typer.Option(help="The file or folder of the task's data set, if it is in files.")]
_Workers = Annotated[int, typer.Option(help="Trials side by side, each with its share of the cores.", min=1)]


@app.command("ls")
def list_tasks() -> None:
    """List the tasks: the references' test macro F1, the headroom, and a learner's budget and gradient steps."""
    print(f"{'':28}{'trivial':>8}{'reference':>10}{'headroom':>22}{'episodes':>9}{'to learn':>9}{'to score':>9}")
    for task in TASKS.values():
        low, high = task.headroom_interval
        headroom = f"{task.headroom:.3f} [{low:.3f}, {high:.3f}]"
        learning, scoring = task.gradient_steps
        print(
            f"{task.id:28}{task.trivial.mean:8.3f}{task.reference.mean:10.3f}{headroom:>22}{task.episodes:9}"
            f"{learning:9,}{scoring:9,}\n  {task.summary}"
        )
    print("Test macro F1; the headroom with its 95 % interval; gradient steps at most, pretraining included.")


@app.command()
def calibrate(
    task: _Task,
    out: Annotated[Path, typer.Option(help="Where the records go.")] = Path("results/calibration"),
    root: _Root = None,
    resume: Resume = False,
    workers: _Workers = 1,
) -> None:
    """Make a task's references again, under seeds of their own, and compare them with those that are frozen."""
    from fer_gym.benchmark.spec import calibrated

    found = calibrated.named(task, CANDIDATES)
    records = _run(calibrated.calibration(found), out, found, root, resume, workers)
    for reference in (found.trivial, *found.others, found.reference):
        scores = [
            each["scores"]["test"]["macro_f1"]  # chance is what is drawn
            for each in sorted(records, key=lambda each: each["seed"])
            if each["arm"] == reference.name
        ]
        low, high = reference.interval
        print(
            f"{reference.name}: mean {sum(scores) / len(scores):.4f} of {len(scores)} seeds; frozen "
            f"{reference.mean:.4f} [{low:.4f}, {high:.4f}]"
        )
        print(f"  {tuple(round(each, 4) for each in scores)}")


def score(
    task: _Task,
    agent: Annotated[str, typer.Option(help="An agent's name, or module:Name.")],
    seeds: Annotated[str, typer.Option(help="Such as 0,1,2.")] = "0,1,2,3,4",
    out: Annotated[Path, typer.Option(help="Where the records and score.json go.")] = Path("results/score"),
    settings: Annotated[list[str], typer.Option("--set", "-s", help="KEY=VALUE: a keyword of the agent.")] = [],  # noqa: B006
    root: _Root = None,
    resume: Resume = False,
    workers: _Workers = 1,
) -> None:
    """Let an agent learn in a calibrated task, and print its normalised score."""
    from fer_gym.benchmark import scoring
    from fer_gym.benchmark.spec import calibrated
    from fer_gym.benchmark.spec.tasks import Arm, Suite

    found = calibrated.named(task)
    arm = Arm(agent, agent, settings_of(settings))
    numbers = seeds_of(seeds)
    suite = Suite("score", (calibrated.task_of(found, (arm,)),), numbers)
    records = _run(suite, out, found, root, resume, workers)
    made = scoring.of_outcomes(found, agent, numbers, sorted(records, key=lambda each: numbers.index(each["seed"])))
    print(made)
    text = json.dumps(made.as_json())
    print(text)
    with files.written_whole(out / "score.json") as file:
        file.write(f"{text}\n".encode())


def _run(suite: Suite, out: Path, task: CalibratedTask, root: Path | None, resume: bool, workers: int) -> list[Record]:
    """Run a suite of one task and return its records; if a trial failed, name it and exit with status 1."""
    place = root or data.default_root(task.env.get("dataset", data.DRAWN[0]))
    records, failed = run_trials(suite, out, place, resume, launcher_of("local", workers))
    exit_if_failed(failed)
    return records
