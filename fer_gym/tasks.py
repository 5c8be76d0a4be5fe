"""The calibrated tasks: environments in which a good agent can be told from doing nothing, and what scores say so.

Each is a Gymnasium id. `TASKS[id]` says everything about it: the environment, the learner's budget, how an outcome is
scored, and what two arms of reference score: `trivial`, the better of doing nothing and chance, and `reference`, the
best that is known. An agent's normalised score is its place between the two,

    (mean test macro F1 - mean of trivial) / (mean of reference - mean of trivial),

so 0 is as good as nothing, and 1 as good as an oracle. A task is here only if `reference - trivial` is at least
`LEAST_HEADROOM`, with a 95 % interval above 0. A change of anything that moves a score makes a new version of the id.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from fer_gym.errors import UsageError

if TYPE_CHECKING:
    import gymnasium as gym

_Env = TypeVar("_Env")

#: The seeds of the references' scores. No agent's settings are chosen on them, nor is any agent scored on them.
CALIBRATION_SEEDS = tuple(range(200, 210))
#: In test macro F1.
LEAST_HEADROOM = 0.03
#: What `gym.make` takes with a task's id.
KEYWORDS = ("root", "data_seed", "device", "precision", "render_mode")

# The 97.5 % point of Student's distribution, nine degrees of freedom: ten seeds.
_STUDENT = 2.2622


@dataclass(frozen=True)
class Reference:
    """An arm, and its scores.

    Attributes:
        name: in words.
        agent: an entry point of the group `fer_gym.agents`.
        settings: its keywords, besides `env` and `seed`.
        scores: test macro F1, one for each of `CALIBRATION_SEEDS`; none before the task is calibrated.
    """

    name: str
    agent: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    scores: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        """The mean score."""
        return statistics.fmean(self.scores) if self.scores else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean, by Student."""
        return _interval(self.scores)


@dataclass(frozen=True)
class CalibratedTask:
    """A task whose headroom is known.

    Attributes:
        id: Gymnasium's.
        summary: what it is, in one line.
        env_id: "ImageSelect-v0" or "RegTune-v0".
        env: its keywords.
        episodes: what a learner may use; frozen walks of ImageSelect-v0 train no network and are not counted.
        scoring: how an outcome is scored. In ImageSelect-v0 a network is trained from scratch on the images kept:
            `retrain_steps`, its gradient steps, as many whatever was kept; `keep_at_most`, the share of the images of
            which a larger selection keeps as many at random; `test_labels`. In RegTune-v0 `children`, the fresh ones
            that are regularised.
        trivial: the better of doing nothing and chance.
        reference: the oracle, or the best that was found on tuning seeds.
        others: what else was calibrated: the worse of doing nothing and chance, and in RegTune-v0 the best constant
            where the reference is better than that.
    """

    id: str
    summary: str
    env_id: str
    env: Mapping[str, Any]
    episodes: int
    scoring: Mapping[str, Any]
    trivial: Reference
    reference: Reference
    others: tuple[Reference, ...] = ()

    @property
    def headroom(self) -> float:
        """What the reference scores above the trivial arm."""
        return self.reference.mean - self.trivial.mean

    @property
    def headroom_interval(self) -> tuple[float, float]:
        """Its 95 % interval, by Student, of the differences seed by seed."""
        return _interval(
            [one - other for one, other in zip(self.reference.scores, self.trivial.scores, strict=True)]
        )

    @property
    def admitted(self) -> bool:
        """Whether the headroom is large enough to tell agents apart."""
        return self.headroom >= LEAST_HEADROOM and self.headroom_interval[0] > 0


def _interval(values: Any) -> tuple[float, float]:
    if len(values) != len(CALIBRATION_SEEDS):
        return math.nan, math.nan
    mean, half = statistics.fmean(values), _STUDENT * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


# The reading of RLPS that can tell wrong labels: the reward of an image is p(y|x) less its marginal, less the cost of
# retaining the image, and every image is credited, retained or not.
_SELECT = {"batch_size": 64, "baseline": "marginal", "retain_cost": 0.11, "credit": "signed"}
_FLIPS = {**_SELECT, "pretrain_epochs": 8, "observe_label": True}


def _selection(
    name: str,
    summary: str,
    clean: float,
    scores: Mapping[str, tuple[float, ...]],
    env: Mapping[str, Any],
    *,
    trivial: str = "keep all",
    **scoring: Any,
) -> CalibratedTask:
    """A task of ImageSelect-v0, calibrated by keeping all, by chance and by the oracle, who keep as many.

    Args:
        name: the id's.
        summary: what it is.
        clean: the share that chance and the oracle keep.
        scores: of the three.
        env: the keywords.
        trivial: "keep all" or "random".
        scoring: see `CalibratedTask`.
    """
    arms = {
        arm.name: arm
        for arm in (
            Reference("keep all", "keep_all", {}, scores.get("keep all", ())),
            Reference("random", "random", {"keep_ratio": clean}, scores.get("random", ())),
        )
    }
    return CalibratedTask(
        f"ImageSelect-{name}-v0",
        summary,
        "ImageSelect-v0",
        env,
        13,
        scoring,
        arms.pop(trivial),
        Reference("oracle", "oracle", {"keep_ratio": clean}, scores.get("oracle", ())),
        tuple(arms.values()),
    )


_SCORES: dict[str, dict[str, tuple[float, ...]]] = {}

_ALL = (
    _selection(
        "Flips",
        "two of five labels are another class's",
        0.6,
        _SCORES.get("ImageSelect-Flips-v0", {}),
        {"limit": 2000, "noise": ("symmetric", 0.4), **_FLIPS},
        retrain_steps=1000,
    ),
    _selection(
        "PairFlips",
        "three of ten labels are the next class's",
        0.7,
        _SCORES.get("ImageSelect-PairFlips-v0", {}),
        {"limit": 2000, "noise": ("pair", 0.3), **_FLIPS},
        retrain_steps=1000,
    ),
    _selection(
        "Junk",
        "three of four images show no face; labels are not seen",
        0.25,
        _SCORES.get("ImageSelect-Junk-v0", {}),
        {"noise": ("faces", (0.25, 0.0, 0.75)), **_SELECT},
        retrain_steps=1000,
    ),
    _selection(
        "RareClasses",
        "45 % of the frequent classes' labels are wrong, 10 % of the rare ones'",
        0.585,
        _SCORES.get("ImageSelect-RareClasses-v0", {}),
        {
            "dataset": "synthetic-rare",
            "noise": ("per_class", (0.45, 0.1, 0.1, 0.45, 0.45, 0.1, 0.45)),
            **_FLIPS,
        },
        retrain_steps=1000,
    ),
    _selection(
        "SmallBudget",
        "a fifth may be kept, and three of four images are copies of a few",
        0.2,
        _SCORES.get("ImageSelect-SmallBudget-v0", {}),
        {"limit": 2000, "noise": ("duplicates", (0.75, 0.03)), **_SELECT},
        retrain_steps=800,
        keep_at_most=0.2,
    ),
    _selection(
        "Fer2013Flips",
        "FER2013, two of five labels are another class's",
        0.6,
        _SCORES.get("ImageSelect-Fer2013Flips-v0", {}),
        {"dataset": "fer2013", "limit": 6000, "noise": ("symmetric", 0.4), **_FLIPS},
        retrain_steps=2000,
    ),
)

#: The calibrated tasks by Gymnasium's id.
TASKS: Mapping[str, CalibratedTask] = {task.id: task for task in _ALL}


def make(task: str, **keywords: Any) -> gym.Env[Any, Any]:
    """A task's environment; `gym.make(task)` calls this.

    Args:
        task: one of `TASKS`.
        keywords: those of `KEYWORDS` that the environment takes.

    Raises:
        ValueError: if another keyword is given.
    """
    from fer_gym import envs

    kinds: dict[str, Callable[..., gym.Env[Any, Any]]] = {
        "ImageSelect-v0": envs.ImageSelectEnv,
        "RegTune-v0": envs.RegTuneEnv,
    }
    return _made(kinds[TASKS[task].env_id], task, keywords, KEYWORDS)


def make_vec(task: str, num_envs: int = 1, **keywords: Any) -> gym.vector.VectorEnv[Any, Any, Any]:
    """A task's vector environment; `gym.make_vec(task, num_envs=K)` calls this.

    Args:
        task: one of `TASKS`.
        num_envs: K.
        keywords: those of `KEYWORDS`, and `autoreset_mode`.

    Raises:
        ValueError: if another keyword is given.
    """
    from fer_gym import envs

    kinds: dict[str, Callable[..., gym.vector.VectorEnv[Any, Any, Any]]] = {
        "ImageSelect-v0": envs.ImageSelectVectorEnv,
        "RegTune-v0": envs.RegTuneVectorEnv,
    }
    kind = functools.partial(kinds[TASKS[task].env_id], num_envs)
    return _made(kind, task, keywords, (*KEYWORDS, "autoreset_mode"))


def _made(kind: Callable[..., _Env], task: str, keywords: dict[str, Any], allowed: tuple[str, ...]) -> _Env:
    for name in keywords:
        if name not in allowed:
            base = TASKS[task].env_id
            raise UsageError(f"{name}: not allowed for {task}, which fixes it; use {', '.join(allowed)}, or {base}")
    return kind(**TASKS[task].env, **keywords)
