"""Where a network looks: Grad-CAM (Selvaraju et al. 2017) of some test images, as numbers (Fig. 10 of Hong)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_gym.training import Trainer


def grad_cam(network: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Where the output of a convolution speaks for a class: ReLU(sum_k w_k A_k), w_k = mean over h, w of d z / d A_k.

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


def maps_of_classes(trainer: Trainer) -> tuple[dict[str, list[Any]], NDArray[np.float16]]:
    """Maps of the first test image of each class, for the class that the network predicts.

    Returns:
        `images`, their indices in the test split, and `predicted`, the names of the classes; and the maps, the Grad-CAM
        of the last convolution, float16 (images, h, w), the largest value of each 1. A network without a convolution
        has no images.
    """
    convolutions = [module for module in trainer.network.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        return {"images": [], "predicted": []}, np.zeros((0, 0, 0), np.float16)
    labels = trainer.splits.test.labels
    chosen = np.array([np.flatnonzero(labels == label)[0] for label in np.unique(labels)])
    images = trainer.images("test", chosen)
    trainer.network.eval()
    with torch.no_grad():
        predicted = trainer.network(images).argmax(dim=1)
    maps: NDArray[np.float32] = grad_cam(trainer.network, convolutions[-1], images, predicted).cpu().numpy()
    maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    names = [trainer.splits.classes[int(label)] for label in predicted]
    return {"images": chosen.tolist(), "predicted": names}, maps.astype(np.float16)
