"""Where networks look: Grad-CAM against captum's, and of a network whose answer is known."""

import numpy as np
import pytest
import tiny_data
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from fer_gym.benchmark.run import gradcam
from fer_gym.data import Split, Splits, load
from fer_gym.training import Trainer, TrainerSettings


class LooksAtTheCorner(nn.Module):
    """Class 1 where the upper left corner is bright, by one convolution that copies."""

    def __init__(self, channels: int, classes: int, image_size: int) -> None:
        super().__init__()
        self.copy = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.copy.weight)
        self.mask = torch.zeros(image_size, image_size)
        self.mask[:2, :2] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        corner = (self.copy(x)[:, 0] * self.mask).sum(dim=(1, 2))
        return torch.stack([torch.zeros_like(corner), corner], dim=1)


def test_the_map_is_bright_where_the_network_looks() -> None:
    pixels = np.full((8, 1, 8, 8), 40, np.uint8)
    pixels[4, :, 6:, 6:] = 200
    pixels[5:, :, :2, :2] = 200
    split = Split(pixels, np.repeat([0, 1], 4))
    splits = Splits(split, split, split, ("dark", "bright"))
    trainer = Trainer(splits, TrainerSettings(LooksAtTheCorner, precision="fp32", device="cpu"))
    images, maps = gradcam.maps_of_classes(trainer)
    assert images == [0, 5]  # image 4 is bright elsewhere: the network gets image 5 right, the first of its class
    assert (maps.shape, maps.dtype) == ((2, 8, 8), np.float16)
    seen = maps[1]
    assert seen.max() == 1.0
    # The gradient is 1 in the corner, so its mean is positive: the map is what the convolution copied, where positive.
    assert (seen[:2, :2] == 1.0).all()
    assert (np.delete(seen, [0, 1], axis=0) == 0.0).all()


def test_a_network_without_convolutions_looks_nowhere() -> None:
    def dense(channels: int, classes: int, image_size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, classes))

    images, maps = gradcam.maps_of_classes(Trainer(tiny_data.splits(9), TrainerSettings(dense, device="cpu")))
    assert images == []
    assert maps.size == 0


@pytest.mark.parametrize("network", ["small", "rlps_cnn", "resnet34"])
def test_the_maps_are_captums(network: str) -> None:
    trainer = Trainer(load("synthetic", limit=60), TrainerSettings(network, 16, precision="fp32", device="cpu"))
    trainer.train_epochs(trainer.all_images(), 1)
    module = trainer.network.eval()
    (*_, layer) = (each for each in module.modules() if isinstance(each, nn.Conv2d))
    images, classes = trainer.images("test", np.arange(4)), torch.tensor([0, 3, 3, 6])
    ours = gradcam.grad_cam(module, layer, images, classes)
    theirs = LayerGradCam(module, layer).attribute(images, target=classes, relu_attributions=True)
    assert ours.max() > 0
    torch.testing.assert_close(ours, theirs.detach().squeeze(1))
