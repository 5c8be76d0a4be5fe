"""`VERSION` stands for the bits of a training: a change that trains other weights must raise it."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fer_gym.data import Split, Splits
from fer_gym.training import VERSION, Strengths, Trainer, TrainerSettings

REGULARIZERS: dict[Any, tuple[float, float]] = {
    "dropout": (0.0, 0.8),
    "input_noise": (0.0, 0.5),
    "feature_noise": (0.0, 0.5),
    "weight_decay": (0.0, 1.0),
    "label_smoothing": (0.0, 0.5),
    "mixup": (0.0, 1.0),
}
# Of version 1: some weights of the last layer, and the losses of six regularised batches. They are compared within
# rounding, which differs from processor to processor; other draws move them by the learning rate, 0.001.
PLAIN = [
    [-0.00027, -0.00199, -0.00267, -0.0015],
    [0.00055, 0.00199, 0.00278, 0.0015],
    [-0.00204, -0.00199, -0.00159, -0.0015],
]
REGULARIZED = [
    [-0.00242, -0.00198, -0.00356, -0.00276],
    [-0.00097, 0.00198, 0.00471, 0.00058],
    [0.00159, -0.00198, -0.00246, 0.00114],
]
LOSSES = [1.0986123, 1.1252364, 1.1448623, 1.1244237, 1.1159153, 1.1258469]


def splits() -> Splits:
    rng = np.random.default_rng(0)

    def split(images: int) -> Split:
        pixels = rng.integers(0, 256, (images, 1, 16, 16), dtype=np.uint8)
        return Split(pixels, (np.arange(images) % 3).astype(np.int64))

    return Splits(split(24), split(6), split(6), ("a", "b", "c"))


def some_weights(trainer: Trainer) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = trainer.network.head[1].weight.detach().numpy()[:, :4]  # type: ignore[index, union-attr]
    return weights


@pytest.mark.parametrize("regularized", [False, True])
def test_a_seeded_training_has_the_weights_of_its_version(regularized: bool) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings = TrainerSettings("small", 8, precision="fp32", device="cpu")
    trainer = Trainer(splits(), settings, Strengths(REGULARIZERS) if regularized else None)
    trainer.initialise(7)
    message = "a seeded training has other weights than before: raise fer_gym.training.VERSION, and put them here"
    if regularized:
        trainer.set_strengths(np.array([0.4, 0.1, 0.2, 0.5, 0.2, 0.7], np.float32))
        losses = trainer.read(trainer.train_batches(6))[0].losses
        np.testing.assert_allclose(losses, LOSSES, atol=5e-5, err_msg=message)
    else:
        trainer.train_epochs(trainer.all_images(), 2)
    torch.set_num_threads(threads)
    np.testing.assert_allclose(
        some_weights(trainer), REGULARIZED if regularized else PLAIN, atol=1e-4, rtol=0, err_msg=message
    )
    assert VERSION == 1
