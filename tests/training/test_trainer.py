"""The training loop: determinism, branching, dropout, corner cases, and one step against plain PyTorch."""

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny_data
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, f1_score, recall_score
from torch import Tensor, nn

from fer_gym.data import Split, Splits
from fer_gym.errors import UsageError
from fer_gym.training import Strengths, Trainer, TrainerSettings, hardware
from fer_gym.training import trainer as loop
from fer_gym.training.augmentation import Augmentation
from fer_gym.training.generators import Dropout, draw_noise_from, standard_normal

SPLITS = tiny_data.splits(30)
FP32 = {"precision": "fp32", "device": "cpu"}


def dense(channels: int, classes: int, image_size: int) -> nn.Module:
    """No dropout: what a plain loop in a test can follow."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, 12), nn.ReLU(), nn.Linear(12, classes))


def normalised(channels: int, classes: int, image_size: int) -> nn.Module:
    """Batch norm cannot train on one image."""
    width = channels * image_size**2
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))


class DropsInForward(nn.Module):
    """Draws from the global generators in its forward pass, which no replaced layer can prevent."""

    def __init__(self, channels: int, classes: int, image_size: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels * image_size**2, 8)
        self.alpha = nn.AlphaDropout(0.2)
        self.second = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.dropout(F.relu(self.first(x.flatten(1))), 0.5, self.training)
        if self.training:
            hidden = hidden * (1 + 0.1 * random.random() + 0.1 * float(np.random.rand()))  # noqa: NPY002
        return self.second(self.alpha(hidden))


def trainer(network: Any = "small", seed: int = 0, splits: Splits = SPLITS, **settings: Any) -> Trainer:
    made = Trainer(splits, TrainerSettings(network=network, **{"batch_size": 8, **FP32, **settings}))
    made.initialise(seed)
    return made


def train(made: Trainer, epochs: int = 1) -> Trainer:
    made.train_epochs(made.all_images(), epochs)
    return made


def weights(made: Trainer) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in made.network.state_dict().items()}


def same(some: Any, other: Any) -> bool:
    """Whether two nested states are the same, bit for bit."""
    if isinstance(some, dict):
        return some.keys() == other.keys() and all(same(some[key], other[key]) for key in some)
    if isinstance(some, (list, tuple)):
        return len(some) == len(other) and all(map(same, some, other))
    if isinstance(some, Tensor):
        return some.dtype == other.dtype and torch.equal(some, other)
    return bool(some == other)


def draw_from_global_generators() -> None:
    torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002


def global_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return random.getstate(), name, keys.tolist(), *rest, torch.get_rng_state()


# -- determinism -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["small", normalised, DropsInForward])
def test_same_seed_same_bits_whatever_else_draws(network: Any) -> None:
    one, other = trainer(network, seed=5), trainer(network, seed=7)
    draw_from_global_generators()
    train(other)
    other.initialise(5)
    for _ in range(2):
        train(one)
        draw_from_global_generators()
        train(other)
    assert same(one.state_dict(), other.state_dict())
    assert np.array_equal(one.outputs("val").probabilities, other.outputs("val").probabilities)


@pytest.mark.parametrize("network", ["small", DropsInForward])
def test_another_seed_other_weights(network: Any) -> None:
    assert not same(weights(train(trainer(network, seed=1))), weights(train(trainer(network, seed=2))))


def test_another_seed_draws_other_dropout() -> None:
    one, other = trainer(seed=1), trainer(seed=2)
    draws = [torch.rand(4, generator=made._noise_generator) for made in (one, other)]
    assert not torch.equal(*draws)


@pytest.mark.parametrize("network", ["small", DropsInForward])
def test_global_generators_are_not_moved(network: Any) -> None:
    before = global_state()
    made = train(trainer(network))
    made.outputs("train")
    made.evaluate("val")
    assert same(global_state(), before)


@pytest.mark.parametrize("network", ["small", normalised, DropsInForward])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_state_branches_the_run(network: Any, optimizer: str) -> None:
    one = train(trainer(network, optimizer=optimizer))
    state = one.state_dict()
    copied = copy.deepcopy(state)
    train(one, 2)
    assert same(state, copied), "training changed the saved state"
    for branch in (state, copied, state):  # twice from the same: loading does not tie the trainer to the state
        other = trainer(network, seed=99, optimizer=optimizer)
        other.load_state_dict(branch)
        train(other, 2)
        assert same(other.state_dict(), one.state_dict())
    assert same(state, copied)


def test_an_augmented_run_branches_and_leaves_evaluation_alone() -> None:
    augment = Augmentation(flip=True, shift=2)
    one, plain = trainer(augment=augment), trainer()
    assert same(one.outputs("val").probabilities.tolist(), plain.outputs("val").probabilities.tolist())
    train(one), train(plain)
    assert not same(weights(one), weights(plain))
    other = trainer(seed=99, augment=augment)
    other.load_state_dict(one.state_dict())
    assert same(train(other).state_dict(), train(one).state_dict())


def test_a_batch_is_augmented_by_the_trainers_own_draws() -> None:
    seen = []

    class Looks(nn.Module):
        def __init__(self, channels: int, classes: int, image_size: int) -> None:
            super().__init__()
            self.last = nn.Linear(channels * image_size**2, classes)

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            return self.last(x.flatten(1))

    augment = Augmentation(flip=True, shift=2, border="reflect")
    made = trainer(Looks, augment=augment)
    draws = torch.Generator().manual_seed(0)
    draws.set_state(made.state_dict()["noise_generator"])
    (indices,) = made.train_batches(1).indices
    pixels = augment(torch.from_numpy(SPLITS.train.pixels[indices.numpy()]), draws)
    assert torch.equal(seen[-1], made._standardise(pixels))
    assert not torch.equal(seen[-1], made.images("train", indices.numpy()))


class SkipsLayers(nn.Module):
    """Stochastic depth: a layer that the first losses may not reach has no state of the optimiser's yet."""

    def __init__(self, channels: int, classes: int, image_size: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels * image_size**2, 8)
        self.sometimes = nn.Linear(8, 8)
        self.last = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x.flatten(1)).relu()
        if not self.training or torch.rand(()) < 0.3:
            hidden = hidden + self.sometimes(hidden).relu()
        return self.last(hidden)


@pytest.mark.parametrize("seed", range(4))
def test_a_state_in_which_some_weights_are_untouched(seed: int) -> None:
    def made(seed: int = seed) -> Trainer:
        return trainer(SkipsLayers, seed=seed)

    one = made()
    one.train_batches(1)
    state = one.state_dict()
    one.train_batches(20)
    expected = one.state_dict()
    for other in (made(), train(made(9)), one):
        other.load_state_dict(state)
        other.train_batches(20)
        assert same(other.state_dict(), expected)


def test_weight_decay_leaves_a_frozen_weight_alone() -> None:
    def frozen(channels: int, classes: int, image_size: int) -> nn.Module:
        first = nn.Conv2d(channels, 4, 3).requires_grad_(False)
        return nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(4 * (image_size - 2) ** 2, classes))

    made = Trainer(SPLITS, TrainerSettings(frozen, batch_size=4, device="cpu"), Strengths({"weight_decay": (0.0, 9.0)}))
    made.set_strengths(np.float32([9.0]))
    before = weights(made)
    made.train_batches(2)
    after = weights(made)
    assert [key for key in before if torch.equal(before[key], after[key])] == ["0.weight", "0.bias"]


def test_epochs_differ_in_order_and_cover_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    made, batches = trainer(), []
    monkeypatch.setattr(made, "_step", lambda batch: batches.append(batch.tolist()))
    subset = np.array([3, 4, 9, 11, 12, 17, 20, 21, 25, 28, 29])
    made.train_epochs(subset, 2)
    assert [len(batch) for batch in batches] == [8, 3, 8, 3]
    first, second = batches[0] + batches[1], batches[2] + batches[3]
    assert sorted(first) == sorted(second) == subset.tolist()
    assert first != second


def test_steps_are_as_many_whatever_the_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    for subset in (np.array([3, 4, 9, 11, 12, 17, 20, 21, 25, 28, 29]), np.array([5, 6]), np.arange(30)):
        made, batches = trainer(), []
        monkeypatch.setattr(made, "_step", lambda batch, batches=batches: batches.append(batch.tolist()))
        made.train_steps(subset, 4)
        assert [len(batch) for batch in batches] == [8] * 4
        order = [index for batch in batches for index in batch]
        epochs = [order[start : start + len(subset)] for start in range(0, 32, len(subset))]
        assert all(sorted(epoch) == subset.tolist() for epoch in epochs if len(epoch) == len(subset))
        assert set(epochs[-1]) <= set(subset.tolist())
        assert len(subset) < 3 or epochs[0] != epochs[1]


# -- dropout ---------------------------------------------------------------------------------------------------------


def test_dropout_layers_of_a_user_become_ours() -> None:
    shared = nn.Dropout(0.5)
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout2d(0.25)), shared, nn.ModuleDict({"in": nn.Dropout1d(0.1)}), shared
    )
    generator = torch.Generator().manual_seed(0)
    draw_noise_from(network, generator)
    assert not any(isinstance(module, (nn.Dropout, nn.Dropout1d, nn.Dropout2d)) for module in network.modules())
    ours = [(module.rate, module.per_channel) for module in network.modules() if isinstance(module, Dropout)]
    assert sorted(set(ours)) == [(0.1, True), (0.25, True), (0.5, False)]
    assert all(module.generator is generator for module in network.modules() if isinstance(module, Dropout))


def test_a_subclass_of_dropout_stays_what_it_is() -> None:
    class AlwaysOn(nn.Dropout):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x, self.p, training=True)

    network = nn.Sequential(AlwaysOn(0.5))
    draw_noise_from(network, torch.Generator())
    assert type(network[0]) is AlwaysOn


@pytest.mark.parametrize("place", [1, 3])
def test_one_dropout_layer_in_two_places(place: int) -> None:
    shared = nn.Dropout(0.5)
    network = nn.Sequential(nn.Linear(2, 2), shared, nn.Linear(2, 2), shared)
    draw_noise_from(network, torch.Generator())
    assert isinstance(network[place], Dropout)


@pytest.mark.parametrize(
    ("theirs", "shape", "unit"),
    [(nn.Dropout(0.25), (40, 50), (40, 50)), (nn.Dropout2d(0.25), (40, 50, 3, 3), (40, 50, 1, 1))],
)
def test_dropout_zeroes_and_scales(theirs: nn.Module, shape: tuple[int, ...], unit: tuple[int, ...]) -> None:
    network = nn.Sequential(theirs)
    draw_noise_from(network, torch.Generator().manual_seed(0))
    x = torch.ones(shape)
    before = torch.get_rng_state()
    dropped = network(x)
    kept = dropped != 0
    assert torch.allclose(dropped[kept], torch.tensor(1 / 0.75))
    assert 0.7 < kept.float().mean() < 0.8
    whole = kept.float().mean(dim=tuple(range(2, len(shape))), keepdim=True) if len(shape) > 2 else kept.float()
    assert whole.shape == unit
    assert set(whole.unique().tolist()) == {0.0, 1.0}  # channels drop whole
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(network(x), dropped)
    assert network.eval()(x) is x


def test_dropout_of_everything_is_zero() -> None:
    network = nn.Sequential(nn.Dropout(1.0))
    draw_noise_from(network, torch.Generator())
    assert torch.equal(network(torch.ones(3, 4)), nn.Dropout(1.0)(torch.ones(3, 4)))


def test_a_users_dropout_trains_from_the_trainers_generator() -> None:
    def dropping(channels: int, classes: int, image_size: int) -> nn.Module:
        drop = nn.Dropout(0.5)
        layers = [nn.Conv2d(channels, 4, 3), nn.Dropout2d(0.3), nn.ReLU(), nn.Flatten(), drop]
        return nn.Sequential(*layers, nn.Linear(4 * (image_size - 2) ** 2, 8), nn.ReLU(), drop, nn.Linear(8, classes))

    one, other = trainer(dropping), trainer(dropping)
    state = one.state_dict()["noise_generator"]
    train(one)
    draw_from_global_generators()
    train(other)
    assert same(weights(one), weights(other))
    assert not torch.equal(one.state_dict()["noise_generator"], state)


# -- what a step does ------------------------------------------------------------------------------------------------


def standardised(pixels: np.ndarray) -> Tensor:
    mean = SPLITS.train.pixels.mean(dtype=np.float64)
    std = SPLITS.train.pixels.std(dtype=np.float64)
    return torch.from_numpy(((pixels - mean) / std).astype(np.float32))


PLAIN: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=1e-2, momentum=0.9),
}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("count", [30, 1])
def test_steps_agree_with_a_plain_loop(optimizer: str, count: int) -> None:
    # One batch an epoch: the order within it is of no consequence.
    made = trainer(dense, optimizer=optimizer, learning_rate=1e-2, batch_size=30)
    plain = copy.deepcopy(made.network)
    stepper = PLAIN[optimizer](plain.parameters())
    chosen = np.arange(count)
    made.train_epochs(chosen, 3)
    x, y = standardised(SPLITS.train.pixels[chosen]), torch.from_numpy(SPLITS.train.labels[chosen])
    for _ in range(3):
        stepper.zero_grad()
        F.cross_entropy(plain(x), y).backward()
        stepper.step()
    for ours, theirs in zip(made.network.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6, rtol=1e-5)


def test_images_are_standardised_per_channel() -> None:
    rng = np.random.default_rng(0)
    pixels = np.stack([rng.integers(0, 50, (40, 8, 8)), rng.integers(90, 250, (40, 8, 8)), np.full((40, 8, 8), 7)], 1)
    train_split = Split(pixels.astype(np.uint8), np.arange(40) % 2)
    made = trainer(dense, splits=Splits(train_split, train_split, train_split, ("a", "b")))
    x = made._standardise(torch.from_numpy(train_split.pixels))
    assert torch.allclose(x.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(x.std(dim=(0, 2, 3), unbiased=False), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4)


@pytest.mark.parametrize("network", ["small", normalised])
def test_an_empty_subset_trains_nothing(network: Any) -> None:
    made = train(trainer(network))
    before = made.state_dict()
    made.train_epochs(np.array([], np.int64), 3)
    made.train_epochs(made.all_images(), 0)
    made.train_steps(np.array([], np.int64), 3)
    made.train_steps(made.all_images(), 0)
    assert same(made.state_dict(), before)


@pytest.mark.parametrize("subset", [np.array([7]), np.arange(9)])  # nine: a batch of eight and one of one
def test_one_image_trains_even_through_batch_norm(subset: np.ndarray) -> None:
    made = trainer(normalised)
    before = weights(made)
    made.train_epochs(subset, 1)
    after = weights(made)
    assert not same(before, after)
    assert all(value.isfinite().all() for value in after.values())


def test_training_learns() -> None:
    made = train(trainer(dense), 8)
    assert made.evaluate("val")["accuracy"] > 0.9


# -- evaluation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_outputs_are_the_softmax_of_a_forward_pass(name: str) -> None:
    made = train(trainer())
    outputs = made.outputs(name)
    made.network.eval()
    with torch.no_grad():
        x = standardised(getattr(SPLITS, name).pixels)
        features = made.network.features(x)
        probabilities = made.network(x).softmax(dim=1)
    assert outputs.features.dtype == outputs.probabilities.dtype == np.float32
    np.testing.assert_allclose(outputs.features, features, atol=1e-5)
    np.testing.assert_allclose(outputs.probabilities, probabilities, atol=1e-6)
    np.testing.assert_allclose(outputs.probabilities.sum(axis=1), 1, atol=1e-6)


def test_outputs_span_several_batches_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loop._EVALUATION_PIXELS, "cpu", 128 * 6**2)
    splits = tiny_data.splits(600, side=6)
    made = trainer(dense, splits=splits)
    whole = made.outputs("train").features
    last = Splits(splits.train.take(np.arange(590, 600)), splits.val, splits.test, splits.classes)
    alone = trainer(dense, splits=last)
    alone.load_state_dict(made.state_dict())
    alone._mean, alone._inverse_std = made._mean, made._inverse_std
    np.testing.assert_allclose(whole[590:], alone.outputs("train").features, atol=1e-5)


@pytest.mark.parametrize("images_at_once", [1, 17, 100])
def test_batches_scored_together_are_scored_each_by_itself(
    images_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five batches of eight: one at a time, two, or all."""
    monkeypatch.setitem(loop._EVALUATION_PIXELS, "cpu", images_at_once * 16**2)
    made = train(trainer())
    pending = made.validate_batches(5)
    (scored,) = made.read(pending)
    made.network.eval()
    for loss, labels, predictions, rows in zip(
        scored.losses, scored.labels, scored.predictions, pending.indices.numpy(), strict=True
    ):
        with torch.no_grad():
            logits = made.network(standardised(SPLITS.val.pixels[rows]))
        assert np.array_equal(labels, SPLITS.val.labels[rows])
        assert loss == pytest.approx(float(F.cross_entropy(logits, torch.from_numpy(labels))), abs=1e-6)
        assert np.array_equal(predictions, logits.argmax(dim=1))


def test_evaluation_agrees_with_scikit_learn_and_changes_nothing() -> None:
    made = train(trainer(normalised))
    before = made.state_dict()
    labels, predictions = SPLITS.val.labels, made.outputs("val").probabilities.argmax(axis=1)
    scores = made.evaluate("val")
    of_all: dict[str, Any] = {"labels": [0, 1, 2], "average": "macro", "zero_division": 0}
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, predictions))
    assert scores["average_accuracy"] == pytest.approx(recall_score(labels, predictions, **of_all))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, predictions, **of_all))
    assert same(made.state_dict(), before)


def test_a_diverged_network_knows_nothing() -> None:
    made = trainer()
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter.fill_(torch.nan)
    outputs = made.outputs("train")
    assert np.array_equal(outputs.probabilities, np.full((30, 3), 1 / 3, np.float32))
    assert np.isfinite(outputs.features).all()
    assert all(np.isfinite(value) for value in made.evaluate("val").values())


# -- settings --------------------------------------------------------------------------------------------------------


class OfNetwork(nn.Module):
    """Something made of a network's logits."""

    def __init__(self, network: nn.Module, change: Any) -> None:
        super().__init__()
        self.network = network
        self.change = change

    def forward(self, x: torch.Tensor) -> Any:
        return self.change(self.network(x))


@pytest.mark.parametrize(
    ("keyword", "value", "allowed"),
    [
        ("network", "tiny", "'small', 'rlps_cnn', 'vgg19'"),
        ("network", None, "'small', 'rlps_cnn', 'vgg19'"),
        ("network", ["small"], "'small', 'rlps_cnn', 'vgg19'"),
        ("network", lambda channels, classes, image_size: 7, "nn.Module"),
        ("network", lambda: dense(1, 3, 16), "factory"),
        ("network", lambda *_: nn.Flatten(), "Flatten has no parameter that can be trained"),
        ("network", lambda *of: dense(*of).requires_grad_(False), "no parameter that can be trained"),
        ("network", lambda *of: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), "lazy layers"),
        ("network", lambda *of: OfNetwork(dense(*of), torch.Tensor.detach), "do not depend on a parameter"),
        ("network", lambda *of: OfNetwork(dense(*of), torch.Tensor.long), "torch.int64"),
        ("network", lambda *of: OfNetwork(dense(*of), lambda y: y + 1j), "torch.complex64"),
        ("network", lambda *of: OfNetwork(dense(*of), lambda y: y[:2]), "(2, 3) for 3 pictures"),
        ("batch_size", 0, "at least 1"),
        ("batch_size", 2.5, "at least 1"),
        ("batch_size", True, "at least 1"),
        ("batch_size", 10**9, "at most 65,536"),
        ("optimizer", "lion", "'adam', 'sgd'"),
        ("learning_rate", 0.0, "(0, inf)"),
        ("learning_rate", float("nan"), "(0, inf)"),
        ("learning_rate", float("inf"), "(0, inf)"),
        ("learning_rate", "fast", "(0, inf)"),
        ("learning_rate", None, "(0, inf)"),
        ("precision", "fp8", "'auto', 'fp32', 'bf16'"),
        ("device", "tpu7", "'auto', 'cpu'"),
        ("device", "meta", "'auto', 'cpu'"),
        ("device", "cuda:99", "CUDA devices"),
        ("device", 3.5, "'auto', 'cpu'"),
    ],
)
def test_bad_settings_are_named(keyword: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"^{keyword}: ") as raised:
        Trainer(SPLITS, TrainerSettings(**{keyword: value}))
    assert allowed in str(raised.value)


def test_a_picture_that_is_not_square() -> None:
    oblong = Split(np.zeros((3, 1, 8, 9), np.uint8), np.arange(3))
    with pytest.raises(ValueError, match=r"^dataset: .*8x9"):
        trainer(dense, splits=Splits(oblong, oblong, oblong, ("a", "b", "c")))


def test_bf16_trains() -> None:
    made = train(trainer(dense, precision="bf16"), 8)
    assert made.evaluate("val")["accuracy"] > 0.9
    outputs = made.outputs("val")
    assert outputs.features.dtype == outputs.probabilities.dtype == np.float32
    np.testing.assert_allclose(outputs.probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("network", ["small", "resnet34"])
def test_bf16_follows_fp32_within_two_percent_of_the_loss(network: str) -> None:
    splits = tiny_data.splits(40, side=16)

    def losses(precision: str) -> np.ndarray:
        made = Trainer(splits, TrainerSettings(network, batch_size=8, precision=precision, device="cpu"))
        (batches,) = made.read(made.train_batches(10))
        return batches.losses

    np.testing.assert_allclose(losses("bf16"), losses("fp32"), rtol=0.02)
    assert not np.array_equal(losses("bf16"), losses("fp32"))


def test_images_on_the_device_are_those_of_the_memory_map(monkeypatch):
    def weights():
        trainer = Trainer(SPLITS, TrainerSettings("small", precision="fp32", device="cpu"))
        trainer.train_epochs(trainer.all_images(), 2)
        return [*trainer.network.parameters()], trainer.outputs("val").probabilities

    mapped, of_mapped = weights()
    monkeypatch.setattr(hardware, "takes_images", lambda device, size: True)
    copied, of_copied = weights()
    assert all(torch.equal(one, other) for one, other in zip(mapped, copied, strict=True))
    assert np.array_equal(of_mapped, of_copied)


def test_images_that_do_not_fit_stay_in_the_memory_map(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 2**34))
    cuda = torch.device("cuda", 0)
    assert hardware.takes_images(cuda, 2**29)
    assert not caplog.messages
    assert not hardware.takes_images(cuda, 2**29 + 2**28)
    assert caplog.messages == [
        "the images take 0.75 GiB, over half of the 1.00 GiB free on cuda:0: they stay memory-mapped, which is slower"
    ]
    assert not hardware.takes_images(torch.device("cpu"), 1)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_noise_is_drawn_in_the_layout_of_what_it_is_added_to(memory_format):
    like = torch.zeros(4, 3, 32, 32).to(memory_format=memory_format)
    drawn = standard_normal(like, torch.Generator().manual_seed(0))
    assert drawn.stride() == like.stride()
    assert drawn.mean().abs() < 0.03
    assert abs(drawn.std() - 1) < 0.03
    in_memory = drawn if memory_format == torch.contiguous_format else drawn.permute(0, 2, 3, 1)
    again = torch.empty(drawn.numel()).normal_(generator=torch.Generator().manual_seed(0))
    assert torch.equal(in_memory.flatten(), again)


class WideInBatches(nn.Module):
    """Gives another class where the batch is larger than a probe's."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(16 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x.flatten(1))[:, : 3 + (len(x) > 3)]


def test_a_network_whose_width_changes_with_the_batch_is_named() -> None:
    splits = tiny_data.splits(30)
    made = Trainer(splits, TrainerSettings(network=lambda *_: WideInBatches(), batch_size=8, precision="fp32"))
    with pytest.raises(UsageError, match=r"^network: WideInBatches returned logits \(8, 4\) for 8 pictures"):
        made.train_steps(np.arange(30), 1)
