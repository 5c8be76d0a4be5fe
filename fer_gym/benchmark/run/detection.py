"""How well a score of each image finds the noisy ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from fer_gym.data.splits import DOUBTED, DUPLICATE, FLIPPED, HALF_FACE, NONE_FACE, UNTOUCHED

#: The kinds of noise that are looked for, by the end of their measures' names.
NOISY = {"none_face": NONE_FACE, "half_face": HALF_FACE, "flipped": FLIPPED, "doubted": DOUBTED, "duplicate": DUPLICATE}


def measures(noise: NDArray[np.int8], scores: NDArray[np.floating]) -> dict[str, float]:
    """AUROC, average precision and F1 at the true noise rate, for each kind of noise and for all of them together.

    Args:
        noise: int8, (N,), as `Split.noise`.
        scores: (N,), higher for images that look clean.

    Returns:
        `auroc_*`, `average_precision_*` and `f1_*`, the star standing for "any_noise" and for each kind in `NOISY`
        that some images have, and not all.
    """
    sought = {"any_noise": noise != UNTOUCHED, **{name: noise == kind for name, kind in NOISY.items()}}
    found = {}
    for name, noisy in sought.items():
        if 0 < noisy.sum() < len(noisy):
            found[f"auroc_{name}"] = float(roc_auc_score(noisy, -scores))
            found[f"average_precision_{name}"] = float(average_precision_score(noisy, -scores))
            found[f"f1_{name}"] = f1_at_the_true_rate(noisy, scores)
    return found


def f1_at_the_true_rate(noisy: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """The F1 of calling noisy the n images of lowest score, where n are; precision and recall are then the same.

    Where images tie for the n-th place, the F1 is the mean over drawing among them.

    Args:
        noisy: bool, (N,), n of them True, at least one.
        scores: (N,).
    """
    count = int(noisy.sum())
    last = np.partition(scores, count - 1)[count - 1]
    below, level = scores < last, scores == last
    hits = noisy[below].sum() + noisy[level].mean() * (count - below.sum())
    return float(hits / count)
