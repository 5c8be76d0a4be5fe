"""The suites that `fer-gym benchmark` knows by name."""

from __future__ import annotations

from fer_gym.benchmark.spec import arms, papers
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite

_QUICK = Suite(
    "quick",
    (
        SelectionTask(
            "faces",
            (arms.KEEP_ALL, arms.REINFORCE, arms.RANDOM),
            {"limit": 2000, "noise": "faces", "batch_size": 64, **arms.RLPS_ENV},
            episodes=8,
            retrain_epochs=10,
        ),
        RegTuneTask(
            "schedule",
            (
                Arm("vanilla", "static"),
                Arm("static dropout 0.3", "static", {"strength": 0.3}),
                Arm("random dropout", "random_per_chunk"),
                Arm("PPO on dropout", "ppo"),
            ),
            {"limit": 500, "chunks": 8, "chunk_size": 10, "val_batches": 5, "batch_size": 32},
            episodes=8,
            children=2,
        ),
    ),
    seeds=(0, 1),
)


def _selection(name: str, chosen: tuple[Arm, ...], removal: tuple[float, ...] = (), **env: object) -> SelectionTask:
    return SelectionTask(name, chosen, {"batch_size": 64, **arms.RLPS_ENV, **env}, 13, 12, removal)


def _tuning(name: str, chosen: tuple[Arm, ...], **env: object) -> RegTuneTask:
    sizes = {"limit": 2000, "chunks": 30, "val_batches": 10, "batch_size": 16}
    return RegTuneTask(name, chosen, {**sizes, **env}, episodes=40, children=3)


_FLIPS = ("symmetric", 0.2)
_REMOVAL = (0.1, 0.25, 0.5)

# Every baseline where the noise is known: faces cut, labels flipped, labels that people doubt.
_STANDARD = Suite(
    "standard",
    (
        _selection("synthetic-faces", arms.SELECTORS, _REMOVAL, limit=2000, noise="faces"),
        _selection("synthetic-flips", arms.SELECTORS, _REMOVAL, limit=2000, noise=_FLIPS, observe_label=True),
        _selection("fer2013-faces", arms.SELECTORS, _REMOVAL, dataset="fer2013", limit=6000, noise="faces"),
        _selection(
            "fer2013-flips", arms.SELECTORS, _REMOVAL, dataset="fer2013", limit=6000, noise=_FLIPS, observe_label=True
        ),
        _selection(
            "fer2013-doubted",
            arms.SELECTORS,
            _REMOVAL,
            dataset="fer2013",
            limit=6000,
            noise="ferplus",
            observe_label=True,
        ),
        _tuning("synthetic-schedule", arms.SCHEDULERS),
        _tuning("fer2013-schedule", arms.SCHEDULERS, dataset="fer2013"),
    ),
    seeds=tuple(range(10)),
)

# Algorithms of reinforcement learning against each other, with constant and blind agents beside them.
_RL = Suite(
    "rl",
    (
        _selection("selection", arms.RL_SELECTORS, limit=2000, noise="faces"),
        _tuning("schedule", arms.RL_SCHEDULERS, reward="val_f1_change"),
        _tuning("schedule by the gap", arms.RL_SCHEDULERS),
    ),
    seeds=tuple(range(10)),
)

SUITES = {
    suite.name: suite
    for suite in (_QUICK, _STANDARD, _RL, *(table.suites["small"] for table in papers.TABLES.values()))
}
