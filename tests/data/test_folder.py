import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from fer_gym import DatasetError
from fer_gym.data import Splits, load
from fer_gym.errors import UsageError

COUNTS = {"train": {"sad": 20, "happy": 30}, "val": {"sad": 2, "happy": 3}, "test": {"sad": 4, "happy": 5}}


def picture(grey: int, mode: str = "L", size: tuple[int, int] = (6, 5), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("L", size, grey).convert(mode).save(file, kind)
    return file.getvalue()


def write(root: Path, counts: dict[str, int], first: int, mode: str = "L") -> int:
    """Pictures ROOT/CLASS/000.png, ..., each of a grey of its own, from `first`; return the next grey."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number:03}.png").write_bytes(picture(first + number, mode))
        first += count
    return first


def write_splits(root: Path, names: tuple[str, ...] = ("train", "val", "test"), mode: str = "L") -> Path:
    grey = 0
    for name in names:
        grey = write(root / name, COUNTS[name], grey, mode)
    return root


def greys(splits: Splits) -> list[list[int]]:
    return [split.pixels[:, 0, 0, 0].tolist() for split in (splits.train, splits.val, splits.test)]


def test_splits_given(tmp_path: Path, empty_cache: Path) -> None:
    root = write_splits(tmp_path / "faces")
    (root / "train" / "sad" / ".hidden.png").write_bytes(b"no picture")
    (root / "train" / "sad" / "notes.txt").write_text("no picture")
    splits = load("folder", root)
    assert splits.classes == ("happy", "sad")
    assert splits.image_shape == (1, 5, 6)
    assert np.bincount(splits.train.labels).tolist() == [30, 20]
    # Sorted by class and name: happy's greys were written after sad's 0 to 19.
    assert splits.train.pixels[:, 0, 0, 0].tolist() == [*range(20, 50), *range(20)]
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [50, 5, 9]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "faces"]


def test_pixels_are_taken_as_they_are_stored(tmp_path: Path, empty_cache: Path) -> None:
    root = write_splits(tmp_path / "faces")
    path = root / "train" / "happy" / "turned.jpg"
    stored = np.tile(np.array([0, 250], np.uint8).repeat((3, 3)), (5, 1))  # dark on the left
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 3  # by half a circle
    Image.fromarray(stored).save(path, exif=turned, quality=95)
    splits = load("folder", root)
    (loaded,) = (pixels[0] for pixels in splits.train.pixels if np.ptp(pixels) > 200)
    assert loaded[:, 0].max() < 50 < 200 < loaded[:, -1].min()


def test_root_may_be_relative(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_splits(tmp_path / "faces")
    for here, name in ((tmp_path, "faces"), (root, ".")):
        monkeypatch.chdir(here)
        assert len(load("folder", name).train) == 50
    assert len(list(empty_cache.iterdir())) == 1


def test_colour_keeps_its_channels(tmp_path: Path, empty_cache: Path) -> None:
    root = write_splits(tmp_path / "faces", mode="RGB")
    image = Image.new("RGB", (6, 5), (10, 20, 30))
    image.putpixel((5, 0), (40, 50, 60))
    image.save(root / "train" / "happy" / "000.png")
    first = load("folder", root).train.pixels[0]
    assert first.shape == (3, 5, 6)
    assert first[:, 0, 0].tolist() == [10, 20, 30]
    assert first[:, 0, 5].tolist() == [40, 50, 60]


def test_validation_carved_from_training(tmp_path: Path, empty_cache: Path) -> None:
    root = write_splits(tmp_path / "faces", ("train", "test"))
    splits = load("folder", root)
    assert np.bincount(splits.val.labels).tolist() == [3, 2]
    assert np.bincount(splits.train.labels).tolist() == [27, 18]
    train, val, test = greys(splits)
    assert sorted(train + val) == list(range(50))
    assert sorted(test) == list(range(50, 59))


def test_both_carved(tmp_path: Path, empty_cache: Path) -> None:
    write(tmp_path / "faces", {"sad": 20, "happy": 30, "few": 3}, 0)
    splits = load("folder", tmp_path / "faces", data_seed=5)
    assert splits.classes == ("few", "happy", "sad")
    three = (splits.train, splits.val, splits.test)
    assert [np.bincount(split.labels).tolist() for split in three] == [[1, 24, 16], [1, 3, 2], [1, 3, 2]]
    assert sorted(grey for split in greys(splits) for grey in split) == list(range(53))
    assert greys(load("folder", tmp_path / "faces", data_seed=5)) == greys(splits)
    assert greys(load("folder", tmp_path / "faces", data_seed=6)) != greys(splits)
    for split in three:  # every label is still its image's
        names = ["sad" if grey < 20 else "happy" if grey < 50 else "few" for grey in split.pixels[:, 0, 0, 0]]
        assert [splits.classes[label] for label in split.labels] == names


def test_carving_is_not_moved_by_limit_or_noise(tmp_path: Path, empty_cache: Path) -> None:
    write(tmp_path / "faces", {"sad": 20, "happy": 30}, 0)
    plain, other = (
        load("folder", tmp_path / "faces"),
        load("folder", tmp_path / "faces", limit=9, noise=("pair", 0.5)),
    )
    assert greys(plain)[1:] == greys(other)[1:]


def write_films(root: Path) -> Path:
    """Twenty subjects, a film of three frames of each in each class; a film's frames are of one grey."""
    for label, name in enumerate(("happy", "sad")):
        (root / name).mkdir(parents=True)
        for subject in range(20):
            for frame in range(3):
                (root / name / f"S{subject:03}_{label}_{frame}.png").write_bytes(picture(100 * label + subject))
    return root


def subject_of(name: str) -> str | None:
    return name.partition("_")[0]


@pytest.mark.parametrize("groups", [r"^(S\d+)_", re.compile(r"s(\d+)", re.IGNORECASE), subject_of])
def test_pictures_of_one_subject_stay_in_one_split(tmp_path: Path, empty_cache: Path, groups: Any) -> None:
    root = write_films(tmp_path / "films")

    def subjects(splits: Splits) -> list[set[int]]:
        return [{grey % 100 for grey in split} for split in greys(splits)]

    together = load("folder", root, groups=groups, data_seed=3)
    assert [len(split) for split in (together.train, together.val, together.test)] == [96, 12, 12]
    train, val, test = subjects(together)
    assert len(train) + len(val) + len(test) == 20
    assert subjects(load("folder", root, groups=groups, data_seed=4)) != [train, val, test]
    # Without it, frames of one film are in several.
    train, val, test = subjects(load("folder", root, data_seed=3))
    assert train & val
    assert train & test


def test_a_picture_without_a_group_is_named(tmp_path: Path, empty_cache: Path) -> None:
    root = write_films(tmp_path / "films")
    (root / "sad" / "X1_1_0.png").write_bytes(picture(9))
    with pytest.raises(DatasetError, match=r"sad/X1_1_0\.png: no group by groups="):
        load("folder", root, groups=r"^(S\d+)_")


@pytest.mark.parametrize(
    ("groups", "said"),
    [("S(", "'S(' is not allowed"), (r"^S\d+_", "has no group; use parentheses"), (5, "5 is not allowed")],
)
def test_groups_that_are_none(tmp_path: Path, empty_cache: Path, groups: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        load("folder", write_films(tmp_path / "films"), groups=groups)
    assert said in str(error.value)


def test_groups_where_nothing_is_carved(tmp_path: Path, empty_cache: Path) -> None:
    with pytest.raises(UsageError, match="groups: not allowed where val/ and test/ are there"):
        load("folder", write_splits(tmp_path / "faces"), groups=r"(\d+)")


def refused(root: Path, cache: Path) -> str:
    with pytest.raises(DatasetError) as error:
        load("folder", root)
    assert list(cache.iterdir()) == []
    return str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (picture(0, size=(5, 6)), ["5x6", "expected 6x5", "resize"]),
        (picture(0, mode="RGB"), ["mode RGB", "expected L", "convert"]),
        (picture(0, mode="P"), ["mode P", "expected L (grey) or RGB", "convert"]),
        (b"", ["0 bytes", "remove"]),
        (picture(0)[:44], ["truncated", "remove"]),
        (picture(0, size=(3000, 3000)), ["3000x3000", "bomb", "resize"]),
    ],
)
def test_first_offender_is_named(tmp_path: Path, empty_cache: Path, data: bytes, said: list[str]) -> None:
    root = write_splits(tmp_path / "faces")
    for name in ("001.png", "004.png"):
        (root / "val" / "sad" / name).write_bytes(data)
    message = refused(root, empty_cache)
    for part in [str(root / "val" / "sad" / "001.png"), *said]:
        assert part in message


def test_layouts_that_are_none(tmp_path: Path, empty_cache: Path) -> None:
    assert "no such folder" in refused(tmp_path / "no", empty_cache)
    with pytest.raises(DatasetError, match="root: None is not allowed for 'folder'; use a folder ROOT"):
        load("folder")
    root = tmp_path / "faces"
    root.mkdir()
    assert "0 class folders" in refused(root, empty_cache)
    write(root, {"sad": 3}, 0)
    assert "1 class folders, expected at least two" in refused(root, empty_cache)


def test_class_too_small_to_carve(tmp_path: Path, empty_cache: Path) -> None:
    write(tmp_path / "faces", {"sad": 9, "happy": 2}, 0)
    with pytest.raises(DatasetError, match="2 pictures of class 'happy', expected at least 3"):
        load("folder", tmp_path / "faces")


def test_split_folder_missing(tmp_path: Path, empty_cache: Path) -> None:
    message = refused(write_splits(tmp_path / "faces", ("train", "val")), empty_cache)
    assert "found only train/, val/" in message
    assert "add the missing" in message


def test_class_without_pictures(tmp_path: Path, empty_cache: Path) -> None:
    root = write_splits(tmp_path / "faces")
    for file in (root / "val" / "sad").iterdir():
        file.unlink()
    message = refused(root, empty_cache)
    assert str(root / "val" / "sad") in message
    assert "no .png, .jpg or .jpeg picture" in message
    (root / "val" / "sad").rmdir()
    (root / "val" / "joy").mkdir()
    (root / "val" / "joy" / "0.png").write_bytes(picture(0))
    assert f"{root / 'val'}: a folder of class 'joy' where train/ has none" in refused(root, empty_cache)
    (root / "val" / "joy").rename(tmp_path / "joy")
    assert f"{root / 'val'}: no folder of class 'sad' where train/ has one" in refused(root, empty_cache)


def test_changed_picture_is_read_again(tmp_path: Path, empty_cache: Path) -> None:
    root = write_splits(tmp_path / "faces")
    assert load("folder", root).train.pixels[0, 0, 0, 0] == 20
    (root / "train" / "happy" / "000.png").write_bytes(picture(200, size=(6, 5), kind="PNG") + b" ")
    assert load("folder", root).train.pixels[0, 0, 0, 0] == 200
