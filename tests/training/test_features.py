"""Where a user's network has its feature: the rule of the contract, case by case, values checked."""

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_gym.training.features import extractor, probe
from fer_gym.training.generators import Dropout

SHAPE = (1, 4, 4)
CLASSES = 3


def sequential(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    names = [f"{place}" for place in range(len(layers))]
    return nn.Sequential(OrderedDict(zip(names, layers, strict=True)))


class OfTwoDense(nn.Module):
    """Two dense layers with anything between them; the activation a function."""

    def __init__(self, before: nn.Module | None = None, after: nn.Module | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(16, 8)
        self.before = before or nn.Identity()
        self.after = after or nn.Identity()
        self.second = nn.Linear(8, CLASSES)

    def hidden(self, x: Tensor) -> Tensor:
        return F.relu(self.before(self.first(x.flatten(1))))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.after(self.hidden(x)))


class WithFeatures(nn.Module):
    """`features` and `head` of its own, and a dense layer inside `features`."""

    def __init__(self, *, agree: bool = True, flat: bool = True) -> None:
        super().__init__()
        self.dense = nn.Linear(16, 8)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, CLASSES))
        self.agree, self.flat = agree, flat

    def features(self, x: Tensor) -> Tensor:
        hidden = self.dense(x.flatten(1)).tanh()
        return hidden if self.flat else hidden.view(-1, 8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.features(x)
        return self.head(hidden if self.agree else 2 * hidden)


def batch_norm(width: int) -> nn.BatchNorm1d:
    layer = nn.BatchNorm1d(width)
    layer.running_mean += 0.3
    layer.running_var *= 2.0
    return layer


SEQUENTIALS = {
    # name: (layers, how many of them make up the feature)
    "ReLU": ([nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, CLASSES)], 3),
    "ReLU in place": ([nn.Flatten(), nn.Linear(16, 8), nn.ReLU(inplace=True), nn.Linear(8, CLASSES)], 3),
    "batch norm, then ReLU": ([nn.Flatten(), nn.Linear(16, 8), batch_norm(8), nn.ReLU(), nn.Linear(8, CLASSES)], 4),
    "dropout, then tanh": ([nn.Flatten(), nn.Linear(16, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, CLASSES)], 4),
    "three dense layers": (
        [nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, CLASSES)],
        3,
    ),
    "one dense layer": ([nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, CLASSES)], 3),
}


@pytest.mark.parametrize("name", SEQUENTIALS)
def test_first_dense_layer_after_its_activation(name: str) -> None:
    layers, count = SEQUENTIALS[name]
    network = sequential(*layers).eval()
    x = torch.randn(5, *SHAPE)
    expected = network[:count](x)
    features, logits = extractor(network)(x)
    assert torch.equal(features, expected)
    assert torch.equal(logits, network(x))
    assert probe(network, SHAPE, CLASSES) == expected.shape[1]


@pytest.mark.parametrize("before", [None, nn.Dropout(0.5), Dropout(0.5), batch_norm(8), nn.LayerNorm(8)])
@pytest.mark.parametrize("after", [None, nn.Dropout(0.5), Dropout(0.5)])
def test_activation_that_is_a_function(before: nn.Module | None, after: nn.Module | None) -> None:
    torch.manual_seed(0)
    network = OfTwoDense(before, after).eval()
    x = torch.randn(5, *SHAPE)
    features, logits = extractor(network)(x)
    assert torch.equal(features, network.hidden(x))
    assert torch.equal(logits, network(x))


def test_features_and_head_are_taken_first() -> None:
    torch.manual_seed(0)
    network = WithFeatures().eval()
    x = torch.randn(5, *SHAPE)
    features, logits = extractor(network)(x)
    assert torch.equal(features, network.features(x))
    assert torch.equal(logits, network(x))
    assert probe(network, SHAPE, CLASSES) == 8


def test_features_that_are_maps_are_not_taken() -> None:
    # torchvision's VGG names its convolutions `features`: the dense layer is the feature there.
    torch.manual_seed(0)
    network = WithFeatures(flat=False).eval()
    x = torch.randn(5, *SHAPE)
    features, logits = extractor(network)(x)
    assert features.shape == (5, 8)
    assert torch.equal(logits, network(x))


def test_features_of_tokens_are_flattened() -> None:
    # A dense layer on each of four tokens: what is observed of a picture is one vector all the same.
    network = sequential(nn.Flatten(2), nn.Unflatten(2, (4, 4)), nn.Flatten(1, 2), nn.Linear(4, 6), nn.ReLU())
    network.extend([nn.Flatten(), nn.Linear(24, CLASSES)])
    network.eval()
    x = torch.randn(5, *SHAPE)
    features, _ = extractor(network)(x)
    assert torch.equal(features, network[:5](x).flatten(1))
    assert probe(network, SHAPE, CLASSES) == 24


def test_probing_leaves_the_network_as_it_was() -> None:
    network = sequential(nn.Flatten(), nn.Linear(16, 8), batch_norm(8), nn.ReLU(), nn.Linear(8, CLASSES)).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    probe(network, SHAPE, CLASSES)
    assert network.training
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


class Broken(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.dense(x.flatten(1))
        return logits, logits


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (sequential(nn.Conv2d(1, CLASSES, 4), nn.Flatten()), "no nn.Linear"),
        (sequential(nn.Flatten(), nn.Linear(17, CLASSES)), r"does not take pictures of shape \(1, 4, 4\)"),
        (sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, CLASSES)), "does not take pictures"),
        (Broken(TypeError("no")), "does not take pictures"),
        (Broken(IndexError("no")), "does not take pictures"),
        (sequential(nn.Flatten(), nn.Linear(16, CLASSES + 1)), r"logits \(2, 4\).*\(2, 3\)"),
        (sequential(nn.Linear(4, CLASSES)), r"logits \(2, 1, 4, 3\)"),
        (Pair(), "logits tuple"),
        (WithFeatures(agree=False), "head"),
    ],
)
def test_networks_that_do_not_fit(network: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=f"^network: .*{message}"):
        probe(network, SHAPE, CLASSES)


def test_a_head_that_differs_is_noticed_without_biases() -> None:
    # A network without biases maps a black picture to zeros, whatever its head is.
    network = WithFeatures(agree=False)
    for parameter in (network.dense.bias, network.head[1].bias):
        nn.init.zeros_(parameter)
    with pytest.raises(ValueError, match="head"):
        probe(network, SHAPE, CLASSES)
