"""The papers' tables: the numbers they printed, and for each the suites that run it again at three scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fer_gym.benchmark.spec import arms
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite, Task
from fer_gym.checks import check_choice
from fer_gym.errors import UsageError

SCALES = ("smoke", "small", "paper")


@dataclass(frozen=True)
class Row:
    """A row of a paper's table.

    Attributes:
        name: as the paper has it.
        published: what it prints, by its column.
        arm: what stands for it here.
        key: the last key of the score, where the rows are not arms but kinds of image.
    """

    name: str
    published: Mapping[str, str]
    arm: Arm
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
        suites: by scale; a scale is missing where no loader reads the paper's data.
        differs: by scale, what is not as in the paper; where the suite is missing, why.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    measures: tuple[Measure, ...]
    suites: Mapping[str, Suite]
    differs: Mapping[str, tuple[str, ...]]

    def suite(self, scale: str) -> Suite:
        """The suite of a scale.

        Raises:
            ValueError: if there is none; the message says why.
        """
        check_choice("scale", scale, SCALES)
        if scale not in self.suites:
            raise UsageError(f"{self.name} at scale {scale!r}: {self.differs[scale][0]}; use --scale small")
        return self.suites[scale]


def of_suite(name: str) -> tuple[PaperTable, str] | None:
    """The table and the scale that the suite of this name is of; None if it is of none."""
    found = ((table, scale) for table in TABLES.values() for scale, suite in table.suites.items() if suite.name == name)
    return next(found, None)


# -- what the scales are -----------------------------------------------------------------------------------------------

_SMOKE_SEEDS = (0, 1)
_SMALL_SEEDS = (0, 1, 2, 3, 4)
_PAPER_SEEDS = tuple(range(10))

_SMOKE = "the scale: 300 synthetic faces, the small network, next to no training, two seeds; it shows that all runs"
_READING = (
    "the reading of Eq. 2: an image's reward is p(y|x) less the mean p(y|.) over all images, less a cost of 0.11",
    "Algorithm 1, which as written learns nothing: signed credits, natural gradient, entropy bonus",
)
_STAND_IN = "the data: 6,000 images of FER2013 stand in for {}, which no loader reads yet"


def _suites(name: str, smoke: Task, small: Task, paper: Task | None = None) -> dict[str, Suite]:
    suites = {
        "smoke": Suite(f"{name}-smoke", (smoke,), _SMOKE_SEEDS),
        "small": Suite(name, (small,), _SMALL_SEEDS),
    }
    return suites if paper is None else {**suites, "paper": Suite(f"{name}-paper", (paper,), _PAPER_SEEDS)}


# -- RLPS --------------------------------------------------------------------------------------------------------------

_FACES = {"noise": "faces"}
_ACCURACY = Measure("total accuracy, %", ("test", "accuracy"), percent=True)
_AVERAGE = Measure("average accuracy, %", ("test", "average_accuracy"), percent=True)
_MACRO_F1 = Measure("macro F1", ("test", "macro_f1_of_means"))


def _rlps_smoke(chosen: tuple[Arm, ...], noise: Mapping[str, str]) -> SelectionTask:
    env = {"limit": 300, "batch_size": 64, "pretrain_epochs": 1, **noise, **arms.RLPS_ENV}
    return SelectionTask("synthetic", chosen, env, episodes=2, retrain_epochs=1)


def _rlps_small(chosen: tuple[Arm, ...], noise: Mapping[str, str]) -> SelectionTask:
    env = {"dataset": "fer2013", "limit": 6000, "batch_size": 64, **noise, **arms.RLPS_ENV}
    return SelectionTask("fer2013", chosen, env, episodes=13, retrain_epochs=8)


def _rlps_scores(
    name: str,
    title: str,
    measures: tuple[Measure, ...],
    numbers: Mapping[str, tuple[str, str, str] | tuple[str, str, str, str]],
    stand_in: str | None,
    noise: Mapping[str, str],
) -> PaperTable:
    """Tables 1 to 4: methods by test scores. `numbers` are a column's, from the first row to the last."""
    names = {"DCNN": arms.KEEP_ALL, "DCNN+Sigmoid": arms.SIGMOID, "RLPS+F1": arms.F1_CHANGE, "RLPS": arms.REINFORCE}
    if all(len(column) == 3 for column in numbers.values()):
        del names["RLPS+F1"]
    rows = tuple(
        Row(method, {column: printed[place] for column, printed in numbers.items()}, arm)
        for place, (method, arm) in enumerate(names.items())
    )
    chosen = (*names.values(), arms.RANDOM)
    small = ("the network: the small one, not CNN-A or VGG19", "the seeds: five, not ten", *_READING)
    paper = None
    differs: dict[str, tuple[str, ...]] = {"smoke": (_SMOKE, *_READING)}
    if stand_in is None:
        env = {"dataset": "fer2013", "network": "vgg19", "optimizer": "sgd", "learning_rate": 0.01, **arms.RLPS_ENV}
        paper = SelectionTask("fer2013", chosen, {**env, "pretrain_epochs": 30}, episodes=30, retrain_epochs=60)
        differs |= {
            "small": ("the data: 6,000 of the 28,709 training images", *small),
            "paper": ("unsaid in the paper: 30 epochs of pretraining, 30 episodes, 60 epochs at the end", *_READING),
        }
    else:
        missing = f"no loader reads {stand_in.replace(' and ', ' or ')} yet"
        differs |= {"small": (_STAND_IN.format(stand_in), *small), "paper": (missing,)}
    suites = _suites(name, _rlps_smoke(chosen, noise), _rlps_small(chosen, noise), paper)
    return PaperTable(name, title, rows, measures, suites, differs)


def _rlps_table5() -> PaperTable:
    published = {
        "full": {"RAF-DB": ".9618", "ExpW": ".9786"},
        "half": {"RAF-DB": ".8909", "ExpW": ".8201"},
        "none": {"RAF-DB": ".3218", "ExpW": ".2891"},
    }
    rows = tuple(Row(f"{kind} face", numbers, arms.REINFORCE, kind) for kind, numbers in published.items())
    measures = (Measure("keep probability", ("keep_probability",)), Measure("share kept", ("share_kept",)))
    chosen = (arms.KEEP_ALL, arms.REINFORCE, arms.RANDOM)
    env = {"dataset": "fer2013", "limit": 6000, "noise": "faces", "network": "rlps_cnn"}
    env |= {"batch_size": 32, "learning_rate": 5e-4, **arms.RLPS_ENV}
    small = SelectionTask("fer2013-faces", chosen, env, episodes=13, retrain_epochs=8)
    differs = {
        "smoke": (_SMOKE, *_READING),
        "small": (_STAND_IN.format("RAF-DB and ExpW"), "the seeds: five, not ten", *_READING),
        "paper": ("no loader reads RAF-DB or ExpW yet",),
    }
    suites = _suites("rlps-table5", _rlps_smoke(chosen, _FACES), small)
    title = "Table 5 of Li and Xu (2020): keep probability by kind of face"
    return PaperTable("rlps-table5", title, rows, measures, suites, differs)


# -- Hong --------------------------------------------------------------------------------------------------------------


def _regtune_table1() -> PaperTable:
    numbers = {
        "vanilla": (arms.VANILLA, ".831", ".615", ".489"),
        "NI": (arms.STATIC_NOISE, ".843", ".602", ".480"),
        "D": (arms.STATIC_DROPOUT, ".844", ".601", ".486"),
        "DNI": (arms.DNI, ".851", ".618", ".506"),
        "RNI": (arms.RNI, ".852", ".616", ".515"),
        "RD": (arms.RD, ".875", ".626", ".534"),
    }
    columns = ("CIFAR-100", "FER2013", "AffectNet")
    rows = tuple(Row(name, dict(zip(columns, printed, strict=True)), arm) for name, (arm, *printed) in numbers.items())
    smoke_env = {"limit": 300, "chunks": 3, "chunk_size": 4, "val_batches": 2, "batch_size": 16}
    # Ten epochs of so few images that a child without a regulariser learns them by heart.
    small_env = {"dataset": "fer2013", "limit": 250, "chunks": 30, "chunk_size": 10, "val_batches": 10, "batch_size": 8}
    paper_env = {"dataset": "fer2013", "network": "resnet34", "chunks": 400}
    suites = _suites(
        "regtune-table1",
        RegTuneTask("synthetic", tuple(row.arm for row in rows), smoke_env, episodes=6, children=1),
        RegTuneTask("fer2013", arms.tuners("small"), small_env, episodes=40, children=3),
        RegTuneTask("fer2013", arms.tuners("resnet34"), paper_env, episodes=20, children=1),
    )
    unsaid = "unsaid in the paper: bounds, noise sites, PPO's other settings, the length of an episode"
    dni = "DNI: a reconstruction"
    differs = {
        "smoke": (_SMOKE, unsaid, dni),
        "small": (
            "the data: 250 images of FER2013; no loader reads CIFAR-100 or AffectNet yet",
            "the network: the small one, not ResNet34, for 300 gradient steps of 8 images",
            unsaid,
            dni,
        ),
        "paper": ("the data: FER2013 alone; no loader reads CIFAR-100 or AffectNet yet", unsaid, dni),
    }
    measures = (Measure("test F1", ("test", "macro_f1")),)
    title = "Table 1 of Hong (2024): test F1"
    return PaperTable("regtune-table1", title, rows, measures, suites, differs)


#: Every table that `fer-gym reproduce` knows.
TABLES = {
    table.name: table
    for table in (
        _rlps_scores(
            "rlps-table1",
            "Table 1 of Li and Xu (2020): total accuracy on FER2013",
            (_ACCURACY,),
            {"FER2013, %": ("70.21", "71.23", "72.35")},
            stand_in=None,
            noise={},
        ),
        _rlps_scores(
            "rlps-table2",
            "Table 2 of Li and Xu (2020): average accuracy on RAF-DB",
            (_AVERAGE,),
            {"RAF-DB, %": ("66.19", "68.72", "72.84")},
            stand_in="RAF-DB",
            noise={},
        ),
        _rlps_scores(
            "rlps-table3",
            "Table 3 of Li and Xu (2020): average accuracy on ExpW",
            (_AVERAGE,),
            {"ExpW, %": ("39.86", "46.47", "50.61")},
            stand_in="ExpW",
            noise={},
        ),
        _rlps_scores(
            "rlps-table4",
            "Table 4 of Li and Xu (2020): with half and none faces in the training images",
            (_AVERAGE, _MACRO_F1),
            {
                "ExpW, average accuracy, %": ("34.61", "42.65", "45.64", "45.96"),
                "ExpW, macro F1": (".3411", ".3524", ".3629", ".3674"),
                "RAF-DB, average accuracy, %": ("52.43", "57.46", "59.08", "59.34"),
                "RAF-DB, macro F1": (".6484", ".6673", ".6733", ".6769"),
            },
            stand_in="ExpW and RAF-DB",
            noise=_FACES,
        ),
        _rlps_table5(),
        _regtune_table1(),
    )
}
