import multiprocessing
import os
from pathlib import Path
from typing import Any

import listed_faces as faces
import numpy as np
import pytest

from fer_gym import DatasetError
from fer_gym.data import load, rafdb

TRAIN = [1, 2, 3, 4, 5, 6, 7] * 5
TEST = [7, 6, 5, 4, 3, 2, 1]


def test_splits_and_labels(tmp_path: Path, empty_cache: Path) -> None:
    splits = load("rafdb", faces.rafdb(tmp_path / "rafdb", TRAIN, TEST), image_size=8)
    assert splits.classes == ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    assert splits.image_shape == (3, 8, 8)
    train, val, test = faces.parts(splits)
    assert sorted(train + val) == list(range(35))
    assert test == list(range(35, 42))
    assert np.bincount(splits.val.labels).tolist() == [1] * 7
    listed = [label - 1 for label in TRAIN + TEST]
    for split, greys in ((splits.train, train), (splits.val, val), (splits.test, test)):
        assert greys == sorted(greys)
        assert split.labels.tolist() == [listed[grey] for grey in greys]


def test_the_seed_decides_what_is_validation(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    found = [
        faces.parts(load("rafdb", root, data_seed=seed, limit=limit)) for seed, limit in ((0, None), (0, 9), (1, None))
    ]
    assert found[0][1:] == found[1][1:]
    assert found[0][1] != found[2][1]


def test_sizes_and_grey(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST, size=(20, 20))
    assert load("rafdb", root).image_shape == (3, 100, 100)
    splits = load("rafdb", root, image_size=np.int64(6), grey=True)
    assert splits.image_shape == (1, 6, 6)
    assert faces.greys(splits.test) == list(range(35, 42))


def test_second_load_maps_the_cache_and_reads_nothing(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    load("rafdb", root)
    assert str(root) in capsys.readouterr().err
    monkeypatch.setattr(rafdb, "_read", None)
    splits = load("rafdb", root)
    assert capsys.readouterr() == ("", "")
    for split in (splits.train, splits.val, splits.test):
        assert isinstance(split.pixels.base, np.memmap)
    # Another seed copies what is decoded.
    assert faces.parts(load("rafdb", root, data_seed=1)) != faces.parts(splits)


def test_a_changed_list_or_folder_is_read_again(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    assert len(load("rafdb", root).test) == 7
    path = root / "EmoLabel/list_patition_label.txt"
    path.write_text(path.read_text() + "test_99.jpg 1\n")
    with pytest.raises(DatasetError, match=r"test_99_aligned\.jpg"):
        load("rafdb", root)
    faces.write(root / "Image/aligned/test_99_aligned.jpg", faces.picture(99))
    assert faces.greys(load("rafdb", root).test)[-1] == 99


def test_threads_change_nothing(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN * 4, TEST)
    found = []
    for threads in (1, 5):
        monkeypatch.setattr("fer_gym.data.face_files.usable_cores", lambda threads=threads: threads)
        monkeypatch.setenv("FER_GYM_CACHE", str(tmp_path / f"cache{threads}"))
        found.append(load("rafdb", root).fingerprint())
    assert found[0] == found[1]


def send_fingerprint(root: Path, answers: Any) -> None:
    answers.put(load("rafdb", root).fingerprint())


def test_in_a_daemonic_process(tmp_path: Path, empty_cache: Path) -> None:
    """Such a process, which a vector environment's workers are, may start none of its own."""
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=send_fingerprint, args=(root, answers), daemon=True)
    process.start()
    there = answers.get(timeout=60)
    process.join()
    assert load("rafdb", root).fingerprint() == there


def edited(root: Path, old: str, new: str) -> Path:
    path = root / "EmoLabel/list_patition_label.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return root


@pytest.mark.parametrize("space", ["\t", "   ", " \t ", "\x0b"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n\n", "\t\r\n \r\n"])
def test_any_white_space(tmp_path: Path, empty_cache: Path, space: str, end: str) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    path = root / "EmoLabel/list_patition_label.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b" ", space.encode()).replace(b"\n", end.encode()))
    assert faces.greys(load("rafdb", root).test) == list(range(35, 42))


@pytest.mark.parametrize("name", ["train_ärger_悲しみ", "train_" + "x" * 230, "train_A", "train_one space\u3000two"])
@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".Png"])
def test_names(tmp_path: Path, empty_cache: Path, name: str, suffix: str) -> None:
    root = edited(faces.rafdb(tmp_path / "rafdb", TRAIN, TEST), "train_00000.jpg", f"{name}{suffix}")
    pictures = root / "Image/aligned"
    (pictures / "train_00000_aligned.jpg").rename(pictures / f"{name}_aligned{suffix}")
    splits = load("rafdb", root)
    assert 0 in faces.greys(splits.train) + faces.greys(splits.val)


def test_a_name_that_is_no_utf8(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    path = root / "EmoLabel/list_patition_label.txt"
    path.write_bytes(path.read_bytes().replace(b"train_00000", b"train_\xe9"))
    pictures = os.fsencode(root / "Image/aligned")
    os.rename(pictures + b"/train_00000_aligned.jpg", pictures + b"/train_\xe9_aligned.jpg")
    assert len(load("rafdb", root).train) == 28


def refused(root: Path) -> str:
    with pytest.raises(DatasetError) as error:
        load("rafdb", root)
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("train_00003.jpg 4", "train_00003.jpg 8", ["line 4", "'8'", "1, 2, 3, 4, 5, 6, 7", "correct the line"]),
        ("train_00003.jpg 4", "train_00003.jpg 0", ["line 4", "'0'", "surprise"]),
        ("train_00003.jpg 4", "train_00003.jpg four", ["line 4", "'four'"]),
        ("train_00003.jpg 4", "train_00003.jpg", ["line 4", "a picture and a label"]),
        ("train_00003.jpg 4", "val_00003.jpg 4", ["line 4", "train_ or test_"]),
        ("train_00003.jpg 4", "../train_3.jpg 4", ["line 4", "without .."]),
        ("train_00003.jpg 4", "train_3.jpg 4", ["line 4", "train_3_aligned.jpg", "1 of the 42", "missing", "restore"]),
        ("train_00003.jpg 4", f"train_{'y' * 3000}.jpg 4", ["line 4", "1 of the 42", "missing"]),
        ("train_00003.jpg 4", "train_\0.jpg 4", ["line 4", "1 of the 42", "missing"]),
        ("train_00003.jpg 4", "train_00004.jpg 4", ["line 5", "line 4", "another label", "remove one"]),
        ("test", "train", ["no picture"]),
    ],
)
def test_a_broken_list(tmp_path: Path, empty_cache: Path, old: str, new: str, said: list[str]) -> None:
    root = edited(faces.rafdb(tmp_path / "rafdb", TRAIN, TEST), old, new)
    message = refused(root)
    for text in [str(root), *said]:
        assert text in message
    assert list(empty_cache.iterdir()) == []


def test_a_repeated_line_counts_once(tmp_path: Path, empty_cache: Path) -> None:
    root = edited(
        faces.rafdb(tmp_path / "rafdb", TRAIN, TEST), "train_00003.jpg 4", "train_00003.jpg 4\ntrain_00003.jpg 4"
    )
    assert len(load("rafdb", root).train) == 28


def test_missing_pictures_are_counted(tmp_path: Path, empty_cache: Path) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    for number in (4, 9, 20):
        (root / f"Image/aligned/train_{number:05}_aligned.jpg").unlink()
    message = refused(root)
    assert "list_patition_label.txt, line 5: no picture" in message
    assert "train_00004_aligned.jpg; 3 of the 42 pictures listed are missing" in message


def test_missing_parts(tmp_path: Path, empty_cache: Path) -> None:
    assert "list_patition_label.txt: cannot be read (No such file" in refused(tmp_path / "no")
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    edited(root, (root / "EmoLabel/list_patition_label.txt").read_text(), "\n \n")
    assert "no face for the split train" in refused(root)
    (root / "Image/aligned").rename(tmp_path / "aligned")
    assert "aligned: cannot be read" in refused(root)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes"),
        (faces.picture(3)[:-20], "truncated"),
        (b"GIF89a", "not a readable JPEG, PNG, BMP or TIFF"),
        (faces.picture(3, (9000, 9000), "PNG"), "9000x9000"),
    ],
)
def test_a_broken_picture(tmp_path: Path, empty_cache: Path, data: bytes, said: str) -> None:
    root = faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    faces.write(root / "Image/aligned/train_00006_aligned.jpg", data)
    message = refused(root)
    assert "list_patition_label.txt, line 7: " in message
    assert "train_00006_aligned.jpg: " in message
    assert said in message
    assert list(empty_cache.iterdir()) == []


def test_a_root_that_the_environment_names(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DatasetError, match=r"root: None is not allowed for 'rafdb'; use a folder with EmoLabel/.* or let"
    ):
        load("rafdb")
    monkeypatch.setenv("FER_GYM_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match="which FER_GYM_DATA names, has no rafdb; put it there"):
        load("rafdb")
    faces.rafdb(tmp_path / "rafdb", TRAIN, TEST)
    assert len(load("rafdb").test) == 7
