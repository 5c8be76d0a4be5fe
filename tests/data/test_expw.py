from pathlib import Path

import listed_faces as faces
import pytest

from fer_gym import DatasetError
from fer_gym.data import Split, load
from fer_gym.errors import UsageError

# Twelve pictures of one face for each class, and ten of three.
LABELS = [0, 1, 2, 3, 4, 5, 6] * 12 + [3, 6, 3] * 10
FACES = [(f"one_{number}.jpg", label) for number, label in enumerate(LABELS[:84])] + [
    (f"three_{number // 3}.jpg", label) for number, label in enumerate(LABELS[84:])
]


def pictures(split: Split) -> set[str]:
    return {FACES[grey][0] for grey in faces.greys(split)}


def test_every_face_is_cut_out_by_its_box(tmp_path: Path, empty_cache: Path) -> None:
    splits = load("expw", faces.expw(tmp_path / "expw", FACES))
    assert splits.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert splits.image_shape == (3, 96, 96)
    three = (splits.train, splits.val, splits.test)
    assert sorted(grey for split in three for grey in faces.greys(split)) == list(range(len(FACES)))
    assert [len(split) for split in three] == [90, 12, 12]
    for split in three:
        assert split.labels.tolist() == [LABELS[grey] for grey in faces.greys(split)]
        assert set(split.labels.tolist()) == set(range(7))


def test_faces_of_one_picture_stay_in_one_split(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.expw(tmp_path / "expw", FACES)
    found = []
    for seed in range(4):
        splits = load("expw", root, data_seed=seed, image_size=8)
        three = [pictures(split) for split in (splits.train, splits.val, splits.test)]
        assert sum(map(len, three)) == len({name for name, _ in FACES})
        found.append(three)
    assert found[0] != found[1]


def test_faces_that_the_detector_doubted(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.expw(tmp_path / "expw", FACES)
    # The second and third face of a picture have a higher one than the first.
    for least, count in ((None, 114), (90.5, 114), (90, 114)):
        splits = load("expw", root, image_size=8, min_confidence=least)
        assert sum(len(split) for split in (splits.train, splits.val, splits.test)) == count
    with pytest.raises(DatasetError, match="0 pictures of class 'angry', expected at least 3"):
        load("expw", root, min_confidence=91)
    for wrong in ("90", float("nan"), True):
        with pytest.raises(UsageError, match="min_confidence: "):
            load("expw", root, min_confidence=wrong)


def edited(root: Path, number: int, line: str) -> Path:
    path = root / "label/label.lst"
    lines = path.read_text().splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines), encoding="utf-8")
    return root


def test_a_box_that_leaves_the_picture_is_clipped(tmp_path: Path, empty_cache: Path) -> None:
    # The picture of 8x12 pixels is grey from row 2 to 9 and red elsewhere.
    root = edited(faces.expw(tmp_path / "expw", FACES), 5, "one_4.jpg 0 2 -9 99999999999999999999 10 88.5 4")
    splits = load("expw", root, image_size=8)
    assert 4 in [grey for split in (splits.train, splits.val, splits.test) for grey in faces.greys(split)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("one_4.jpg 0 2 8 16 10 90 4", ["one_4.jpg", "(8, 2) to (16, 10)", "8x12", "correct the box"]),
        ("one_4.jpg 0 10 0 8 2 90 4", ["one_4.jpg", "(0, 10) to (8, 2)", "correct the box"]),
        ("one_4.jpg 0 -5 0 8 0 90 4", ["one_4.jpg", "correct the box"]),
        ("one_4.jpg 0 2 0 8 10 90 7", ["'7'", "0, 1, 2, 3, 4, 5, 6", "angry"]),
        ("one_4.jpg 0 2 0 8 10 90 happy", ["'happy'"]),
        ("one_4.jpg 0 2 0 x 10 90 4", ["the box '2 0 x 10'", "whole numbers"]),
        ("one_4.jpg 0 2 0 8.5 10 90 4", ["the box '2 0 8.5 10'"]),
        (f"one_4.jpg 0 2 0 {'9' * 5000} 10 90 4", ["whole numbers"]),
        ("one_4.jpg 0 2 0 8 10 high 4", ["confidence 'high'", "a number"]),
        ("one_4.jpg 0 2 0 8 10 nan 4", ["confidence 'nan'"]),
        ("one_4.jpg 0 2 0 8 10 4", ["7 fields", "top, left, right, bottom"]),
        ("one_3.jpg 0 2 0 8 10 90.5 4", ["line 4", "another label"]),
        ("/etc/one_4.jpg 0 2 0 8 10 90 4", ["/etc/one_4.jpg", "relative path"]),
        ("../one_4.jpg 0 2 0 8 10 90 4", ["without .."]),
        ("ünknown.jpg 0 2 0 8 10 90 4", ["ünknown.jpg", "1 of the 94 pictures", "restore"]),
    ],
)
def test_a_broken_line(tmp_path: Path, empty_cache: Path, line: str, said: list[str]) -> None:
    root = edited(faces.expw(tmp_path / "expw", FACES), 5, line)
    with pytest.raises(DatasetError) as error:
        load("expw", root)
    for text in [str(root), "label.lst, line 5", *said]:
        assert text in str(error.value)
    assert list(empty_cache.iterdir()) == []


def test_names_and_repeated_lines(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.expw(tmp_path / "expw", [("ein Bild – 笑顔.JPG", LABELS[0]), *FACES[1:]])
    edited(root, 3, f"{(root / 'label/label.lst').read_text().splitlines()[2]}\n" * 2)
    splits = load("expw", root, image_size=8)
    assert sum(len(split) for split in (splits.train, splits.val, splits.test)) == 114


def test_missing_list(tmp_path: Path, empty_cache: Path) -> None:
    with pytest.raises(DatasetError, match=r"label\.lst: cannot be read"):
        load("expw", tmp_path)
