"""The rewards of ImageSelect-v0 and the credit of each step: the table in `ImageSelectEnv`'s docstring, as code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_gym.description import description, in_words
from fer_gym.errors import UsageError

BASELINES = ("dataset", "marginal", "class")
CREDITS = ("retained", "signed", "literal")
REWARDS = ("probability", "f1_change", "log_likelihood")


@dataclass(frozen=True)
class FinishedWalk:
    """A finished episode, from which its reward is computed. Arrays are in walk order.

    Attributes:
        probabilities: float32, (N, C): p(e|x_i) of the network, in evaluation mode, after the training.
        labels: int64, (N,): the labels y_i that the network was given.
        retained: bool, (N,): a_i.
        validation_before: scores of the validation split before the training (keys of `fer_gym.training.scores`).
        validation_after: the same after it.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    retained: NDArray[np.bool_]
    validation_before: dict[str, float]
    validation_after: dict[str, float]


#: A reward of one's own: per-image rewards (N,), or one float for the whole walk.
RewardFunction = Callable[[FinishedWalk], "NDArray[np.floating] | float"]


@dataclass(frozen=True)
class WalkRewards:
    """The rewards of a finished walk.

    Attributes:
        reward: the reward of the last step.
        sample_rewards: float32, (N,): R_i of every image, the removed ones too.
        sample_credits: float32, (N,): what an agent should learn from at step i, with gamma = 0 and lambda = 0.
    """

    reward: float
    sample_rewards: NDArray[np.float32]
    sample_credits: NDArray[np.float32]


def probability(walk: FinishedWalk, baseline: str = "dataset", retain_cost: float = 0.0) -> NDArray[np.float64]:
    """R_i = p(y_i|x_i) - baseline_i - retain_cost (Eq. 2 of RLPS), float64, (N,).

    Args:
        walk: the finished walk.
        baseline: "dataset" = mean_j p(y_j|x_j); "marginal" = mean_j p(y_i|x_j); "class" = 1/C.
        retain_cost: subtracted from each image's reward, in units of the probability.
    """
    p = walk.probabilities.astype(np.float64)
    given = np.take_along_axis(p, walk.labels[:, None], axis=1)[:, 0]
    baselines = {
        "dataset": lambda: given.mean(),
        "marginal": lambda: p.mean(axis=0)[walk.labels],
        "class": lambda: 1.0 / p.shape[1],
    }
    rewards: NDArray[np.float64] = given - baselines[baseline]() - retain_cost
    return rewards


def f1_change(walk: FinishedWalk) -> float:
    """Validation macro F1 after the training minus before (Qin et al. 2018)."""
    return walk.validation_after["macro_f1"] - walk.validation_before["macro_f1"]


def log_likelihood(walk: FinishedWalk) -> float:
    """Mean of log p(y_i|x_i) over the retained images, over all if none is (Feng et al. 2018)."""
    given = np.take_along_axis(walk.probabilities, walk.labels[:, None], axis=1)[:, 0].astype(np.float64)
    counted = given[walk.retained] if walk.retained.any() else given
    # A probability that underflowed to 0 would make the reward infinite.
    return float(np.log(np.maximum(counted, np.finfo(np.float32).tiny)).mean())


def values(
    walk: FinishedWalk,
    reward: str | RewardFunction = "probability",
    baseline: str = "dataset",
    retain_cost: float = 0.0,
) -> NDArray[np.float64]:
    """R_i of every image, float64 (N,); or one number for the whole walk, float64 ().

    Args:
        walk: the finished walk.
        reward: one of `REWARDS`, or a function of the walk.
        baseline: one of `BASELINES`; only "probability" uses it.
        retain_cost: only "probability" uses it.

    Raises:
        ValueError: if a function of the user's returns neither a float nor (N,) numbers, or a non-finite one.
    """
    value: NDArray[np.floating] | float
    if reward == "probability":
        value = probability(walk, baseline, retain_cost)
    elif reward == "f1_change":
        value = f1_change(walk)
    elif reward == "log_likelihood":
        value = log_likelihood(walk)
    else:
        assert callable(reward)
        value = reward(walk)
    count = len(walk.labels)
    wanted = f"{in_words(description(reward))} must return a finite float or ({count},) finite numbers"
    try:
        per_image = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last of a tensor that wants a gradient
        raise UsageError(f"reward: the function returned {value!r:.80} ({error}); {wanted}") from error
    # Finite in float32 as well, the dtype of rewards and credits.
    finite = bool((np.abs(per_image) <= np.finfo(np.float32).max).all())
    if per_image.shape not in ((), (count,)) or not finite:
        raise UsageError(f"reward: the function returned shape {per_image.shape}, all finite: {finite}; {wanted}")
    return per_image


def assign(values: NDArray[np.float64], retained: NDArray[np.bool_], credit: str = "retained") -> WalkRewards:
    """The rewards and credits of n images.

    Args:
        values: R_i, as `values` returns them: float64 (n,) or ().
        retained: bool, (n,): a_i.
        credit: of per-image rewards: "retained" a_i·R_i, "signed" (2a_i - 1)·R_i, "literal" R_i.
    """
    if values.ndim == 0:
        everywhere = np.full(len(retained), values, dtype=np.float32)
        return WalkRewards(float(values), everywhere, everywhere.copy())
    kept = retained.astype(np.float64)
    factor = {"retained": kept, "signed": 2 * kept - 1, "literal": np.ones(len(kept))}[credit]
    return WalkRewards(
        reward=float(values[retained].sum()),  # Eq. 3
        sample_rewards=values.astype(np.float32),
        sample_credits=(factor * values).astype(np.float32),
    )


def reward_walk(
    walk: FinishedWalk,
    reward: str | RewardFunction = "probability",
    baseline: str = "dataset",
    credit: str = "retained",
    retain_cost: float = 0.0,
) -> WalkRewards:
    """The rewards of a finished walk; the arguments are those of `values` and `assign`."""
    return assign(values(walk, reward, baseline, retain_cost), walk.retained, credit)


def reward_shards(
    walk: FinishedWalk,
    walkers: int,
    reward: str | RewardFunction = "probability",
    baseline: str = "dataset",
    credit: str = "retained",
    retain_cost: float = 0.0,
) -> list[WalkRewards]:
    """The rewards of each of K = `walkers` walkers for its own images; image i of the walk belongs to walker i mod K.

    Baselines are over all N images. A reward that is one number for the whole walk goes to each walker in full. The
    other arguments are those of `values` and `assign`.
    """
    whole = values(walk, reward, baseline, retain_cost)
    shares = [whole[k::walkers] if whole.ndim else whole for k in range(walkers)]
    return [assign(share, walk.retained[k::walkers], credit) for k, share in enumerate(shares)]
