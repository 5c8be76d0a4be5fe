"""What is no regular file is refused before it is read, and so is a line without end."""

import os
import sys
from pathlib import Path

import pytest

from fer_gym import DatasetError
from fer_gym.data import images, load, text_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")


@pytest.fixture(params=["pipe", "device", "folder", "nowhere", "round"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "0.png"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "nowhere": "not-there", "round": path.name}[request.param])
    return path


def test_what_is_no_file_is_not_read(no_file: Path) -> None:
    for read in (images.read, lambda path: list(text_files.lines(path, errors="strict"))):
        with pytest.raises(DatasetError, match=r"no regular file|cannot be read") as error:
            read(no_file)
        assert str(error.value).startswith(f"{no_file}: ")


@pytest.mark.parametrize("name", ["fer2013", "folder", "rafdb", "expw", "affectnet", "cifar100"])
def test_a_pipe_in_place_of_a_data_set(name: str, tmp_path: Path, empty_cache: Path) -> None:
    for place in ("fer2013.csv", "EmoLabel/list_patition_label.txt", "label/label.lst", "training.csv", "a/0.png"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / "0.png")
    for root in (tmp_path, tmp_path / "fer2013.csv"):
        with pytest.raises(DatasetError, match=str(tmp_path)):
            load(name, root)


def test_a_picture_of_a_folder_that_links_to_itself(tmp_path: Path, empty_cache: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        (tmp_path / "faces" / name / "0.png").symlink_to("0.png")
    with pytest.raises(DatasetError, match=r"a/0\.png: cannot be read"):
        load("folder", tmp_path / "faces")


def test_a_sparse_giant_is_no_csv(tmp_path: Path, empty_cache: Path) -> None:
    with (tmp_path / "fer2013.csv").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DatasetError, match=r"fer2013\.csv: more than 1,073,741,824 bytes"):
        load("fer2013", tmp_path)


def test_a_sparse_giant_is_no_picture(tmp_path: Path) -> None:
    with (tmp_path / "0.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DatasetError, match="1,099,511,627,776 bytes, more than the"):
        images.read(tmp_path / "0.png")


def test_lines_and_their_limit(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    longest = "x" * (text_files.LONGEST_LINE - 2) + "\n"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n" + longest.encode() + b"\xff")
    assert list(text_files.lines(path, errors="replace")) == ["one\r\n", "two\n", longest, "\ufffd"]
    path.write_bytes(b"one\n" + b"x" * text_files.LONGEST_LINE)
    with pytest.raises(DatasetError, match=r"list\.txt, line 2: longer than 65,536 characters"):
        list(text_files.lines(path, errors="replace"))


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    for read in (images.read, lambda path: list(text_files.lines(path, errors="strict"))):
        with pytest.raises(
            DatasetError, match=r"a\.csv: cannot be read \(Permission denied\); restore the file or its"
        ):
            read(path)


def test_a_table_in_any_order_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\ufeff y ,x\r\n1,2\r\n\r\n'3',\"a\nb\"\r\n")
    assert list(text_files.rows(path, ["x", "y"], of="ours")) == [
        (f"{path}, line 2", ["2", "1"]),
        (f"{path}, line 5", ["a\nb", "'3'"]),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: found the header '', expected the columns x, y in any order; is it ours?"),
        ("x,x\n1,2\n", "line 1: found the header 'x,x', expected the columns x, y in any order; is it ours?"),
        ("x,y\n1,2\n3\n", "line 3: found 1 columns, expected 2; correct the row or fetch the file again"),
        ('x,y\n1,"' + 3 * (60_000 * "a" + "\n"), "line 4: not readable as CSV (field larger than field limit"),
    ],
)
def test_what_is_no_such_table(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    with pytest.raises(DatasetError) as error:
        list(text_files.rows(path, ["x", "y"], of="ours"))
    assert str(error.value).startswith(f"{path}, {said}")
