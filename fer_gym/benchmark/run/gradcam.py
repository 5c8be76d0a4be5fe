"""Where a network looks: Grad-CAM (Selvaraju et al. 2017) of some test images, as numbers (Fig. 10 of Hong)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_gym.training import Trainer


def grad_cam(network: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """What in the output of a convolution speaks for a class: ReLU(sum_k w_k A_k), w_k = mean over h, w of d z / d A_k.

    Args:
        network: from images to logits z, in evaluation mode.
        layer: the convolution; A is its output, (n, K, h, w).
        images: float32, (n, C, H, W).
        classes: int64, (n,): the class of each image's map.

    Returns:
        float32, (n, h, w), at least 0.
    """
    outputs: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        logits = network(images)
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), outputs[0])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weights * outputs[0]).sum(dim=1)).detach().float()


def maps_of_classes(trainer: Trainer) -> list[dict[str, Any]]:
    """Maps of the first test image of each class, for the class that the network predicts.

    Returns:
        For each image: `image`, its index in the test split; `predicted`, the name of the class; and `map`, the
        Grad-CAM of the last convolution, float32 (h, w), its largest value 1. Nothing for a network without one.
    """
    convolutions = [module for module in trainer.network.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        return []
    labels = trainer.splits.test.labels
    chosen = np.array([np.flatnonzero(labels == label)[0] for label in np.unique(labels)])
    images = trainer.images("test", chosen)
    trainer.network.eval()
    with torch.no_grad():
        predicted = trainer.network(images).argmax(dim=1)
    maps: NDArray[np.float32] = grad_cam(trainer.network, convolutions[-1], images, predicted).cpu().numpy()
    maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    return [
        {"image": int(image), "predicted": trainer.splits.classes[int(label)], "map": each}
        for image, label, each in zip(chosen, predicted, maps, strict=True)
    ]
