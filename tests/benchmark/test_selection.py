import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fer_gym.benchmark import selection
from fer_gym.benchmark.suites import Arm, SelectionTask
from fer_gym.data import Split, Splits
from fer_gym.data.splits import HALF_FACE, NONE_FACE
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
    return selection.run(TASK, Arm(agent, agent), 5, settings, None, rows.append), rows


def test_keep_all_is_the_plain_network():
    result, rows = _run("keep_all")
    assert rows == result["episodes"] == []  # it does not learn
    trainer = Trainer(TASK.env["dataset"], TrainerSettings(learning_rate=0.01, precision="fp32"))
    trainer.initialise(5)
    trainer.train_epochs(np.arange(60), 3)
    assert result["scores"]["test"] == trainer.evaluate("test")
    assert result["scores"]["keep_ratio"] == 1.0
    assert result["scores"]["share_kept"] == {"full": 1.0, "half": 1.0, "none": 1.0}
    assert result["scores"]["auroc_none_face"]["agent"] == 0.5


def test_scores_are_those_of_the_selection():
    result, rows = _run("reinforce", pretrain_episodes=1)
    assert len(rows) == TASK.episodes  # frozen episodes are left out
    chosen = {name: np.array(values) for name, values in result["selection"].items()}
    train = TASK.env["dataset"].train
    assert sorted(chosen["sample_index"]) == list(range(60))
    kinds = train.noise[chosen["sample_index"]]
    scores = result["scores"]
    assert scores["share_kept"]["half"] == pytest.approx(chosen["retained"][kinds == HALF_FACE].mean())
    assert scores["keep_probability"]["none"] == pytest.approx(
        chosen["keep_probability"][kinds == NONE_FACE].mean(), abs=1e-5
    )
    variance = train.pixels.reshape(60, -1).var(axis=1)[chosen["sample_index"]]
    assert scores["auroc_none_face"]["image variance"] == pytest.approx(roc_auc_score(kinds == NONE_FACE, -variance))
    assert scores["auroc_none_face"]["agent"] == pytest.approx(
        roc_auc_score(kinds == NONE_FACE, -chosen["keep_probability"]), abs=0.01
    )


def test_a_trial_is_repeatable():
    first, _ = _run("reinforce", pretrain_episodes=1)
    second, _ = _run("reinforce", pretrain_episodes=1)
    assert first == second
