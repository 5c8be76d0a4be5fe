"""The feature of an image that ImageSelect-v0 observes: where in a network it is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fer_gym.errors import UsageError
from fer_gym.training.generators import DrawsNoise, Dropout, global_generators_restored

# Layers that may stand between a dense layer and its activation; in evaluation mode they do not change the width.
_PASSED_OVER = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.dropout._DropoutNd,
    nn.LayerNorm,
    nn.Identity,
    Dropout,
)


def check_logits(network: nn.Module, image_shape: tuple[int, int, int], classes: int) -> None:
    """Run `network` once, in evaluation mode, and check the logits.

    Args:
        network: any module from (B, C, H, W) to logits (B, classes).
        image_shape: (C, H, W).
        classes: the number of classes the logits must have.

    Raises:
        ValueError: if the network does not take the pictures, does not return logits of the right shape and of a
            floating type, or they cannot be trained.
    """
    for pictures in (2, 3):
        logits = _try(network, network, image_shape, pictures)
        check_shape(network, logits, pictures, classes)
        if not logits.is_floating_point():
            raise UsageError(f"network: {_name(network)} returned logits of {logits.dtype}, expected floating point")
    if not _try(network, network, image_shape, with_gradient=True).requires_grad:
        raise UsageError(
            f"network: the logits of {_name(network)} do not depend on a parameter that can be trained; give it one, "
            "and do not detach them"
        )


def check_shape(network: nn.Module, logits: object, pictures: int, classes: int) -> None:
    """See that logits are a tensor of shape (pictures, classes).

    Raises:
        ValueError: if not.
    """
    if not isinstance(logits, Tensor) or logits.shape != (pictures, classes):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UsageError(
            f"network: {_name(network)} returned logits {found} for {pictures} pictures, expected a tensor of "
            f"shape ({pictures}, {classes})"
        )


def check_parameters(network: nn.Module) -> None:
    """See that a network has parameters to train, and that they have a shape.

    Raises:
        ValueError: if it has none, or lazy ones.
    """
    parameters = list(network.parameters())
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in parameters):
        raise UsageError(f"network: {_name(network)} has lazy layers, whose shape is not known; give their sizes")
    if not any(parameter.requires_grad for parameter in parameters):
        raise UsageError(f"network: {_name(network)} has no parameter that can be trained")


def _name(network: nn.Module) -> str:
    return type(network).__name__


def probe(network: nn.Module, image_shape: tuple[int, int, int], classes: int) -> int:
    """Run `network` on a ramp from black to white, in evaluation mode, and return the width D of its feature.

    Args:
        network: any module from (B, C, H, W) to logits (B, classes).
        image_shape: (C, H, W).
        classes: the number of classes the logits must have.

    Raises:
        ValueError: as `check_logits`, and if the network has no dense layer, or its `features` and `head` do not
            make up its `forward`.
    """
    check_logits(network, image_shape, classes)
    features, logits_of_features = _try(network, extractor(network), image_shape)
    if not torch.allclose(_try(network, network, image_shape), logits_of_features, atol=1e-4, equal_nan=True):
        raise UsageError("network: head(features(x)) differs from forward(x); rename one or make them agree")
    width: int = features.shape[1]
    return width


def _try(
    network: nn.Module,
    forward: Callable[[Tensor], Any],
    image_shape: tuple[int, int, int],
    pictures: int = 2,
    *,
    with_gradient: bool = False,
) -> Any:
    """What `forward` returns for some pictures, with `network` in evaluation mode."""
    parameter = next(network.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    # Not a black picture: a network without biases maps it to zeros, on which any two heads agree.
    picture = torch.linspace(-1.0, 1.0, pictures * math.prod(image_shape), device=device).view(pictures, *image_shape)
    was_training = network.training
    network.eval()
    try:
        with torch.set_grad_enabled(with_gradient), global_generators_restored(0):
            return forward(picture)
    except (RuntimeError, TypeError, IndexError) as error:
        raise UsageError(f"network: it does not take pictures of shape {image_shape}: {error}") from error
    finally:
        network.train(was_training)


def extractor(network: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A function from pictures (B, C, H, W) to (features (B, D), logits (B, classes)) in one pass.

    The feature is `network.features(x)` if the network has both `features` and `head` and `features(x)` is
    two-dimensional. Otherwise it is the output of the first `nn.Linear`, after its activation; with one `nn.Linear`
    only, that layer's input. It is flattened if the layer is applied to several vectors of a picture. Call the
    function in evaluation mode.
    """
    if hasattr(network, "features") and hasattr(network, "head"):
        split: Any = network

        def from_features(x: Tensor) -> tuple[Tensor, Tensor]:
            features = split.features(x)
            return (features, split.head(features)) if features.ndim == 2 else _from_first_dense(network, x)

        return from_features
    return lambda x: _from_first_dense(network, x)


def _from_first_dense(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Follow the calls of the network's innermost layers during one forward pass."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            calls.append((module, inputs[0], output))

    # The innermost layers, and those whose only children are noise layers that were added to them.
    leaves = [
        module for module in network.modules() if all(isinstance(child, DrawsNoise) for child in module.children())
    ]
    handles = [module.register_forward_hook(note) for module in leaves]
    try:
        logits = network(x)
    finally:
        for handle in handles:
            handle.remove()
    dense = [position for position, (module, _, _) in enumerate(calls) if isinstance(module, nn.Linear)]
    if not dense:
        raise UsageError("network: it has no nn.Linear, so no feature to observe; give it `features` and `head`")
    if len(dense) == 1:
        return calls[dense[0]][1].flatten(1), logits
    following = [call for call in calls[dense[0] + 1 : dense[1]] if not isinstance(call[0], _PASSED_OVER)]
    if following:
        return following[0][2].flatten(1), logits
    # The activation is a function, not a layer: what the second dense layer receives is its output.
    return calls[dense[1]][1].flatten(1), logits
