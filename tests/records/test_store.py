import json
import os
from pathlib import Path

import numpy as np
import pytest
import small_records

from fer_gym import files
from fer_gym.benchmark import records

RECORD = {**small_records.selection("learner", 0, 0.5), "arrays": {"retained": np.array([True, False, True])}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = records.path_of(tmp_path, "walk", "learner", 0)
    records.write(path, RECORD)
    return path


def test_a_record_is_read_as_it_was_written(path: Path):
    again = records.read(path)
    assert {**again, "arrays": {}} == {**RECORD, "arrays": {}}
    (retained,) = again["arrays"].values()
    assert retained.dtype == bool
    assert retained.tolist() == [True, False, True]
    assert sorted(file.name for file in path.parent.iterdir()) == ["walk__learner__0.json", "walk__learner__0.npz"]
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_without_arrays_there_is_no_second_file(tmp_path: Path):
    path = records.path_of(tmp_path, "walk", "learner", 0)
    records.write(path, {**RECORD, "arrays": {}})
    assert list(path.parent.iterdir()) == [path]
    assert records.read(path)["arrays"] == {}


@pytest.mark.parametrize("damage", ["none", "half", "other", "pickle", "one array", "bomb", "pipe"])
def test_without_its_arrays_it_is_no_record(path: Path, damage: str):
    arrays = path.with_suffix(".npz")
    if damage == "none":
        arrays.unlink()
    elif damage == "half":
        arrays.write_bytes(arrays.read_bytes()[:100])
    elif damage == "other":
        np.savez_compressed(arrays, predicted=np.zeros(3))
    elif damage == "one array":
        with arrays.open("wb") as file:
            np.save(file, np.zeros(3))
    elif damage == "bomb":
        np.savez_compressed(arrays, retained=np.zeros((1 << 27) + 1, np.bool_))
    elif damage == "pipe":
        arrays.unlink()
        os.mkfifo(arrays)
    else:
        np.savez_compressed(arrays, retained=np.array([object()]))
    with pytest.raises(
        records.NotARecordError, match=r"walk__learner__0\.json: not a record .*walk__learner__0\.npz"
    ) as caught:
        records.read(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_pipe_and_a_giant_are_no_records(path: Path):
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(records.NotARecordError, match="1,099,511,627,776 bytes, expected at most"):
        records.read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(records.NotARecordError, match="no regular file"):
        records.read(path)


def test_the_arrays_are_written_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written, whole = [], files.written_whole
    monkeypatch.setattr(files, "written_whole", lambda path: written.append(path.suffix) or whole(path))
    records.write(records.path_of(tmp_path, "walk", "learner", 0), RECORD)
    assert written == [".npz", ".json"]


@pytest.mark.parametrize("missing", sorted(RECORD))
def test_every_field_of_the_schema_is_asked_for(path: Path, missing: str):
    without = {key: each for key, each in RECORD.items() if key != missing}
    with pytest.raises((TypeError, KeyError), match=missing):
        records.write(path, without)
    text = json.loads(path.read_text())
    del text[missing]
    path.write_text(json.dumps(text))
    with pytest.raises(records.NotARecordError, match=f"'{missing}' is missing"):
        records.read(path)


def test_parts_are_asked_for_too(path: Path):
    with pytest.raises(TypeError, match="'versions' has no 'training'"):
        records.write(path, {**RECORD, "versions": {"fer-gym": "1"}})


def test_numbers_that_are_not_finite_are_null_and_rows_are_rounded(path: Path):
    rows = [{"reward": 1 / 3, "validation": {"accuracy": float("nan")}}]
    records.write(path, {**RECORD, "episodes": rows, "scores": {"exact": 1 / 3, "none": float("inf")}})
    again = records.read(path)
    assert again["episodes"] == [{"reward": 0.33333333, "validation": {"accuracy": None}}]
    assert again["scores"] == {"exact": 1 / 3, "none": None}
