from pathlib import Path

import fer2013_files as files
import numpy as np
import pytest

from fer_gym import DatasetError
from fer_gym.data import Split, fer2013, ferplus, load
from fer_gym.errors import UsageError

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
#: FER2013's label to the column of the same expression.
COLUMN = {0: 4, 1: 5, 2: 6, 3: 1, 4: 3, 5: 2, 6: 0}


def ballot(**votes: int) -> list[int]:
    return [votes.get(name, 0) for name in ferplus.COLUMNS]


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        (ballot(happiness=10), "happiness"),
        (ballot(happiness=6, neutral=4), "happiness"),
        (ballot(happiness=5, neutral=5), None),
        (ballot(happiness=4, neutral=3, fear=3), None),
        # Single votes count for nothing: 4 of the 7 that are left, not 4 of 10.
        (ballot(happiness=4, neutral=3, fear=1, anger=1, sadness=1), "happiness"),
        (ballot(NF=10), "NF"),
        (ballot(contempt=6, anger=4), "contempt"),
        (ballot(), None),
        (ballot(neutral=1, happiness=1), None),
    ],
)
def test_majority_by_hand(votes: list[int], winner: str | None) -> None:
    expected = -1 if winner is None else ferplus.COLUMNS.index(winner)
    assert ferplus.majority(np.array([votes])).tolist() == [expected]


def test_marks_by_hand() -> None:
    ballots = [
        ballot(happiness=10),  # agrees with happy
        ballot(sadness=9, fear=1),  # happy is sad
        ballot(NF=10),  # no face
        ballot(unknown=6, anger=4),
        ballot(happiness=5, neutral=5),  # nobody wins
        ballot(),  # no votes known
    ]
    split = Split(np.zeros((6, 1, 2, 2), np.uint8), np.full(6, 3))
    marked = ferplus.mark(split, np.array(ballots))
    assert marked.noise is not None
    assert marked.clean_labels is not None
    assert marked.noise.tolist() == [0, 4, 4, 4, 0, 0]
    assert marked.clean_labels.tolist() == [3, 4, 3, 3, 3, 3]
    assert marked.labels.tolist() == [3] * 6
    assert marked.pixels is split.pixels


@pytest.mark.parametrize("label", range(7))
def test_every_class_has_its_column(label: int) -> None:
    votes = np.zeros((1, 10), np.int64)
    votes[0, COLUMN[label]] = 10
    for given in range(7):
        marked = ferplus.mark(Split(np.zeros((1, 1, 2, 2), np.uint8), np.array([given])), votes)
        assert marked.clean_labels is not None
        assert marked.noise is not None
        assert marked.clean_labels.tolist() == [label]
        assert marked.noise.tolist() == [0 if given == label else 4]


def write_votes(path: Path, rows: list[tuple[str, int]], header: str = HEADER) -> Path:
    """Ten votes a row for one class; as in the real file, a name's number is not the row, or it is blank."""
    lines = [header]
    for number, (usage, label) in enumerate(rows):
        votes = [0] * 10
        votes[COLUMN[label]] = 10
        name = "" if number == 1 else f"fer{number * 3:07}.png"
        lines.append(",".join([usage, name, *map(str, votes)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def votes_against(doubted: set[int]) -> list[tuple[str, int]]:
    """Votes that confirm each row of the small FER2013 but some, which become the next class."""
    return [(usage, (label + (i in doubted)) % 7) for i, (label, _, usage) in enumerate(files.rows())]


def test_joined_with_the_csv_by_row(tmp_path: Path, empty_cache: Path) -> None:
    rows = files.rows()
    rows = rows[28:] + rows[:28]  # the splits need not be in order
    path = files.write_csv(tmp_path / "fer2013.csv", rows)
    votes = votes_against({2, 5, 30})
    write_votes(tmp_path / "fer2013new.csv", votes[28:] + votes[:28])
    splits = load("fer2013", path, noise="ferplus")
    train = splits.train
    assert train.noise is not None
    assert np.flatnonzero(train.noise == 4).tolist() == [2, 5]
    labels = [label for label, _, usage in files.rows() if usage == "Training"]
    assert train.labels.tolist() == labels
    truth = [label if i not in (2, 5) else (label + 1) % 7 for i, label in enumerate(labels)]
    assert train.clean_labels is not None
    assert train.clean_labels.tolist() == truth
    for split, doubted in ((splits.val, []), (splits.test, [30 - 28])):
        assert split.noise is None
        assert split.clean_labels is not None
        assert np.flatnonzero(split.clean_labels != split.labels).tolist() == doubted


def order_of(contents: dict[str, bytes]) -> dict[str, int]:
    """Rows for the small pictures in an order that is not theirs, each of its own Usage; one is unknown."""
    order = {}
    for usage, start in zip(files.USAGES, (0, 14, 28), strict=True):
        names = [name for name in contents if f"/{usage}_" in name]
        # The small CSV has label i in the rows start + i and start + 13 - i: a picture gets one of its label.
        for i, name in enumerate(names):
            label = i // 2
            order[name] = start + (label if i % 2 else 13 - label)
    order["train/happy/Training_1.jpg"] = -1
    return order


def write_order(path: Path, order: dict[str, int]) -> Path:
    path.write_text("member,row\n" + "".join(f"{name},{row}\n" for name, row in order.items()))
    return path


@pytest.mark.parametrize("form", ["zip", "folder"])
@pytest.mark.parametrize("beside", [True, False])
def test_joined_with_pictures_by_the_row_order(tmp_path: Path, empty_cache: Path, form: str, beside: bool) -> None:
    contents = files.members()
    if form == "zip":
        path = files.write_zip(tmp_path / "fer2013.zip", contents)
    else:
        path = files.write_folder(tmp_path / "fer2013", contents)
    other = tmp_path if beside else tmp_path / "elsewhere"
    other.mkdir(exist_ok=True)
    order = order_of(contents)
    # The rows of both happy pictures, as they would be, and of one sad picture.
    votes = write_votes(other / "fer2013new.csv", votes_against({3, 10, 4}))
    row_order = write_order(other / "fer2013_row_order.csv", order)
    options = {} if beside else {"ferplus": votes, "row_order": row_order}
    train = load("fer2013", path, noise="ferplus", **options).train
    names = sorted(name for name in contents if name.startswith("train/"))
    assert train.noise is not None
    doubted = {names[i] for i in np.flatnonzero(train.noise == 4)}
    # The other happy picture has no known row, so it is not doubted.
    assert doubted == {"train/happy/Training_2.jpg", "train/sad/Training_2.jpg"}


def test_limit_keeps_the_marks_of_the_images_it_keeps(tmp_path: Path, empty_cache: Path) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    write_votes(tmp_path / "fer2013new.csv", votes_against({0, 3, 8}))
    whole = load("fer2013", path, noise="ferplus").train
    marks = {image.tobytes(): mark for image, mark in zip(whole.pixels, whole.noise, strict=True)}
    some = load("fer2013", path, noise="ferplus", limit=10).train
    assert [marks[image.tobytes()] for image in some.pixels] == some.noise.tolist()


def refused(root: Path, **options: Path) -> str:
    with pytest.raises(DatasetError) as error:
        load("fer2013", root, noise="ferplus", **options)
    return str(error.value)


def test_missing_files_are_named(tmp_path: Path, empty_cache: Path) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    message = refused(path)
    assert str(tmp_path / "fer2013new.csv") in message
    assert "ferplus=PATH" in message
    assert str(tmp_path / "no.csv") in refused(path, ferplus=tmp_path / "no.csv")
    packed = files.write_zip(tmp_path / "fer2013.zip", files.members())
    write_votes(tmp_path / "fer2013new.csv", votes_against(set()))
    message = refused(packed)
    assert str(tmp_path / "fer2013_row_order.csv") in message
    assert "row_order=PATH" in message


def test_votes_of_another_file(tmp_path: Path, empty_cache: Path) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    votes = tmp_path / "fer2013new.csv"
    write_votes(votes, votes_against(set())[:-1])
    message = refused(path)
    assert "41 rows" in message
    assert "has 42" in message
    swapped = votes_against(set())
    swapped[13], swapped[14] = swapped[14], swapped[13]
    write_votes(votes, swapped)
    message = refused(path)
    assert f"{votes}, line 15" in message
    assert "'PublicTest'" in message
    assert "belong together" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["line 1", "header", "expected the columns Usage, Image name, neutral"]),
        ("Usage,neutral\nTraining,3\n", ["line 1", "'Usage,neutral'", "is it FER+'s table of votes?"]),
        (HEADER + "\nTraining,a.png,1,2,3\n", ["line 2", "5 columns", "expected 12", "correct"]),
        (HEADER + "\nTraining,a.png,x,0,0,0,0,0,0,0,0,9\n", ["line 2", "'x' votes", "0 to 10", "fetch"]),
        (HEADER + "\nTraining,a.png,11,0,0,0,0,0,0,0,0,9\n", ["line 2", "'11' votes", "0 to 10", "fetch"]),
    ],
)
def test_broken_votes(tmp_path: Path, empty_cache: Path, text: str, said: list[str]) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    (tmp_path / "fer2013new.csv").write_text(text)
    message = refused(path)
    for part in [str(tmp_path / "fer2013new.csv"), *said]:
        assert part in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train/angry/Training_1.jpg": -2}, ["line 2", "'-2'", "-1 for unknown", "correct the line"]),
        ({"train/angry/Training_1.jpg": "one"}, ["line 2", "'one'", "correct the line"]),
        ({"train/angry/Training_1.jpg": 1 << 63}, ["line 2", "row '9223372036854775808'", "correct the line"]),
        ({"train/angry/Training_2.jpg": 13}, ["line 3", "row '13'", "once", "correct the line"]),
        ({"train/angry/Training_1.jpg": 99}, ["line 101", "no such line", "belong together"]),
        ({"train/angry/Training_1.jpg": 14}, ["line 16", "found the Usage 'PublicTest'", "belong together"]),
    ],
)
def test_broken_row_order(tmp_path: Path, empty_cache: Path, change: dict[str, int | str], said: list[str]) -> None:
    contents = files.members()
    path = files.write_zip(tmp_path / "fer2013.zip", contents)
    write_votes(tmp_path / "fer2013new.csv", votes_against(set()))
    order = order_of(contents) | change
    if change.get("train/angry/Training_1.jpg") == 14:  # so that no other picture has the row
        order = {name: -1 if row == 14 and name not in change else row for name, row in order.items()}
    write_order(tmp_path / "fer2013_row_order.csv", order)
    message = refused(path)
    for part in said:
        assert part in message


def test_the_csv_takes_no_row_order(tmp_path: Path, empty_cache: Path) -> None:
    path = files.write_csv(tmp_path / "fer2013.csv", files.rows())
    write_votes(tmp_path / "fer2013new.csv", votes_against(set()))
    order = write_order(tmp_path / "fer2013_row_order.csv", order_of(files.members()))
    assert load("fer2013", path, noise="ferplus").train.noise is not None
    with pytest.raises(UsageError, match="row_order: not allowed with the CSV"):
        fer2013.load(path, doubts=True, row_order=order)


def test_picture_without_a_line(tmp_path: Path, empty_cache: Path) -> None:
    contents = files.members()
    path = files.write_zip(tmp_path / "fer2013.zip", contents)
    write_votes(tmp_path / "fer2013new.csv", votes_against(set()))
    order = order_of(contents)
    del order["test/sad/PublicTest_1.jpg"]
    write_order(tmp_path / "fer2013_row_order.csv", order)
    assert "no line for the picture test/sad/PublicTest_1.jpg" in refused(path)


def test_real_doubts(fer2013_zip: Path) -> None:
    if not all((fer2013_zip.parent / name).exists() for name in (ferplus.VOTES_NAME, ferplus.ROW_ORDER_NAME)):
        pytest.skip("needs FER+'s votes and the row order beside fer2013.zip")
    splits = load("fer2013", fer2013_zip, noise="ferplus")
    train = splits.train
    assert train.noise is not None
    assert train.clean_labels is not None
    assert splits.test.clean_labels is not None
    assert (splits.test.clean_labels != splits.test.labels).mean() == pytest.approx(0.285, abs=5e-4)
    assert np.bincount(train.noise).tolist() == [20541, 0, 0, 0, 8168]
    # A wrong join would agree for about a quarter.
    assert (train.noise == 0).mean() > 0.7
    np.testing.assert_array_equal(train.clean_labels[train.noise == 0], train.labels[train.noise == 0])
