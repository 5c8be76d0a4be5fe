"""Records as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_gym.data import Splits
from fer_gym.data.splits import NOISE_NAMES

matplotlib.rcParams["svg.hashsalt"] = "fer-gym"  # the same records give the same file
_PER_ROW = 10
_ROWS = 2


def extreme_faces(record: dict[str, Any], splits: Splits, path: Path) -> None:
    """Draw the images that a selector is most and least sure to retain (Fig. 5 of RLPS).

    Args:
        record: of a trial; `splits` must be its data.
        splits: the data.
        path: where the PNG goes.
    """
    index = np.array(record["selection"]["sample_index"])
    probability = np.array(record["selection"]["keep_probability"])
    order = np.argsort(-probability, kind="stable")
    shown = _PER_ROW * _ROWS
    groups = {"most retained": order[:shown], "least retained": order[::-1][:shown]}
    figure = Figure(figsize=(_PER_ROW * 1.1, 2 * _ROWS * 1.45 + 1.0), layout="constrained")
    name = f"{record['task']}, {record['arm']}, seed {record['seed']}"
    figure.suptitle(f"{name}: keep probability of the training images")
    grid = figure.add_gridspec(len(groups), 1)
    for place_of_group, (title, places) in enumerate(groups.items()):
        part = figure.add_subfigure(grid[place_of_group])
        part.suptitle(title)
        axes = part.subplots(_ROWS, _PER_ROW, squeeze=False)
        for axis in axes.flat:
            axis.axis("off")
        for axis, place in zip(axes.flat, places, strict=False):
            image = index[place]
            axis.imshow(_picture(splits.train.pixels[image]), cmap="gray", vmin=0, vmax=255)
            kind = "" if splits.train.noise is None else f"\n{NOISE_NAMES[splits.train.noise[image]].split(' or')[0]}"
            label = splits.classes[splits.train.labels[image]]
            axis.set_title(f"{probability[place]:.3f}\n{label}{kind}", fontsize=7)
    figure.savefig(path, dpi=110)


def reward_curves(records: list[dict[str, Any]], path: Path) -> None:
    """Draw reward and keep ratio by episode, a line per seed (Fig. 8a of RLPS).

    The paper defines the reward as a sum over the retained images and its authors log the mean; both are shown.
    """
    learners = [record for record in records if record["episodes"]]
    panels = {
        "reward": "reward (sum over the retained)",
        "mean_reward": "mean over the retained",
        "keep_ratio": "keep ratio",
    }
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for axis, (key, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for record in learners:
            rows = record["episodes"]
            name = f"{record['arm']}, seed {record['seed']}"
            axis.plot(range(1, len(rows) + 1), [row[key] for row in rows], marker=".", label=name)
        axis.set_xlabel("episode")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
        if key == "keep_ratio":
            axis.set_ylim(0, 1)
            axis.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def schedules(records: list[dict[str, Any]], path: Path) -> None:
    """Draw the children of each arm: strengths and losses by chunk (Fig. 9 of Hong), the first child of each seed.

    Args:
        records: of a task on RegTune-v0.
        path: where the PNG goes.
    """
    arms = list(dict.fromkeys(record["arm"] for record in records))
    figure = Figure(figsize=(2.6 * len(arms), 5.2), layout="constrained")
    axes = figure.subplots(2, len(arms), sharex=True, sharey="row", squeeze=False)
    for column, arm in enumerate(arms):
        strength, loss = axes[:, column]
        strength.set_title(arm, fontsize=9)
        for record in records:
            if record["arm"] != arm:
                continue
            child = record["children"][0]
            chunks = range(1, len(child["schedule"]) + 1)
            for strengths in zip(*child["schedule"], strict=True):
                strength.plot(chunks, strengths, linewidth=1)
            loss.plot(chunks, child["train_losses"], color="tab:blue", linewidth=1)
            loss.plot(chunks, child["val_losses"], color="tab:orange", linewidth=1, linestyle="--")
        loss.set_xlabel("chunk")
        for axis in (strength, loss):
            axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("strength, a line per seed")
    axes[1, 0].set_ylabel("loss: training (blue), validation (dashed)")
    figure.savefig(path, dpi=110)


def _picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(C, H, W) as Matplotlib wants it: (H, W) grey or (H, W, 3)."""
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
