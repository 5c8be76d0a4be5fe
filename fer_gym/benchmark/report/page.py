"""The report of a folder of records: a web page in one file, and its tables as Markdown and CSV."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import jinja2

from fer_gym import data, files
from fer_gym.benchmark import records
from fer_gym.benchmark.records import Record, Results, TaskResults, value
from fer_gym.benchmark.report import confusion, faces, figures, paper, ranking, summary, tables
from fer_gym.benchmark.report.drawing import Picture
from fer_gym.benchmark.report.faces import Faces
from fer_gym.benchmark.report.tables import Table
from fer_gym.data import Splits
from fer_gym.errors import UsageError

#: The first chapter.
SUMMARY = "Summary"
#: The chapter of a paper's table.
PAPER = "The paper's table"


@dataclass(frozen=True)
class Section:
    """Tables and pictures of one task that belong together, under a heading."""

    title: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    faces: tuple[Faces, ...] = ()

    def __bool__(self) -> bool:
        """Whether it has anything to show."""
        return bool(self.tables or self.pictures or self.faces)


@dataclass(frozen=True)
class Report:
    """What the three files of a report show.

    Attributes:
        suite: the name of the suite.
        facts: what was run, by name.
        missing: trials without a record.
        skipped: files that are no records, and records of which no report can be made, each with the reason.
        unshown: what could not be shown, and why.
        chapters: each with its sections: first the summary; then the paper's table, if the suite runs one again; then
            each task's; at the end those over several tasks.
    """

    suite: str
    facts: dict[str, str]
    missing: tuple[str, ...]
    skipped: tuple[str, ...]
    unshown: tuple[str, ...]
    chapters: dict[str, tuple[Section, ...]]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that a reader may look for and not find, a line each."""
        return (
            *(f"skipped {each}" for each in self.skipped),
            *(f"no record of {trial}" for trial in self.missing),
            *self.unshown,
        )

    @property
    def tables(self) -> list[tuple[str, Table]]:
        """Every table, each with its chapter's name."""
        return [
            (chapter, table)
            for chapter, sections in self.chapters.items()
            for section in sections
            for table in section.tables
        ]


def make(folder: Path, root: str | None = None) -> Report:
    """Read the records of a folder and make their tables and pictures.

    Args:
        folder: the `--out` of the benchmark.
        root: the file or folder of the suite's data set, to show faces of it. The embedded ones need none.

    Raises:
        UsageError: if there are no records, or they are of several suites or of another format.
        DatasetError: if the data at `root` is not the data set's.
    """
    found = records.read_folder(folder)
    try:
        return _made(found, root)
    except UsageError:
        raise
    except Exception:
        showable = _showable(found, folder, root)
        if showable is None:
            raise
        return _made(showable, root)


def _showable(found: Results, folder: Path, root: str | None) -> Results | None:
    """The results without the records that no report can be made of, each tried alone: damage that `read` cannot see.

    None if no report can be made of any record, or one of each: then not a record is at fault but the report.
    """
    skipped = list(found.skipped)
    tasks = []
    for task in found.tasks:
        arms: dict[str, dict[int, Record]] = {arm: {} for arm in task.arms}
        for record in task:
            arm, seed = record["arm"], record["seed"]
            alone = TaskResults(task.name, {arm: {seed: record}}, {arm: (seed,)})
            try:
                _made(Results(found.suite, (alone,), ()), root)
            except UsageError:
                raise
            except Exception as error:
                path = records.path_of(folder, task.name, arm, seed)
                reason = f"{type(error).__name__}: {error}"
                skipped.append(f"{path}: no report can be made of it ({reason}); move it away")
            else:
                arms[arm][seed] = record
        tasks.append(TaskResults(task.name, arms, task.planned))
    showable = Results(found.suite, tuple(tasks), tuple(skipped))
    return showable if list(showable) and len(skipped) > len(found.skipped) else None


def _made(found: Results, root: str | None) -> Report:
    unshown: list[str] = []
    shown = tuple(summary.table(task) for task in found.tasks if any(task))
    chapters: dict[str, tuple[Section, ...]] = {}
    ranked = ranking.by_environment(found)
    chapters[SUMMARY] = (
        *(
            Section(f"{name}: ranking", (ranking.table(tasks),), _there(ranking.profile(tasks)))
            for name, tasks in ranked.items()
            if len(tasks) > 1
        ),
        Section("Scores and costs", shown, _there(summary.picture(found))),
    )
    if published := paper.tables(found):
        chapters[PAPER] = (Section("Published and measured", tuple(published)),)
    chapters |= {task.name: _sections(task, root, unshown) for task in found.tasks if any(task)}
    for environment, table in tables.over_tasks(found):
        chapters[f"{environment}, all tasks"] = (Section("Over tasks", (table,)),)
    return Report(found.suite, _facts(found), tuple(found.missing), found.skipped, tuple(unshown), chapters)


def check_places(folder: Path) -> None:
    """See that no folder is where `write` puts its files: before the trials run, not after.

    Raises:
        UsageError: if one is.
    """
    for path in _places(folder):
        if path.is_dir():
            raise UsageError(f"{path}: a folder is in the report's place; move it away, or choose another --out")


def _places(folder: Path) -> tuple[Path, Path, Path]:
    return folder / "report.html", folder / "report.md", folder / "tables.csv"


def write(report: Report, folder: Path) -> list[Path]:
    """Write `report.html`, `report.md` and `tables.csv` into a folder."""
    contents = html(report), markdown(report), tables.to_csv(report.tables)
    written = dict(zip(_places(folder), contents, strict=True))
    for path, text in written.items():
        # Renamed into its place: what was there, a link to another file too, is replaced and not written through.
        with files.written_whole(path) as file:
            file.write(text.encode())
    return list(written)


def html(report: Report) -> str:
    """The page. It has no scripts, and forbids the browser to load anything."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    environment.filters["anchor"] = lambda title: "".join(letter if letter.isalnum() else "-" for letter in title)
    template = (resources("fer_gym.benchmark.report") / "report.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(template).render(report=report)


def markdown(report: Report) -> str:
    """The facts and every table."""
    shown = tables.in_markdown
    lines = [f"# Suite {shown(report.suite)}", ""]
    lines += [f"- {name}: {shown(fact)}" for name, fact in report.facts.items()]
    if report.warnings:
        lines += ["", "Not in this report:", "", *(f"- {shown(warning)}" for warning in report.warnings)]
    for chapter, sections in report.chapters.items():
        lines += ["", f"## {shown(chapter)}"]
        for section in sections:
            if section.tables:
                lines += ["", f"### {shown(section.title)}", "", *(table.markdown() for table in section.tables)]
    return "\n".join(lines).rstrip() + "\n"


def _sections(task: TaskResults, root: str | None, unshown: list[str]) -> tuple[Section, ...]:
    made = (
        Section("Test scores", tuple(tables.of_scores(task)), _there(figures.intervals(task))),
        Section(f"Against {task.first}", tuple(tables.of_differences(task))),
        Section("Return and score", pictures=_there(figures.return_against_score(task))),
        Section(
            "Images kept",
            (*tables.of_kept(task), *tables.of_rankings(task)),
            _there(figures.removal_curves(task)),
            _ranked_faces(task, root, unshown),
        ),
        Section(
            "Learning",
            pictures=_there(figures.learning_curves(task), figures.learning_costs(task), figures.image_rewards(task)),
        ),
        Section("Confusion", pictures=_there(confusion.pictures(task))),
        Section(
            "Children",
            pictures=_there(figures.schedules(task), figures.losses(task)),
            faces=_networks_faces(task, root, unshown),
        ),
        Section("What was run", (*tables.of_settings(task), *tables.of_cost(task))),
    )
    return tuple(section for section in made if section)


def _there(*pictures: Picture | None) -> tuple[Picture, ...]:
    return tuple(picture for picture in pictures if picture is not None and picture.panels)


def _ranked_faces(task: TaskResults, root: str | None, unshown: list[str]) -> tuple[Faces, ...]:
    """Faces for each arm that ranks images, under its first seed; the reasons for missing ones go to `unshown`."""
    made = []
    for record in (next(iter(by_seed.values())) for by_seed in task.arms.values() if by_seed):
        ranking = faces.ranking(record)
        if ranking is not None:
            name = f"{task.name}, {record['arm']}, seed {record['seed']}"
            shown = functools.partial(faces.at_either_end, record, *ranking)
            made.append(_of_data(record, root, name, shown, unshown))
    return tuple(each for each in made if each is not None)


def _networks_faces(task: TaskResults, root: str | None, unshown: list[str]) -> tuple[Faces, ...]:
    """Where the networks of the first seed look."""
    record = next((record for record in task if faces.has_maps(record)), None)
    if record is None:
        return ()
    shown = functools.partial(faces.looked_at, task, seed=record["seed"])
    made = _of_data(record, root, f"{task.name}, where networks look", shown, unshown)
    return () if made is None else (made,)


def _of_data(
    record: Record, root: str | None, name: str, shown: Callable[[Splits], Faces], unshown: list[str]
) -> Faces | None:
    """Faces of a record's data, or None; then the reason goes to `unshown`."""
    try:
        keywords = _data_keywords(record)
        embedded = keywords["name"] in data.DRAWN
        if not embedded and root is None:
            unshown.append(f"{name}: the faces need the data set, give --root")
            return None
        return shown(data.load(**keywords, root=None if embedded else root))
    except data.DatasetError:
        raise
    except UsageError as error:
        unshown.append(f"{name}: the faces cannot be shown ({error})")
        return None


def _data_keywords(record: Record) -> dict[str, Any]:
    """The keywords of `data.load` for a record's data, without the root."""
    env = record["settings"]["env"]
    env = {**env, **(env.get("instances") or [{}])[0]}  # the maps are of the first child
    if not isinstance(env.get("dataset", ""), str):
        raise UsageError("its data set has no name")
    known = {key: env[key] for key in ("limit", "noise") if key in env}
    return {"name": env.get("dataset", "synthetic"), "data_seed": record["seed"], **known}


def _facts(found: Results) -> dict[str, str]:
    every = list(found)
    seconds = sum(value(record, "seconds") or 0 for record in every)
    seeds = dict.fromkeys(str(seed) for task in found.tasks for seed in task.seeds)
    return {
        "trials": f"{len(every)} of {len(every) + len(found.missing)}",
        "tasks": ", ".join(f"{task.name} ({task.environment})" for task in found.tasks if any(task)),
        "seeds": ", ".join(seeds),
        "versions": _variants(every, "versions"),
        "machine": _variants(every, "machine"),
        "time": f"{_duration(seconds)}, the sum of the trials",
    }


def _variants(every: Iterable[Record], key: str) -> str:
    """The entries of a mapping that each record has; where records differ, every value."""
    found: dict[str, dict[str, None]] = {}
    for record in every:
        for name, entry in record[key].items():
            found.setdefault(name, {})[str(entry)] = None
    return ", ".join(f"{name} {' / '.join(entries)}" for name, entries in found.items())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
