"""Regularisers whose strength is a tensor: an agent sets it anew before each chunk, and nothing is rebuilt.

A regulariser at strength 0 is off: the training is bit for bit the one without it.
"""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_gym.errors import UsageError
from fer_gym.training import feature_noise
from fer_gym.training.generators import Dropout, standard_normal

#: What a batch is trained towards: pairs of a weight (a 0-dimensional tensor) and labels, int64 (B,). The loss is the
#: weighted sum of the cross-entropies, the weights' sum is 1.
Targets = list[tuple[Tensor, Tensor]]


class Regularizer:
    """One regulariser of a training run. A subclass overrides the methods it needs; the others change nothing.

    A method reads `self.strength` each time, without calling `.item()` where it may be on a GPU, and draws from
    `self.generator` alone. At strength 0 it must change nothing.

    Attributes:
        name: its name in infos and records.
        is_rate: whether the strength is a share, so that it must stay under 1.
        strength: float32, 0-dimensional, on the run's device; a view that the trainer writes to, so never replace it.
        generator: on the same device, this regulariser's own.
    """

    name: str = "regularizer"
    is_rate: bool = False
    strength: Tensor
    generator: torch.Generator

    @property
    def is_off(self) -> bool:
        """Whether the strength is known to be 0. False on a GPU, where reading it would cost a synchronisation."""
        return self.strength.device.type == "cpu" and self.strength.item() == 0.0

    def attach(self, network: nn.Module) -> None:
        """Prepare a newly built network, for example with hooks.

        Raises:
            ValueError: if the network has no site for this regulariser.
        """

    def batch(self, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """Change a training batch before the forward pass.

        Args:
            images: float32, (B, C, H, W), of mean 0 and standard deviation 1 over the training split.
            targets: see `Targets`.
        """
        return images, targets

    def objective(self, loss: Tensor, logits: Tensor) -> Tensor:
        """From the loss so far to the one that is minimised.

        Args:
            loss: 0-dimensional.
            logits: float32, (B, C), of the same forward pass.
        """
        return loss

    def update(self, parameters: list[nn.Parameter], learning_rate: float) -> None:
        """Change the parameters in place just before the optimiser's step; under `torch.no_grad()`.

        Args:
            parameters: the network's trainable ones, but for those with an attribute `decays` that is False.
            learning_rate: of the optimiser.
        """


class DropRate(Regularizer):
    """The rate of every dropout layer of the network, in [0, 1). In this package's: before each dense layer."""

    name = "dropout"
    is_rate = True

    def attach(self, network: nn.Module) -> None:
        """Set the rate of the network's dropout layers to the strength."""
        layers = [module for module in network.modules() if isinstance(module, Dropout)]
        if not layers:
            raise UsageError("regularizers: 'dropout' finds no dropout layer in this network; give it an nn.Dropout")
        for layer in layers:
            layer.rate = self.strength


class InputNoise(Regularizer):
    """x + sigma·eps on the images, eps ~ N(0, 1), sigma in units of pixels scaled to [0, 1]; nothing is clipped.

    Args:
        pixel_scale: (1, C, 1, 1): what a step of 1 in such a pixel is in the images that the network sees.
    """

    name = "input_noise"

    def __init__(self, pixel_scale: Tensor) -> None:
        self._pixel_scale = pixel_scale

    def batch(self, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """Add the noise."""
        if self.is_off:
            return images, targets
        eps = standard_normal(images, self.generator)
        return torch.addcmul(images, eps, self.strength * self._pixel_scale), targets


class FeatureNoise(Regularizer):
    """z + sigma·eps at every noise site (`feature_noise.sites`), sigma in units of the normalised activation."""

    name = "feature_noise"

    def attach(self, network: nn.Module) -> None:
        """Put the noise at the network's sites."""
        for site in feature_noise.sites(network):
            site.add(self._noise)

    def _noise(self, z: Tensor) -> Tensor | None:
        if self.is_off:
            return None
        return standard_normal(z, self.generator).mul_(self.strength)


class WeightDecay(Regularizer):
    """Decoupled weight decay, in AdamW's order: w <- w - learning_rate·strength·w, then the optimiser's step."""

    name = "weight_decay"

    def update(self, parameters: list[nn.Parameter], learning_rate: float) -> None:
        """Shrink the parameters."""
        if not self.is_off:
            torch._foreach_mul_(list[Tensor](parameters), 1.0 - learning_rate * self.strength)


class LabelSmoothing(Regularizer):
    """(1 - s)·loss + s·(cross-entropy to the uniform distribution), s in [0, 1)."""

    name = "label_smoothing"
    is_rate = True

    def objective(self, loss: Tensor, logits: Tensor) -> Tensor:
        """Smooth the loss."""
        if self.is_off:
            return loss
        uniform = -F.log_softmax(logits, dim=1).mean()
        return (1.0 - self.strength) * loss + self.strength * uniform


class Mixup(Regularizer):
    """Mixup (Zhang et al. 2018) with lambda ~ Beta(alpha, alpha), one for a batch; the strength is alpha.

    Each image is mixed with its neighbour in the batch: the batch is in random order already. lambda is the larger of
    the two weights, which is the same distribution over mixed pairs and makes the image's own label the main one.
    """

    name = "mixup"

    def batch(self, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """Mix the images and their targets."""
        if self.is_off:
            return images, targets
        weight = larger_of_symmetric_beta(self.strength, self.generator)
        images = weight * images + (1.0 - weight) * images.roll(1, dims=0)
        theirs = [((1.0 - weight) * share, labels.roll(1)) for share, labels in targets]
        return images, [(weight * share, labels) for share, labels in targets] + theirs


def larger_of_symmetric_beta(alpha: Tensor, generator: torch.Generator) -> Tensor:
    """max(l, 1 - l) of a draw l ~ Beta(alpha, alpha); 1 at alpha 0.

    From Bailey's polar formula for Student's t: with t of 2·alpha degrees of freedom, 1/2 + t / (2·sqrt(2·alpha + t²))
    is Beta(alpha, alpha). Two uniform numbers and no rejection, so it runs on a GPU without a synchronisation.
    """
    u, v = torch.rand(2, generator=generator, device=alpha.device)
    w = (u ** (-1.0 / alpha) - 1.0) * torch.cos(2.0 * math.pi * v) ** 2
    return 0.5 + 0.5 * torch.rsqrt(1.0 + 1.0 / w)


REGULARIZERS: dict[str, type[Regularizer]] = {
    regularizer.name: regularizer
    for regularizer in (DropRate, InputNoise, FeatureNoise, WeightDecay, LabelSmoothing, Mixup)
}


def changed_batch(regularizer: Regularizer, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
    """What `regularizer.batch` returns.

    Raises:
        ValueError: if a user's returns no images of the same shape and type, or no pairs of a weight and labels.
    """
    result = regularizer.batch(images, targets)
    if type(regularizer) in REGULARIZERS.values():
        return result
    fits = (
        isinstance(result, tuple)
        and len(result) == 2
        and isinstance(result[0], Tensor)
        and (result[0].shape, result[0].dtype) == (images.shape, images.dtype)
        and isinstance(result[1], list)
        and all(_is_target(pair, targets[0][1]) for pair in result[1])
    )
    if not fits:
        raise UsageError(
            f"regularizers: {regularizer.name!r} returned a wrong batch; it must return images of shape "
            f"{tuple(images.shape)} and {images.dtype}, and a list of pairs of a weight (0-dimensional) and labels "
            f"(int64, {tuple(targets[0][1].shape)})"
        )
    return result


def _is_target(pair: object, labels: Tensor) -> bool:
    """Whether `pair` is one of `Targets`, its labels like `labels`."""
    return (
        isinstance(pair, tuple)
        and len(pair) == 2
        and all(isinstance(each, Tensor) for each in pair)
        and pair[0].ndim == 0
        and (pair[1].shape, pair[1].dtype) == (labels.shape, labels.dtype)
    )


def changed_objective(regularizer: Regularizer, loss: Tensor, logits: Tensor) -> Tensor:
    """What `regularizer.objective` returns.

    Raises:
        ValueError: if a user's is no real number in a tensor, or has no gradient.
    """
    result = regularizer.objective(loss, logits)
    if type(regularizer) in REGULARIZERS.values():
        return result
    if not (isinstance(result, Tensor) and result.ndim == 0 and result.is_floating_point() and result.requires_grad):
        found = (
            f"{result.dtype} of shape {tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
        )
        raise UsageError(
            f"regularizers: {regularizer.name!r} returned {found} for an objective, expected a floating-point tensor "
            "without dimensions that depends on the loss"
        )
    return result


class Strengths:
    """The regularisers of a run and the bounds of their strengths.

    Args:
        bounds: regulariser to (a, b), the range of its strength: a name in `REGULARIZERS` or a `Regularizer`.

    Attributes:
        names: of the regularisers, in order.
        low: float32, (h,).
        high: float32, (h,).

    Raises:
        ValueError: naming the regulariser and what is allowed.
    """

    def __init__(self, bounds: Mapping[str | Regularizer, tuple[float, float]]) -> None:
        if not isinstance(bounds, Mapping) or not bounds:
            raise UsageError(
                f"regularizers: {bounds!r} is not allowed; use a mapping such as {{'dropout': (0.0, 0.8)}}"
            )
        for key, pair in bounds.items():
            _check(key, pair)
        self._bounds = dict(bounds)
        self.names = [key if isinstance(key, str) else key.name for key in bounds]
        if len(set(self.names)) < len(self.names):
            raise UsageError(f"regularizers: {self.names} names one twice; give each a name of its own")
        self.low, self.high = np.array(list(bounds.values()), np.float32).T

    def build(self, device: torch.device, pixel_scale: Tensor) -> tuple[list[Regularizer], Tensor]:
        """The regularisers for a run on `device`, and their strengths, float32 (h,), all 0.

        Args:
            device: of the run.
            pixel_scale: see `InputNoise`.
        """
        strengths = torch.zeros(len(self.names), device=device)
        built: list[Regularizer] = []
        for place, key in enumerate(self._bounds):
            # Runs may be given the same object, and each needs a generator and a strength of its own.
            regularizer = _named(key, pixel_scale) if isinstance(key, str) else copy.copy(key)
            regularizer.strength = strengths[place]
            regularizer.generator = torch.Generator(device)
            built.append(regularizer)
        return built, strengths


def seed_of(name: str, seed: int) -> int:
    """A seed for a regulariser's generator that does not depend on which others there are."""
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)[0])


def _named(name: str, pixel_scale: Tensor) -> Regularizer:
    return InputNoise(pixel_scale) if name == InputNoise.name else REGULARIZERS[name]()


def _check(key: object, pair: object) -> None:
    if isinstance(key, str) and key not in REGULARIZERS:
        raise UsageError(
            f"regularizers: {key!r} is unknown; use {', '.join(REGULARIZERS)}, or a fer_gym.training.Regularizer"
        )
    if not isinstance(key, str | Regularizer):
        raise UsageError(f"regularizers: {key!r} is neither a name nor a fer_gym.training.Regularizer")
    name, is_rate = (key, REGULARIZERS[key].is_rate) if isinstance(key, str) else (key.name, key.is_rate)
    try:
        low, high = (np.float32(bound) for bound in pair)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise UsageError(f"regularizers: the bounds of {name!r} are {pair!r}; use two numbers (a, b)") from error
    if not 0 <= low < high < math.inf or (is_rate and high >= 1):
        rule = "0 <= a < b < 1" if is_rate else "0 <= a < b"
        raise UsageError(f"regularizers: the bounds of {name!r} are {pair!r}; use {rule}")
