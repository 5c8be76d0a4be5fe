"""Where noise goes, and the noise that trains its own strength."""

import copy
from typing import Any

import numpy as np
import pytest
import tiny_data
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_gym.training import NETWORKS, Dni, Periodic, Strengths, Trainer, TrainerSettings
from fer_gym.training.feature_noise import DynamicNoise, sites

SPLITS = tiny_data.splits(30, side=32)


def trainer(network: Any, strength: str = "weight_decay") -> Trainer:
    settings = TrainerSettings(network=network, batch_size=8, precision="fp32", device="cpu")
    made = Trainer(SPLITS, settings, Strengths({strength: (0.0, 5.0)}))
    made.initialise(0)
    return made


def tiny(channels: int, classes: int, image_size: int) -> nn.Module:
    dense = nn.Linear(4 * (image_size - 2) ** 2, classes)
    return nn.Sequential(nn.Conv2d(channels, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), dense)


def built(*network: nn.Module) -> nn.Module:
    return nn.Sequential(*network)


# -- sites -----------------------------------------------------------------------------------------------------------


# Without batch norm every ReLU, with it every batch norm: of resnet34 the stem's, two a block, three of the shortcuts.
@pytest.mark.parametrize(("name", "count"), [("small", 4), ("rlps_cnn", 7), ("vgg19", 16), ("resnet34", 36)])
def test_sites_of_the_networks(name: str, count: int) -> None:
    assert len(sites(NETWORKS[name](1, 3, 32))) == count


def test_noise_is_in_units_of_the_normalised_activation() -> None:
    z = torch.randn(200, 3, 8, 8) * torch.tensor([1.0, 10.0, 0.1]).view(1, 3, 1, 1)
    eps = torch.randn_like(z)
    relu = built(nn.ReLU(inplace=True)).train()
    (site,) = sites(relu)
    site.add(lambda _: eps)
    deviation = z.std(dim=(0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(relu(z.clone()), F.relu(z + deviation * eps))
    normed = built(nn.BatchNorm2d(3), nn.ReLU()).train()
    (site,) = sites(normed)
    site.add(lambda _: eps)
    expected = F.relu(F.batch_norm(z, None, None, training=True) + eps)
    torch.testing.assert_close(normed(z), expected, rtol=1e-4, atol=1e-4)


def test_there_is_no_noise_in_evaluation() -> None:
    network = built(nn.BatchNorm2d(1), nn.ReLU()).eval()
    sites(network)[0].add(torch.ones_like)
    assert torch.equal(network(torch.full((2, 1, 2, 2), -0.5)), torch.zeros(2, 1, 2, 2))


def test_the_regulariser_acts_at_the_sites() -> None:
    made = trainer(tiny, "feature_noise")
    seen: list[Tensor] = []
    made.network[2].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    state = made.state_dict()
    activations = []
    for strength in (0.0, 2.0):
        made.load_state_dict(state)
        made.set_strengths(np.array([strength], np.float32))
        made.train_batches(1)
        activations.append(seen[-1])
    assert (activations[1] - activations[0]).std().item() == pytest.approx(2.0, rel=0.05)


# -- DNI -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_channel", [False, True])
def test_its_strength_is_trained_by_the_training_loss(per_channel: bool) -> None:
    made = trainer(Dni(tiny, per_channel=per_channel))
    (rho,) = [layer.rho for layer in made.network.modules() if isinstance(layer, DynamicNoise)]
    assert rho.shape == ((4,) if per_channel else (1,))
    assert F.softplus(rho).detach().numpy() == pytest.approx(0.1)
    before = rho.detach().clone()
    made.train_batches(40)
    assert (rho != before).all()
    assert "1.noise.rho" in made.state_dict()["network"]


def test_its_gradient_by_hand() -> None:
    layer = DynamicNoise()
    layer.generator = torch.Generator().manual_seed(0)
    z = torch.zeros(2, 1, 3, 3)
    layer(z).sum().backward()
    layer.generator.manual_seed(0)
    eps = torch.empty_like(z).normal_(generator=layer.generator)
    # d softplus(rho) / d rho = sigmoid(rho)
    assert layer.rho.grad.item() == pytest.approx((torch.sigmoid(layer.rho.detach()) * eps.sum()).item(), rel=1e-5)


def test_it_does_not_decay() -> None:
    made = trainer(Dni(tiny))
    made.set_strengths(np.array([5.0], np.float32))
    (layer,) = [layer for layer in made.network.modules() if isinstance(layer, DynamicNoise)]
    decaying = {id(parameter) for parameter in made._decaying}
    assert id(layer.rho) not in decaying
    assert len(decaying) == len(list(made.network.parameters())) - 1


def test_it_evaluates_without_noise() -> None:
    made = trainer(Dni("small"))
    made.train_batches(3)
    one, other = made.outputs("val"), made.outputs("val")
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


# -- periodic noise --------------------------------------------------------------------------------------------------


def test_it_comes_every_so_many_steps() -> None:
    network = Periodic(tiny, sigma=0.5, period=3)(1, 3, 32).train()
    noise, images = network[1].noise, torch.rand(8, 1, 32, 32)
    spreads = []
    for _ in range(7):
        spreads.append(noise(torch.zeros(4, 4, 6, 6)).std().item())
        network(images)
    assert [round(spread, 1) for spread in spreads] == [0.5, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5]


def test_its_turn_is_part_of_the_state() -> None:
    made = trainer(Periodic(tiny, sigma=0.5, period=3))
    made.train_batches(2)
    state = copy.deepcopy(made.state_dict())
    losses = [made.read(made.train_batches(2))[0].losses]
    made.load_state_dict(state)
    losses.append(made.read(made.train_batches(2))[0].losses)
    np.testing.assert_array_equal(*losses)


def test_dropout_of_named_networks_is_off_in_both() -> None:
    for factory in (Dni("small"), Periodic("small")):
        network = factory(1, 3, 32)
        assert {layer.rate for layer in network.modules() if hasattr(layer, "rate")} == {0.0}
    with pytest.raises(ValueError, match=r"^network: 'smal' is unknown"):
        Dni("smal")(1, 3, 32)
    with pytest.raises(ValueError, match=r"^per_channel: True needs a network with batch norm"):
        Dni("small", per_channel=True)(1, 3, 32)
