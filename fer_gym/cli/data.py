"""`fer-gym data`: list, inspect and prepare data sets."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.data import DATASETS, Splits, cache, load, noise
from fer_gym.data.contact_sheet import contact_sheet
from fer_gym.data.splits import NOISE_NAMES
from fer_gym.progress import printable

app = typer.Typer(help="List, inspect and prepare data sets.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help=f"One of {', '.join(DATASETS)}.")]
_Root = Annotated[Path | None, typer.Option(help="The file or folder that holds the data set; see `ls`.")]
_DataSeed = Annotated[
    int, typer.Option(help="Decides which images are left by the limit, made noisy, or taken for validation and test.")
]


@app.command("ls")
def list_datasets() -> None:
    """List the data sets, and what --root each needs."""
    for name, description in DATASETS.items():
        print(f"{name:15} {description}")


@app.command()
def inspect(
    name: _Name,
    root: _Root = None,
    limit: Annotated[int | None, typer.Option(help="The largest number of training images.")] = None,
    noise_text: Annotated[
        str,
        typer.Option(
            "--noise",
            help="none, faces, faces:FULL,HALF,NONE, symmetric:RATE, pair:RATE, per_class:RATE,..., "
            "duplicates:SHARE,SOURCES or ferplus.",
            show_default=True,
        ),
    ] = "none",
    data_seed: _DataSeed = 0,
    out: Annotated[Path, typer.Option(help="Where the contact sheet goes, a PNG.")] = Path("sheet.png"),
) -> None:
    """Count the images of each split and class, and draw a contact sheet of the training images."""
    splits = load(name, root, limit, noise.parse(noise_text), data_seed)
    _print_counts(splits)
    if splits.train.noise is not None:
        _print_noise(splits.train.noise)
    with files.written_whole(out) as file:
        contact_sheet(splits.train, splits.classes).save(file, format="PNG")
    print(f"contact sheet of the training images: {out}")


@app.command()
def prepare(name: _Name, root: _Root = None, data_seed: _DataSeed = 0) -> None:
    """Decode a data set into the cache now, so that later uses start at once."""
    start = time.monotonic()
    splits = load(name, root, data_seed=data_seed)
    sizes = ", ".join(f"{len(split):,}" for split in (splits.train, splits.val, splits.test))
    cached = f"cached in {cache.folder()}" if any(cache.folder().glob(f"{name}-*")) else "not cached"
    print(f"{name}: {sizes} images ready in {time.monotonic() - start:.1f} s, {cached}")


def _print_counts(splits: Splits) -> None:
    channels, height, width = splits.image_shape
    columns = [np.bincount(s.labels, minlength=len(splits.classes)) for s in (splits.train, splits.val, splits.test)]
    counts = np.column_stack([*columns, sum(columns)])
    names = [*map(printable, splits.classes), "all"]
    wide = max(map(len, names))
    print(f"{width}x{height} pixels, {'grey' if channels == 1 else 'colour'}")
    print(f"{'class':{wide}} {'train':>9} {'val':>9} {'test':>9} {'all':>9}")
    for name, row in zip(names, np.vstack([counts, counts.sum(axis=0)]), strict=True):
        print(f"{name:{wide}} " + " ".join(f"{count:9,}" for count in row))


def _print_noise(codes: NDArray[np.int8]) -> None:
    wide = max(map(len, NOISE_NAMES))
    print(f"{'noise':{wide}} {'train':>9} {'share':>9}")
    for name, count in zip(NOISE_NAMES, np.bincount(codes, minlength=len(NOISE_NAMES)), strict=True):
        if count:
            print(f"{name:{wide}} {count:9,} {count / len(codes):9.1%}")


@app.command()
def verify() -> None:
    """Compare what is in the cache with the checksums that were written with it."""
    damaged = list(cache.damaged())
    for path in damaged:
        # A data set's arrays are an entry of the cache together; a pretrained network is one file.
        entry = path if path.parent.name == cache.PRETRAINED else path.parent
        print(f"{path}: damaged; delete {entry}, it is made again", file=sys.stderr)
    if damaged:
        raise typer.Exit(1)
    print(f"{cache.folder()}: nothing is damaged")
