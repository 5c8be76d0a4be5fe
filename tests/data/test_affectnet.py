import io
from collections.abc import Callable
from pathlib import Path

import listed_faces as faces
import numpy as np
import pytest

from fer_gym import DatasetError
from fer_gym.data import affectnet, load
from fer_gym.errors import UsageError

TRAIN = [0, 1, 2, 3, 8, 4, 5, 6, 7, 9] * 3 + [10]
VALIDATION = [7, 6, 5, 4, 10, 3, 2, 1, 0]
Write = Callable[[Path, list[int], list[int]], Path]

both_forms = pytest.mark.parametrize("write", [faces.affectnet_csv, faces.affectnet_npy])


@both_forms
@pytest.mark.parametrize("classes", [7, 8])
def test_splits_and_labels(tmp_path: Path, empty_cache: Path, write: Write, classes: int) -> None:
    splits = load("affectnet", write(tmp_path / "affectnet", TRAIN, VALIDATION), classes=classes)
    names = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
    assert splits.classes == names[:classes]
    assert splits.image_shape == (3, 96, 96)
    labels = TRAIN + VALIDATION
    train, val, test = faces.parts(splits)
    kept = [grey for grey, label in enumerate(labels) if label < classes]
    assert sorted(train + val) == [grey for grey in kept if grey < len(TRAIN)]
    assert test == [grey for grey in kept if grey >= len(TRAIN)]
    assert np.bincount(splits.val.labels).tolist() == [1] * classes
    for split, greys in ((splits.train, train), (splits.val, val), (splits.test, test)):
        assert split.labels.tolist() == [labels[grey] for grey in greys]


def test_eight_classes_unless_said(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.affectnet_csv(tmp_path / "affectnet", TRAIN, VALIDATION)
    assert len(load("affectnet", root, image_size=8, grey=True).classes) == 8
    for wrong in (6, "8", True, None):
        with pytest.raises(UsageError, match=r"classes: .* is not allowed; use 7 or 8"):
            load("affectnet", root, classes=wrong)


def refused(root: Path) -> str:
    with pytest.raises(DatasetError) as error:
        load("affectnet", root)
    return str(error.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0/0003.jpg,2,3,8,6,1.5,11,0,0", ["'11'", "0, 1, 2", "neutral"]),
        ("0/0003.jpg,2,3,8,6,1.5,,0,0", ["label ''"]),
        ("0/0003.jpg,2,3,8,1.5,3,0,0", ["8 columns", "expected 9"]),
        ("0/0003.jpg,2,3,8,six,1.5,3,0,0", ["the box '2 3 8 six'"]),
        ("0/0003.jpg,12,3,8,6,1.5,3,0,0", ["0003.jpg", "(12, 3) to (20, 9)", "12x12", "correct the box"]),
        ("0/0003.jpg,2,3,0,6,1.5,3,0,0", ["0003.jpg", "correct the box"]),
        ("1/none.jpg,2,3,8,6,1.5,3,0,0", ["1/none.jpg", "1 of the", "missing"]),
        ("../0003.jpg,2,3,8,6,1.5,3,0,0", ["without .."]),
        (f'"{"x" * 200_000}",2,3,8,6,1.5,3,0,0', ["longer than 65,536 characters"]),
    ],
)
def test_a_broken_row(tmp_path: Path, empty_cache: Path, row: str, said: list[str]) -> None:
    root = faces.affectnet_csv(tmp_path / "affectnet", TRAIN, VALIDATION)
    path = root / "training.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], row, *lines[5:]]))
    message = refused(root)
    for text in [f"{path}, line 5", *said]:
        assert text in message
    assert list(empty_cache.iterdir()) == []


def test_where_there_is_no_face_the_box_means_nothing(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.affectnet_csv(tmp_path / "affectnet", TRAIN, VALIDATION)
    with (root / "training.csv").open("a") as file:
        file.write("gone.jpg,NULL,NULL,0,0,,10,-2,-2\n")
    assert len(load("affectnet", root).test) == 8


def test_wrong_header_and_missing_files(tmp_path: Path, empty_cache: Path) -> None:
    assert "holds no AffectNet; give root=" in refused(tmp_path)
    root = faces.affectnet_csv(tmp_path / "affectnet", TRAIN, VALIDATION)
    path = root / "validation.csv"
    path.write_text(path.read_text().replace("expression", "label"))
    assert "validation.csv, line 1: found the header" in refused(root)
    path.unlink()
    assert "validation.csv: cannot be read" in refused(root)


def npy_of(value: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()


@pytest.mark.parametrize(
    "value",
    [np.array(3), np.array("3"), np.array(b"3"), np.array(3, ">i2"), np.array([3]), np.array(3.0), np.array(" 3")],
)
def test_every_way_to_write_a_label(tmp_path: Path, value: np.ndarray) -> None:
    path = faces.write(tmp_path / "1_exp.npy", npy_of(value))
    assert affectnet._number(str(path)) == "3"


def huge() -> bytes:
    """A header that promises 8 TB."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (10**12,)})
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a .npy file of one number"),
        (npy_of(np.array(3))[:-1], "not a .npy file of one number"),
        (b"PK\3\4 no archive", "not a .npy file of one number"),
        (npy_of(np.array([3, 4])), "int64 of shape (2,)"),
        (npy_of(np.array({}, object)), "object of shape ()"),
        (huge(), "shape (1000000000000,)"),
        (npy_of(np.array(11)), "the label '11'"),
        (npy_of(np.array("happy")), "the label 'happy'"),
        (npy_of(np.array(2.5)), "the label '2.5'"),
    ],
)
def test_a_broken_label(tmp_path: Path, empty_cache: Path, data: bytes, said: str) -> None:
    root = faces.affectnet_npy(tmp_path / "affectnet", TRAIN, VALIDATION)
    path = faces.write(root / "train_set/annotations/0003_exp.npy", data)
    message = refused(root)
    assert f"{path}: " in message
    assert said in message


def test_pictures_and_labels_that_do_not_fit(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.affectnet_npy(tmp_path / "affectnet", TRAIN, VALIDATION)
    pictures, labels = root / "train_set/images", root / "train_set/annotations"
    (pictures / "0003.jpg").rename(pictures / "0003.JPG")
    assert len(load("affectnet", root).test) == 8
    (pictures / "0005.jpg").unlink()
    message = refused(root)
    assert "0005_exp.npy: no picture" in message
    assert "1 of the 32 pictures listed are missing" in message
    (labels / "0005_exp.npy").unlink()
    (labels / "0006_exp.npy").unlink()
    assert f"{labels / '0006_exp.npy'}: no such file; 1 of the 30 pictures have no label" in refused(root)
    (root / "val_set").rename(root / "other")
    assert "cannot be read" in refused(root)
