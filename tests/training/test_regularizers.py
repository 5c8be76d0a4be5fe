"""The regularisers: nothing at strength 0, and at any other just what they say, against PyTorch and SciPy."""

import copy
from typing import Any

import numpy as np
import pytest
import tiny_data
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn

from fer_gym.errors import UsageError
from fer_gym.training import Regularizer, Strengths, Targets, Trainer, TrainerSettings
from fer_gym.training.generators import Dropout
from fer_gym.training.regularizers import REGULARIZERS, larger_of_symmetric_beta

SPLITS = tiny_data.splits(30)
BOUNDS = dict.fromkeys(REGULARIZERS, (0.0, 0.9))


def trainer(bounds: Any, network: Any = "small", **settings: Any) -> Trainer:
    options = {"batch_size": 8, "precision": "fp32", "device": "cpu", **settings}
    made = Trainer(SPLITS, TrainerSettings(network=network, **options), Strengths(bounds))
    made.initialise(0)
    return made


def train(made: Trainer, *strengths: float, batches: int = 5) -> list[Tensor]:
    """The weights after some batches under these strengths."""
    made.set_strengths(np.array(strengths, np.float32))
    made.train_batches(batches)
    return [parameter.detach().clone() for parameter in made.network.parameters()]


def equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def plain_weights(optimizer: type[torch.optim.Optimizer] = torch.optim.Adam, **settings: Any) -> list[Tensor]:
    """The weights after the same batches in a loop that knows no regulariser."""
    made = trainer(BOUNDS)
    network = copy.deepcopy(made.network)
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
        layer._forward_hooks.clear()
        layer._forward_pre_hooks.clear()
    adam = optimizer(network.parameters(), lr=1e-3, fused=True, **settings)
    pending = made.train_batches(5)
    pixels = SPLITS.train.pixels.astype(np.float64)
    images = torch.from_numpy((pixels - pixels.mean()) / pixels.std()).float()
    network.train()
    for batch in pending.indices:
        adam.zero_grad()
        images_of_batch = images[batch].to(memory_format=torch.channels_last)
        F.cross_entropy(network(images_of_batch), torch.from_numpy(SPLITS.train.labels[batch])).backward()
        adam.step()
    return [parameter.detach() for parameter in network.parameters()]


# -- at strength 0 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGULARIZERS)
def test_strength_zero_is_bitwise_vanilla(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vanilla = train(trainer(BOUNDS), *[0.0] * len(BOUNDS))
    assert equal(train(trainer({name: BOUNDS[name]}), 0.0), vanilla)
    # On a GPU nothing is skipped at 0: the arithmetic itself must change nothing.
    monkeypatch.setattr(Regularizer, "is_off", False)
    assert equal(train(trainer({name: BOUNDS[name]}), 0.0), vanilla)


def test_vanilla_is_plain_pytorch() -> None:
    ours = train(trainer(BOUNDS), *[0.0] * len(BOUNDS))
    for mine, theirs in zip(ours, plain_weights(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_strength_changes_the_training_and_not_the_batches(name: str) -> None:
    off, on = trainer({name: BOUNDS[name]}), trainer({name: BOUNDS[name]})
    assert not equal(train(off, 0.0), train(on, 0.5))
    for draw in (Trainer.train_batches, Trainer.validate_batches):
        assert torch.equal(draw(off, 4).indices, draw(on, 4).indices)


def test_each_draws_for_itself() -> None:
    """Another regulariser beside it, even an active one, moves no draw of a regulariser's."""
    alone, beside = trainer({"dropout": (0.0, 0.9)}), trainer({"weight_decay": (0.0, 0.9), "dropout": (0.0, 0.9)})
    assert equal(train(alone, 0.5), train(beside, 0.0, 0.5))
    noisy, with_noise = trainer({"input_noise": (0.0, 0.9)}), trainer({"mixup": (0.0, 1.0), "input_noise": (0.0, 0.9)})
    train(noisy, 0.5)
    train(with_noise, 0.7, 0.5)
    states = [made.state_dict()["regularizer_generators"][-1] for made in (noisy, with_noise)]
    assert torch.equal(*states)


# -- each of them ----------------------------------------------------------------------------------------------------


def hold(name: str, strength: float, made: Trainer | None = None) -> Regularizer:
    """The regulariser of a run, at a strength."""
    made = made or trainer({name: (0.0, 0.9) if name != "mixup" else (0.0, 9.0)})
    made.set_strengths(np.array([strength], np.float32))
    return made._regularizers[0]


def test_dropout_is_the_rate_of_every_site() -> None:
    made = trainer({"dropout": (0.0, 0.9)})
    hold("dropout", 0.75, made)
    layers = [layer for layer in made.network.modules() if isinstance(layer, Dropout)]
    assert len(layers) == 2
    for layer in layers:
        dropped = layer(torch.ones(200, 50))
        assert set(dropped.unique().tolist()) == {0.0, 4.0}
        assert (dropped == 0).float().mean().item() == pytest.approx(0.75, abs=0.02)


def test_input_noise_is_in_units_of_pixels() -> None:
    images = torch.zeros(40, 1, 16, 16)
    noisy, _ = hold("input_noise", 0.2).batch(images, [])
    std = SPLITS.train.pixels.std() / 255  # what standardised images were divided by
    assert noisy.std().item() * std == pytest.approx(0.2, rel=0.03)
    assert noisy.mean().item() == pytest.approx(0.0, abs=0.05)


def test_label_smoothing_is_pytorchs() -> None:
    logits = torch.randn(8, 3, requires_grad=True)
    labels = torch.arange(8) % 3
    ours = hold("label_smoothing", 0.3).objective(F.cross_entropy(logits, labels), logits)
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, label_smoothing=0.3))


def test_weight_decay_is_adamws() -> None:
    ours = train(trainer({"weight_decay": (0.0, 9.0)}), 5.0)
    for mine, theirs in zip(ours, plain_weights(torch.optim.AdamW, weight_decay=5.0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_mixup_mixes_images_and_targets() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1)
    labels = torch.tensor([0, 1, 2, 0])
    mixed, ((share, own), (rest, theirs)) = hold("mixup", 1.0).batch(images, [(torch.ones(()), labels)])
    assert 0.5 <= share.item() < 1.0
    assert (share + rest).item() == pytest.approx(1.0)
    assert own.tolist() == labels.tolist()
    assert theirs.tolist() == [0, 0, 1, 2]
    torch.testing.assert_close(mixed, share * images + rest * images[[3, 0, 1, 2]])


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 4.0])
def test_mixups_weight_is_beta(alpha: float) -> None:
    generator = torch.Generator().manual_seed(0)
    draws = np.array([larger_of_symmetric_beta(torch.tensor(alpha), generator).item() for _ in range(3000)])
    for x in (0.55, 0.7, 0.9, 0.99):
        # P(max(l, 1 - l) <= x) = 2 F(x) - 1 for x >= 1/2
        assert (draws <= x).mean() == pytest.approx(2 * stats.beta.cdf(x, alpha, alpha) - 1, abs=0.03)
    assert larger_of_symmetric_beta(torch.tensor(0.0), generator).item() == 1.0


def test_the_observed_loss_is_before_penalties_and_after_mixing() -> None:
    plain = trainer({"label_smoothing": (0.0, 0.9)})
    smoothed = copy.deepcopy(plain.state_dict())
    hold("label_smoothing", 0.0, plain)
    (without,) = plain.read(plain.train_batches(1))
    plain.load_state_dict(smoothed)
    hold("label_smoothing", 0.8, plain)
    (smooth,) = plain.read(plain.train_batches(1))
    assert without.losses == smooth.losses
    mixed = trainer({"mixup": (0.0, 9.0)})
    seen: list[tuple[Tensor, Targets]] = []
    regularizer = hold("mixup", 5.0, mixed)
    batch = regularizer.batch
    regularizer.batch = lambda images, targets: seen.append(batch(images, targets)) or seen[-1]  # type: ignore[method-assign,func-returns-value]
    network = copy.deepcopy(mixed.network).train()
    (record,) = mixed.read(mixed.train_batches(1))
    (images, targets), logits = seen[0], network(seen[0][0])
    assert images.shape == (8, 1, 16, 16)
    by_hand = sum(share * F.cross_entropy(logits, labels) for share, labels in targets)
    assert record.losses[0] == pytest.approx(by_hand.item(), rel=1e-5)  # type: ignore[union-attr]
    assert record.predictions[0].tolist() == logits.argmax(dim=1).tolist()


# -- of one's own ----------------------------------------------------------------------------------------------------


class Confidence(Regularizer):
    """A penalty on sure predictions: the loss less strength times the entropy."""

    name = "confidence"

    def objective(self, loss: Tensor, logits: Tensor) -> Tensor:
        log_p = F.log_softmax(logits, dim=1)
        return loss + self.strength * (log_p.exp() * log_p).sum(dim=1).mean()


def test_a_regulariser_of_ones_own() -> None:
    own = Confidence()
    low, high = trainer({own: (0.0, 5.0)}), trainer({own: (0.0, 5.0)})
    assert equal(train(low, 0.0), train(trainer(BOUNDS), *[0.0] * len(BOUNDS)))
    train(low, 0.0, batches=60)
    train(high, 5.0, batches=60)
    sure = [float(made.outputs("train").probabilities.max(axis=1).mean()) for made in (low, high)]
    assert sure[0] > sure[1] + 0.1
    assert not hasattr(own, "strength"), "two runs shared it"


class Wrong(Regularizer):
    """Returns what it is told to."""

    name = "wrong"

    def __init__(self, batch: Any = None, objective: Any = None) -> None:
        self.returned = batch, objective

    def batch(self, images: Tensor, targets: Any) -> Any:
        return self.returned[0](images, targets) if self.returned[0] else (images, targets)

    def objective(self, loss: Tensor, logits: Tensor) -> Any:
        return self.returned[1](loss) if self.returned[1] else loss


@pytest.mark.parametrize(
    "batch",
    [
        lambda images, targets: None,
        lambda images, targets: images,
        lambda images, targets: (images[:1], targets),
        lambda images, targets: (images.double(), targets),
        lambda images, targets: (images, None),
        lambda images, targets: (images, [targets[0][1]]),
        lambda images, targets: (images, [(0.5, targets[0][1])]),
        lambda images, targets: (images, [(targets[0][0], targets[0][1].float())]),
    ],
)
def test_a_wrong_batch_names_the_regulariser(batch: Any) -> None:
    made = trainer({Wrong(batch): (0.0, 1.0)})
    with pytest.raises(UsageError, match=r"^regularizers: 'wrong' returned a wrong batch; it must return images of"):
        train(made, 0.5)


@pytest.mark.parametrize(
    "objective",
    [lambda loss: None, lambda loss: 0.5, lambda loss: loss[None], lambda loss: loss.detach(), lambda loss: loss * 1j],
)
def test_a_wrong_objective_names_the_regulariser(objective: Any) -> None:
    made = trainer({Wrong(objective=objective): (0.0, 1.0)})
    with pytest.raises(UsageError, match=r"^regularizers: 'wrong' returned .* for an objective, expected a floating"):
        train(made, 0.5)


# -- what does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({}, "use a mapping"),
        ([("dropout", (0, 0.5))], "use a mapping"),
        ({"drop": (0.0, 0.5)}, "'drop' is unknown; use dropout, input_noise"),
        ({3: (0.0, 0.5)}, "3 is neither a name"),
        ({"dropout": (0.5, 0.5)}, "'dropout' are .* use 0 <= a < b < 1"),
        ({"dropout": (0.6, 0.5)}, "use 0 <= a < b < 1"),
        ({"dropout": (0.0, 1.0)}, "use 0 <= a < b < 1"),
        ({"dropout": (0.0, 1.0 - 1e-12)}, "use 0 <= a < b < 1"),
        ({"label_smoothing": (0.0, 1.5)}, "use 0 <= a < b < 1"),
        ({"input_noise": (-0.1, 0.5)}, "'input_noise' are .* use 0 <= a < b$"),
        ({"feature_noise": (0.0, float("inf"))}, "use 0 <= a < b$"),
        ({"weight_decay": (0.0, float("nan"))}, "use 0 <= a < b$"),
        ({"mixup": 0.5}, r"use two numbers \(a, b\)"),
        ({"mixup": (0.0, 0.5, 1.0)}, r"use two numbers \(a, b\)"),
        ({"mixup": ("low", "high")}, r"use two numbers \(a, b\)"),
        ({Confidence(): (0.0, 1.0), Confidence(): (0.0, 2.0)}, "names one twice"),
    ],
)
def test_bounds_that_are_not_allowed(bounds: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^regularizers: .*{message}"):
        Strengths(bounds)


def bare(channels: int, classes: int, image_size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, classes))


@pytest.mark.parametrize("name", ["dropout", "feature_noise"])
def test_a_network_without_a_site(name: str) -> None:
    with pytest.raises(ValueError, match=f"^regularizers: '{name}' finds no"):
        trainer({name: (0.0, 0.5)}, network=bare)


def test_a_users_dropout_is_a_site_and_otherwise_stays() -> None:
    def dropping(channels: int, classes: int, image_size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.4), nn.Linear(channels * image_size**2, classes))

    regulated, not_regulated = trainer({"dropout": (0.0, 0.9)}, dropping), trainer({"mixup": (0.0, 0.9)}, dropping)
    hold("dropout", 0.5, regulated)
    rates = [
        [float(layer.rate) for layer in made.network.modules() if isinstance(layer, Dropout)]
        for made in (regulated, not_regulated)
    ]
    assert rates == [[0.5], [0.4]]


def test_an_own_regularizer_is_given_every_new_network() -> None:
    """One that remembers where the weights began must not remember those of the run before."""

    class Beginning(Regularizer):
        name = "beginning"

        def attach(self, network: nn.Module) -> None:
            self.weights = [parameter.detach().clone() for parameter in network.parameters()]

    made = trainer({Beginning(): (0.0, 1.0)})
    for seed in (1, 2):
        made.train_batches(2)
        made.initialise(seed)
        (regularizer,) = made._regularizers
        assert isinstance(regularizer, Beginning)
        assert equal(regularizer.weights, list(made.network.parameters()))
