"""Where a network looks: Grad-CAM (Selvaraju et al. 2017) of some training images, as numbers (Fig. 10 of Hong)."""

from __future__ import annotations

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


def maps_of_classes(trainer: Trainer) -> tuple[list[int], NDArray[np.float16]]:
    """Maps of the first training image of each class that the network classifies as its label says.

    Returns:
        The images' indices in the training split; and the maps for their labels, the Grad-CAM of the last convolution,
        float16 (images, h, w), the largest value of each 1. A class of which the network gets no image right has none,
        and neither has a network without a convolution.
    """
    convolutions = [module for module in trainer.network.modules() if isinstance(module, nn.Conv2d)]
    labels = trainer.splits.train.labels
    right = np.flatnonzero(trainer.predictions("train") == labels)
    if not convolutions or not right.size:
        return [], np.zeros((0, 0, 0), np.float16)
    classes, firsts = np.unique(labels[right], return_index=True)
    chosen = right[firsts]
    images, targets = trainer.images("train", chosen), torch.from_numpy(classes.astype(np.int64)).to(trainer.device)
    trainer.network.eval()
    maps: NDArray[np.float32] = grad_cam(trainer.network, convolutions[-1], images, targets).cpu().numpy()
    maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    return chosen.tolist(), maps.astype(np.float16)
