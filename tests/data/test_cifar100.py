import os
import pickle
import pickletools
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutations import check_loads_or_refuses

from fer_gym import DatasetError
from fer_gym.data import array_pickles, cifar100, load
from fer_gym.errors import UsageError

FINE, COARSE = ("apple", "bee", "cloud", "dolphin"), ("living", "not")
TRAIN, TEST = [0, 1, 2, 3] * 5, [3, 2, 1, 0]
TO_COARSE = (0, 0, 1, 0)


def contents(fine: list[int], first: int = 0) -> dict[str, Any]:
    """Pictures whose red, green and blue are flat: their number, 100 and 200."""
    data = np.empty((len(fine), 3, 1024), np.uint8)
    data[:] = np.array([0, 100, 200])[:, None]
    data[:, 0] = np.arange(first, first + len(fine))[:, None]
    return {
        "filenames": [f"{number}.png" for number in range(len(fine))],
        "data": data.reshape(len(fine), 3072),
        "fine_labels": fine,
        "coarse_labels": [TO_COARSE[label] for label in fine],
    }


def python_2(content: dict[str, Any]) -> bytes:
    """The pickle that Python 2 writes with protocol 2: texts are bytes, an array's contents a text."""

    def item(value: Any) -> bytes:
        if isinstance(value, int):
            return b"K" + bytes([value])
        if isinstance(value, str):
            return b"U" + bytes([len(value)]) + value.encode()
        if isinstance(value, list):
            return b"](" + b"".join(map(item, value)) + b"e"
        raw = value.tobytes()
        return (
            b"cnumpy.core.multiarray\n_reconstruct\nq\x03(cnumpy\nndarray\nq\x04(K\x00tU\x01btRq\x05(K\x01(K"
            + bytes([value.shape[0]])
            + b"M\x00\x0ctcnumpy\ndtype\nq\x06(U\x02u1K\x00K\x01tRq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xff"
            + b"J\xff\xff\xff\xffK\x00tb\x89T"
            + struct.pack("<i", len(raw))
            + raw
            + b"tb"
        )

    return b"\x80\x02}q\x01(" + b"".join(item(key) + item(value) for key, value in content.items()) + b"u."


def write(root: Path, dump: Any = python_2) -> Path:
    root.mkdir(parents=True)
    (root / "train").write_bytes(dump(contents(TRAIN)))
    (root / "test").write_bytes(dump(contents(TEST, 20)))
    (root / "meta").write_bytes(dump({"fine_label_names": list(FINE), "coarse_label_names": list(COARSE)}))
    return root


def numbers(splits: Any) -> list[list[int]]:
    return [split.pixels[:, 0, 0, 0].tolist() for split in (splits.train, splits.val, splits.test)]


def python_3(protocol: int) -> Any:
    return lambda content: pickle.dumps(content, protocol)


@pytest.mark.parametrize("dump", [python_2, *map(python_3, range(6))])
def test_pickles_of_every_protocol(tmp_path: Path, empty_cache: Path, dump: Any) -> None:
    splits = load("cifar100", write(tmp_path / "cifar100", dump))
    assert splits.classes == FINE
    train, val, test = numbers(splits)
    assert sorted(train + val) == list(range(20))
    assert [TRAIN[number] for number in train] == splits.train.labels.tolist()
    assert np.bincount(splits.val.labels).tolist() == [1, 1, 1, 1]
    assert test == [20, 21, 22, 23]
    assert splits.test.labels.tolist() == TEST
    assert splits.test.pixels[2, :, 5, 7].tolist() == [22, 100, 200]


def test_coarse_labels(tmp_path: Path, empty_cache: Path) -> None:
    root = write(tmp_path / "cifar100")
    splits = load("cifar100", root, labels="coarse")
    assert splits.classes == COARSE
    assert splits.test.labels.tolist() == [0, 1, 0, 0]
    with pytest.raises(UsageError, match="labels: 'both' is unknown; use 'fine', 'coarse'"):
        load("cifar100", root, labels="both")


def pack(root: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root, "cifar-100-python")
    return path


def test_every_root(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "data/cifar-100-python")
    expected = numbers(load("cifar100", root))
    assert numbers(load("cifar100", tmp_path / "data")) == expected
    packed = pack(root, tmp_path / "cifar100.tar.gz")
    assert numbers(load("cifar100", packed)) == expected
    monkeypatch.setenv("FER_GYM_DATA", str(tmp_path))
    assert numbers(load("cifar100")) == expected


def test_missing_files(tmp_path: Path, empty_cache: Path) -> None:
    root = write(tmp_path / "cifar100")
    with pytest.raises(DatasetError, match="no: no such file"):
        load("cifar100", tmp_path / "no")
    (root / "meta").unlink()
    with pytest.raises(DatasetError, match="cifar100/meta: no such file; give root= cifar-100-python"):
        load("cifar100", root)
    with pytest.raises(DatasetError, match=r"cifar\.tar\.gz: no cifar-100-python/meta in it"):
        load("cifar100", pack(root, tmp_path / "cifar.tar.gz"))


class Runs:
    """Unpickling this would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [Runs(), print, Path, np.float64(1), np.array([{}]), {1, 2}, np.array([1.5])])
def test_nothing_else_is_unpickled(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, value: object, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    root = write(tmp_path / "cifar100")
    (root / "test").write_bytes(pickle.dumps({**contents(TEST), "filenames": value}, protocol))
    with pytest.raises(DatasetError, match="test: not a pickle of arrays and plain containers"):
        load("cifar100", root)
    assert not (tmp_path / "executed").exists()
    assert list(empty_cache.iterdir()) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02}r\xff\xff\xff\x7f.",  # room for 2^31 entries
        b"\x80\x02X\xff\xff\xff\x7f.",  # a text of 2 GB
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # an array of bytes of 1 TB
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\xff\xff\xff\x7ftU\x01btR.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n.",
        b"\x80\x02cnumpy\nload\n.",
        b"\x80\x02]q\x00h\x00a.",
        b"",
        b".",
    ],
)
def test_pickles_made_to_harm(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a pickle of arrays and plain containers"):
        array_pickles.loads(data)


def test_what_is_allowed_is_known() -> None:
    assert {opcode.name for opcode in pickletools.opcodes} >= array_pickles._ALLOWED


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**contents(TEST), **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (changed(data=None), "data is NoneType, expected uint8 of shape (N, 3072)"),
        (changed(data=contents(TEST)["data"][:, :3071]), "data is uint8 of shape (4, 3071)"),
        (changed(data=contents(TEST)["data"][0]), "data is uint8 of shape (3072,)"),
        (changed(data=contents(TEST)["data"].astype(np.int64)), "data is int64"),
        (changed(data=contents(TEST)["data"][:3]), "3 pictures and 4 labels"),
        (changed(fine_labels=None), "no list of fine_labels"),
        (changed(fine_labels=[0, 1, 2, 4]), "the fine label of picture 3 is 4, expected 0 to 3"),
        (changed(fine_labels=[0, -1, 2, 3]), "the fine label of picture 1 is -1"),
        (changed(fine_labels=[0, 1.0, 2, 3]), "the fine label of picture 1 is 1.0"),
        (changed(fine_labels=np.array([0, 9, 2, 3])), "the fine label of picture 1 is 9"),
        ([1, 2], "not a pickle of arrays"),
    ],
)
def test_wrong_contents(tmp_path: Path, empty_cache: Path, content: Any, said: str) -> None:
    root = write(tmp_path / "cifar100")
    (root / "test").write_bytes(pickle.dumps(content))
    with pytest.raises(DatasetError) as error:
        load("cifar100", root)
    assert f"{root}, test: " in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("names", [None, [], "abcd", [1, 2, 3, 4], ["a", "a", "b", "c"], ["", "a", "b", "c"]])
def test_wrong_names(tmp_path: Path, empty_cache: Path, names: Any) -> None:
    root = write(tmp_path / "cifar100")
    (root / "meta").write_bytes(pickle.dumps({"fine_label_names": names}))
    with pytest.raises(DatasetError, match=r"cifar100, meta: .*fine_label_names"):
        load("cifar100", root)


def test_sizes_are_bounded(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "cifar100")
    packed = pack(root, tmp_path / "cifar100.tar.gz")
    monkeypatch.setattr(cifar100, "_MAX_BYTES", 50_000)
    for path in (root, packed):
        with pytest.raises(DatasetError, match="more than 50,000 bytes"):
            load("cifar100", path)


@pytest.mark.parametrize("dump", [python_2, python_3(2), python_3(5)])
def test_damaged_files(tmp_path: Path, empty_cache: Path, dump: Any) -> None:
    root = write(tmp_path / "cifar100", dump)
    check_loads_or_refuses([root / name for name in ("train", "test", "meta")], lambda: load("cifar100", root), 350)


def test_damaged_archive(tmp_path: Path, empty_cache: Path) -> None:
    packed = pack(write(tmp_path / "cifar100"), tmp_path / "cifar100.tar.gz")
    check_loads_or_refuses([packed], lambda: cifar100._read_tar(packed), 300)
