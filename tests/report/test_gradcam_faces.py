"""Where networks look, on the page."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_records
from PIL import Image

from fer_gym.benchmark.report import page as report
from fer_gym.data import load


@pytest.mark.parametrize("env", [{"limit": 40}, {"limit": 80, "instances": [{"limit": 40}, {"limit": 60}]}])
def test_the_page_shows_it(tmp_path: Path, env: dict[str, Any]) -> None:
    settings = {"env": env, "agent": "static", "agent_settings": {}}
    records = []
    for arm in ("vanilla", "ppo"):
        record = {**small_records.tuning(arm, 0, 0.5, 0.1), "settings": settings}
        record["children"] = [{**record["children"][0], "looked_at": [3]}]
        record["arrays"] = {"grad_cam": np.array([[[0.0, 1.0], [0.5, 0.0]]], np.float16)}
        records.append(record)
    small_records.write(tmp_path, *records)
    made = report.make(tmp_path)
    (shown,) = [each for sections in made.chapters.values() for section in sections for each in section.faces]
    assert [name for name, _ in shown.groups] == ["ppo", "vanilla"]
    ((_, (face,)), _) = shown.groups
    splits = load("synthetic", limit=40)
    assert face.label == splits.classes[splits.train.labels[3]]
    image = Image.open(io.BytesIO(face.png))
    assert image.size == (96, 96)
    red, _, blue = np.asarray(image.convert("RGB"), np.float64).transpose(2, 0, 1)
    assert (red - blue)[:24, -24:].mean() > 20 > -20 > (red - blue)[:24, :24].mean()  # hot above right, cold left
    # Of other data, it is left out and said.
    records[0]["children"][0]["looked_at"] = [10**6]
    small_records.write(tmp_path, *records)
    assert any("the record has training image 1000000, the data 40" in each for each in report.make(tmp_path).unshown)
