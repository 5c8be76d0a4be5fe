"""Compares the long tables of the results with the records they are made from: `python docs/check_results.py`."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fer_gym.benchmark import records
from fer_gym.benchmark.records import TaskResults, value
from fer_gym.benchmark.report.statistics import mean_interval
from fer_gym.benchmark.spec import papers

DOCS = Path(__file__).resolve().parent
PAGES = ("noise.md", "paper_tables.md")
FOLDERS = DOCS / "results"

#: From the name of a row to its other cells.
Row = Callable[[str], list[str]]

TEST = ("accuracy", "average_accuracy", "macro_f1", "macro_f1_of_means")
#: What the page calls arms, where the records call them otherwise.
ARMS = {"keep all (DCNN)": "keep all", "REINFORCE (RLPS)": "REINFORCE", "sigmoid selector": "sigmoid selector (Feng)"}
#: Rankings that need no agent: the arm whose network gives them, and their name in the records.
FREE = {
    "image variance": ("keep all", "image variance"),
    "entropy, pretrained network": ("keep all", "entropy"),
    "entropy of the pretrained network": ("keep all", "entropy"),
    "entropy, network that REINFORCE trained": ("REINFORCE", "entropy"),
    "entropy of the network that REINFORCE trained": ("REINFORCE", "entropy"),
}


def mean(task: TaskResults, arm: str, *keys: str) -> str:
    """A score of an arm: mean over the seeds ± half of Student's 95 % interval."""
    return str(mean_interval(list(task.scores(ARMS.get(arm, arm), *keys).values())))


def difference(task: TaskResults, arm: str, other: str, *keys: str) -> str:
    """An arm's score less that of another under the same seed."""
    pair = task.paired_scores(ARMS.get(arm, arm), ARMS.get(other, other), *keys)
    return str(mean_interval(np.subtract(*pair)))


def task_of(folder: str, name: str | None = None) -> TaskResults:
    """The task of that name, or the only one, of a folder."""
    tasks = {task.name: task for task in records.read_folder(FOLDERS / folder).tasks}
    return tasks[name] if name else next(iter(tasks.values()))


def noise(task: TaskResults, measures: tuple[str, ...]) -> list[Row]:
    """Who finds the noise: every arm, and REINFORCE less each other."""

    def of_arm(name: str) -> list[str]:
        if name.startswith("("):
            arm, ranking = FREE[name.strip("()")]
            return [*(mean(task, arm, measure, ranking) for measure in measures), "", "", "", ""]
        steps = [sum(record["scores"]["gradient_steps"].values()) for record in task.arms[name].values()]
        return [
            *(mean(task, name, measure, "agent") for measure in measures),
            *(mean(task, name, *keys) for keys in (("keep_ratio",), ("test", "accuracy"), ("test", "macro_f1"))),
            f"{np.mean(steps):,.0f}",
        ]

    def less(name: str) -> list[str]:
        scores = (*((measure, "agent") for measure in measures[:2]), ("test", "accuracy"), ("test", "macro_f1"))
        return [difference(task, "REINFORCE", name, *keys) for keys in scores]

    return [of_arm, less]


def scores_and_differences(task: TaskResults, keys: tuple[tuple[str, ...], ...]) -> Row:
    """Rows of arms, and rows such as "REINFORCE less keep all"."""

    def cells(name: str) -> list[str]:
        arm, less, other = name.partition(" less ")
        return [difference(task, arm, other, *key) if less else mean(task, arm, *key) for key in keys]

    return cells


def rlps_tables_1_to_3() -> list[Row]:
    """Tables 1 to 3 of RLPS: the published accuracies, then the scores."""
    task = task_of("rlps-table2")
    published: dict[str, list[str]] = {}
    for number in (1, 2, 3):
        for row in papers.TABLES[f"rlps-table{number}"].rows:
            if row.arm is not None:
                published.setdefault(row.arm.name, []).extend(row.published.values())
    scores = scores_and_differences(task, (("keep_ratio",), *(("test", key) for key in TEST[:3])))
    return [lambda name: published[ARMS.get(name, name)], scores]


def rlps_table4() -> list[Row]:
    """Table 4 of RLPS: the published average accuracies and F1, then the scores."""
    task = task_of("rlps-table4")
    rows = papers.TABLES["rlps-table4"].rows
    published = {row.arm.name: list(row.published.values()) for row in rows if row.arm is not None}
    scores = scores_and_differences(task, (("keep_ratio",), *(("test", key) for key in TEST[1:])))
    return [lambda name: published.get(ARMS.get(name, name), [""] * 4), lambda name: scores(name)]


def rlps_table5() -> list[Row]:
    """Table 5 of RLPS: kinds of image, the seeds, the test scores."""
    task = task_of("rlps-table5")
    kinds = ("full", "half", "none")
    printed = {row.key: row.published for row in papers.TABLES["rlps-table5"].rows}

    def of_kinds(name: str) -> list[str]:
        if name in FREE:
            arm, ranking = FREE[name]
            return ["", "", "", mean(task, arm, "auroc_none_face", ranking)]
        if name.startswith("published, "):
            return [*(_on(printed[kind], name.removeprefix("published, ")) for kind in kinds), ""]
        if name == "REINFORCE, share kept":
            return [*(mean(task, "REINFORCE", "share_kept", kind) for kind in kinds), ""]
        kept = (mean(task, "REINFORCE", "keep_probability", kind) for kind in kinds)
        return [*kept, mean(task, "REINFORCE", "auroc_none_face", "agent")]

    def of_seed(name: str) -> list[str]:
        record = task.arms["REINFORCE"][int(name)]
        ratios = [row["keep_ratio"] for row in record["episodes"]]
        numbers = [value(record, "scores", "keep_probability", kind) for kind in kinds]
        numbers.append(value(record, "scores", "auroc_none_face", "agent"))
        return [*(f"{number:.3f}" for number in numbers), f"{min(ratios):.2f}", f"{ratios[-1]:.2f}"]

    scores = scores_and_differences(task, (("keep_ratio",), *(("test", key) for key in TEST)))
    return [of_kinds, of_seed, scores]


def _on(published: object, data_set: str) -> str:
    """What a paper printed for a data set."""
    (found,) = (text for column, text in dict(published).items() if data_set in column)  # type: ignore[call-overload]
    return str(found)


def regtune_table1() -> list[Row]:
    """Table 1 of Hong: arms, differences, and the returns of the learners."""
    task = task_of("regtune-table1")
    returns, tests = (("gap_return",), ("val_f1_change",)), (("test", "macro_f1"), ("test", "accuracy"))

    def of_learner(name: str) -> list[str]:
        found = [np.array([row["reward"] for row in record["episodes"]]) for record in task.arms[name].values()]
        reward = next(iter(task.arms[name].values()))["settings"]["env"].get("reward", "gap")
        first, last = (np.array([each[part].mean() for each in found]) for part in (slice(10), slice(30, 40)))
        return [f"`{reward}`", *(str(mean_interval(each)) for each in (first, last, last - first))]

    arms = scores_and_differences(task, (*returns, ("train_f1",), *tests, ("mean_strength",)))
    return [arms, scores_and_differences(task, (*returns, *tests)), of_learner]


SECTIONS: dict[str, Callable[[], list[Row]]] = {
    "Cut faces": lambda: noise(
        task_of("noise", "fer2013-faces"),
        ("auroc_none_face", "average_precision_none_face", "auroc_any_noise", "average_precision_any_noise"),
    ),
    "Labels that people doubt": lambda: noise(
        task_of("noise", "fer2013-doubted"), ("auroc_doubted", "average_precision_doubted")
    ),
    "Tables 1, 2 and 3 of RLPS on FER2013": rlps_tables_1_to_3,
    "Table 4 of RLPS on FER2013": rlps_table4,
    "Table 5 of RLPS on FER2013": rlps_table5,
    "Table 1 of Hong on FER2013": regtune_table1,
}


def tables(text: str) -> dict[str, list[list[list[str]]]]:
    """The tables below each heading of Markdown, as rows of cells; heads and rules left out."""
    found: dict[str, list[list[list[str]]]] = {}
    heading, rows = "", 0
    for line in text.splitlines():
        if match := re.match(r"#+ (.*)", line):
            heading = match[1]
        rows = rows + 1 if line.startswith("|") else 0
        if rows == 1:
            found.setdefault(heading, []).append([])
        elif rows > 2:
            found[heading][-1].append([cell.strip() for cell in line.strip()[1:-1].split("|")])
    return found


def text_of_pages() -> str:
    """What the pages say, one after the other."""
    return "".join((DOCS / name).read_text(encoding="utf-8") for name in PAGES)


def mismatches(text: str) -> Iterator[str]:
    """What the pages say otherwise than the records, a line each."""
    of_page = tables(text)
    for heading, make in SECTIONS.items():
        made = make()
        there = of_page.get(heading, [])
        if len(there) != len(made):
            yield f"{heading}: {len(there)} tables, {len(made)} are made from records"
        for number, (table, row) in enumerate(zip(there, made, strict=False), 1):
            for name, *cells in table:
                try:
                    wanted = row(name)
                except (KeyError, ValueError) as error:
                    yield f"{heading}, table {number}: no row {name!r} ({error})"
                    continue
                if cells != wanted:
                    yield f"{heading}, table {number}, {name}: {cells}, the records say {wanted}"


if __name__ == "__main__":
    wrong = list(mismatches(text_of_pages()))
    print("\n".join(wrong) or f"{' and '.join(PAGES)}: the tables of {len(SECTIONS)} sections are those of the records")
    sys.exit(bool(wrong))
