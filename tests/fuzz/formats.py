"""What is fuzzed: for each format small files that are right, and how they are read."""

import copy
import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cifar100_files
import fer2013_files
import gymnasium as gym
import listed_faces
import numpy as np
import small_records
import tiny_data
import tiny_walks
import toml_suites
import torch
from mutations import mutated
from plain_values import plain

from fer_gym import DatasetError, files
from fer_gym.benchmark import records
from fer_gym.benchmark.spec import toml
from fer_gym.data import cache, ferplus, images, load
from fer_gym.errors import UsageError
from fer_gym.train import checkpoint

#: What a state's parts are replaced by.
_JUNK = (None, True, -1, 2**70, 0.5, float("nan"), "x", b"x", (), [], [[]], {}, {"x": 1}, np.zeros(3), torch.zeros(3))


@dataclass(frozen=True)
class Format:
    """A reader and an input that it takes.

    Attributes:
        attempt: reads the input with some damage that the generator decides; returns the bytes of it. What it raises
            of `refusals` is documented, anything else is a fault.
        refusals: the exceptions that the reader documents.
    """

    attempt: Callable[[np.random.Generator], int]
    refusals: type[Exception] | tuple[type[Exception], ...] = DatasetError


def _of_files(paths: list[Path], read: Callable[[], object], refusals: Any = DatasetError) -> Format:
    """One of the files is damaged, then all are read."""
    whole = {path: path.read_bytes() for path in paths}

    def attempt(rng: np.random.Generator) -> int:
        path = paths[int(rng.integers(len(paths)))]
        damaged = mutated(whole[path], rng)
        path.unlink()  # some file systems take long to write over a file
        path.write_bytes(damaged)
        try:
            read()
        finally:
            path.unlink()
            path.write_bytes(whole[path])
        return sum(map(len, whole.values()))

    return Format(attempt, refusals)


def _loads(name: str, root: Path, paths: list[Path], **options: Any) -> Format:
    """A data set, whose cache is emptied after each attempt."""

    def read() -> None:
        try:
            load(name, root, **options)
        finally:
            for entry in cache.folder().iterdir():
                shutil.rmtree(entry)

    return _of_files(paths, read)


def _csv(folder: Path) -> Format:
    path = fer2013_files.write_csv(folder / "fer2013.csv", fer2013_files.rows())
    return _loads("fer2013", path, [path])


def _zip(folder: Path) -> Format:
    path = fer2013_files.write_zip(folder / "fer2013.zip", fer2013_files.members())
    return _loads("fer2013", path, [path])


def _picture(folder: Path) -> Format:
    kept = [folder / f"face.{kind}" for kind in ("jpeg", "png", "bmp", "tiff")]
    for path in kept:
        path.write_bytes(listed_faces.picture(7, (12, 12), path.suffix[1:].upper()))

    def read() -> None:
        for path in kept:
            images.decode_face(path.read_bytes(), str(path), 8)

    return _of_files(kept, read)


def _folder(folder: Path) -> Format:
    root = fer2013_files.write_folder(
        folder / "faces",
        {
            f"{split}/{name}/{number}.png": listed_faces.picture(number, kind="PNG")
            for split in ("train", "val", "test")
            for name in ("happy", "sad")
            for number in range(2)
        },
    )
    return _loads("folder", root, sorted(root.rglob("*.png")))


def _votes(folder: Path) -> Format:
    path = folder / "fer2013new.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("Usage", "Image name", *ferplus.COLUMNS))
        writer.writerows(("Training", f"fer{row:07}.png", *np.roll([10, *[0] * 9], row)) for row in range(20))
    return _of_files([path], lambda: ferplus.read_votes(path))


def _row_order(folder: Path) -> Format:
    path = folder / "fer2013_row_order.csv"
    path.write_text("member,row\n" + "".join(f"train/happy/{row}.jpg,{row}\n" for row in range(20)))
    return _of_files([path], lambda: ferplus.read_row_order(path))


def _rafdb(folder: Path) -> Format:
    root = listed_faces.rafdb(folder / "rafdb", [*range(1, 8)] * 2, [*range(1, 8)])
    paths = [root / "EmoLabel/list_patition_label.txt", root / "Image/aligned/train_00002_aligned.jpg"]
    return _loads("rafdb", root, paths, image_size=8)


def _expw(folder: Path) -> Format:
    root = listed_faces.expw(folder / "expw", [(f"{face // 2}.png", face % 7) for face in range(42)])
    return _loads("expw", root, [root / "label/label.lst", root / "image/origin/3.png"], image_size=8)


def _affectnet_csv(folder: Path) -> Format:
    root = listed_faces.affectnet_csv(folder / "affectnet", [*range(8)] * 2, [*range(8)])
    return _loads("affectnet", root, [root / "training.csv"], image_size=8)


def _affectnet_npy(folder: Path) -> Format:
    root = listed_faces.affectnet_npy(folder / "affectnet", [*range(8)] * 2, [*range(8)])
    paths = [root / f"train_set/annotations/000{number}_exp.npy" for number in (2, 3)]
    return _loads("affectnet", root, [*paths, root / "train_set/images/0002.jpg"], image_size=8)


def _cifar100(folder: Path) -> Format:
    root = cifar100_files.write(folder / "cifar100")
    return _loads("cifar100", root, [root / name for name in ("train", "test", "meta")])


def _cifar100_archive(folder: Path) -> Format:
    path = cifar100_files.pack(cifar100_files.write(folder / "cifar100"), folder / "cifar100.tar.gz")
    return _loads("cifar100", path, [path])


def _cache(folder: Path) -> Format:
    root = fer2013_files.write_folder(
        folder / "faces", {f"{n}/{i}.png": listed_faces.picture(i) for n in "ab" for i in range(10)}
    )
    load("folder", root)
    (entry,) = cache.folder().iterdir()
    return _of_files(sorted(entry.iterdir()), lambda: load("folder", root))


def _suite(folder: Path) -> Format:
    path = folder / "own.toml"
    path.write_text(toml_suites.suite(("keep all", "keep_all"), ("learner", "reinforce")))
    return _of_files([path], lambda: toml.read(path), UsageError)


def _records(folder: Path) -> Format:
    # Whatever is in the files, those that are records are read and the others named.
    made = (*small_records.walks()[:1], *small_records.runs()[:2])
    paths = sorted((small_records.write(folder, *made) / "records").iterdir())
    return _of_files(paths, lambda: records.read_folder(folder), UsageError)


def _checkpoint(folder: Path) -> Format:
    """The checksum is right, the content is not."""
    path = folder / "state.pt"
    arguments = {"seed": 0}
    about = {"format": checkpoint.FORMAT, "arguments": checkpoint._packed(arguments), "env": {"x": torch.zeros(3)}}
    file = io.BytesIO()
    torch.save({**about, "rows": checkpoint._packed([{"reward": 1.0}])}, file)

    def attempt(rng: np.random.Generator) -> int:
        files.write_checked(path, mutated(file.getvalue(), rng))
        checkpoint.read(path, arguments)
        return len(file.getvalue())

    return Format(attempt, UsageError)


def _state_of(env: gym.Env[Any, Any]) -> Format:
    """One to three parts of a state are lost, replaced or exchanged; who refuses it is as before."""
    env.reset(seed=0)
    for _ in range(2):
        env.step(env.action_space.sample())
    base: Any = env.unwrapped
    whole = base.state_dict()
    before = plain(whole)

    def attempt(rng: np.random.Generator) -> int:
        base.load_state_dict(copy.deepcopy(whole))
        state = copy.deepcopy(whole)
        for _ in range(rng.integers(1, 4)):
            _tamper(state, rng)
        try:
            base.load_state_dict(state)
        except UsageError:
            if plain(base.state_dict()) != before:
                raise AssertionError("refused, and changed all the same") from None
            raise
        return 0

    return Format(attempt, UsageError)


def _tamper(state: dict[str, Any], rng: np.random.Generator) -> None:
    """Change something within a state, at any depth."""
    holder: Any = state
    while holder:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[int(rng.integers(len(keys)))]
        if isinstance(holder[key], dict | list) and holder[key] and rng.random() < 0.8:
            holder = holder[key]
            continue
        kind = int(rng.integers(4))
        if kind == 0:
            del holder[key]
        elif kind == 1:
            holder[key] = copy.deepcopy(_JUNK[int(rng.integers(len(_JUNK)))])
        elif kind == 2:
            holder[key] = copy.deepcopy(holder[keys[int(rng.integers(len(keys)))]])
        elif isinstance(holder[key], torch.Tensor | np.ndarray) and holder[key].size:
            value = holder[key] if holder[key].ndim else holder[key].reshape(1)
            holder[key] = value[..., :0] if rng.random() < 0.5 else holder[key] * np.nan
        else:
            holder[key] = [holder[key]]
        return


def _image_select(folder: Path) -> Format:
    return _state_of(tiny_walks.walk(pretrain_epochs=0, network=_tiny_network))


def _reg_tune(folder: Path) -> Format:
    sizes = {"chunks": 4, "chunk_size": 2, "val_batches": 2, "batch_size": 4, "precision": "fp32"}
    return _state_of(gym.make("RegTune-v0", dataset=tiny_data.splits(30), network=_tiny_network, **sizes))


def _tiny_network(channels: int, classes: int, image_size: int) -> torch.nn.Module:
    inputs = channels * image_size**2
    layers = torch.nn.Linear(inputs, 4), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(4, classes)
    return torch.nn.Sequential(torch.nn.Flatten(), *layers)


#: By name, what makes a format's files in an empty folder.
FORMATS: dict[str, Callable[[Path], Format]] = {
    "FER2013's CSV": _csv,
    "FER2013's zip": _zip,
    "pictures": _picture,
    "folder": _folder,
    "FER+": _votes,
    "row order": _row_order,
    "RAF-DB": _rafdb,
    "ExpW": _expw,
    "AffectNet's CSV": _affectnet_csv,
    "AffectNet's NPY": _affectnet_npy,
    "CIFAR-100": _cifar100,
    "CIFAR-100's archive": _cifar100_archive,
    "cache": _cache,
    "TOML": _suite,
    "records": _records,
    "checkpoint": _checkpoint,
    "states of ImageSelect-v0": _image_select,
    "states of RegTune-v0": _reg_tune,
}
