"""Small FER2013s in the layouts of the real one: two images of each class in each split."""

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")

Row = tuple[int, str, str]


def rows() -> list[Row]:
    """(emotion, pixels, Usage) of 42 images; the splits in the order of the real file, the classes mixed."""
    rng = np.random.default_rng(0)
    return [
        (label, " ".join(map(str, rng.integers(0, 256, 48 * 48))), usage)
        for usage in USAGES
        for label in [*range(7), *reversed(range(7))]
    ]


def write_csv(path: Path, lines: Iterable[Row], header: str = "emotion,pixels,Usage") -> Path:
    path.write_text(header + "\n" + "".join(f"{e},{p},{u}\n" for e, p, u in lines))
    return path


def jpeg(seed: int, size: tuple[int, int] = (48, 48), mode: str = "L") -> bytes:
    """A smooth random picture, whose JPEG differs from those of other seeds."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4), np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert(mode).save(file, "JPEG")
    return file.getvalue()


def members() -> dict[str, bytes]:
    """Name and bytes of 42 pictures."""
    names = [
        f"{'train' if usage == 'Training' else 'test'}/{name}/{usage}_{number}.jpg"
        for usage in USAGES
        for name in CLASSES
        for number in (1, 2)
    ]
    return {name: jpeg(seed) for seed, name in enumerate(names)}


def write_zip(path: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def write_folder(root: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root
