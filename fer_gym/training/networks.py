"""The networks of the papers, in plain PyTorch.

Every network here splits into `features`, the state that ImageSelect-v0 shows, and `head`, the last layer:
`network(x) == network.head(network.features(x))` in evaluation mode.

Dropout sites: before each dense layer, and nowhere else. `small` and `rlps_cnn` have two, `vgg19` and `resnet34` one,
before the classifier. The rate is the keyword `dropout`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from fer_gym.checks import check_choice
from fer_gym.errors import UsageError
from fer_gym.training.generators import Dropout
from fer_gym.training.onednn import OneDnnStack

#: What makes a network: f(channels, classes, image_size) -> nn.Module that maps (B, channels, image_size,
#: image_size) to logits (B, classes).
NetworkFactory = Callable[[int, int, int], nn.Module]


def _convolutions(channels: int, widths: Sequence[int | str], *, batch_norm: bool = False) -> nn.Sequential:
    """3x3 convolutions of the given widths, each with its ReLU; "pool" halves the image.

    Pooling goes before the ReLU, not after: max and ReLU commute, so the result is the same on a quarter of the
    pixels.
    """
    layers: list[nn.Module] = []
    for position, width in enumerate(widths):
        if isinstance(width, str):
            continue
        layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        if position + 1 < len(widths) and widths[position + 1] == "pool":
            layers.append(nn.MaxPool2d(2))
        layers.append(nn.ReLU(inplace=True))
        channels = width
    # Not with batch norm: PyTorch's needs another layout than oneDNN's convolutions around it, 7 % slower in all.
    return nn.Sequential(*layers) if batch_norm else OneDnnStack(*layers)


def _initialise(network: nn.Module, head: nn.Sequential) -> None:
    """He initialisation with zero biases: without batch norm, PyTorch's default lets the signal die out.

    The last layer begins at zero, so that the first loss is log C: large first losses kill many of the units.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.zeros_(head[-1].weight)  # type: ignore[arg-type]


class _DenseCnn(nn.Module):
    """Convolutions, a dense layer of 128 whose ReLU is the feature, and the classifier."""

    feature_width = 128

    def __init__(
        self, channels: int, classes: int, image_size: int, widths: Sequence[int | str], dropout: float
    ) -> None:
        super().__init__()
        pools = widths.count("pool")
        side = image_size // 2**pools
        if side == 0:
            raise UsageError(f"network: {pools} max-pools need images of at least {2**pools} pixels, not {image_size}")
        last_width = [width for width in widths if not isinstance(width, str)][-1]
        self.convolutions = _convolutions(channels, widths)
        self.dense = nn.Sequential(
            nn.Flatten(), Dropout(dropout), nn.Linear(last_width * side**2, self.feature_width), nn.ReLU()
        )
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(self.feature_width, classes))
        _initialise(self, self.head)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 128): the first dense layer after its ReLU."""
        hidden: Tensor = self.dense(self.convolutions(x))
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits


class SmallCnn(_DenseCnn):
    """Three convolutions (16, 32, 64), dense 128: seconds an epoch on a laptop.

    Args:
        channels: of the images.
        classes: C.
        image_size: their side, at least 8.
        dropout: the rate before each of the two dense layers.

    Raises:
        ValueError: if the images are too small.
    """

    def __init__(self, channels: int, classes: int, image_size: int, dropout: float = 0.3) -> None:
        super().__init__(channels, classes, image_size, [16, "pool", 32, "pool", 64, "pool"], dropout)


class RlpsCnn(_DenseCnn):
    """CNN-A of RLPS (Fig. 3): six 3x3 convolutions, four max-pools, dense 128.

    The figure names neither widths nor dropout nor where the pools stand. The widths are those of the authors' code;
    the pools come after convolutions 1, 2, 4 and 6, VGG-11's order. The authors' code drops 0.6 before each dense
    layer, at a learning rate of 1e-4 for up to 100 epochs; on 6,000 images of FER2013 at 1e-3 that still predicted the
    prior after 30,000 images (from a last layer that did not begin at zero), so 0.3 is the default here.

    Args:
        channels: of the images.
        classes: C.
        image_size: their side, at least 16.
        dropout: the rate before each of the two dense layers.

    Raises:
        ValueError: if the images are too small.
    """

    def __init__(self, channels: int, classes: int, image_size: int, dropout: float = 0.3) -> None:
        widths: list[int | str] = [64, "pool", 96, "pool", 128, 128, "pool", 256, 256, "pool"]
        super().__init__(channels, classes, image_size, widths, dropout)


class Vgg19(nn.Module):
    """CNN-B of RLPS (Fig. 4): VGG19 with batch norm, global average pooling, dropout, one dense layer.

    Args:
        channels: of the images.
        classes: C.
        image_size: their side, at least 32.
        dropout: the rate before the classifier.

    Raises:
        ValueError: if the images are too small.
    """

    feature_width = 512

    def __init__(self, channels: int, classes: int, image_size: int, dropout: float = 0.5) -> None:
        super().__init__()
        if image_size < 32:
            raise UsageError(f"network: vgg19 needs images of at least 32 pixels, not {image_size}")
        widths: list[int | str] = []
        for repeats, width in ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)):
            widths += [*[width] * repeats, "pool"]
        self.convolutions = _convolutions(channels, widths, batch_norm=True)
        # One pixel is left of 48x48; the average makes any other size one pixel too.
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(self.feature_width, classes))
        _initialise(self, self.head)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 512): the penultimate feature; the network has no hidden dense layer."""
        pooled: Tensor = self.pool(self.convolutions(x))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        last_norm = nn.BatchNorm2d(width)
        # The block begins as its shortcut. So the network begins shallow and learns fast in its first steps; an episode
        # of RegTune-v0 has few. (After 40 steps on 640 synthetic faces, one seed, ImageNet stem: validation accuracy
        # .41, with ones .24.) And before the first training step, while batch norm has no statistics, the variance does
        # not double in each of the sixteen blocks.
        nn.init.zeros_(last_norm.weight)
        self.residual = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            last_norm,
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != width:
            self.shortcut.append(nn.Conv2d(channels, width, kernel_size=1, stride=stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride), rounded up."""
        return nn.functional.relu(self.residual(x) + self.shortcut(x))


class ResNet34(nn.Module):
    """The network of "Purposeful Regularization": ResNet34 (He et al. 2016), basic blocks 3-4-6-3 of 64 to 512.

    The paper names no stem. ImageNet's divides the side by 4 before the first block, and 2x2 pixels of 48x48 are left
    at the end; small images therefore get a stem that keeps their size.

    Args:
        channels: of the images.
        classes: C.
        image_size: their side: at least 8 with the small stem, 32 with ImageNet's.
        dropout: the rate before the classifier; the original network has none.
        stem: "small" (3x3, stride 1), "imagenet" (7x7, stride 2, then a 3x3 max-pool, stride 2), or "auto": the small
            one for images of up to 64 pixels.

    Raises:
        ValueError: if the images are too small or the stem is unknown.
    """

    feature_width = 512

    def __init__(self, channels: int, classes: int, image_size: int, dropout: float = 0.0, stem: str = "auto") -> None:
        super().__init__()
        check_choice("stem", stem, ("auto", "small", "imagenet"))
        small = stem == "small" or (stem == "auto" and image_size <= 64)
        least = 8 if small else 32  # one pixel is left
        if image_size < least:
            raise UsageError(f"network: resnet34 needs images of at least {least} pixels, not {image_size}")
        kernel, stride = (3, 1) if small else (7, 2)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 64, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        )
        if not small:
            self.stem.append(nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        blocks: list[nn.Module] = []
        before = 64
        for repeats, width in ((3, 64), (4, 128), (6, 256), (3, 512)):
            for position in range(repeats):
                blocks.append(_BasicBlock(before, width, stride=2 if position == 0 and width > 64 else 1))
                before = width
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(self.feature_width, classes))
        _initialise(self, self.head)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 512): the penultimate feature; the network has no hidden dense layer."""
        pooled: Tensor = self.pool(self.blocks(self.stem(x)))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits


NETWORKS: dict[str, NetworkFactory] = {
    "small": SmallCnn,
    "rlps_cnn": RlpsCnn,
    "vgg19": Vgg19,
    "resnet34": ResNet34,
}
