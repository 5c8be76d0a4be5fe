"""Where networks look: Grad-CAM against a network whose answer is known."""

import io
from pathlib import Path

import numpy as np
import small_records
import tiny_data
import torch
from PIL import Image
from torch import Tensor, nn

from fer_gym.benchmark import gradcam, report
from fer_gym.data import Split, Splits
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
    pixels[4:, :, :2, :2] = 200
    split = Split(pixels, np.repeat([0, 1], 4))
    splits = Splits(split, split, split, ("dark", "bright"))
    trainer = Trainer(splits, TrainerSettings(LooksAtTheCorner, precision="fp32", device="cpu"))
    dark, bright = gradcam.looked_at(trainer)
    assert (dark["image"], dark["predicted"]) == (0, "dark")
    assert (bright["image"], bright["predicted"]) == (4, "bright")
    seen = np.array(bright["map"])
    assert seen.shape == (8, 8)
    assert seen.max() == 1.0
    # The gradient is 1 in the corner, so its mean is positive: the map is what the convolution copied, where positive.
    assert (seen[:2, :2] == 1.0).all()
    assert (np.delete(seen, [0, 1], axis=0) == 0.0).all()


def test_a_network_without_convolutions_looks_nowhere() -> None:
    def dense(channels: int, classes: int, image_size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, classes))

    assert gradcam.looked_at(Trainer(tiny_data.splits(9), TrainerSettings(dense, device="cpu"))) == []


def test_the_page_shows_it(tmp_path: Path) -> None:
    settings = {"env": {"limit": "40"}, "agent": "static", "agent_settings": {}}
    records = []
    for arm in ("vanilla", "ppo"):
        record = {**small_records.tuning(arm, 0, 0.5, 0.1), "settings": settings}
        seen = {"image": 3, "predicted": "happy", "map": [[0.0, 1.0], [0.5, 0.0]]}
        record["children"] = [{**record["children"][0], "looked_at": [seen]}]
        records.append(record)
    small_records.write(tmp_path, *records)
    made = report.make(tmp_path)
    (shown,) = [each for sections in made.chapters.values() for section in sections for each in section.faces]
    assert [name for name, _ in shown.groups] == ["ppo", "vanilla"]
    ((_, (face,)), _) = shown.groups
    assert face.score == "happy"
    image = Image.open(io.BytesIO(face.png))
    assert image.size == (96, 96)
    red, _, blue = np.asarray(image.convert("RGB"), np.float64).transpose(2, 0, 1)
    assert (red - blue)[:24, -24:].mean() > 20 > -20 > (red - blue)[:24, :24].mean()  # hot above right, cold left
    # Of other data, it is left out and said.
    records[0]["children"][0]["looked_at"][0]["image"] = 10**6
    small_records.write(tmp_path, *records)
    assert any("the record has test image 1000000, the data 700" in each for each in report.make(tmp_path).unshown)
