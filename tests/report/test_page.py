import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import small_records
import tiny_data

from fer_gym import data
from fer_gym.benchmark import records
from fer_gym.benchmark.report import confusion, faces, figures
from fer_gym.benchmark.report import page as report
from fer_gym.data import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite of both environments, one trial missing."""
    plan = {"arms": {"walk": ["keep all", "learner", "random"], "run": ["vanilla", "static", "ppo"]}, "seeds": [0, 1]}
    walks = [record for record in small_records.walks() if record["seed"] < 2]
    whole = [{**record, "plan": plan} for record in [*walks, *small_records.runs()]]
    return small_records.write(tmp_path, *(r for r in whole if (r["arm"], r["seed"]) != ("random", 1)))


class Page(HTMLParser):
    """What a page shows and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.images: list[dict] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.anchors: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.links += [given[key] for key in ("src", "href") if key in given]
        self.anchors += [given["id"]] if "id" in given else []
        if tag == "img":
            self.images.append(given)

    def handle_data(self, text):
        self.words.append(text)


def test_a_record_of_which_no_report_can_be_made_is_skipped_and_named(folder: Path):
    (_, damaged, *_) = (each for each in records.read_folder(folder) if "children" in each)
    path = records.path_of(folder, "run", damaged["arm"], damaged["seed"])
    records.write(path, {**damaged, "children": [None]})
    made = report.make(folder)
    (line,) = made.skipped
    assert line.startswith(f"{path}: no report can be made of it (AttributeError: ")
    assert "run" in made.chapters


def test_a_fault_of_the_report_is_raised(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(report.tables, "over_tasks", fails)
    with pytest.raises(TypeError, match="a bug"):
        report.make(folder)


def test_the_page_is_whole_and_needs_nothing_else(folder: Path):
    made = report.make(folder)
    page = Page(report.html(made))
    text = " ".join(" ".join(page.words).split())
    for words in (
        "Suite small",
        "11 of 12",
        "fer-gym 0.1.0",
        "processor abacus",
        "no record of walk, random, seed 1",
        "0.700 [0.700, 0.700]",
        "Return and test macro F1",
        "Learning curves",
        "Hyperparameter trajectories",
        "Training and validation loss",
        "Keep probability and keep ratio by kind of image",
        "Finding the noise",
        "Improvement on vanilla: test macro F1",
        "Settings",
        "Cost",
    ):
        assert words in text, words
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))
    assert all(image["alt"] for image in page.images)
    assert "script" not in page.tags


def test_the_divergence_is_told(folder: Path):
    _, run = records.read_folder(folder).tasks
    picture = figures.return_against_score(run)
    assert picture is not None
    # Paid -20.5, -10.5, -1.5 on the average; test macro F1 .425, .325, .225.
    assert "The gap return is highest for ppo, with a test macro F1 of 0.225" in picture.caption
    assert "the test macro F1 is highest for vanilla (0.425); the arms' rank correlation is -1.00" in picture.caption
    assert "The change of validation F1 is highest for vanilla, and so is the test macro F1" in picture.caption
    assert "rank correlation of the arms -1.00" in picture.panels[0].svg.decode()
    assert "ppo -1.500 and 0.225" in picture.panels[0].alt


def test_figures_are_whole_and_tell_what_they_show(folder: Path):
    walk, run = records.read_folder(folder).tasks
    drawn = [
        figures.intervals(walk),
        figures.learning_curves(walk),
        figures.learning_curves(run),
        figures.schedules(run),
        figures.losses(run),
        figures.learning_costs(walk),
        figures.learning_costs(run),
    ]
    assert all(drawn)
    for picture in drawn:
        assert picture.caption
        for panel in picture.panels:
            assert ElementTree.fromstring(panel.svg).tag.endswith("svg")
    assert [len(picture.panels) for picture in drawn] == [2, 4, 3, 3, 3, 4, 4]
    assert "learner from 2.000 to 3.000" in drawn[1].panels[0].alt
    assert drawn[3].panels[0].alt == "vanilla: dropout from 0.100 to 0.300"
    assert drawn[4].panels[0].alt == "vanilla, losses of the last chunk: training 1.000, validation 1.200"
    assert [panel.alt.partition(":")[0] for panel in drawn[5].panels] == [
        "return by environment steps",
        "return by gradient steps",
        "validation macro F1 by environment steps",
        "validation macro F1 by gradient steps",
    ]
    # One learner cannot show whether its reward orders arms well.
    for nothing in (figures.return_against_score(walk), figures.schedules(walk), figures.losses(walk)):
        assert not nothing.panels


def test_rewards_of_a_hundred_images(tmp_path: Path):
    arrays = {"retained": np.array([True, False] * 100), "sample_reward": np.array([0.5, -0.25] * 100, np.float16)}
    learner = small_records.selection("learner", 0, 0.5, learns=True, arrays=arrays)
    idle = small_records.selection("keep all", 0, 0.5, arrays=arrays)
    (walk,) = records.read_folder(small_records.write(tmp_path, learner, idle)).tasks
    picture = figures.image_rewards(walk)
    assert picture is not None
    (panel,) = picture.panels
    assert panel.alt.startswith("learner, rewards of 100 images: retained ")
    assert "with a mean of 0.500, removed" in panel.alt
    assert panel.alt.endswith("with a mean of -0.250")
    without = small_records.write(tmp_path / "without", small_records.selection("learner", 0, 0.5, learns=True))
    assert not figures.image_rewards(records.read_folder(without).tasks[0]).panels


def test_children_that_diverged_are_drawn_as_far_as_they_came(tmp_path: Path):
    early = small_records.tuning("static", 0, 0.3, -1.0)
    late = small_records.tuning("static", 1, 0.3, -1.0)
    for name in ("schedule", "train_losses", "val_losses"):
        early["arrays"][f"child_{name}"][0, 1:] = np.nan
    early["arrays"]["child_train_losses"][0, 0] = 1.0
    early["arrays"]["child_val_losses"][0, 0] = np.nan
    (run,) = records.read_folder(small_records.write(tmp_path, early, late)).tasks
    losses = figures.losses(run)
    assert losses is not None
    assert losses.panels[0].alt == "static, losses of the last chunk: training 1.000, validation 1.200"


def test_the_same_records_give_the_same_files(folder: Path):
    paths = report.write(report.make(folder), folder)
    assert [path.name for path in paths] == ["report.html", "report.md", "tables.csv"]
    before = [path.read_bytes() for path in paths]
    report.write(report.make(folder), folder)
    assert [path.read_bytes() for path in paths] == before


def test_markdown_has_every_table_and_what_is_missing(folder: Path):
    made = report.make(folder)
    text = report.markdown(made)
    assert text.startswith("# Suite small\n\n- trials: 11 of 12\n")
    assert "- no record of walk, random, seed 1\n" in text
    assert text.count("\n| --- |") == len(made.tables)
    assert "| ppo | -0.200 ± 0.000 |" in text  # .22 - .42 and .23 - .43


def test_names_cannot_become_markup(tmp_path: Path):
    bold = "<b>bold</b> & [red]"
    page = report.html(report.make(small_records.write(tmp_path, small_records.selection("x", 0, 0.5, suite=bold))))
    assert "<b>" not in page
    assert "<title>Suite &lt;b&gt;bold&lt;/b&gt; &amp; [red]</title>" in page


def _with_selection(record: dict, count: int) -> dict:
    return {**record, "arrays": {"keep_probability": np.linspace(1, 0, count, dtype=np.float32)}}


def test_faces_of_the_embedded_data(tmp_path: Path):
    learner = _with_selection(small_records.selection("learner", 0, 0.7), 40)
    decided = _with_selection(small_records.selection("keep all", 0, 0.7), 40)
    decided["arrays"]["keep_probability"] = np.ones(40, np.float32)
    made = report.make(small_records.write(tmp_path, learner, decided))
    (faces,) = [faces for sections in made.chapters.values() for section in sections for faces in section.faces]
    assert faces.title == "learner, seed 0"
    train = data.load("synthetic", limit=40, noise="faces").train
    highest, lowest = (group for _, group in faces.groups)
    assert [face.score for face in highest[:2]] == ["1.000", "0.974"]
    splits = data.load("synthetic", limit=40, noise="faces")
    assert highest[0].label == splits.classes[train.labels[0]]
    assert lowest[0].label == splits.classes[train.labels[39]]
    assert report.html(made).count("data:image/png") == len(highest) + len(lowest)


def test_an_agents_own_scores_rank_before_its_decisions():
    decisions, score = np.array([0.0, 1.0, 1.0], np.float32), np.array([-1.5, 0.25, 0.125], np.float32)
    name, scores = faces.ranking({"arrays": {"keep_probability": decisions, "image_score": score}})
    assert name == "score"
    assert scores.tolist() == [-1.5, 0.25, 0.125]
    assert faces.ranking({"arrays": {"keep_probability": decisions}}) is None
    assert faces.ranking({"arrays": {}}) is None


def test_faces_in_colour_without_noise():
    splits = tiny_data.splits(6, channels=3)
    record = _with_selection(small_records.selection("learner", 0, 0.7), 6)
    shown = faces.at_either_end(record, *faces.ranking(record), splits)
    assert shown.groups[0][1][0].kind == ""
    with pytest.raises(ValueError, match="the record has 6 images, the data 9"):
        faces.at_either_end(record, *faces.ranking(record), tiny_data.splits(9))


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"dataset": "fer2013"}, "the faces need the data set, give --root"),
        ({"dataset": {"class": "fer_gym.data.splits:Splits"}}, "its data set has no name"),
        ({"limit": 50}, "the record has 40 images, the data 50"),
    ],
)
def test_faces_that_cannot_be_shown_are_named(tmp_path: Path, env, why):
    record = _with_selection(small_records.selection("learner", 0, 0.7), 40)
    record["settings"]["env"] = env
    made = report.make(small_records.write(tmp_path, record))
    (line,) = made.warnings
    assert line.startswith("walk, learner, seed 0: the faces ")
    assert why in line
    assert line in " ".join(Page(report.html(made)).words)


def test_a_root_that_is_not_the_data_is_an_error(tmp_path: Path):
    record = _with_selection(small_records.selection("learner", 0, 0.7), 40)
    record["settings"]["env"] = {"dataset": "fer2013"}
    small_records.write(tmp_path, record)
    with pytest.raises(DatasetError, match="nowhere"):
        report.make(tmp_path, str(tmp_path / "nowhere"))


def test_a_record_with_little_in_it_makes_a_report(tmp_path: Path):
    settings = {"env": {}, "agent": "a", "agent_settings": {}}
    about = {"task": "t", "environment": "ImageSelect-v0", "arm": "a", "seed": 0, "seconds": 1.0}
    bare = {**small_records.ABOUT, **about, "settings": settings, "episodes": [], "scores": {}}
    made = report.make(small_records.write(tmp_path, bare))
    assert re.search(r"\| a \| 1 of 1 \|", report.markdown(made))
    assert "Suite small" in report.html(made)


def test_confusion_matrices_of_all_seeds_together(tmp_path: Path):
    counts = {0: [[3, 1], [0, 4]], 1: [[1, 3], [2, 2]]}
    trials = [
        small_records.selection("keep all", seed, 0.5, confusion={"classes": ["sad", "happy"], "counts": matrix})
        for seed, matrix in counts.items()
    ]
    small_records.write(tmp_path, *trials, small_records.selection("random", 0, 0.4))
    (walk,) = records.read_folder(tmp_path).tasks
    picture = confusion.pictures(walk)
    assert picture is not None
    (panel,) = picture.panels  # random has no matrix
    assert panel.alt == "keep all, share recognised: sad 0.50, happy 0.75"
    shares = re.findall(r">(\d+)</text>", panel.svg.decode())
    assert shares == ["50", "50", "25", "75"]
    children = [{"confusion": {"classes": ["sad", "happy"], "counts": [[1, 0], [0, 1]]}}, {}]
    tuned = {**small_records.tuning("vanilla", 0, 0.5, 0.1), "children": children}
    small_records.write(tmp_path / "other", tuned)
    (run,) = records.read_folder(tmp_path / "other").tasks
    of_first_child = confusion.pictures(run)
    assert of_first_child is not None
    assert "sad 1.00, happy 1.00" in of_first_child.panels[0].alt


def test_removal_curves_are_means_over_the_seeds(tmp_path: Path):
    def points(*scores: float) -> list[dict]:
        return [{"removed": 0.1 * (place + 1), "test": {"macro_f1": f1}} for place, f1 in enumerate(scores)]

    trials = [small_records.selection("learner", seed, 0.5, removal=points(0.5 + seed / 10, 0.4)) for seed in (0, 1)]
    small_records.write(tmp_path, *trials, small_records.selection("keep all", 0, 0.4))
    (walk,) = records.read_folder(tmp_path).tasks
    picture = figures.removal_curves(walk)
    assert picture is not None
    assert "learner 0.550 without 10%, 0.400 without 20%" in picture.panels[0].alt
    assert [name for name, _ in picture.legend] == ["learner"]
