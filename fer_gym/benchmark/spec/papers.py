"""The papers' tables: what they printed, and for each the suites that run it again, by scale and data set."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fer_gym import data
from fer_gym.benchmark.spec import arms, published
from fer_gym.benchmark.spec.published import CLASSES, Printed
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite, Task
from fer_gym.checks import check_choice
from fer_gym.envs import ImageSelectEnv, RegTuneEnv

SCALES = ("smoke", "small", "full", "paper")
#: What the papers call the data sets, by their loaders.
TITLES = {"fer2013": "FER2013", "rafdb": "RAF-DB", "expw": "ExpW", "affectnet": "AffectNet", "cifar100": "CIFAR-100"}
_NETWORKS = {"small": "the small one", "rlps_cnn": "CNN-A", "vgg19": "VGG19", "resnet34": "ResNet34"}
_ENVIRONMENTS = {SelectionTask.env_id: ImageSelectEnv, RegTuneTask.env_id: RegTuneEnv}
_SEEDS = {"smoke": (0, 1), "small": tuple(range(5)), "full": tuple(range(5)), "paper": tuple(range(10))}


@dataclass(frozen=True)
class Row:
    """A row of a paper's table.

    Attributes:
        name: as the paper has it.
        published: what it prints, by column.
        arm: what stands for it here; None for a method of another paper.
        key: the last key of the score, where the rows are not arms but kinds of image.
    """

    name: str
    published: Mapping[str, str]
    arm: Arm | None = None
    key: str | None = None


@dataclass(frozen=True)
class Measure:
    """What is measured for a row.

    Attributes:
        name: of the column.
        keys: where a record's scores have it.
        percent: whether the paper prints it in percent.
    """

    name: str
    keys: tuple[str, ...]
    percent: bool = False


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper, and how it is run again.

    Attributes:
        name: what `fer-gym reproduce` calls it.
        title: where it stands and what it shows.
        rows: the paper's.
        measures: the columns.
        datasets: those of the paper, by their loaders' names.
        stand_in: the data set that is used if none is named, by scale.
        build: makes the task from a scale and a data set.
        printed: from a data set to the settings that the paper prints: keywords of the environment, and "seeds".
        unsaid: keywords of the environment and attributes of the task that the paper does not print.
        readings: where the paper cannot be taken at its word, and what is done.
        by_class: by data set, the printed recalls of each class.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    measures: tuple[Measure, ...]
    datasets: tuple[str, ...]
    stand_in: Mapping[str, str]
    build: Callable[[str, str], Task]
    printed: Callable[[str], Mapping[str, Any]]
    unsaid: tuple[str, ...]
    readings: tuple[str, ...]
    by_class: Mapping[str, Printed] = field(default_factory=dict)

    def suite(self, scale: str, dataset: str | None = None) -> Suite:
        """The suite of a scale on a data set.

        Args:
            scale: one of `SCALES`.
            dataset: a name that `fer_gym.data.load` knows; None takes the `stand_in`.

        Raises:
            ValueError: if there is no such scale or data set.
        """
        check_choice("scale", scale, SCALES)
        if dataset is not None:
            check_choice("dataset", dataset, data.DATASETS)
        name = self.name if scale == "small" else f"{self.name}-{scale}"
        if dataset not in (None, self.stand_in[scale]):
            name += f"-on-{dataset}"
        return Suite(name, (self.build(scale, dataset or self.stand_in[scale]),), _SEEDS[scale])

    def differs(self, suite: Suite) -> list[str]:
        """Everything in a suite of this table that is not as in the paper."""
        (task,) = suite.tasks
        dataset = _keyword(task, "dataset")
        found = []
        if dataset not in self.datasets:
            wanted = " and ".join(TITLES[name] for name in self.datasets)
            found.append(f"the data: {TITLES.get(dataset, dataset)} stands in for {wanted}")
        limit = _keyword(task, "limit")
        if limit is not None:
            found.append(f"at most {limit:,} training images")
        for name, wanted in self.printed(dataset).items():
            value = len(suite.seeds) if name == "seeds" else _keyword(task, name)
            if value != wanted:
                found.append(f"{_said(name, value)}, not {_said(name, wanted, alone=True)}")
        chosen = [
            _said(name, value)
            for name in self.unsaid
            if name not in self.printed(dataset) and (value := getattr(task, name, None) or _keyword(task, name))
        ]
        return [*found, f"unsaid in the paper and chosen here: {', '.join(chosen)}", *self.readings]


def _keyword(task: Task, name: str) -> Any:
    """A keyword of a task's environment, as given or by default; None if it has no such keyword."""
    parameter = inspect.signature(_ENVIRONMENTS[task.env_id]).parameters.get(name)
    return task.env.get(name, parameter.default if parameter else None)


def _said(name: str, value: Any, *, alone: bool = False) -> str:
    """A setting in words."""
    text = str(value)
    if name == "network":
        text = _NETWORKS.get(value, text)
    elif name == "learning_rate":
        text = f"{value:g}"
    elif name == "augment":
        of = [change if most is True else f"{change} {most}" for change, most in (value or {}).items()]
        text = " and ".join(of) or "none"
    return text if alone else f"{name.replace('_', ' ')} {text}"


def of_suite(name: str) -> tuple[PaperTable, str, Suite] | None:
    """The table, the scale and the suite of this name; None if it is of no table."""
    found = re.fullmatch(rf"({'|'.join(TABLES)})(?:-({'|'.join(SCALES)}))?(?:-on-(\w+))?", name)
    if found is None or found[3] not in (None, *data.DATASETS):
        return None
    table, scale = TABLES[found[1]], found[2] or "small"
    return table, scale, table.suite(scale, found[3])


# -- RLPS --------------------------------------------------------------------------------------------------------------

_FACES = {"noise": "faces"}
_ACCURACY = Measure("total accuracy, %", ("test", "accuracy"), percent=True)
_AVERAGE = Measure("average accuracy, %", ("test", "average_accuracy"), percent=True)
_MACRO_F1 = Measure("macro F1", ("test", "macro_f1_of_means"))
_RLPS_UNSAID = (
    "optimizer",
    "learning_rate",
    "pretrain_epochs",
    "epochs_per_episode",
    "episodes",
    "retrain_epochs",
    "retrain_steps",
)
_RLPS_READINGS = (
    "the reading of Eq. 2: an image's reward is p(y|x) less the mean p(y|.) over all images, less a cost of 0.11",
    "Algorithm 1, which as written learns nothing: signed credits, natural gradient, entropy bonus",
)
# Of the final networks at scale `full`: 20 epochs of FER2013, after which the accuracy of keeping all images hardly
# rises (docs/accuracy.py).
_FULL_STEPS = 20 * 225
_METHODS = {"DCNN": arms.KEEP_ALL, "DCNN+Sigmoid": arms.SIGMOID, "RLPS+F1": arms.F1_CHANGE, "RLPS": arms.REINFORCE}


_CNN_A = {"network": "rlps_cnn", "batch_size": 128, "augment": None, "seeds": 10}
_CNN_B = {"network": "vgg19", "learning_rate": 0.01, "batch_size": 128, "augment": None, "seeds": 10}


def _rlps_task(
    scale: str, dataset: str, chosen: tuple[Arm, ...], printed: Mapping[str, Any], noise: Mapping[str, str]
) -> SelectionTask:
    common = {**({} if dataset == "synthetic" else {"dataset": dataset}), **noise, **arms.RLPS_ENV}
    if scale == "smoke":
        smoke = {**common, "limit": 300, "batch_size": 64, "pretrain_epochs": 1}
        return SelectionTask(dataset, chosen, smoke, episodes=2, retrain_epochs=1)
    if scale == "small":
        small = {**common, "limit": 6000, "batch_size": 64}
        return SelectionTask(dataset, chosen, small, episodes=13, retrain_epochs=8)
    if scale == "full":
        full = {**common, "network": "rlps_cnn", "batch_size": 128, "augment": {"flip": True, "shift": 4}}
        return SelectionTask(dataset, chosen, full, episodes=13, retrain_steps=_FULL_STEPS)
    settings = {name: value for name, value in printed.items() if name != "seeds"}
    paper = {**common, "optimizer": "sgd", "learning_rate": 0.01, **settings, "pretrain_epochs": 30}
    return SelectionTask(dataset, chosen, paper, episodes=30, retrain_epochs=60)


def _rlps_scores(
    number: int,
    shows: str,
    measures: tuple[Measure, ...],
    numbers: Mapping[str, Printed],
    settings: Mapping[str, Any] = _CNN_A,
    noise: Mapping[str, str] | None = None,
    readings: tuple[str, ...] = (),
) -> PaperTable:
    """Tables 1 to 4: methods by test scores. `numbers` are by data set."""
    columns: dict[str, dict[str, str]] = {}
    by_class: dict[str, Printed] = {}
    recalls = {f"{name}, %" for name in CLASSES}
    for dataset, methods in numbers.items():
        for method, cells in methods.items():
            columns.setdefault(method, {}).update({k: v for k, v in cells.items() if k not in recalls})
        of_classes = {m: {k: v for k, v in cells.items() if k in recalls} for m, cells in methods.items()}
        if any(of_classes.values()):
            by_class[dataset] = of_classes
    rows = tuple(Row(method, cells, _METHODS.get(method)) for method, cells in columns.items())
    chosen = (*(row.arm for row in rows if row.arm is not None), arms.RANDOM)

    def build(scale: str, dataset: str) -> SelectionTask:
        return _rlps_task(scale, dataset, chosen, settings, noise or {})

    return PaperTable(
        f"rlps-table{number}",
        f"Table {number} of Li and Xu (2020): {shows}",
        rows,
        measures,
        tuple(numbers),
        {"smoke": "synthetic", "small": "fer2013", "full": "fer2013", "paper": next(iter(numbers))},
        build,
        lambda dataset: settings,
        _RLPS_UNSAID,
        (*_RLPS_READINGS, *readings),
        by_class,
    )


def _rlps_table5() -> PaperTable:
    kinds = {"full face": "full", "half face": "half", "none face": "none"}
    rows = tuple(Row(name, published.RLPS_TABLE5[name], arms.REINFORCE, kind) for name, kind in kinds.items())
    measures = (Measure("keep probability", ("keep_probability",)), Measure("share kept", ("share_kept",)))
    chosen = (arms.KEEP_ALL, arms.REINFORCE, arms.RANDOM)

    def build(scale: str, dataset: str) -> SelectionTask:
        task = _rlps_task(scale, dataset, chosen, _CNN_A, _FACES)
        if scale != "small":
            return task
        env = {**task.env, "network": "rlps_cnn", "batch_size": 32, "learning_rate": 5e-4}
        return replace(task, name=f"{dataset}-faces", env=env)

    return PaperTable(
        "rlps-table5",
        "Table 5 of Li and Xu (2020): keep probability by kind of face",
        rows,
        measures,
        ("rafdb", "expw"),
        {"smoke": "synthetic", "small": "fer2013", "full": "fer2013", "paper": "rafdb"},
        build,
        lambda dataset: _CNN_A,
        _RLPS_UNSAID,
        _RLPS_READINGS,
    )


# -- Hong --------------------------------------------------------------------------------------------------------------

_HONG_METHODS = {
    "vanilla": arms.VANILLA,
    "NI": arms.STATIC_NOISE,
    "D": arms.STATIC_DROPOUT,
    "DNI": arms.DNI,
    "RNI": arms.RNI,
    "RD": arms.RD,
}


def _hong_printed(dataset: str) -> dict[str, Any]:
    rates = {"learning_rate": 1e-4, "batch_size": 256} if dataset == "affectnet" else {"learning_rate": 1e-3}
    network = {"network": "resnet34", "optimizer": "adam"}
    return {**network, "batch_size": 64, **rates, "chunk_size": 20, "val_batches": 20}


def _hong_task(scale: str, dataset: str) -> RegTuneTask:
    env = {} if dataset == "synthetic" else {"dataset": dataset}
    if scale == "smoke":
        smoke = {**env, "limit": 300, "chunks": 3, "chunk_size": 4, "val_batches": 2, "batch_size": 16}
        return RegTuneTask(dataset, tuple(_HONG_METHODS.values()), smoke, episodes=6, children=1)
    if scale == "small":
        # Ten epochs of so few images that a child without a regulariser learns them by heart.
        small = {**env, "limit": 250, "chunks": 30, "chunk_size": 10, "val_batches": 10, "batch_size": 8}
        return RegTuneTask(dataset, arms.tuners("small"), small, episodes=40, children=3)
    if scale == "full":
        full = {**env, **_hong_printed(dataset), "network": "rlps_cnn", "chunks": 150}
        names = {arm.name for arm in _HONG_METHODS.values()}
        of_table = tuple(arm for arm in arms.tuners("rlps_cnn") if arm.name in names)
        return RegTuneTask(dataset, of_table, full, episodes=12, children=1)
    paper = {**env, **_hong_printed(dataset), "chunks": 400}
    return RegTuneTask(dataset, arms.tuners("resnet34"), paper, episodes=20, children=1)


def _hong_table1() -> PaperTable:
    rows = tuple(Row(name, published.HONG_TABLE1[name], arm) for name, arm in _HONG_METHODS.items())
    return PaperTable(
        "regtune-table1",
        "Table 1 of Hong (2024): test F1",
        rows,
        (Measure("test F1", ("test", "macro_f1")),),
        ("cifar100", "fer2013", "affectnet"),
        {"smoke": "synthetic", "small": "fer2013", "full": "fer2013", "paper": "fer2013"},
        _hong_task,
        _hong_printed,
        ("chunks", "episodes", "children"),
        ("bounds, noise sites and PPO's other settings, unsaid in the paper", "DNI: a reconstruction"),
    )


#: Every table that `fer-gym reproduce` knows.
TABLES = {
    table.name: table
    for table in (
        _rlps_scores(1, "total accuracy on FER2013", (_ACCURACY,), {"fer2013": published.RLPS_TABLE1}, _CNN_B),
        _rlps_scores(2, "average accuracy on RAF-DB", (_AVERAGE,), {"rafdb": published.RLPS_TABLE2}),
        _rlps_scores(3, "average accuracy on ExpW", (_AVERAGE,), {"expw": published.RLPS_TABLE3}),
        _rlps_scores(
            4,
            "with half and none faces in the training images",
            (_AVERAGE, _MACRO_F1),
            {"expw": published.RLPS_TABLE4_EXPW, "rafdb": published.RLPS_TABLE4_RAFDB},
            noise=_FACES,
            readings=(f"as printed: {published.RLPS_ERRATUM}",),
        ),
        _rlps_table5(),
        _hong_table1(),
    )
}
