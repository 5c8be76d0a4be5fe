import csv
import io
import shutil
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import fer2013_files as files
import numpy as np
import pytest
from PIL import Image

from fer_gym import DatasetError
from fer_gym.data import Split, Splits, fer2013, load

PER_CLASS = [4953, 547, 5121, 8989, 6077, 4002, 6198]


def pictures(split: Split) -> Counter[tuple[bytes, int]]:
    return Counter(zip((image.tobytes() for image in split.pixels), split.labels.tolist(), strict=True))


def assert_equal(one: Splits, other: Splits) -> None:
    for a, b in ((one.train, other.train), (one.val, other.val), (one.test, other.test)):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.labels, b.labels)


def test_csv_gives_its_rows_in_order(tmp_path: Path, empty_cache: Path) -> None:
    rows = files.rows()
    splits = load("fer2013", files.write_csv(tmp_path / "fer2013.csv", rows))
    assert splits.classes == files.CLASSES
    for split, usage in (
        (splits.train, "Training"),
        (splits.val, "PublicTest"),
        (splits.test, "PrivateTest"),
    ):
        mine = [row for row in rows if row[2] == usage]
        assert split.labels.tolist() == [label for label, _, _ in mine]
        expected = np.array([row[1].split() for row in mine], np.uint8).reshape(-1, 1, 48, 48)
        np.testing.assert_array_equal(split.pixels, expected)


def test_both_csvs_and_a_folder_that_holds_one_are_the_same(tmp_path: Path, empty_cache: Path) -> None:
    rows = files.rows()
    splits = load("fer2013", files.write_csv(tmp_path / "fer2013.csv", rows))
    other = tmp_path / "other"
    other.mkdir()
    lines = "".join(f"{e},{u},{p}\r\n" for e, p, u in rows)
    (other / "icml_face_data.csv").write_text("\ufeffemotion, Usage, pixels\r\n" + lines, encoding="utf-8")
    assert_equal(splits, load("fer2013", other / "icml_face_data.csv"))
    assert_equal(splits, load("fer2013", other))


def test_zip_folder_and_the_csv_of_the_same_pictures_agree(tmp_path: Path, empty_cache: Path) -> None:
    contents = files.members()
    # The real zip's names are in the order of their names; the loader's order must not depend on that.
    packed = load("fer2013", files.write_zip(tmp_path / "fer2013.zip", dict(reversed(contents.items()))))
    assert_equal(packed, load("fer2013", files.write_folder(tmp_path / "pictures", contents)))
    assert_equal(packed, load("fer2013", tmp_path))
    rows = []
    for name, data in sorted(contents.items()):
        pixels = np.asarray(Image.open(io.BytesIO(data)))
        usage, label = name.split("/")[2].split("_")[0], files.CLASSES.index(name.split("/")[1])
        rows.append((label, " ".join(map(str, pixels.ravel())), usage))
    assert_equal(packed, load("fer2013", files.write_csv(tmp_path / "fer2013.csv", rows)))


def test_zip_may_hold_a_wrapping_folder_and_other_files(tmp_path: Path, empty_cache: Path) -> None:
    contents = files.members()
    plain = load("fer2013", files.write_zip(tmp_path / "plain.zip", contents))
    wrapped = {f"archive/{name}": data for name, data in contents.items()}
    extra = {
        "archive/README.txt": b"hello",
        "__MACOSX/train/angry/._Training_1.jpg": b"\0",
        "logo.png": b"no",
    }
    path = files.write_zip(tmp_path / "wrapped.zip", {**extra, **wrapped})
    assert_equal(plain, load("fer2013", path))


def test_second_load_maps_the_cache_and_prints_nothing(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    first = load("fer2013", path)
    assert str(path) in capsys.readouterr().err
    second = load("fer2013", path)
    assert capsys.readouterr() == ("", "")
    assert_equal(first, second)
    assert isinstance(second.train.pixels.base, np.memmap)
    assert not second.train.pixels.flags.writeable
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "fer2013.csv"]


def test_changed_file_is_read_again(tmp_path: Path, empty_cache: Path) -> None:
    rows = files.rows()
    load("fer2013", files.write_csv(tmp_path / "fer2013.csv", rows))
    rows.append(rows[0])
    assert len(load("fer2013", files.write_csv(tmp_path / "fer2013.csv", rows)).train) == 15


Edit = Callable[[list[files.Row]], object]


def replace_row(index: int, **changes: object) -> Edit:
    def edit(rows: list[files.Row]) -> None:
        row = dict(zip(("emotion", "pixels", "usage"), rows[index], strict=True)) | changes
        rows[index] = (row["emotion"], row["pixels"], row["usage"])  # type: ignore[assignment]

    return edit


def keep(condition: Callable[[files.Row], bool]) -> Edit:
    def edit(rows: list[files.Row]) -> None:
        rows[:] = [row for row in rows if condition(row)]

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            replace_row(3, pixels=" ".join(["7"] * 2303)),
            ["line 5", "2,303", "2,304", "correct the row or remove"],
        ),
        (
            replace_row(3, pixels=" ".join(["7"] * 2305)),
            ["line 5", "2,305", "2,304", "correct the row or remove"],
        ),
        (replace_row(3, pixels=""), ["line 5", "found 0 pixels", "correct the row or remove"]),
        (
            replace_row(40, pixels=" ".join(["7"] * 2303 + ["256"])),
            ["line 42", "'256'", "0 to 255", "correct the row or remove"],
        ),
        (
            replace_row(0, pixels=" ".join(["x"] + ["7"] * 2303)),
            ["line 2", "'x'", "0 to 255", "correct the row or remove"],
        ),
        (
            replace_row(0, pixels=" ".join(["-1"] + ["7"] * 2303)),
            ["line 2", "'-1'", "0 to 255", "correct the row or remove"],
        ),
        (
            replace_row(0, pixels=" ".join(["1.5"] + ["7"] * 2303)),
            ["line 2", "'1.5'", "correct the row or remove"],
        ),
        (
            replace_row(0, pixels=" ".join(["9" * 30] + ["7"] * 2303)),
            ["line 2", "'99999", "correct the row or remove"],
        ),
        (
            replace_row(0, pixels=" ".join(["é"] + ["7"] * 2303)),
            ["line 2", "'é'", "correct the row or remove"],
        ),
        (replace_row(5, emotion=7), ["line 7", "'7'", "0 to 6", "correct the row or remove"]),
        (replace_row(5, emotion=-1), ["line 7", "'-1'", "correct the row or remove"]),
        (replace_row(5, emotion="happy"), ["line 7", "'happy'", "correct the row or remove"]),
        (
            replace_row(5, usage="Testing"),
            ["line 7", "'Testing'", "Training, PublicTest, PrivateTest", "correct the row or remove"],
        ),
        (replace_row(5, usage="Training,9"), ["line 7", "4 columns", "expected 3", "fetch"]),
        (replace_row(5, pixels="1 " * 100_000), ["line 7", "longer than 65,536 characters"]),
        (keep(lambda row: row[2] != "PublicTest"), ["no image of the split PublicTest", "fetch"]),
        (keep(lambda row: False), ["no image of the split Training", "fetch"]),
        (keep(lambda row: row[:1] != (1,)), ["class disgust", "split Training", "fetch"]),
    ],
)
def test_broken_csv(tmp_path: Path, empty_cache: Path, edit: Edit, said: list[str]) -> None:
    rows = files.rows()
    edit(rows)
    path = files.write_csv(tmp_path / "fer2013.csv", rows)
    check_refused(path, empty_cache, said)


def test_a_csv_with_fewer_rows_says_so(tmp_path: Path, empty_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    load("fer2013", path)
    assert f"{path}: {len(files.rows())} of FER2013's 35,887 images; if it was cut off, fetch it again" in caplog.text


def check_refused(path: Path, cache: Path, said: list[str]) -> None:
    """Loading `path` says all of `said` and leaves no trace."""
    with pytest.raises(DatasetError) as error:
        load("fer2013", path)
    message = str(error.value)
    for text in [str(path), *said]:
        assert text in message
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "header", ["emotion,pixels", "label,pixels,Usage", "1,2 3 4,Training", "emotion,pixels,Usage,x"]
)
def test_wrong_header(tmp_path: Path, empty_cache: Path, header: str) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows(), header)
    check_refused(path, empty_cache, ["line 1", "header", header, "emotion, pixels, Usage"])


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.zip"])
def test_missing_and_empty_file(tmp_path: Path, empty_cache: Path, name: str) -> None:
    check_refused(tmp_path / name, empty_cache, ["no such file", "fer2013.csv, icml_face_data.csv"])
    (tmp_path / name).touch()
    check_refused(tmp_path / name, empty_cache, ["empty", "fetch it again"])


def test_root_that_is_no_fer2013(tmp_path: Path, empty_cache: Path) -> None:
    check_refused(tmp_path, empty_cache, ["holds no FER2013", "give root="])
    (tmp_path / "fer2013.tar").write_bytes(b"x")
    check_refused(tmp_path / "fer2013.tar", empty_cache, ["neither a .csv nor a .zip", "give root="])


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.zip", "fer2013"])
def test_a_root_that_the_environment_names(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("FER_GYM_DATA", str(tmp_path))
    with pytest.raises(
        DatasetError, match=f"{tmp_path}: this folder, which FER_GYM_DATA names, has no fer2013, fer2013"
    ):
        load("fer2013")
    if name == "fer2013.zip":
        files.write_zip(tmp_path / name, files.members())
    elif name == "fer2013.csv":
        files.write_csv(tmp_path / name, files.rows())
    else:
        (tmp_path / name).mkdir()
        files.write_csv(tmp_path / name / "fer2013.csv", files.rows())
    assert len(load("fer2013").train) == 14
    # A root that is given counts, and a folder of pictures has no name to be looked for.
    with pytest.raises(DatasetError, match="no such file"):
        load("fer2013", tmp_path / "elsewhere.zip")
    with pytest.raises(DatasetError, match="root: None is not allowed for 'folder'; use a folder ROOT"):
        load("folder")


def test_no_root_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_GYM_DATA", raising=False)
    said = r"root: None is not allowed for 'fer2013'; use fer2013\.csv, .* or let FER_GYM_DATA name a folder"
    with pytest.raises(DatasetError, match=said):
        load("fer2013")


def png(mode: str, size: tuple[int, int] = (48, 48)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG")
    return file.getvalue()


VICTIM = "train/fear/Training_2.jpg"


@pytest.mark.parametrize("form", ["zip", "folder"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ["0 bytes", "restore or remove"]),
        (files.jpeg(0)[:-200], ["truncated", "restore or remove"]),
        (files.jpeg(0)[:20], ["not a readable", "restore or remove"]),
        (b"GIF89a, no picture", ["not a readable", "restore or remove"]),
        (files.jpeg(0, size=(48, 47)), ["48x47", "expected 48x48", "resize"]),
        (files.jpeg(0, mode="RGB"), ["mode RGB", "expected L", "convert"]),
        (png("RGBA"), ["mode RGBA", "expected L", "convert"]),
        (png("1", (3000, 3000)), ["3000x3000", "bomb", "resize"]),
        (png("1", (20000, 20000)), ["bomb", "remove"]),
    ],
)
def test_broken_picture(tmp_path: Path, empty_cache: Path, form: str, data: bytes, said: list[str]) -> None:
    contents = files.members() | {VICTIM: data}
    if form == "zip":
        path = files.write_zip(tmp_path / "fer2013.zip", contents)
    else:
        path = files.write_folder(tmp_path / "fer2013", contents)
    check_refused(path, empty_cache, [VICTIM, *said])


def without(prefix: str) -> dict[str, bytes]:
    return {name: data for name, data in files.members().items() if prefix not in name}


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (
            files.members() | {"../train/angry/Training_3.jpg": b"x"},
            ["../train/angry/Training_3.jpg", "another copy"],
        ),
        (files.members() | {"train/../../x.jpg": b"x"}, ["train/../../x.jpg", "another copy"]),
        (files.members() | {"/etc/x.jpg": b"x"}, ["/etc/x.jpg", "relative path", "another copy"]),
        (files.members() | {"C:/x.jpg": b"x"}, ["C:/x.jpg", "relative path", "another copy"]),
        (files.members() | {"train\\angry\\x.jpg": b"x"}, ["relative path", "another copy"]),
        (files.members() | {VICTIM: bytes(1 << 17)}, [VICTIM, "131,072", "bomb", "another copy"]),
        (files.members() | {"notes.txt": bytes(1 << 20)}, ["notes.txt", "1,048,576", "bomb"]),
        (
            files.members() | {"train/contempt/Training_9.jpg": b"x"},
            ["train/contempt", "angry, disgust", "remove"],
        ),
        (files.members() | {"train/Training_9.jpg": b"x"}, ["train/Training_9.jpg", "CLASS", "remove"]),
        (files.members() | {"train/sad/me.jpg": b"x"}, ["train/sad/me.jpg", "'me.jpg'", "rename"]),
        (files.members() | {f"again/{VICTIM}": b"x"}, [f"again/{VICTIM}", "second picture", "remove"]),
        (without("PrivateTest"), ["no image of the split PrivateTest", "fetch"]),
        (without("train/disgust"), ["class disgust", "split Training", "fetch"]),
        (without("test/sad/Public"), ["class sad", "split PublicTest", "fetch"]),
        ({}, ["no image of the split Training", "fetch"]),
    ],
)
def test_broken_zip(tmp_path: Path, empty_cache: Path, contents: dict[str, bytes], said: list[str]) -> None:
    path = files.write_zip(tmp_path / "fer2013.zip", contents, zipfile.ZIP_DEFLATED)
    check_refused(path, empty_cache, said)


def test_zip_with_too_much_in_it(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write_zip(tmp_path / "fer2013.zip", files.members())
    monkeypatch.setattr(fer2013, "_MAX_MEMBERS", 41)
    check_refused(path, empty_cache, ["42 members", "at most 41"])
    monkeypatch.undo()
    monkeypatch.setenv("FER_GYM_CACHE", str(empty_cache))
    monkeypatch.setattr(fer2013, "_MAX_BYTES", 10_000)
    check_refused(path, empty_cache, ["10,000 in all", "bomb"])


def test_damaged_zip(tmp_path: Path, empty_cache: Path) -> None:
    whole = files.write_zip(tmp_path / "fer2013.zip", files.members()).read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[:-100])
    check_refused(path, empty_cache, ["not a whole zip", "fetch it again"])
    first = next(iter(files.members().values()))
    path.write_bytes(whole.replace(first, bytes(len(first)), 1))
    check_refused(path, empty_cache, ["train/angry/Training_1.jpg", "CRC", "fetch the zip file again"])


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_and_damage_to_it(tmp_path: Path, empty_cache: Path, compression: int) -> None:
    path = files.write_zip(tmp_path / "fer2013.zip", files.members(), compression)
    assert len(load("fer2013", path).train) == 14
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    whole = bytearray(path.read_bytes())
    for place in range(len(first.filename) + 60, len(first.filename) + 90):  # behind the header, among what is packed
        whole[place] ^= 255
    path.write_bytes(whole)
    for entry in empty_cache.iterdir():
        shutil.rmtree(entry)
    check_refused(path, empty_cache, ["train/angry/Training_1.jpg", "unpacked", "fetch the zip file again"])


def test_a_long_name_is_cut_in_the_message(tmp_path: Path, empty_cache: Path) -> None:
    path = files.write_zip(tmp_path / "fer2013.zip", files.members() | {"x" * 60_000 + "/../x.jpg": b"x"})
    with pytest.raises(DatasetError) as error:
        load("fer2013", path)
    assert len(str(error.value)) < 1000


@pytest.fixture(scope="module")
def real(fer2013_zip: Path) -> Splits:
    start = time.monotonic()
    splits = load("fer2013", fer2013_zip)
    assert time.monotonic() - start < 60
    return splits


def test_real_counts(real: Splits) -> None:
    three = (real.train, real.val, real.test)
    assert [len(split) for split in three] == [28709, 3589, 3589]
    assert sum(np.bincount(split.labels) for split in three).tolist() == PER_CLASS
    assert real.image_shape == (1, 48, 48)


def test_real_warm_load_takes_under_a_second(real: Splits, fer2013_zip: Path) -> None:
    start = time.monotonic()
    labels = load("fer2013", fer2013_zip).train.labels
    assert time.monotonic() - start < 1
    np.testing.assert_array_equal(labels, real.train.labels)


def test_real_pictures_are_those_of_a_csv_of_them(real: Splits, fer2013_zip: Path, tmp_path: Path) -> None:
    """Every 20th picture of the zip, decoded here and written as a CSV in another order."""
    path = tmp_path / "fer2013.csv"
    with zipfile.ZipFile(fer2013_zip) as archive, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for name in sorted(archive.namelist(), reverse=True)[::20]:
            pixels = np.asarray(Image.open(io.BytesIO(archive.read(name))))
            _, emotion, picture = name.split("/")
            label, usage = files.CLASSES.index(emotion), picture.split("_")[0]
            writer.writerow([label, " ".join(map(str, pixels.ravel())), usage])
    slice_of_it = load("fer2013", path)
    total = 0
    for part, whole in (
        (slice_of_it.train, real.train),
        (slice_of_it.val, real.val),
        (slice_of_it.test, real.test),
    ):
        assert pictures(part) <= pictures(whole)
        total += len(part)
    assert total == -(-35887 // 20)
