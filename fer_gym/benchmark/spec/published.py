"""What the papers' tables print, as published: a line for each method."""

from __future__ import annotations

from collections.abc import Mapping

#: The expressions, in the order of the papers' columns.
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_RECALLS = tuple(f"{name}, %" for name in CLASSES)

#: By method, what is printed by column.
Printed = Mapping[str, Mapping[str, str]]


def _table(columns: tuple[str, ...], text: str) -> Printed:
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return {method: dict(zip(columns, cells, strict=True)) for method, *cells in lines}


#: Total accuracy. The first ten are the literature's, from other papers.
RLPS_TABLE1 = _table(
    ("FER2013, total accuracy, %",),
    """
    Gan et al., ensemble | 73.73
    Kim et al. 2016a, ensemble | 73.73
    Kim et al. 2016b, ensemble | 72.72
    Gan et al. | 71.47
    winner of the challenge | 71.16
    Shao et al. | 71.14
    Kim et al. 2016b | 70.58
    Wen et al., ensemble | 69.96
    runner-up of the challenge | 69.27
    Agrawal et al. | 65.77
    DCNN | 70.21
    DCNN+Sigmoid | 71.23
    RLPS | 72.35
    """,
)
#: Recall of each class, and their mean.
RLPS_TABLE2 = _table(
    (*_RECALLS, "RAF-DB, average accuracy, %"),
    """
    VGG+mSVM      | 68.52 | 27.50 | 35.13 | 85.32 | 64.85 | 66.32 | 59.88 | 58.22
    AlexNet+mSVM  | 58.64 | 21.87 | 39.19 | 86.16 | 60.88 | 62.31 | 60.15 | 55.60
    DLP-CNN+LDA   | 77.51 | 55.41 | 52.50 | 90.21 | 73.64 | 74.07 | 73.53 | 70.98
    DLP-CNN+mSVM  | 71.60 | 52.15 | 62.16 | 92.83 | 80.13 | 81.16 | 80.29 | 74.20
    DCNN          | 61.20 | 43.61 | 38.21 | 88.56 | 74.77 | 77.92 | 79.06 | 66.19
    DCNN+Sigmoid  | 64.13 | 41.42 | 45.10 | 91.89 | 71.09 | 84.72 | 82.71 | 68.72
    RLPS          | 72.90 | 51.02 | 77.52 | 90.42 | 66.22 | 79.09 | 72.72 | 72.84
    """,
)
RLPS_TABLE3 = _table(
    (*_RECALLS, "ExpW, average accuracy, %"),
    """
    HOG+SVM       | 54.30 | 54.80 | 56.20 | 71.30 | 58.40 | 61.20 | 68.40 | 60.66
    Baseline DCN  | 63.50 | 50.00 | 50.00 | 81.90 | 64.00 | 71.00 | 75.00 | 65.06
    DCN+AP        | 72.10 | 56.50 | 58.70 | 83.80 | 69.10 | 74.20 | 76.00 | 70.06
    DCNN          | 50.78 | 0.00  | 0.00  | 78.25 | 26.34 | 31.00 | 91.59 | 39.86
    DCNN+Sigmoid  | 46.56 | 24.23 | 32.14 | 71.38 | 22.81 | 41.42 | 86.72 | 46.47
    RLPS          | 67.09 | 40.73 | 23.46 | 74.95 | 38.66 | 38.97 | 70.32 | 50.61
    """,
)
RLPS_TABLE4_EXPW = _table(
    (*_RECALLS, "ExpW, average accuracy, %", "ExpW, macro F1"),
    """
    DCNN          | 45.30 | 0.00  | 0.00  | 67.27 | 15.25 | 28.14 | 86.30 | 34.61 | .3411
    DCNN+Sigmoid  | 55.42 | 24.13 | 28.54 | 66.77 | 18.60 | 22.10 | 83.60 | 42.65 | .3524
    RLPS+F1       | 47.74 | 30.37 | 33.42 | 68.62 | 22.67 | 33.23 | 83.45 | 45.64 | .3629
    RLPS          | 48.20 | 30.55 | 33.19 | 70.11 | 24.00 | 31.65 | 84.06 | 45.96 | .3674
    """,
)
RLPS_TABLE4_RAFDB = _table(
    (*_RECALLS, "RAF-DB, average accuracy, %", "RAF-DB, macro F1"),
    """
    DCNN          | 43.08 | 12.00 | 24.16 | 90.77 | 62.78 | 66.62 | 74.59 | 52.43 | .6484
    DCNN+Sigmoid  | 46.77 | 26.43 | 30.90 | 88.05 | 58.62 | 72.94 | 78.52 | 57.46 | .6673
    RLPS+F1       | 56.22 | 34.55 | 44.05 | 89.78 | 50.32 | 68.90 | 69.78 | 59.08 | .6733
    RLPS          | 57.00 | 33.22 | 42.20 | 91.55 | 51.81 | 68.68 | 70.91 | 59.34 | .6769
    """,
)
#: Where a printed mean is not the mean of the printed classes, by more than .2.
RLPS_ERRATUM = "the classes of the DCNN row of RAF-DB have the mean 53.43, where 52.43 is printed"

#: The probability of keeping an image.
RLPS_TABLE5 = _table(
    ("RAF-DB", "ExpW"),
    """
    full face | .9618 | .9786
    half face | .8909 | .8201
    none face | .3218 | .2891
    """,
)

#: Test F1.
HONG_TABLE1 = _table(
    ("CIFAR-100", "FER2013", "AffectNet"),
    """
    vanilla | .831 | .615 | .489
    NI      | .843 | .602 | .480
    D       | .844 | .601 | .486
    DNI     | .851 | .618 | .506
    RNI     | .852 | .616 | .515
    RD      | .875 | .626 | .534
    """,
)
