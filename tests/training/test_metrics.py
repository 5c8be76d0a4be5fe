"""The scores: against scikit-learn, and one case by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from fer_gym.training import confusion_matrix, scores
from fer_gym.training.metrics import batch_macro_f1


@st.composite
def labels_and_predictions(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray]:
    classes = draw(st.integers(1, 8))
    count = draw(st.integers(1, 60))
    # Drawn from a part of the classes: the others have no image, or are never predicted.
    some = st.sampled_from(draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=classes)))
    label = st.sampled_from(draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=classes)))
    given_labels = draw(st.lists(label, min_size=count, max_size=count))
    predictions = draw(st.lists(some, min_size=count, max_size=count))
    return classes, np.array(given_labels, np.int64), np.array(predictions, np.int64)


@given(case=labels_and_predictions())
@settings(max_examples=100, deadline=None)
def test_agrees_with_scikit_learn(case: tuple[int, np.ndarray, np.ndarray]) -> None:
    classes, labels, predictions = case
    confusion = confusion_matrix(labels, predictions, classes)
    every = list(range(classes))
    assert np.array_equal(confusion, sklearn_confusion(labels, predictions, labels=every))
    found = scores(confusion)
    of_all = {"labels": every, "average": "macro", "zero_division": 0}
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predictions))
    assert found["average_accuracy"] == pytest.approx(recall_score(labels, predictions, **of_all))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predictions, **of_all))
    assert all(type(value) is float and 0 <= value <= 1 for value in found.values())


def test_by_hand() -> None:
    # Class 2 has no image but one prediction; class 3 has an image but no prediction; class 4 has neither.
    labels = np.array([0, 0, 0, 0, 1, 1, 3])
    predictions = np.array([0, 0, 0, 1, 1, 2, 0])
    found = scores(confusion_matrix(labels, predictions, 5))
    # Precision 3/4, 1/2, 0, 0, 0; recall 3/4, 1/2, 0, 0, 0.
    assert found == pytest.approx(
        {
            "accuracy": 4 / 7,
            "average_accuracy": 1.25 / 5,
            "macro_f1": (0.75 + 0.5) / 5,
            "macro_f1_of_means": 0.25,  # Eq. 7 with P = R = 1/4
        }
    )


def test_the_two_f1_differ() -> None:
    # Class 0: precision 1/2, recall 1. Class 1: precision 0, recall 0. P = 1/4, R = 1/2.
    found = scores(np.array([[3, 0], [3, 0]]))
    assert found["macro_f1"] == pytest.approx((2 / 3) / 2)
    assert found["macro_f1_of_means"] == pytest.approx(2 * 0.25 * 0.5 / 0.75)


def test_nothing_right_is_zero_not_nan() -> None:
    found = scores(np.array([[0, 2], [3, 0]]))
    assert found == {"accuracy": 0.0, "average_accuracy": 0.0, "macro_f1": 0.0, "macro_f1_of_means": 0.0}


@given(
    classes=st.integers(1, 6),
    batches=st.integers(1, 5),
    size=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_the_f1_of_mini_batches_is_scikit_learns(classes: int, batches: int, size: int, seed: int) -> None:
    labels, predictions = np.random.default_rng(seed).integers(classes, size=(2, batches, size))
    expected = [
        f1_score(labels_of_one, predictions_of_one, average="macro", zero_division=0)
        for labels_of_one, predictions_of_one in zip(labels, predictions, strict=True)
    ]
    assert batch_macro_f1(labels, predictions, classes) == pytest.approx(expected, abs=1e-12)


def test_a_class_that_a_batch_has_not_does_not_count() -> None:
    # F1 of class 0: 2·1 / (2 + 1); of class 1: 0 / (0 + 1); class 2 is in neither.
    assert batch_macro_f1(np.array([[0, 0]]), np.array([[0, 1]]), 3) == pytest.approx([(2 / 3 + 0) / 2])
