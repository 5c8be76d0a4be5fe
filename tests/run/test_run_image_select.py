import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fer_gym.benchmark.run import image_select
from fer_gym.benchmark.spec.arms import SELECTION_BASELINES
from fer_gym.benchmark.spec.tasks import Arm, SelectionTask, Trial
from fer_gym.data import Split, Splits
from fer_gym.data.splits import FLIPPED, HALF_FACE, NONE_FACE
from fer_gym.errors import UsageError
from fer_gym.training import Trainer, TrainerSettings


def _splits() -> Splits:
    rng = np.random.default_rng(0)

    def split(count: int, noise: bool) -> Split:
        labels = np.arange(count) % 3
        pixels = rng.integers(0, 100, (count, 1, 16, 16), dtype=np.uint8)
        pixels[np.arange(count), 0, labels * 4] = 255
        kinds = np.resize(np.array([0, 0, HALF_FACE, NONE_FACE], np.int8), count) if noise else None
        return Split(pixels, labels, labels.copy(), kinds)

    return Splits(split(60, True), split(12, False), split(30, False), ("a", "b", "c"))


TASK = SelectionTask(
    "tiny",
    (),
    {"dataset": _splits(), "pretrain_epochs": 0, "learning_rate": 0.01, "precision": "fp32"},
    episodes=2,
    retrain_epochs=3,
)


def _run(agent: str, **settings) -> tuple[dict, list]:
    rows: list = []
    return image_select.run(Trial(TASK, Arm(agent, agent), 5), settings, None, rows.append), rows


def test_keep_all_is_the_plain_network():
    result, rows = _run("keep_all")
    assert rows == result["episodes"] == []  # it does not learn
    trainer = Trainer(TASK.env["dataset"], TrainerSettings(learning_rate=0.01, precision="fp32"))
    trainer.initialise(5)
    trainer.train_epochs(np.arange(60), 3)
    assert result["scores"]["test"] == trainer.evaluate("test")
    assert result["confusion"] == {
        "classes": list(TASK.env["dataset"].classes),
        "counts": trainer.confusion("test").tolist(),
    }
    assert result["scores"]["keep_ratio"] == 1.0
    assert result["scores"]["share_kept"] == {"full": 1.0, "half": 1.0, "none": 1.0}
    assert result["scores"]["auroc_none_face"]["agent"] == 0.5


def test_a_final_network_of_as_many_gradient_steps_scored_on_true_labels():
    splits = TASK.env["dataset"]
    given = (splits.test.labels + (np.arange(30) % 4 == 0)) % 3
    splits = dataclasses.replace(splits, test=dataclasses.replace(splits.test, labels=given))
    env = {**TASK.env, "dataset": splits, "batch_size": 8}
    task = dataclasses.replace(TASK, env=env, retrain_epochs=0, retrain_steps=9, test_labels="clean_labels")
    scores = image_select.run(Trial(task, Arm("oracle", "oracle"), 5), {}, None, print)["scores"]
    trainer = Trainer(splits, TrainerSettings(batch_size=8, learning_rate=0.01, precision="fp32"))
    trainer.initialise(5)
    trainer.train_steps(np.flatnonzero(splits.train.noise == 0), 9)
    predictions = trainer.outputs("test").probabilities.argmax(axis=1)
    assert scores["test"]["accuracy"] == pytest.approx((predictions == splits.test.clean_labels).mean())
    assert scores["test"]["accuracy"] != pytest.approx((predictions == given).mean())
    assert scores["gradient_steps"]["final network"] == 9
    assert scores["images_trained"]["final network"] == 9 * 8
    untold = dataclasses.replace(splits, test=dataclasses.replace(splits.test, clean_labels=None))
    task = dataclasses.replace(task, env={**env, "dataset": untold})
    with pytest.raises(UsageError, match=r"^test_labels: 'clean_labels' is not allowed; the test images have none"):
        image_select.run(Trial(task, Arm("oracle", "oracle"), 5), {}, None, print)


def test_one_way_to_train_the_final_network():
    for change in ({"retrain_epochs": 0}, {"retrain_steps": 2}):
        with pytest.raises(UsageError, match="give one of the two"):
            dataclasses.replace(TASK, **change)
    with pytest.raises(UsageError, match=r"^test_labels: 'true' is unknown; use 'labels', 'clean_labels'"):
        dataclasses.replace(TASK, test_labels="true")


def test_scores_are_those_of_the_selection():
    result, rows = _run("reinforce", pretrain_episodes=1)
    assert len(rows) == TASK.episodes  # frozen episodes are left out, but for their steps
    walks = np.array([row["env_steps"] for row in rows]) / 60
    assert walks[0] > 1  # the first was frozen
    assert walks[1] >= walks[0] + 1
    batches = [-(-round(row["keep_ratio"] * 60) // 32) for row in rows]
    assert [row["gradient_steps"] for row in rows] == [batches[0], sum(batches)]
    chosen = result["arrays"]
    train = TASK.env["dataset"].train
    kinds = train.noise
    scores = result["scores"]
    assert scores["share_kept"]["half"] == pytest.approx(chosen["retained"][kinds == HALF_FACE].mean())
    assert scores["keep_probability"]["none"] == pytest.approx(
        chosen["keep_probability"][kinds == NONE_FACE].mean(), abs=1e-5
    )
    assert all(len(values) == 60 for values in chosen.values())
    assert chosen["predicted_percent"].min() >= 33
    # Eq. 2 over the whole data set: the probability of an image's label, less the mean of these.
    right = chosen["predicted"] == train.labels
    p = chosen["predicted_percent"][right] / 100
    assert np.ptp(chosen["sample_reward"][right] - p) < 0.05  # both are rounded
    variance = train.pixels.reshape(60, -1).var(axis=1)
    assert scores["auroc_none_face"]["image variance"] == pytest.approx(roc_auc_score(kinds == NONE_FACE, -variance))
    assert scores["auroc_none_face"]["agent"] == pytest.approx(
        roc_auc_score(kinds == NONE_FACE, -chosen["keep_probability"]), abs=0.01
    )


def test_a_trial_is_repeatable():
    first, _ = _run("reinforce", pretrain_episodes=1)
    second, _ = _run("reinforce", pretrain_episodes=1)
    arrays, again = first.pop("arrays"), second.pop("arrays")
    assert first == second
    assert arrays.keys() == again.keys()
    assert all((arrays[name] == again[name]).all() for name in arrays)


def test_a_ranking_is_measured_by_its_scores():
    result, rows = _run("aum", keep_ratio=0.75, epochs=2)
    assert rows == []
    ranking, retained = (result["arrays"][name] for name in ("image_score", "retained"))
    assert retained.sum() == 45
    assert ranking[retained].min() >= ranking[~retained].max()
    noise = TASK.env["dataset"].train.noise
    scores = result["scores"]
    for name, noisy in (
        ("any_noise", noise != 0),
        ("none_face", noise == NONE_FACE),
        ("half_face", noise == HALF_FACE),
    ):
        assert scores[f"auroc_{name}"]["agent"] == pytest.approx(roc_auc_score(noisy, -ranking), abs=1e-3)
        assert set(scores[f"average_precision_{name}"]) == {"agent", "image variance", "entropy"}
        assert 0.0 <= scores[f"f1_{name}"]["agent"] <= 1.0
    assert scores["keep_probability"] == scores["share_kept"]  # it draws nothing


def test_an_agent_that_says_nothing_is_measured_by_what_it_retained():
    result, _ = _run("test_run_image_select:FirstThird")
    assert "image_score" not in result["arrays"]
    assert (result["arrays"]["keep_probability"] == result["arrays"]["retained"]).all()
    assert result["scores"]["keep_ratio_by_class"] == {"a": 1.0, "b": 0.0, "c": 0.0}


class FirstThird:
    """Retains the images of the first class."""

    def __init__(self, env, seed):
        self.base = env.unwrapped

    def learn(self, total_timesteps, callback=None):
        return self

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return int(self.base.splits.train.labels[self.base.current_image] == 0), None


def test_the_noise_of_labels_has_its_kinds():
    splits = _splits()
    flipped = np.resize(np.array([0, FLIPPED], np.int8), 60)
    splits = dataclasses.replace(splits, train=dataclasses.replace(splits.train, noise=flipped))
    task = dataclasses.replace(TASK, env={**TASK.env, "dataset": splits})
    scores = image_select.run(Trial(task, Arm("oracle", "oracle"), 5), {}, None, print)["scores"]
    assert scores["share_kept"] == {"full": 1.0, "flipped": 0.0}
    assert scores["auroc_flipped"]["agent"] == scores["f1_any_noise"]["agent"] == 1.0
    assert "auroc_none_face" not in scores


def test_the_budget_is_stated():
    batch = 128
    result, rows = _run("reinforce", pretrain_episodes=0)
    kept = [round(60 * row["keep_ratio"]) for row in rows]
    scores = result["scores"]
    # The final networks of the actions drawn and of the more probable ones.
    finals = [int(result["arrays"]["retained"].sum()), round(60 * scores["keep_ratio_by_mean"])]
    assert scores["env_steps"] == {"learning": 2 * 2 * 60}  # after each of two episodes a frozen one
    assert scores["images_trained"] == {
        "pretraining": 0,
        "episodes": sum(kept),
        "own networks": 0,
        "final network": 3 * sum(finals),
    }
    assert scores["gradient_steps"] == {
        "pretraining": 0,
        "episodes": sum(-(-count // batch) for count in kept),
        "own networks": 0,
        "final network": 3 * sum(-(-final // batch) for final in finals),
    }
    assert scores["images_evaluated"] == {
        "pretraining": 72,
        "episodes": 72 * sum(count > 0 for count in kept),
        "own networks": 0,
        "final network": 2 * 30,
    }
    own = _run("self_confidence", folds=2, epochs=3)[0]["scores"]
    assert own["images_trained"]["own networks"] == 2 * 3 * 30
    assert own["gradient_steps"]["own networks"] == 2 * 3
    assert own["images_evaluated"]["own networks"] == 2 * 60


@pytest.mark.parametrize("arm", SELECTION_BASELINES, ids=lambda arm: arm.name)
def test_every_baseline_runs_and_never_sees_the_test_split(arm, monkeypatch):
    read = []
    for name in ("evaluate", "outputs", "confusion", "_score"):
        method = getattr(Trainer, name)

        def watched(self, *args, method=method, **keywords):
            read.extend(arg for arg in args if isinstance(arg, str))
            return method(self, *args, **keywords)

        monkeypatch.setattr(Trainer, name, watched)
    settings = {**arm.settings, **({"keep_ratio": 0.7} if arm.keep_ratio_of else {})}
    task = dataclasses.replace(TASK, retrain_epochs=1)
    result = image_select.run(Trial(task, arm, 5), settings, None, lambda row: None)
    del result["arrays"]
    result = json.loads(json.dumps(result))
    # In the end, by the runner: once, and of an agent that draws once more for its more probable actions.
    first = read.index("test")
    assert read[first:] in (["test"], ["test", "test"])
    assert 0.0 <= result["scores"]["keep_ratio"] <= 1.0
    assert 0.0 <= result["scores"]["auroc_any_noise"]["agent"] <= 1.0
    if arm.keep_ratio_of and arm.agent != "random":
        assert result["scores"]["keep_ratio"] == pytest.approx(0.7)


def test_the_baselines_follow_arms_that_come_before_them():
    names = [arm.name for arm in SELECTION_BASELINES]
    assert len(set(names)) == len(names)
    for place, arm in enumerate(SELECTION_BASELINES):
        assert arm.keep_ratio_of is None or arm.keep_ratio_of in names[:place]


def test_a_removal_curve_trains_without_what_is_ranked_lowest():
    splits = TASK.env["dataset"]
    task = dataclasses.replace(TASK, removal=(0.25, 0.5), retrain_epochs=2)
    trial = Trial(task, Arm("image variance", "image_variance"), 5)
    result = image_select.run(trial, {"keep_ratio": 0.9}, None, print)
    variance = splits.train.pixels.reshape(60, -1).var(axis=1)
    lowest_first = np.lexsort((np.arange(60), variance))
    assert len(set(variance)) == 60  # no coin decides
    for point, share in zip(result["removal"], (0.25, 0.5), strict=True):
        trainer = Trainer(splits, TrainerSettings(learning_rate=0.01, precision="fp32"))
        trainer.initialise(5)
        trainer.train_epochs(np.sort(lowest_first[round(share * 60) :]), 2)
        assert point == {"removed": share, "test": trainer.evaluate("test")}
    scores = result["scores"]
    assert scores["images_trained"]["removal curve"] == 2 * (45 + 30)
    assert scores["gradient_steps"]["removal curve"] == 2 * 2
    assert scores["images_evaluated"]["removal curve"] == 2 * 30
    assert _run("keep_all")[0]["removal"] == []


def test_a_trial_of_6000_images_takes_under_40_kilobytes(tmp_path):
    rng = np.random.default_rng(0)
    walk = {
        "sample_index": rng.permutation(6000),
        "retained": rng.random(6000) < 0.8,
        "keep_probability": 1 / (1 + np.exp(-rng.normal(2, 2, 6000))),
        "sample_reward": rng.normal(0, 0.3, 6000),
    }
    probabilities = rng.dirichlet(np.full(7, 0.3), 6000).astype(np.float32)
    arrays = image_select.per_image(walk, probabilities)
    assert (arrays["retained"][walk["sample_index"]] == walk["retained"]).all()
    for name, error in (("keep_probability", 2**-16), ("sample_reward", 2**-6)):
        of_image = walk[name][np.argsort(walk["sample_index"])]
        assert np.abs(arrays[name] - of_image).max() <= error * np.abs(of_image).max()
    scores = {**walk, "keep_probability": walk["retained"], "image_score": rng.normal(0, 1, 6000)}
    for each in (arrays, image_select.per_image(scores, probabilities)):
        np.savez_compressed(tmp_path / "arrays.npz", **each)
        assert (tmp_path / "arrays.npz").stat().st_size < 37_000  # and the JSON file


def test_a_selection_larger_than_allowed_is_cut_at_random():
    task = dataclasses.replace(TASK, keep_at_most=0.25)
    result = image_select.run(Trial(task, Arm("keep all", "keep_all"), 5), {}, None, lambda row: None)
    kept = np.sort(np.random.default_rng(5).choice(60, 15, replace=False))
    trainer = Trainer(TASK.env["dataset"], TrainerSettings(learning_rate=0.01, precision="fp32"))
    trainer.initialise(5)
    trainer.train_epochs(kept, 3)
    assert result["scores"]["test"] == trainer.evaluate("test")
    assert result["scores"]["keep_ratio"] == 1.0
    assert result["scores"]["keep_ratio_by_mean"] == 0.25
    with pytest.raises(UsageError, match=r"^keep_at_most: 0 is not allowed"):
        dataclasses.replace(TASK, keep_at_most=0)


def test_an_agent_that_draws_is_scored_by_its_more_probable_actions_too():
    result, _ = _run("reinforce", pretrain_episodes=1)
    scores = result["scores"]
    assert scores["keep_ratio_by_mean"] in (0.0, 1.0) or scores["keep_ratio_by_mean"] != scores["keep_ratio"]
    assert set(scores["test_by_mean"]) == set(scores["test"])
