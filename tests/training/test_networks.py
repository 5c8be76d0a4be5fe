"""The networks: layers as in the papers, shapes, and the split into features and head."""

import pytest
import tiny_data
import torch
from torch import nn

from fer_gym.training import NETWORKS, Trainer, TrainerSettings
from fer_gym.training.generators import Dropout
from fer_gym.training.networks import ResNet34, RlpsCnn


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


def test_vgg19_has_sixteen_convolutions_and_one_dense_layer() -> None:
    layers = list(NETWORKS["vgg19"](1, 7, 48).modules())
    widths = [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)]
    assert widths == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in layers) == 16
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in layers) == 5
    assert [layer.in_features for layer in layers if isinstance(layer, nn.Linear)] == [512]


def test_resnet34_is_the_known_one() -> None:
    """Built for ImageNet it has as many weights as everybody's."""
    network = ResNet34(3, 1000, 224)
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_797_672
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    widths = [layer.out_channels for layer in convolutions if layer.kernel_size == (3, 3)]
    assert widths == [64] * 6 + [128] * 8 + [256] * 12 + [512] * 6
    assert len(convolutions) == 1 + 32 + 3  # the stem, the blocks, three shortcuts


@pytest.mark.parametrize(
    ("stem", "image_size", "kernel", "side_after_stem", "side_at_end"),
    [
        ("auto", 64, (3, 3), 64, 8),
        ("auto", 65, (7, 7), 17, 3),
        ("small", 65, (3, 3), 65, 9),
        ("imagenet", 48, (7, 7), 12, 2),
    ],
)
def test_stems_of_resnet34(
    stem: str, image_size: int, kernel: tuple[int, int], side_after_stem: int, side_at_end: int
) -> None:
    network = ResNet34(1, 7, image_size, stem=stem).eval()
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    assert first.kernel_size == kernel
    with torch.no_grad():
        hidden = network.stem(torch.randn(1, 1, image_size, image_size))
        assert hidden.shape == (1, 64, side_after_stem, side_after_stem)
        assert network.blocks(hidden).shape == (1, 512, side_at_end, side_at_end)


def test_settings_of_resnet34_that_are_not_allowed() -> None:
    with pytest.raises(ValueError, match=r"^stem: 'large' is unknown; use 'auto', 'small', 'imagenet'"):
        ResNet34(1, 7, 48, stem="large")
    ResNet34(1, 7, 32, stem="imagenet")
    with pytest.raises(ValueError, match=r"^network: .*32 pixels, not 31"):
        ResNet34(1, 7, 31, stem="imagenet")


def test_every_weight_of_resnet34_learns() -> None:
    """From the third step on: the last layer and the blocks' last batch norms begin at zero."""
    torch.manual_seed(0)
    network = ResNet34(1, 3, 8)
    optimizer = torch.optim.Adam(network.parameters())
    x, labels = torch.randn(6, 1, 8, 8), torch.arange(6) % 3
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()
    assert [name for name, parameter in network.named_parameters() if not parameter.grad.any()] == []


def test_resnet34_trains_and_repeats_itself() -> None:
    splits = tiny_data.splits(12, held_out=6, side=8)
    trainers = [Trainer(splits, TrainerSettings(network="resnet34", batch_size=6)) for _ in range(2)]
    for trainer in trainers:
        trainer.initialise(3)
        trainer.train_epochs(trainer.all_images(), 1)
    first, second = (trainer.outputs("val") for trainer in trainers)
    assert first.features.shape == (6, 512)
    assert torch.equal(torch.from_numpy(first.features), torch.from_numpy(second.features))
    assert (first.probabilities != 1 / 3).any()


@pytest.mark.parametrize(
    ("name", "sites", "usual"), [("small", 2, 0.3), ("rlps_cnn", 2, 0.3), ("vgg19", 1, 0.5), ("resnet34", 1, 0.0)]
)
def test_dropout_stands_before_each_dense_layer(name: str, sites: int, usual: float) -> None:
    for rate, network in ((usual, NETWORKS[name](1, 3, 32)), (0.6, NETWORKS[name](1, 3, 32, dropout=0.6))):
        layers = [layer for layer in network.modules() if isinstance(layer, Dropout | nn.Linear)]
        assert [type(layer) for layer in layers] == [Dropout, nn.Linear] * sites
        assert [layer.rate for layer in layers if isinstance(layer, Dropout)] == [rate] * sites


@pytest.mark.parametrize(("name", "least"), [("small", 8), ("rlps_cnn", 16), ("vgg19", 32), ("resnet34", 8)])
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
