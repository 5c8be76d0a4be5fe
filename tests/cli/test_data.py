import errno
from pathlib import Path

import fer2013_files as files
import listed_faces
import numpy as np
import pytest
from PIL import Image

from fer_gym.data import DATASETS, Split
from fer_gym.data.contact_sheet import contact_sheet
from fer_gym.envs import ImageSelectEnv

typer_testing = pytest.importorskip("typer.testing")
from fer_gym.cli.commands import app  # noqa: E402


def run(*arguments: object) -> tuple[int, str, str]:
    result = typer_testing.CliRunner().invoke(app, ["data", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_ls() -> None:
    code, out, _ = run("ls")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(DATASETS)
    assert "root: fer2013.csv" in out


def test_inspect(tmp_path: Path, empty_cache: Path) -> None:
    root = files.write_csv(tmp_path / "fer2013.csv", files.rows() + files.rows()[:1])
    sheet = tmp_path / "out.png"
    code, out, _ = run("inspect", "fer2013", "--root", root, "--noise", "faces:.4,.2,.4", "--out", sheet)
    assert code == 0
    table = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert "48x48 pixels, grey" in out
    assert table["angry"] == ["3", "2", "2", "7"]
    assert table["all"] == ["15", "14", "14", "43"]
    assert table["half"] == ["face", "3", "20.0%"]
    assert table["none"] == ["face", "6", "40.0%"]
    assert str(sheet) in out
    with Image.open(sheet) as image:
        assert image.mode == "RGB"


def test_a_sheet_that_cannot_be_written_costs_the_one_before_nothing(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    sheet = tmp_path / "out.png"
    assert run("inspect", "fer2013", "--root", root, "--out", sheet)[0] == 0
    before = sheet.read_bytes()

    def full(image, file, format):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    code, _, err = run("inspect", "fer2013", "--root", root, "--out", sheet)
    assert code == 2
    assert err.endswith(f"fer-gym: [Errno {errno.ENOSPC}] No space left on device: '{sheet}'\n")
    assert sheet.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "fer2013.csv", "out.png"}


def test_inspect_with_limit_and_seed(tmp_path: Path, empty_cache: Path) -> None:
    root = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    sheets = []
    for seed in (0, 1, 0):
        sheet = tmp_path / f"{seed}.png"
        code, out, _ = run("inspect", "fer2013", "--root", root, "--limit", 7, "--data-seed", seed, "--out", sheet)
        assert code == 0
        assert "7        14        14        35" in out
        sheets.append(sheet.read_bytes())
    assert sheets[0] == sheets[2] != sheets[1]


def test_prepare(tmp_path: Path, empty_cache: Path) -> None:
    root = files.write_zip(tmp_path / "fer2013.zip", files.members())
    code, out, err = run("prepare", "fer2013", "--root", root)
    assert code == 0
    assert "14, 14, 14 images ready" in out
    assert str(empty_cache) in out
    assert "decoding" in err
    assert len(list(empty_cache.iterdir())) == 1
    assert "decoding" not in run("prepare", "fer2013", "--root", root)[2]


def test_prepare_carves_by_the_seed(tmp_path: Path, empty_cache: Path) -> None:
    root = listed_faces.rafdb(tmp_path / "rafdb", [1, 2, 3, 4, 5, 6, 7] * 5, [1])
    code, out, err = run("prepare", "rafdb", "--root", root)
    assert code == 0
    assert "28, 7, 1 images ready" in out
    assert "decoding" in err
    code, _, err = run("prepare", "rafdb", "--root", root, "--data-seed", 1)
    assert code == 0
    assert "decoding" not in err
    # What is decoded, and the splits of either seed.
    assert len(list(empty_cache.iterdir())) == 3
    code, out, _ = run("inspect", "rafdb", "--root", root, "--data-seed", 1, "--out", tmp_path / "sheet.png")
    assert code == 0
    assert "100x100 pixels, colour" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "nope"], "dataset: 'nope' is unknown"),
        (["inspect", "fer2013"], "root: None is not allowed for 'fer2013'"),
        (["prepare", "folder", "--root", "/no/such"], "/no/such: no such folder"),
        (["inspect", "synthetic", "--noise", "faces:1,1,1"], "noise: 'faces:1,1,1' is not allowed"),
        (["inspect", "synthetic", "--limit", "0"], "limit: 0 is not allowed"),
    ],
)
def test_errors_are_one_line(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_GYM_DATA", raising=False)
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert said in err
    assert err.startswith("fer-gym: ")
    assert len(err.strip().splitlines()) == 1


def test_sheet_that_cannot_be_written(tmp_path: Path, empty_cache: Path) -> None:
    root = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    code, _, err = run("inspect", "fer2013", "--root", root, "--out", root / "sheet.png")
    assert code == 2
    assert err.endswith(f"fer-gym: [Errno {errno.EEXIST}] File exists: '{root}'\n")


def grey(value: int) -> tuple[int, int, int]:
    return value, value, value


def test_contact_sheet_shows_each_class_in_its_row() -> None:
    pixels = np.repeat(np.array([10, 200, 60, 90], np.uint8), 16).reshape(4, 1, 4, 4)
    sheet = contact_sheet(Split(pixels, np.array([0, 1, 0, 0])), ("first", "second"), per_class=2)
    colours = {colour for _, colour in sheet.getcolors(1 << 20)}
    # Of the three of class 0, the first and the last; nothing has a frame.
    assert {grey(10), grey(90), grey(200)} <= colours
    assert grey(60) not in colours
    upper, lower = (
        sheet.crop((0, 0, sheet.width, sheet.height // 2)),
        sheet.crop((0, sheet.height // 2, *sheet.size)),
    )
    assert grey(10) in {colour for _, colour in upper.getcolors(1 << 20)}
    assert grey(200) in {colour for _, colour in lower.getcolors(1 << 20)}


def test_contact_sheet_frames_the_kinds_of_noise() -> None:
    pixels = np.full((3, 3, 4, 4), 128, np.uint8)
    labels, truth = np.array([0, 0, 1]), np.array([0, 1, 1])
    colours = []
    for codes in ([0, 0, 0], [0, 1, 0], [0, 2, 0], [0, 3, 0], [0, 4, 0]):
        split = Split(pixels, labels, truth, np.array(codes, np.int8))
        colours.append({colour for _, colour in contact_sheet(split, ("a", "b")).getcolors(1 << 20)})
    # Each kind brings a strong colour of its own.
    strong = [{c for c in found if max(c) - min(c) > 60} for found in colours]
    assert not strong[0]
    assert all(strong[1:])
    for one in range(1, 5):
        for other in range(1, one):
            assert not strong[one] & strong[other]


def test_verify_names_what_is_damaged(empty_cache: Path, tmp_path: Path) -> None:
    root = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    ImageSelectEnv(dataset="fer2013", root=root, pretrain_epochs=1).reset(seed=0)
    assert run("verify") == (0, f"{empty_cache}: nothing is damaged\n", "")
    (pixels,) = empty_cache.glob("fer2013-*/val_pixels.npy")
    (network,) = empty_cache.glob("pretrained/*.pt")
    for path in (pixels, network):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    listing = empty_cache / "folder-1" / "key.json"
    listing.parent.mkdir()
    listing.write_text("{")
    code, out, errors = run("verify")
    assert (code, out) == (1, "")
    assert errors.splitlines() == [
        f"{pixels}: damaged; delete {pixels.parent}, it is made again",
        f"{listing}: damaged; delete {listing.parent}, it is made again",
        f"{network}: damaged; delete {network}, it is made again",
    ]
