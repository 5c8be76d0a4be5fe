"""Accuracy and F1 of a whole split, from its confusion matrix, and F1 of mini-batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(labels: NDArray[np.int64], predictions: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Count predictions by true class.

    Args:
        labels: int64, (N,), each in 0..num_classes-1.
        predictions: int64, (N,), likewise.
        num_classes: C.

    Returns:
        int64, (C, C): entry [i, j] counts the images of class i predicted as class j.
    """
    pairs = labels * num_classes + predictions
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def batch_macro_f1(labels: NDArray[np.int64], predictions: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    """The macro F1 of each of n mini-batches.

    Args:
        labels: int64, (n, B), each in 0..num_classes-1.
        predictions: int64, (n, B), likewise.
        num_classes: C.

    Returns:
        float64, (n,): for each batch scikit-learn's
        `f1_score(labels, predictions, average="macro", zero_division=0)`, the mean over the classes that are among
        the batch's labels or predictions.
    """
    batches = len(labels)
    rows = np.arange(batches)[:, None] * num_classes

    def count(classes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount((rows + classes).ravel(), minlength=batches * num_classes).reshape(batches, num_classes)

    right = labels == predictions
    hits = np.bincount((rows + labels)[right], minlength=batches * num_classes).reshape(batches, num_classes)
    either = count(labels) + count(predictions)  # F1 = 2·hits / (labelled + predicted)
    f1 = 2.0 * hits / np.maximum(either, 1)
    means: NDArray[np.float64] = f1.sum(axis=1) / (either > 0).sum(axis=1)
    return means


def precision_and_recall(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per-class precision and recall, each (C,), zero where undefined (Eq. 10 of RLPS)."""
    correct = np.diagonal(confusion).astype(np.float64)
    predicted = confusion.sum(axis=0)
    actual = confusion.sum(axis=1)
    return correct / np.maximum(predicted, 1), correct / np.maximum(actual, 1)


def scores(confusion: NDArray[np.int64]) -> dict[str, float]:
    """The scores of a whole split.

    Args:
        confusion: int64, (C, C), as `confusion_matrix` returns it.

    Returns:
        `accuracy`: share of the images that are right (the papers' total accuracy).
        `average_accuracy`: mean recall over the C classes, the confusion matrix's mean diagonal (what the tables
        of RLPS show; its Eq. 8 is written as precision).
        `macro_f1`: mean of the classes' F1, scikit-learn's
        `f1_score(labels, predictions, labels=range(C), average="macro", zero_division=0)`.
        `macro_f1_of_means`: 2·P·R / (P + R) of the mean precision P and the mean recall R (Eq. 7 of RLPS).
    """
    precision, recall = precision_and_recall(confusion)
    mean_precision, mean_recall = float(precision.mean()), float(recall.mean())
    # Harmonic means, written so that 0 and 0 give 0.
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    of_means = 2 * mean_precision * mean_recall / max(mean_precision + mean_recall, np.finfo(np.float64).tiny)
    return {
        "accuracy": float(np.trace(confusion) / max(confusion.sum(), 1)),
        "average_accuracy": mean_recall,
        "macro_f1": float(f1.mean()),
        "macro_f1_of_means": float(of_means),
    }
