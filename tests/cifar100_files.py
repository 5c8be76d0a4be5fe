"""A small CIFAR-100 in the layout of the real one, whose pickles Python 2 wrote."""

import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

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


def python_3(protocol: int) -> Any:
    return lambda content: pickle.dumps(content, protocol)


def pack(root: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root, "cifar-100-python")
    return path
