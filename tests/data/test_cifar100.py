import gzip
import os
import pickle
import pickletools
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar100_files import COARSE, FINE, TEST, TRAIN, contents, pack, python_2, python_3, write

from fer_gym import DatasetError
from fer_gym.data import array_pickles, cifar100, load
from fer_gym.errors import UsageError


def numbers(splits: Any) -> list[list[int]]:
    return [split.pixels[:, 0, 0, 0].tolist() for split in (splits.train, splits.val, splits.test)]


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


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_SPARSE])
def test_headers_do_not_fill_the_memory(tmp_path: Path, empty_cache: Path, kind: bytes) -> None:
    """`tarfile` reads a header's content in one piece, and parses it in a time that grows with its square."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = kind, 100_000_000
    path = tmp_path / "cifar100.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT)[:512])
        for _ in range(100):
            file.write(bytes(1_000_000))
    tracemalloc.start()
    with pytest.raises(DatasetError, match="no cifar-100-python/train in it"):
        load("cifar100", path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_long_names_and_attributes_are_skipped(tmp_path: Path, empty_cache: Path) -> None:
    root = write(tmp_path / "cifar100")
    (root / ("x" * 200)).write_bytes(b"")
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tmp_path / f"cifar{form}.tar.gz"
        with tarfile.open(path, "w:gz", format=form, pax_headers={"comment": "é" * 1000}) as archive:
            archive.add(root, "cifar-100-python")
        assert load("cifar100", path).fingerprint() == load("cifar100", root).fingerprint()


def test_sizes_are_bounded(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "cifar100")
    packed = pack(root, tmp_path / "cifar100.tar.gz")
    monkeypatch.setattr(cifar100, "_MAX_BYTES", 50_000)
    for path in (root, packed):
        with pytest.raises(DatasetError, match="more than 50,000 bytes"):
            load("cifar100", path)
