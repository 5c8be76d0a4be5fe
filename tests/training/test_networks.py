"""The networks: layers as in the papers, shapes, and the split into features and head."""

import pytest
import torch
from torch import nn

from fer_gym.training import NETWORKS
from fer_gym.training.generators import Dropout
from fer_gym.training.networks import RlpsCnn


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_head_of_features_is_forward(name: str, channels: int) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name](channels, 5, 48).eval()
    nn.init.normal_(network.head[-1].weight)
    x = torch.randn(2, channels, 48, 48)
    with torch.no_grad():
        features = network.features(x)
        logits = network(x)
    assert features.shape == (2, network.feature_width)
    assert logits.shape == (2, 5)
    assert torch.equal(network.head(features), logits)
    assert logits[0].ne(logits[1]).any()  # they see the picture


def test_rlps_cnn_is_the_papers() -> None:
    network = RlpsCnn(1, 7, 48)
    layers = list(network.modules())
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 96, 128, 128, 256, 256]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in layers) == 4
    dense = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in dense] == [(256 * 3 * 3, 128), (128, 7)]
    for rates, made in (([0.3, 0.3], network), ([0.6, 0.6], RlpsCnn(1, 7, 48, dropout=0.6))):
        assert [layer.rate for layer in made.modules() if isinstance(layer, Dropout)] == rates


def test_vgg19_has_sixteen_convolutions_and_one_dense_layer() -> None:
    layers = list(NETWORKS["vgg19"](1, 7, 48).modules())
    widths = [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)]
    assert widths == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in layers) == 16
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in layers) == 5
    assert [layer.in_features for layer in layers if isinstance(layer, nn.Linear)] == [512]


@pytest.mark.parametrize(("name", "least"), [("small", 8), ("rlps_cnn", 16), ("vgg19", 32)])
def test_pictures_too_small(name: str, least: int) -> None:
    NETWORKS[name](1, 3, least)
    with pytest.raises(ValueError, match=f"network: .*{least} pixels, not {least - 1}"):
        NETWORKS[name](1, 3, least - 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_how_training_begins(name: str) -> None:
    """With a first loss of log C, on features of the order of 1: PyTorch's initialisation lets the signal die out."""
    torch.manual_seed(0)
    network = NETWORKS[name](1, 7, 48).eval()
    with torch.no_grad():
        x = torch.randn(4, 1, 48, 48)
        features, logits = network.features(x), network(x)
    assert not logits.any()
    assert 0.1 < features.std() < 10
    network(x).logsumexp(dim=1).sum().backward()
    assert network.head[-1].weight.grad.abs().max() > 0.1
