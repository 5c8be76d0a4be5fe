"""What became of each episode that an agent lived through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym


class EpisodeLog(gym.Wrapper[Any, Any, Any, Any]):
    """Notes how each episode of ImageSelect-v0 or RegTune-v0 ended, frozen ones left out.

    Args:
        env: the environment.
        note: is called with each row: `reward`, the episode's return; `validation`, the scores of the whole split;
            and what `_of_selection` or `_of_regularization` add.

    Attributes:
        rows: of all episodes so far.
        running: what is known of the episode under way, plain data.
    """

    def __init__(self, env: gym.Env[Any, Any], note: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(env)
        self.rows: list[dict[str, Any]] = []
        self._note = note
        self.running: dict[str, Any] = {"frozen": False, "reward": 0.0, "infos": []}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset, and remember whether the episode is frozen."""
        observation, info = self.env.reset(seed=seed, options=options)
        frozen = bool(options and options.get("freeze"))
        self.running = {"frozen": frozen, "reward": 0.0, "infos": [info] if info else []}
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and note the episode's end."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.running["reward"] += float(reward)
        if info:
            self.running["infos"].append(info)
        if terminated and not self.running["frozen"]:
            infos = self.running["infos"]
            more = _of_selection(info) if "retained" in info else _of_regularization(infos)
            row = {"reward": self.running["reward"], **more, "validation": info["validation"]}
            self.rows.append(row)
            self._note(row)
        return observation, reward, terminated, truncated, info


def _of_selection(info: dict[str, Any]) -> dict[str, Any]:
    kept = info["retained"]
    # Eq. 3 is a sum, which grows with the number of images kept: the mean stands beside it.
    mean_reward = float(info["sample_rewards"][kept].mean()) if kept.any() else 0.0
    return {"mean_reward": mean_reward, "keep_ratio": info["keep_ratio"]}


def _of_regularization(infos: list[dict[str, Any]]) -> dict[str, Any]:
    """Whatever the agent was paid for: both returns, the last F1, and the schedule, which can be replayed."""
    chunks = [info for info in infos if info["chunk"] > 0]
    first, last = infos[0], chunks[-1]
    return {
        "gap_return": sum(info["val_f1"] - info["train_f1"] for info in chunks),
        "val_f1_change": last["val_f1"] - (first["val_f1"] if first["chunk"] == 0 else 0.0),
        "train_f1": last["train_f1"],
        "val_f1": last["val_f1"],
        "train_losses": [info["train_loss"] for info in chunks],
        "val_losses": [info["val_loss"] for info in chunks],
        "schedule": [list(info["hyperparameters"].values()) for info in chunks],
        "diverged": last["diverged"],
    }


def in_words(row: dict[str, Any]) -> str:
    """A row as one line."""
    scores = ", ".join(f"{name} {value:.3f}" for name, value in row["validation"].items())
    if "keep_ratio" in row:
        of_episode = f"mean {row['mean_reward']:.3f}; keep ratio {row['keep_ratio']:.3f}"
    else:
        middle = [sum(strengths) / len(strengths) for strengths in zip(*row["schedule"], strict=True)]
        of_episode = f"mean strength {', '.join(f'{value:.3f}' for value in middle)}"
        of_episode += "; diverged" if row["diverged"] else ""
    return f"reward {row['reward']:.2f}; {of_episode}; validation: {scores}"
