"""The cache key of pretrained networks; test_image_select.py tests the cache itself."""

import pytest
import tiny_data

from fer_gym.data import Split, Splits
from fer_gym.envs.image_select.pretraining import fingerprint
from fer_gym.training import NETWORKS, Trainer, TrainerSettings

SPLITS = tiny_data.splits(3, side=32)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_fingerprint_of_a_run(network: str) -> None:
    def trainer(splits: Splits = SPLITS) -> Trainer:
        made = Trainer(splits, TrainerSettings(network, precision="fp32", device="cpu"))
        made.initialise(1)
        return made

    made = trainer()
    first = fingerprint(made)
    made.initialise(2)
    second = fingerprint(made)
    made.initialise(1)
    assert fingerprint(made) == first != second
    turned = Split(SPLITS.train.pixels, SPLITS.train.labels[::-1].copy())
    assert fingerprint(trainer(Splits(turned, SPLITS.val, SPLITS.test, SPLITS.classes))) != first
