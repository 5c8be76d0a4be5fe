"""RegTune-v0: its rewards by hand and by scikit-learn, its observation, its beginning and its ends."""

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from gymnasium.error import ResetNeeded
from sklearn.metrics import f1_score

from fer_gym.envs import Chunk, RegTuneEnv
from fer_gym.envs.reg_tune import rewards as chunk_rewards
from fer_gym.errors import UsageError
from fer_gym.training import Batches, Trainer

SPLITS = tiny_data.splits(30, held_out=20)
SMALL = {"batch_size": 4, "chunk_size": 3, "val_batches": 2, "chunks": 4, "precision": "fp32", "device": "cpu"}


def make(**keywords: Any) -> RegTuneEnv:
    env = gym.make("RegTune-v0", **{"dataset": SPLITS, **SMALL, **keywords}).unwrapped
    assert isinstance(env, RegTuneEnv)
    return env


def act(*strengths: float) -> np.ndarray:
    return np.array(strengths, np.float32)


def play(env: RegTuneEnv, strength: float = 0.5) -> list[tuple[Any, float, bool, bool, dict[str, Any]]]:
    steps = []
    while not steps or not steps[-1][2]:
        steps.append(env.step(np.full(env.action_space.shape, strength, np.float32)))
    return steps


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[list[Batches]]:
    """Every chunk's batches as they are read from the device: trained, validated, and scored again if they are."""
    chunks: list[list[Batches]] = []
    read = Trainer.read

    def note(self: Trainer, *pending: Any) -> list[Batches]:
        chunks.append(read(self, *pending))
        return chunks[-1]

    monkeypatch.setattr(Trainer, "read", note)
    return chunks


def mean_f1(batches: Batches) -> float:
    scores = [
        f1_score(labels, predictions, average="macro", zero_division=0)
        for labels, predictions in zip(batches.labels, batches.predictions, strict=True)
    ]
    return float(np.mean(scores))


# -- rewards ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("train_f1", ["train", "eval"])
def test_the_rewards_are_scikit_learns(train_f1: str, recorded: list[list[Batches]]) -> None:
    expected: dict[str, Callable[[float, float, float, float], float]] = {
        "gap": lambda train, val, before, loss: val - train,
        "val_f1": lambda train, val, before, loss: val,
        "val_f1_change": lambda train, val, before, loss: val - before,
        "neg_val_loss": lambda train, val, before, loss: -loss,
    }
    for reward, of in expected.items():
        recorded.clear()
        env = make(reward=reward, train_f1=train_f1)
        env.reset(seed=3)
        rewards = [step[1] for step in play(env)]
        f1 = [(mean_f1(chunk[0 if train_f1 == "train" else 2]), mean_f1(chunk[1])) for chunk in recorded]
        losses = [chunk[1].losses.mean() for chunk in recorded]
        by_hand = [of(*f1[place], f1[place - 1][1], losses[place]) for place in range(1, len(f1))]
        assert rewards == pytest.approx(by_hand, abs=1e-6), reward


def test_scoring_again_sees_the_same_batches(recorded: list[list[Batches]]) -> None:
    env = make(train_f1="eval")
    env.reset(seed=0)
    env.step(act(0.8))
    trained, _, again = recorded[-1]
    np.testing.assert_array_equal(trained.labels, again.labels)
    assert (trained.predictions != again.predictions).any()


def test_the_change_of_f1_telescopes() -> None:
    env = make(reward="val_f1_change", chunks=6)
    _, first = env.reset(seed=0)
    steps = play(env)
    assert sum(step[1] for step in steps) == pytest.approx(steps[-1][4]["val_f1"] - first["val_f1"])
    env = make(reward="val_f1_change", warmup=None)
    env.reset(seed=0)
    steps = play(env)
    assert sum(step[1] for step in steps) == pytest.approx(steps[-1][4]["val_f1"])


def chunk(val_loss: float = 1.5, train_losses: tuple[float, ...] = (1.0, 2.0)) -> Chunk:
    return Chunk(3, {"dropout": 0.5}, np.array(train_losses, np.float32), 0.4, val_loss, 0.3, previous_val_f1=0.25)


@pytest.mark.parametrize(
    ("reward", "expected", "lost"),
    [
        ("gap", -0.1, -5.0),
        ("val_f1", 0.3, 0.0),
        ("val_f1_change", 0.05, -0.25),
        ("neg_val_loss", -1.5, -5 * 19.0),
    ],
)
def test_the_table_by_hand(reward: str, expected: float, lost: float) -> None:
    assert chunk_rewards.reward_of(chunk(), reward, 5, 19.0) == pytest.approx(expected)
    for diverged in (chunk(val_loss=math.nan), chunk(train_losses=(1.0, math.inf))):
        assert chunk_rewards.reward_of(diverged, reward, 5, 19.0) == pytest.approx(lost)


def test_a_huge_loss_costs_no_more_than_the_bound() -> None:
    assert chunk_rewards.reward_of(chunk(val_loss=1e9), "neg_val_loss", 5, 19.0) == -19.0


def test_a_reward_of_ones_own() -> None:
    class Worst:
        worst = -3.0

        def __call__(self, chunk: Chunk) -> float:
            return chunk.number + chunk.hyperparameters["dropout"]

    assert chunk_rewards.reward_of(chunk(), Worst(), 5, 19.0) == 3.5
    assert chunk_rewards.reward_of(chunk(math.inf), Worst(), 5, 19.0) == -15.0
    assert chunk_rewards.reward_of(chunk(math.inf), lambda _: 0.0, 5, 19.0) == -5.0
    for value in (None, math.nan, 1j, "1", np.zeros(3), 10**400):
        with pytest.raises(ValueError, match=r"^reward: the function returned .*<lambda> must return a finite number"):
            chunk_rewards.reward_of(chunk(), lambda _, value=value: value, 5, 19.0)  # type: ignore[misc]
    env = make(reward=Worst())
    env.reset(seed=0)
    assert [step[1] for step in play(env)] == [1.5, 2.5, 3.5, 4.5]


# -- observation and info --------------------------------------------------------------------------------------------


def test_the_observation_is_the_chunks_losses(recorded: list[list[Batches]]) -> None:
    env = make()
    observation, info = env.reset(seed=0)
    np.testing.assert_array_equal(observation, recorded[0][0].losses)
    assert info["train_loss"] == pytest.approx(observation.mean())
    for number, step in enumerate(play(env), 1):
        np.testing.assert_array_equal(step[0], recorded[number][0].losses)
        assert step[4]["chunk"] == number
        assert step[4]["val_loss"] == pytest.approx(recorded[number][1].losses.mean())


def test_a_loss_over_the_bound_is_clipped() -> None:
    env = make(optimizer="sgd", learning_rate=300.0, warmup=None)
    assert env.observation_space.high.max() == pytest.approx(10 * math.log(3))
    env.reset(seed=0)
    steps = play(env)
    assert any(step[0].max() == env.observation_space.high[0] for step in steps)
    assert all(env.observation_space.contains(step[0]) for step in steps)


def test_strengths_are_clipped_and_told_by_name() -> None:
    env = make(regularizers={"mixup": (0.1, 0.5), "dropout": (0.0, 0.8)})
    env.reset(seed=0)
    assert env.step(act(9.0, -1.0))[4]["hyperparameters"] == pytest.approx({"mixup": 0.5, "dropout": 0.0})
    assert env.step(act(0.2, 0.3))[4]["hyperparameters"] == pytest.approx({"mixup": 0.2, "dropout": 0.3})


def test_the_validation_batches_are_drawn_without_replacement(recorded: list[list[Batches]]) -> None:
    # 5 batches of 4 are all of the 20 validation images.
    env = make(val_batches=5)
    env.reset(seed=0)
    env.step(act(0.1))
    drawn = [chunk[1].labels for chunk in recorded]
    for labels in drawn:
        np.testing.assert_array_equal(np.bincount(labels.ravel()), np.bincount(SPLITS.val.labels))
    assert (drawn[0] != drawn[1]).any()
    env = make(val_batches=20)  # 80 images: the split four times over
    env.reset(seed=0)
    np.testing.assert_array_equal(np.bincount(recorded[-1][1].labels.ravel()), 4 * np.bincount(SPLITS.val.labels))


def test_the_training_images_come_in_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    step = Trainer._step
    monkeypatch.setattr(Trainer, "_step", lambda self, batch: batches.extend(batch.tolist()) or step(self, batch))  # type: ignore[func-returns-value]
    env = make(chunk_size=17, chunks=3, warmup=None)  # 68 images a chunk, 30 in the split
    env.reset(seed=0)
    play(env)
    epochs = np.array(batches[: 30 * (len(batches) // 30)]).reshape(-1, 30)
    assert len(epochs) == 6
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(30), (6, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_one_strength_moves_no_draw(recorded: list[list[Batches]]) -> None:
    labels = []
    for strength in (0.0, 0.7):
        recorded.clear()
        env = make(regularizers={"dropout": (0.0, 0.8), "mixup": (0.0, 1.0), "feature_noise": (0.0, 1.0)})
        env.reset(seed=0)
        play(env, strength)
        labels.append([batches.labels for chunk in recorded for batches in chunk])
    for one, other in zip(*labels, strict=True):
        np.testing.assert_array_equal(one, other)


# -- beginning and end -----------------------------------------------------------------------------------------------


def test_the_warm_up_is_uniform_and_told() -> None:
    env = make(regularizers={"dropout": (0.2, 0.4), "input_noise": (0.0, 0.1)})
    seen = []
    for _ in range(20):
        _, info = env.reset()
        assert info["chunk"] == 0
        seen.append(list(info["hyperparameters"].values()))
    assert (np.array(seen) >= [0.2, 0.0]).all()
    assert (np.array(seen) <= [0.4, 0.1]).all()
    assert np.ptp(seen, axis=0) == pytest.approx([0.2, 0.1], rel=0.5)


def test_without_a_warm_up_the_first_state_is_zero() -> None:
    env = make(warmup=None)
    observation, info = env.reset(seed=0)
    assert not observation.any()
    assert info == {}
    assert len(play(env)) == 4


def test_each_reset_builds_a_new_child() -> None:
    env = make(warmup=None)
    children = []
    for _ in range(2):
        env.reset()
        children.append(env.state_dict()["trainer"]["network"]["dense.2.weight"])
        play(env)
    assert (children[0] != children[1]).any()


def test_the_end_is_the_budget() -> None:
    env = make()
    env.reset(seed=0)
    steps = play(env)
    assert [step[2] for step in steps] == [False, False, False, True]
    assert "validation" not in steps[-2][4]
    assert steps[-1][4]["validation"] == env.evaluate("val")
    with pytest.raises(ResetNeeded):
        env.step(act(0.5))


@pytest.mark.parametrize("reward", chunk_rewards.REWARDS)
def test_a_diverged_run_ends_and_the_next_is_clean(reward: str) -> None:
    env = make(reward=reward, optimizer="sgd", learning_rate=1e30, warmup=None)
    env.reset(seed=0)
    observation, paid, terminated, truncated, info = env.step(act(0.5))
    assert terminated
    assert not truncated
    assert info["diverged"]
    assert info["chunk"] == 1
    assert env.observation_space.contains(observation)
    assert paid == pytest.approx({"gap": -4.0, "neg_val_loss": -4 * 10 * math.log(3)}.get(reward, 0.0))
    numbers = [*info["validation"].values(), *(info[key] for key in ("train_loss", "train_f1", "val_loss", "val_f1"))]
    assert np.isfinite(numbers).all()
    assert not env.reset(seed=0)[0].any()
    again = env.step(act(0.5))
    np.testing.assert_array_equal(again[0], observation)
    assert again[1:] == (paid, terminated, truncated, info)


def test_a_warm_up_that_diverges_ends_with_the_first_step() -> None:
    env = make(optimizer="sgd", learning_rate=1e30)
    observation, info = env.reset(seed=0)
    assert np.isfinite(observation).all()
    assert info["diverged"]
    observation, paid, terminated, _, info = env.step(act(0.5))
    assert terminated
    assert paid == -4.0
    assert info["diverged"]
    assert np.isfinite(observation).all()


def test_reset_loads_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make()
    env.reset(seed=0)
    monkeypatch.setattr("fer_gym.envs.reg_tune.env.load", None)
    monkeypatch.setattr("fer_gym.envs.reg_tune.env.Trainer", None)
    env.reset()
    play(env)


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA"), RuntimeError("can't allocate memory: 9 bytes")])
def test_out_of_memory_is_one_line_and_the_next_run_is_clean(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise error

    env = make()
    env.reset(seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", full)
        with pytest.raises(ValueError, match=r"^batch_size: 4 is too large for the memory of cpu; lower it.*$"):
            env.step(act(0.5))
    with pytest.raises(ResetNeeded):
        env.step(act(0.5))
    env.reset(seed=0)
    other = make()
    other.reset(seed=0)
    assert [step[1] for step in play(env)] == [step[1] for step in play(other)]


def test_out_of_memory_in_an_evaluation_names_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA")

    env = make()
    env.reset(seed=0)
    monkeypatch.setattr(env.trainer.network, "forward", full)
    with pytest.raises(UsageError, match=r"^device: cpu has too little memory to evaluate the images; lower `limit`"):
        env.evaluate("val")


# -- what is not allowed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action", [act(0.1, 0.2), np.float32(0.1), act(math.nan), act(math.inf), np.zeros((1, 1)), "0.5", None, [[]]]
)
def test_an_action_that_is_not_allowed_leaves_the_run_untouched(action: Any) -> None:
    env, other = make(), make()
    for each in (env, other):
        each.reset(seed=0)
    with pytest.raises(ValueError, match=r"^action: .* use finite numbers of shape \(1,\), one for each of dropout"):
        env.step(action)
    steps = [play(each) for each in (env, other)]
    for one, theirs in zip(*steps, strict=True):
        np.testing.assert_array_equal(one[0], theirs[0])
        assert one[1:] == theirs[1:]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"regularizers": {"drop": (0, 1)}}, "regularizers: 'drop' is unknown"),
        ({"regularizers": {"dropout": (0.5, 0.2)}}, "regularizers: the bounds of 'dropout'"),
        ({"chunk_size": 0}, "chunk_size: 0"),
        ({"val_batches": 0}, "val_batches: 0"),
        ({"chunks": 1.5}, "chunks: 1.5"),
        ({"warmup": "none"}, "warmup: 'none' is unknown"),
        ({"reward": "f1"}, "reward: 'f1' is unknown; use 'gap'"),
        ({"train_f1": "test"}, "train_f1: 'test' is unknown"),
        ({"render_mode": "ansi"}, "render_mode: 'ansi' is unknown"),
        ({"network": "resnet"}, "network: 'resnet' is unknown"),
        ({"batch_size": 0}, "batch_size: 0"),
        ({"learning_rate": 0.0}, "learning_rate: 0.0"),
        ({"optimizer": "lion"}, "optimizer: 'lion' is unknown"),
        ({"augment": {"rotate": 5}}, "augment: 'rotate' is unknown; use 'flip', 'shift', 'border'"),
    ],
)
def test_keywords_that_are_not_allowed(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make(**keywords)


def test_a_state_of_another_data_set() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^state: 'made_for.instances\[0\].data' is '\w{16}', here '\w{16}';"):
        make(dataset=tiny_data.splits(9)).load_state_dict(env.state_dict())


# -- observe, val_batches="all", instances -----------------------------------------------------------------------------

INSTANCES = ({"noise": ("symmetric", 0.5)}, {"limit": 10}, {"learning_rate": 1e-2, "batch_size": 2})


def test_the_parts_of_an_observation_in_the_order_asked_for() -> None:
    strengths = {"weight_decay": (0.1, 0.3), "dropout": (0.0, 0.5)}
    observe = ("progress", "strengths", "val_f1", "losses", "train_f1")
    env = make(observe=observe, regularizers=strengths, warmup=None)
    worst = 10 * math.log(len(SPLITS.classes))
    np.testing.assert_allclose(env.observation_space.low, [0, 0.1, 0, 0, 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(env.observation_space.high, [1, 0.3, 0.5, 1, worst, worst, worst, 1], rtol=1e-6)
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(observation, np.array([0, 0.1, 0, 0, 0, 0, 0, 0], np.float32))
    plain = make(regularizers=strengths, warmup=None)
    plain.reset(seed=0)
    observation, _, _, _, info = env.step(act(0.2, 0.4))
    losses, *_ = plain.step(act(0.2, 0.4))  # the paper's: observing more changes nothing that is trained
    expected = [0.25, 0.2, 0.4, info["val_f1"], *losses, info["train_f1"]]
    np.testing.assert_array_equal(observation, np.array(expected, np.float32))


def test_the_observation_after_a_warm_up() -> None:
    env = make(observe=("progress", "strengths", "train_f1"))
    observation, info = env.reset(seed=0)
    expected = [0, info["hyperparameters"]["dropout"], info["train_f1"]]
    np.testing.assert_array_equal(observation, np.array(expected, np.float32))


def test_the_whole_validation_split() -> None:
    env = make(val_batches="all")
    env.reset(seed=0)
    info = play(env)[-1][4]
    labels, probabilities = SPLITS.val.labels, env.trainer.outputs("val").probabilities
    predictions = probabilities.argmax(axis=1)
    f1 = f1_score(labels, predictions, labels=range(len(SPLITS.classes)), average="macro", zero_division=0)
    assert info["val_f1"] == pytest.approx(f1, abs=1e-12)
    assert info["val_f1"] == info["validation"]["macro_f1"]
    assert info["val_loss"] == pytest.approx(-np.log(probabilities[np.arange(len(labels)), labels]).mean(), rel=1e-5)


def test_an_instance_is_the_environment_of_its_keywords() -> None:
    env = make(instances=INSTANCES)
    for k, keywords in enumerate(INSTANCES):
        observation, info = env.reset(seed=3, options={"instance": k})
        assert info["instance"] == k
        alone = make(instances=(keywords,) * 3)  # as many, so that the generator draws as often
        expected, _ = alone.reset(seed=3)
        np.testing.assert_array_equal(observation, expected)
        last, *_, info = play(env)[-1]
        expected, *_ = play(alone)[-1]
        np.testing.assert_array_equal(last, expected)
        assert info["instance"] == k
        assert env.splits.val is env.instances[0].splits.val
    flipped, whole = env.instances[0].splits.train, env.instances[2].splits.train
    assert 0 < (flipped.labels != whole.labels).sum() <= 15
    assert len(env.instances[1].splits.train) == 10


def test_instances_are_drawn_by_the_environments_generator() -> None:
    env = make(instances=INSTANCES, warmup=None)
    env.reset(seed=0)
    drawn = [env.reset()[1]["instance"] for _ in range(30)]
    assert set(drawn) == {0, 1, 2}
    env.reset(seed=0)
    assert [env.reset()[1]["instance"] for _ in range(30)] == drawn
    assert "instance" not in make().reset(seed=0)[1]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"observe": ()}, "^observe: .*progress"),
        ({"observe": "losses"}, "^observe: 'losses' is not allowed"),
        ({"observe": ("loss",)}, "^observe: 'loss' is unknown"),
        ({"observe": ("losses", "losses")}, "^observe: .* twice"),
        ({"val_batches": "some"}, "^val_batches: 'some' is unknown; use 'all'"),
        ({"instances": ()}, "^instances: "),
        ({"instances": {"limit": 10}}, "^instances: "),
        ({"instances": (3,)}, "^instances: 3, number 0,"),
        ({"instances": ({}, {"network": "small"})}, "^instances: 'network' of number 1 is unknown; use noise, limit"),
        ({"instances": ({"learning_rate": 0},)}, "^instances: number 0: learning_rate: 0 is not allowed"),
        ({"instances": ({}, {"noise": "snow"})}, "^instances: number 1: noise: 'snow'"),
    ],
)
def test_bad_parts_and_instances(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(**keywords)


def test_bad_instance_options() -> None:
    env = make(instances=INSTANCES)
    for bad in (3, -1, 0.5, True):
        with pytest.raises(UsageError, match=r"^options: 'instance'"):
            env.reset(options={"instance": bad})
    with pytest.raises(UsageError, match=r"^options: 'instance' is unknown"):
        make().reset(options={"instance": 0})
