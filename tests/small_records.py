"""Records small enough to work out a report by hand, and long enough to draw every figure."""

from pathlib import Path
from typing import Any

import numpy as np

from fer_gym.benchmark import records

ABOUT = {
    "suite": "small",
    "plan": {"arms": {}, "seeds": []},
    "versions": {
        **dict.fromkeys(("torch", "gymnasium", "numpy"), "1.0"),
        "fer-gym": "0.1.0",
        "training": "1",
        "commit": "unknown",
    },
    "machine": {"processor": "abacus", "device": "cpu", "precision": "fp32", "threads": 1},
    "data": "unknown",
    "arrays": {},
}


def _test_scores(f1: float) -> dict[str, float]:
    return {"accuracy": f1 + 0.1, "average_accuracy": f1, "macro_f1": f1, "macro_f1_of_means": f1}


def selection(
    arm: str, seed: int, f1: float, *, kept: float = 0.5, learns: bool = False, **more: Any
) -> dict[str, Any]:
    """A record of ImageSelect-v0."""
    episode = {
        "reward": 2.0,
        "mean_reward": 0.2,
        "keep_ratio": kept,
        "validation": _test_scores(f1 - 0.05),
        "env_steps": 40,
        "gradient_steps": 5,
    }
    return {
        **ABOUT,
        "task": "walk",
        "environment": "ImageSelect-v0",
        "arm": arm,
        "seed": seed,
        "settings": {
            "env": {"limit": 40, "noise": "faces"},
            "agent": arm.replace(" ", "_"),
            "agent_settings": {},
            "episodes": 2,
        },
        "seconds": 30.5 + seed,
        "episodes": [episode, {**episode, "reward": 3.0, "env_steps": 80, "gradient_steps": 9}] if learns else [],
        "scores": {
            "keep_ratio": kept,
            "test": _test_scores(f1),
            "keep_probability": {"full": kept, "none": kept / 2},
            "share_kept": {"full": kept, "none": kept / 2},
            "auroc_none_face": {"agent": 0.5 + f1 / 2, "entropy": 0.75},
        },
        **more,
    }


def tuning(arm: str, seed: int, f1: float, gap: float, *, task: str = "run", learns: bool = False) -> dict[str, Any]:
    """A record of RegTune-v0, of one child and two chunks."""
    row = {
        "reward": gap,
        "gap_return": gap,
        "val_f1_change": f1 - 0.1,
        "validation": _test_scores(f1),
        "env_steps": 2,
        "gradient_steps": 40,
    }
    return {
        **ABOUT,
        "task": task,
        "environment": "RegTune-v0",
        "arm": arm,
        "seed": seed,
        "settings": {
            "env": {"regularizers": {"dropout": [0.0, 0.8]}},
            "agent": arm,
            "agent_settings": {"strength": 0.2} if arm == "static" else {},
            "episodes": 3,
        },
        "seconds": 10.0,
        "episodes": [row, row, row] if learns else [],
        "children": [{**row, "test": _test_scores(f1)}],
        "arrays": {
            "child_train_losses": np.array([[1.5, 1.0]], np.float32),
            "child_val_losses": np.array([[1.6, 1.2]], np.float32),
            "child_schedule": np.array([[[0.1], [0.3]]], np.float32),
        },
        "scores": {
            "gap_return": gap,
            "val_f1_change": f1 - 0.1,
            "train_f1": 0.9,
            "test": _test_scores(f1),
            "mean_strength": 0.2,
            "gradient_steps": {"learning": 6000 if learns else 0, "each child": 40},
        },
    }


def walks() -> list[dict[str, Any]]:
    """Three arms of ImageSelect-v0 under four seeds."""
    kept, learner, random = (0.5, 0.6, 0.7, 0.9), (0.7, 0.7, 0.8, 0.8), (0.5, 0.6, 0.6, 0.5)
    return [
        record
        for seed in range(4)
        for record in (
            selection("keep all", seed, kept[seed], kept=1.0),
            selection("learner", seed, learner[seed], kept=0.75, learns=True),
            selection("random", seed, random[seed]),
        )
    ]


def runs(task: str = "run") -> list[dict[str, Any]]:
    """Three arms of RegTune-v0 under two seeds: the higher the return, the lower the score."""
    return [
        record
        for seed in (0, 1)
        for record in (
            tuning("vanilla", seed, 0.42 + seed / 100, -20 - seed, task=task),
            tuning("static", seed, 0.32 + seed / 100, -10 - seed, task=task),
            tuning("ppo", seed, 0.22 + seed / 100, -1 - seed, task=task, learns=True),
        )
    ]


def write(folder: Path, *of: dict[str, Any]) -> Path:
    """Write records where a benchmark would."""
    for record in of:
        records.write(records.path_of(folder, record["task"], record["arm"], record["seed"]), record)
    return folder


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """All that must not differ between two runs of a trial, wherever they ran; arrays as lists."""
    arrays = {name: values.tolist() for name, values in record["arrays"].items()}
    versions = {**record["versions"], "commit": ""}  # somebody may commit meanwhile
    return {**record, "seconds": 0, "machine": {}, "versions": versions, "arrays": arrays}
