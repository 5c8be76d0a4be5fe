"""The calibrated tasks: environments in which a good agent measurably outscores doing nothing.

Each is a Gymnasium id. `TASKS[id]` has the environment, the learner's budget, how an outcome is scored, and the scores
of two reference arms: `trivial`, the better of doing nothing and chance, and `reference`, the best that is known. An
agent's normalised score is its place between the two,

    (mean test macro F1 - mean of trivial) / (mean of reference - mean of trivial),

so 0 is as good as doing nothing or chance, and 1 as good as the reference. A task is here only if
`reference - trivial` is at least `LEAST_HEADROOM`, with a 95 % interval above 0. A change of anything that moves a
score makes a new version of the id.
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
        hard: why it is hard.
        env_id: "ImageSelect-v0" or "RegTune-v0".
        env: its keywords.
        episodes: what a learner may use; frozen walks of ImageSelect-v0 train no network and are not counted.
        scoring: how an outcome is scored. In ImageSelect-v0 a network is trained from scratch on the images kept, for
            `retrain_steps` gradient steps; a selection above the share `keep_at_most` is cut to it at random. In
            RegTune-v0 the agent regularises `children` fresh children.
        trivial: the better of doing nothing and chance.
        reference: the oracle, or the best that was found on tuning seeds.
        others: what else was calibrated: the worse of doing nothing and chance, and in RegTune-v0 the best constant
            where the reference is better than that.
    """

    id: str
    summary: str
    hard: str
    env_id: str
    env: Mapping[str, Any]
    episodes: int
    scoring: Mapping[str, Any]
    trivial: Reference
    reference: Reference
    others: tuple[Reference, ...] = ()

    @property
    def gradient_steps(self) -> tuple[int, int]:
        """What a learner costs that uses the whole budget, keeping every image, and what its scoring costs."""
        env = self.env
        if self.env_id == "ImageSelect-v0":
            epoch = math.ceil(env["limit"] / env["batch_size"])
            return (env["pretrain_epochs"] + self.episodes) * epoch, self.scoring["retrain_steps"]
        run = env["chunks"] * env["chunk_size"]
        return self.episodes * run, self.scoring["children"] * run

    @property
    def headroom(self) -> float:
        """What the reference scores above the trivial arm."""
        return self.reference.mean - self.trivial.mean

    @property
    def headroom_interval(self) -> tuple[float, float]:
        """Its 95 % interval, by Student, of the differences seed by seed."""
        return _interval([one - other for one, other in zip(self.reference.scores, self.trivial.scores, strict=True)])

    @property
    def admitted(self) -> bool:
        """Whether the headroom is large enough to tell agents apart."""
        return self.headroom >= LEAST_HEADROOM and self.headroom_interval[0] > 0


def _interval(values: Any) -> tuple[float, float]:
    if len(values) != len(CALIBRATION_SEEDS):
        return math.nan, math.nan
    mean, half = statistics.fmean(values), _STUDENT * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


# By task and arm, what `fer-gym tasks calibrate` measured.
_SCORES: dict[str, dict[str, tuple[float, ...]]] = {
    "ImageSelect-Flips-v0": {
        "keep all": (0.5523, 0.5118, 0.5703, 0.5499, 0.5556, 0.5482, 0.5279, 0.5713, 0.5513, 0.5304),
        "random": (0.4266, 0.4888, 0.4817, 0.4621, 0.4924, 0.4447, 0.4642, 0.4729, 0.4604, 0.4561),
        "oracle": (0.7984, 0.8195, 0.8165, 0.8316, 0.7917, 0.779, 0.7829, 0.8138, 0.8045, 0.7832),
    },
    "ImageSelect-Flips-v1": {
        "keep all": (0.6496, 0.6593, 0.6342, 0.6716, 0.6807, 0.662, 0.6585, 0.62, 0.7083, 0.6887),
        "random": (0.5596, 0.5617, 0.5692, 0.5228, 0.5561, 0.5586, 0.5416, 0.5485, 0.6185, 0.5471),
        "oracle": (0.8594, 0.8856, 0.9051, 0.8883, 0.8849, 0.865, 0.8678, 0.8825, 0.8898, 0.8945),
    },
    "ImageSelect-PairFlips-v0": {
        "keep all": (0.6296, 0.5977, 0.5982, 0.6048, 0.6241, 0.5719, 0.5713, 0.6321, 0.5933, 0.5863),
        "random": (0.5778, 0.5763, 0.5771, 0.6126, 0.5589, 0.5385, 0.5287, 0.6051, 0.5515, 0.5595),
        "oracle": (0.8033, 0.8314, 0.8372, 0.8238, 0.8049, 0.8003, 0.7795, 0.8211, 0.826, 0.789),
    },
    "ImageSelect-PairFlips-v1": {
        "keep all": (0.7448, 0.7226, 0.7728, 0.7229, 0.7706, 0.7617, 0.7184, 0.7639, 0.7718, 0.7653),
        "random": (0.6466, 0.6601, 0.7459, 0.6885, 0.6861, 0.6474, 0.7444, 0.6933, 0.7027, 0.6743),
        "oracle": (0.8925, 0.8833, 0.9059, 0.9018, 0.8763, 0.8884, 0.8808, 0.8896, 0.8897, 0.8977),
    },
    "ImageSelect-Junk-v0": {
        "keep all": (0.3617, 0.3988, 0.422, 0.4308, 0.4034, 0.407, 0.4001, 0.4496, 0.3781, 0.3551),
        "random": (0.207, 0.2141, 0.2029, 0.2004, 0.2064, 0.171, 0.1918, 0.1753, 0.2382, 0.1768),
        "oracle": (0.4649, 0.4848, 0.4725, 0.5133, 0.4943, 0.3985, 0.4532, 0.489, 0.4707, 0.4071),
    },
    "ImageSelect-Junk-v1": {
        "keep all": (0.3179, 0.3171, 0.2843, 0.3561, 0.3585, 0.4005, 0.3283, 0.3236, 0.3241, 0.2838),
        "random": (0.292, 0.2804, 0.3636, 0.3072, 0.3333, 0.358, 0.3249, 0.3336, 0.3349, 0.3001),
        "oracle": (0.6758, 0.6878, 0.7055, 0.6971, 0.6758, 0.67, 0.6702, 0.667, 0.668, 0.6271),
    },
    "ImageSelect-RareClasses-v0": {
        "keep all": (0.5898, 0.5996, 0.6148, 0.6346, 0.614, 0.6105, 0.6189, 0.6301, 0.6231, 0.5911),
        "random": (0.4844, 0.4822, 0.4699, 0.509, 0.5246, 0.4918, 0.5019, 0.5135, 0.4954, 0.4921),
        "oracle": (0.7983, 0.7955, 0.7821, 0.8102, 0.8258, 0.7926, 0.814, 0.834, 0.791, 0.7702),
    },
    "ImageSelect-SmallBudget-v0": {
        "keep all": (0.3877, 0.3715, 0.3625, 0.3968, 0.394, 0.3857, 0.3237, 0.3575, 0.4371, 0.3461),
        "random": (0.3817, 0.3759, 0.3619, 0.3941, 0.3848, 0.3603, 0.3441, 0.329, 0.3909, 0.2973),
        "oracle": (0.6456, 0.633, 0.5934, 0.6504, 0.6541, 0.6152, 0.6106, 0.6184, 0.6233, 0.5914),
    },
    "ImageSelect-Fer2013Flips-v0": {
        "keep all": (0.2871, 0.2969, 0.3164, 0.3004, 0.3032, 0.2796, 0.2888, 0.3004, 0.2928, 0.2818),
        "random": (0.2687, 0.2759, 0.271, 0.2743, 0.2756, 0.2612, 0.2575, 0.2755, 0.2519, 0.2695),
        "oracle": (0.3946, 0.4043, 0.398, 0.3834, 0.3911, 0.3863, 0.3837, 0.3948, 0.38, 0.3797),
    },
    "RegTune-Overfit-v0": {
        "none": (0.5066, 0.4744, 0.4721, 0.4456, 0.5466, 0.4398, 0.4531, 0.5045, 0.4727, 0.4439),
        "random": (0.6242, 0.5659, 0.5957, 0.2874, 0.6346, 0.5527, 0.3184, 0.3609, 0.3196, 0.4377),
        "best constant": (0.617, 0.5972, 0.6309, 0.5964, 0.6422, 0.582, 0.5501, 0.6207, 0.6115, 0.587),
    },
    "RegTune-WrongLabels-v0": {
        "none": (0.4536, 0.3972, 0.4062, 0.4011, 0.4417, 0.3826, 0.3725, 0.3831, 0.4086, 0.38),
        "random": (0.515, 0.2882, 0.4979, 0.2283, 0.5558, 0.3756, 0.301, 0.4802, 0.4373, 0.3461),
        "best constant": (0.5426, 0.5294, 0.5171, 0.5248, 0.5519, 0.4948, 0.5212, 0.5407, 0.5346, 0.4928),
    },
    "RegTune-RunsDiffer-v0": {
        "none": (0.5085, 0.4505, 0.5241, 0.4886, 0.4739, 0.4424, 0.5219, 0.5421, 0.4866, 0.4488),
        "random": (0.4861, 0.3605, 0.4553, 0.3684, 0.4267, 0.3426, 0.3616, 0.481, 0.3602, 0.3866),
        "best constant": (0.5135, 0.4358, 0.5264, 0.4879, 0.4849, 0.4772, 0.527, 0.5397, 0.5115, 0.47),
        "best by instance": (0.5624, 0.5065, 0.5923, 0.5301, 0.5177, 0.4876, 0.5707, 0.5865, 0.558, 0.5111),
    },
}

# The reading of RLPS that can tell wrong labels: the reward of an image is p(y|x) less its marginal, less the cost of
# retaining the image, and every image is credited, retained or not.
_SELECT = {"batch_size": 64, "pretrain_epochs": 5, "baseline": "marginal", "retain_cost": 0.11, "credit": "signed"}
_FLIPS = {**_SELECT, "pretrain_epochs": 8, "observe_label": True}
# Mirrored and shifted images: a network knows the wrong labels by heart later.
_AUGMENTED = {**_FLIPS, "pretrain_epochs": 24, "augment": {"flip": True, "shift": 3, "border": "reflect"}}


def _selection(
    name: str,
    summary: str,
    hard: str,
    env: Mapping[str, Any],
    *,
    clean: float,
    version: int = 0,
    **scoring: Any,
) -> CalibratedTask:
    """A task of ImageSelect-v0, calibrated by keeping all, and by chance and the oracle, which keep the share `clean`.

    Args:
        name: the id's.
        summary: what it is.
        hard: why it is hard.
        env: the keywords.
        clean: the share that chance and the oracle keep.
        version: the id's.
        scoring: see `CalibratedTask`.
    """
    id = f"ImageSelect-{name}-v{version}"
    nothing = _reference(id, "keep all", "keep_all")
    chance = _reference(id, "random", "random", keep_ratio=clean)
    oracle = _reference(id, "oracle", "oracle", keep_ratio=clean)
    return CalibratedTask(id, summary, hard, "ImageSelect-v0", env, 13, scoring, nothing, oracle, (chance,))


# Ten chunks, and an observation of a few numbers that tell how the run goes: tens of episodes are enough to
# learn from. The rewards of an episode sum to the last validation F1.
_TUNE = {
    "batch_size": 64,
    "chunk_size": 40,
    "chunks": 10,
    "val_batches": "all",
    "warmup": None,
    "reward": "val_f1_change",
    "observe": ("train_f1", "val_f1", "strengths", "progress"),
}
# So wide that strengths drawn at random are no better than none; the middle of the box is.
_WIDE = {"dropout": (0.0, 0.95), "weight_decay": (0.0, 1.0), "mixup": (0.0, 1.0)}


def _tuning(
    name: str,
    summary: str,
    hard: str,
    env: Mapping[str, Any],
    *,
    children: int,
    constant: tuple[float, ...],
    by_instance: tuple[float, ...] | None = None,
    episodes: int = 60,
) -> CalibratedTask:
    """A task of RegTune-v0, calibrated by no regularisation, by random strengths and by the best that is known.

    Args:
        name: the id's.
        summary: what it is.
        hard: why it is hard.
        env: the keywords.
        children: see `CalibratedTask`.
        constant: the best constant action that was found on tuning seeds.
        by_instance: the best constant of each instance, found likewise.
        episodes: a learner's budget.
    """
    id = f"RegTune-{name}-v0"
    best = _reference(id, "best constant", "static", strength=list(constant))
    others = [_reference(id, "random", "random_per_chunk")]
    if by_instance is not None:
        others.append(best)
        best = _reference(id, "best by instance", "knows_instance", strengths=list(by_instance))
    nothing = _reference(id, "none", "static")
    scoring = {"children": children}
    keywords = {**_TUNE, **env}
    return CalibratedTask(id, summary, hard, "RegTune-v0", keywords, episodes, scoring, nothing, best, tuple(others))


def _reference(task: str, name: str, agent: str, **settings: Any) -> Reference:
    return Reference(name, agent, settings, _SCORES.get(task, {}).get(name, ()))


# The versions of a task in their order.
_ALL: tuple[CalibratedTask, ...] = (
    _selection(
        "Flips",
        "two of five labels are another class's",
        "A network learns wrong labels by heart within 20 epochs. The reward tells them from right ones only before "
        "that, and an agent that keeps wrong labels trains the network that computes its reward on them.",
        {"limit": 2000, "noise": ("symmetric", 0.4), **_FLIPS},
        clean=0.6,
        retrain_steps=1000,
    ),
    _selection(
        "Flips",
        "two of five labels are another class's",
        "A network learns wrong labels by heart, if late: its images are mirrored and shifted. The reward tells them "
        "from right ones only before that, and an agent that keeps wrong labels trains the network that computes its "
        "reward on them.",
        {"limit": 2000, "noise": ("symmetric", 0.4), **_AUGMENTED},
        clean=0.6,
        version=1,
        retrain_steps=3000,
    ),
    _selection(
        "PairFlips",
        "three of ten labels are the next class's",
        "The wrong labels agree with each other, so the network learns the confusion as if it were the truth.",
        {"limit": 2000, "noise": ("pair", 0.3), **_FLIPS},
        clean=0.7,
        retrain_steps=1000,
    ),
    _selection(
        "PairFlips",
        "three of ten labels are the next class's",
        "The wrong labels agree with each other, so the network learns the confusion as if it were the truth, and "
        "gives wrong labels a probability of more than a quarter in the mean.",
        {"limit": 2000, "noise": ("pair", 0.3), **_AUGMENTED, "retain_cost": 0.25},
        clean=0.7,
        version=1,
        retrain_steps=3000,
    ),
    _selection(
        "Junk",
        "three of four images show no face; labels are not seen",
        "Most of the data set is useless, and nothing but the course of the training tells which part.",
        {"limit": 800, "noise": ("faces", (0.25, 0.0, 0.75)), **_SELECT, "pretrain_epochs": 11},
        clean=0.25,
        retrain_steps=1000,
    ),
    _selection(
        "Junk",
        "a quarter may be kept, and three of four images show no face; labels are not seen",
        "Most of the data set is useless, and nothing but the course of the training tells which part. Every "
        "picture without a face takes the place of one with a face.",
        {"limit": 2000, "noise": ("faces", (0.25, 0.0, 0.75)), **_SELECT, "pretrain_epochs": 11, "retain_cost": 0.3},
        clean=0.25,
        version=1,
        retrain_steps=2000,
        keep_at_most=0.25,
    ),
    _selection(
        "RareClasses",
        "45 % of the frequent classes' labels are wrong, 10 % of the rare ones'",
        "Disgust and surprise are one image in forty, so most labels that name them are wrong. "
        "Removing all of those gives up the classes' F1.",
        {
            "dataset": "synthetic-rare",
            "limit": 3500,
            "noise": ("per_class", (0.45, 0.1, 0.1, 0.45, 0.45, 0.1, 0.45)),
            **_FLIPS,
        },
        clean=0.585,
        retrain_steps=1000,
    ),
    _selection(
        "SmallBudget",
        "a fifth may be kept, and three of four images are copies of a few",
        "Copies are fitted first, so confidence and the reward of RLPS rank them highest.",
        {"limit": 2000, "noise": ("duplicates", (0.75, 0.03)), **_SELECT},
        clean=0.2,
        retrain_steps=800,
        keep_at_most=0.2,
    ),
    _selection(
        "Fer2013Flips",
        "FER2013, two of five labels are another class's",
        "Real faces, of which a network of this size does not recognise half: what is wrong and what is "
        "difficult look alike.",
        {"dataset": "fer2013", "limit": 6000, "noise": ("symmetric", 0.4), **_FLIPS},
        clean=0.6,
        retrain_steps=2000,
    ),
    _tuning(
        "Overfit",
        "three hundred images: the network knows them by heart",
        "Dropout, mixup and weight decay together. Near the upper end of its range dropout stops the "
        "network from learning. The middle of the box, where an untrained policy acts, is good already: "
        ".58 on a tuning seed.",
        {"limit": 300, "regularizers": _WIDE},
        children=2,
        constant=(0.65, 0.0, 0.5),
    ),
    _tuning(
        "WrongLabels",
        "two of five labels wrong: the network learns those by heart as well",
        "What helps in the end costs validation F1 at first.",
        {
            "limit": 1000,
            "noise": ("symmetric", 0.4),
            "chunk_size": 80,
            "regularizers": _WIDE,
        },
        children=2,
        constant=(0.65, 0.0, 0.5),
        episodes=30,
    ),
    _tuning(
        "RunsDiffer",
        "runs of several kinds, and the agent is not told which",
        "Some runs overfit, others learn too slowly to bear any dropout. The number of images, the share "
        "of wrong labels and the learning rate are drawn anew each episode; only the course of the run "
        "tells them.",
        {
            "regularizers": {"dropout": (0.0, 0.9)},
            "instances": (
                {"limit": 3500, "noise": None, "learning_rate": 1e-4},
                {"limit": 3500, "noise": ("symmetric", 0.2), "learning_rate": 1.5e-4},
                {"limit": 300, "noise": None, "learning_rate": 1e-3},
                {"limit": 300, "noise": ("symmetric", 0.2), "learning_rate": 1e-3},
            ),
        },
        children=4,
        constant=(0.15,),
        by_instance=(0.0, 0.0, 0.7, 0.7),
    ),
)

#: Every task that was thought of, by its id; those that are not admitted are not registered.
CANDIDATES: Mapping[str, CalibratedTask] = {task.id: task for task in _ALL}
#: The calibrated tasks by Gymnasium's id.
TASKS: Mapping[str, CalibratedTask] = {task.id: task for task in _ALL if task.admitted}
_LAST = {task.id.rpartition("-v")[0]: task for task in TASKS.values()}
#: Those that no later version replaces: what suites and comparisons should use.
CURRENT: Mapping[str, CalibratedTask] = {task.id: task for task in _LAST.values()}


def make(task: str, **keywords: Any) -> gym.Env[Any, Any]:
    """A task's environment; `gym.make(task)` calls this.

    Args:
        task: one of `CANDIDATES`.
        keywords: those of `KEYWORDS` that the environment takes.

    Raises:
        ValueError: if another keyword is given.
    """
    from fer_gym import envs

    kind = envs.ImageSelectEnv if CANDIDATES[task].env_id == "ImageSelect-v0" else envs.RegTuneEnv
    return _made(kind, task, keywords, KEYWORDS)


def make_vec(task: str, num_envs: int = 1, **keywords: Any) -> gym.vector.VectorEnv[Any, Any, Any]:
    """A task's vector environment; `gym.make_vec(task, num_envs=K)` calls this.

    Args:
        task: one of `CANDIDATES`.
        num_envs: K.
        keywords: those of `KEYWORDS`, and `autoreset_mode`.

    Raises:
        ValueError: if another keyword is given.
    """
    from fer_gym import envs

    kind = envs.ImageSelectVectorEnv if CANDIDATES[task].env_id == "ImageSelect-v0" else envs.RegTuneVectorEnv
    return _made(functools.partial(kind, num_envs), task, keywords, (*KEYWORDS, "autoreset_mode"))


def _made(kind: Callable[..., _Env], task: str, keywords: dict[str, Any], allowed: tuple[str, ...]) -> _Env:
    for name in keywords:
        if name not in allowed:
            base = CANDIDATES[task].env_id
            raise UsageError(f"{name}: not allowed for {task}, which fixes it; use {', '.join(allowed)}, or {base}")
    return kind(**CANDIDATES[task].env, **keywords)
