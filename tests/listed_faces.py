"""Small copies of RAF-DB, ExpW and AffectNet in their layouts: each picture has a grey of its own."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fer_gym.data import Split, Splits

AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)


def picture(grey: int, size: tuple[int, int] = (8, 8), kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (grey, grey, grey)).save(file, kind, quality=100)
    return file.getvalue()


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rafdb(root: Path, train: Sequence[int], test: Sequence[int], size: tuple[int, int] = (8, 8)) -> Path:
    """Faces of these labels, 1 to 7, whose greys are 0, 1, ...: first the training faces, then the test faces."""
    lines = []
    for grey, (name, label) in enumerate([*(("train", each) for each in train), *(("test", each) for each in test)]):
        lines.append(f"{name}_{grey:05}.jpg {label}\n")
        write(root / f"Image/aligned/{name}_{grey:05}_aligned.jpg", picture(grey, size))
    write(root / "EmoLabel/list_patition_label.txt", "".join(lines))
    return root


def expw(root: Path, faces: Iterable[tuple[str, int]]) -> Path:
    """Faces (picture, label), side by side in their picture; greys are 0, 1, ... in order."""
    places: dict[str, list[int]] = {}
    lines = []
    for grey, (name, label) in enumerate(faces):
        number = len(places.setdefault(name, []))
        places[name].append(grey)
        lines.append(f"{name} {number} 2 {8 * number} {8 * number + 8} 10 {90 + number}.5 {label}\n")
    for name, greys in places.items():
        scene = Image.new("RGB", (8 * len(greys), 12), (255, 0, 0))
        for number, grey in enumerate(greys):
            scene.paste((grey, grey, grey), (8 * number, 2, 8 * number + 8, 10))
        file = io.BytesIO()
        scene.save(file, "PNG")
        write(root / "image/origin" / name, file.getvalue())
    write(root / "label/label.lst", "".join(lines))
    return root


def affectnet_csv(root: Path, train: Sequence[int], validation: Sequence[int]) -> Path:
    """Faces of these labels; greys are 0, 1, ... in order. Each fills the middle of a picture."""
    grey = 0
    for name, labels in (("training", train), ("validation", validation)):
        lines = [AFFECTNET_HEADER]
        for label in labels:
            file = f"{grey % 3}/{grey:04}.jpg"
            lines.append(f"{file},2,3,8,6,1.5;2.5;3.5,{label},-0.1,0.2")
            scene = Image.new("RGB", (12, 12), (255, 0, 0))
            scene.paste((grey, grey, grey), (2, 3, 10, 9))
            data = io.BytesIO()
            scene.save(data, "PNG")
            write(root / "Manually_Annotated_Images" / file, data.getvalue())
            grey += 1
        write(root / f"{name}.csv", "\n".join(lines) + "\n")
    return root


def affectnet_npy(root: Path, train: Sequence[int], validation: Sequence[int]) -> Path:
    """The same faces in the other form; the label is a text in every other file."""
    grey = 0
    for name, labels in (("train_set", train), ("val_set", validation)):
        for label in labels:
            write(root / name / f"images/{grey:04}.jpg", picture(grey))
            write(root / name / f"annotations/{grey:04}_exp.npy", npy(str(label) if grey % 2 else label))
            grey += 1
    return root


def npy(value: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(value))
    return file.getvalue()


def greys(split: Split) -> list[int]:
    """The grey of each image, which must have no other."""
    flat = split.pixels.reshape(len(split), -1)
    assert (flat == flat[:, :1]).all()
    return flat[:, 0].tolist()


def parts(splits: Splits) -> list[list[int]]:
    return [greys(split) for split in (splits.train, splits.val, splits.test)]
