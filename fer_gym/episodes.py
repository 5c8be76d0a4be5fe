"""A row of numbers for each episode of an agent: its return, its scores, its cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from fer_gym.envs.image_select.vector import ImageSelectVectorEnv


class EpisodeLog(gym.Wrapper[Any, Any, Any, Any]):
    """Makes a row of each episode of ImageSelect-v0 or RegTune-v0 at its end, frozen ones left out.

    Args:
        env: the environment.
        note: is called with each row: `reward`, the episode's return; `validation`, the scores of the whole split;
            `env_steps` so far, frozen episodes included; `gradient_steps` so far, warm-ups included, pretraining not;
            and what `_of_selection` or `_of_regularization` add.

    Attributes:
        rows: of all episodes so far.
        running: the return, infos and steps of the episode under way, plain data.
    """

    def __init__(self, env: gym.Env[Any, Any], note: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(env)
        self.rows: list[dict[str, Any]] = []
        self._note = note
        self.running: dict[str, Any] = {"frozen": False, "reward": 0.0, "infos": [], "env_steps": 0}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset, and remember whether the episode is frozen."""
        observation, info = self.env.reset(seed=seed, options=options)
        frozen = bool(options and options.get("freeze"))
        infos = [info] if info else []
        self.running = {"frozen": frozen, "reward": 0.0, "infos": infos, "env_steps": self.running["env_steps"]}
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and note the episode's end."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.running["reward"] += float(reward)
        self.running["env_steps"] += 1
        if info:
            self.running["infos"].append(info)
        if terminated and not self.running["frozen"]:
            infos = self.running["infos"]
            row = _row(self.env.unwrapped, self.rows, self.running["reward"], infos, self.running["env_steps"])
            self.rows.append(row)
            self._note(row)
        return observation, reward, terminated, truncated, info


class VectorEpisodeLog(gym.vector.VectorWrapper):
    """`EpisodeLog` of K environments at once; call `reset` after each episode, not an environment's autoreset.

    All walkers of ImageSelect-v0 share an episode, so it has one row: its return is the walkers' mean. Each child of
    RegTune-v0 has its own.

    Args:
        env: this package's vector environment.
        note: as `EpisodeLog`'s.

    Attributes:
        rows: of all episodes so far.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], note: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(env)
        self.rows: list[dict[str, Any]] = []
        self._note = note
        self._frozen = False
        self._returns = np.zeros(env.num_envs)
        self._infos: list[list[dict[str, Any]]] = [[] for _ in range(env.num_envs)]
        self._env_steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset those of the options' `reset_mask`, or all, and remember whether the episode is frozen."""
        observations, info = self.env.reset(seed=seed, options=options)
        self._frozen = bool(options and options.get("freeze"))
        begun = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        self._returns[begun] = 0.0
        for k in np.flatnonzero(begun):
            of_child = _of_one(info, int(k))
            self._infos[k] = [of_child] if of_child else []
        return observations, info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, and note the ends of episodes."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        self._returns += rewards
        self._env_steps += self.num_envs
        base = self.env.unwrapped
        if isinstance(base, ImageSelectVectorEnv):
            if terminated.all() and not self._frozen:
                self._end(base, float(self._returns.mean()), [_of_all_walkers(info)])
        else:
            for k, over in enumerate(terminated):
                self._infos[k].append(_of_one(info, k))
                if over:
                    self._end(base.envs[k], float(self._returns[k]), self._infos[k])  # type: ignore[attr-defined]
        return observations, rewards, terminated, truncated, info

    def _end(self, base: Any, episode_return: float, infos: list[dict[str, Any]]) -> None:
        self.rows.append(_row(base, self.rows, episode_return, infos, self._env_steps))
        self._note(self.rows[-1])


def _row(
    base: Any, rows: list[dict[str, Any]], episode_return: float, infos: list[dict[str, Any]], env_steps: int
) -> dict[str, Any]:
    """What is noted of the episode with these infos that follows `rows`."""
    info = infos[-1]
    selects = "retained" in info
    if selects:
        gradient_steps = base.run.epochs_per_episode * -(-int(info["retained"].sum()) // base.settings.batch_size)
    else:
        gradient_steps = base.chunk_size * sum("chunk" in info for info in infos)
    return {
        "reward": episode_return,
        **(_of_selection(info) if selects else _of_regularization(infos)),
        "validation": info["validation"],
        "env_steps": env_steps,
        "gradient_steps": gradient_steps + (rows[-1]["gradient_steps"] if rows else 0),
    }


def _of_one(info: dict[str, Any], k: int) -> dict[str, Any]:
    """The info of environment k, out of Gymnasium's of several."""
    return {
        key: _of_one(value, k) if isinstance(value, dict) else value[k]
        for key, value in info.items()
        if not key.startswith("_") and info[f"_{key}"][k]
    }


def _of_all_walkers(info: dict[str, Any]) -> dict[str, Any]:
    """The info of a whole walk, out of those of its walkers."""
    valid = info["valid"]
    retained = info["retained"][valid]
    return {
        "retained": retained,
        "sample_rewards": info["sample_rewards"][valid],
        "keep_ratio": float(retained.mean()),
        "validation": _of_one(info["validation"], 0),
    }


def _of_selection(info: dict[str, Any]) -> dict[str, Any]:
    kept = info["retained"]
    # Eq. 3 is a sum, which grows with the number of images kept: the mean stands beside it.
    mean_reward = float(info["sample_rewards"][kept].mean()) if kept.any() else 0.0
    return {"mean_reward": mean_reward, "keep_ratio": info["keep_ratio"]}


def _of_regularization(infos: list[dict[str, Any]]) -> dict[str, Any]:
    """Whatever the reward is: both returns, the last F1, and the schedule, which can be replayed."""
    trained = [info for info in infos if "chunk" in info]  # without a warm-up, a reset tells no more than the instance
    chunks = [info for info in trained if info["chunk"] > 0]
    first, last = trained[0], chunks[-1]
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
