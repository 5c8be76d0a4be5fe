import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_gym.data import Split
from fer_gym.training import images


def mapped(path: Path, count: int, mode: str) -> np.memmap:
    np.save(path, np.random.default_rng(0).integers(0, 256, (count, 3, 16, 16), dtype=np.uint8))
    return np.load(path, mmap_mode=mode)


def test_mean_and_std(tmp_path: Path) -> None:
    pixels = mapped(tmp_path / "pixels.npy", 2500, "r")
    mean, std = images.mean_and_std(pixels)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 2, 3)), rtol=1e-6)
    assert images.mean_and_std(pixels[:, :1] * 0)[1].tolist() == [1.0]


def file_pages() -> int:
    """KiB of mapped files in this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssFile")).split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_what_was_read_of_a_large_map_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.asarray(mapped(tmp_path / "pixels.npy", 40_000, "r"))
    labels = np.zeros(len(pixels), np.int64)
    expected = pixels[::1000].copy()
    pixels.sum()
    full = file_pages()
    images.give_back(pixels)
    assert file_pages() > full - 10_000  # it is not large
    monkeypatch.setattr(images, "_LARGE_BYTES", 1 << 20)
    monkeypatch.setattr(images, "_KEPT_BYTES", 1 << 20)
    read = images.Images(Split(pixels, labels), torch.device("cpu"), resident=False)
    for start in range(0, len(pixels), 4000):
        read.pixels(torch.arange(start, start + 4000))
    # 30,720,000 bytes were read.
    assert file_pages() < full - 20_000
    np.testing.assert_array_equal(pixels[::1000], expected)


def test_what_was_written_to_a_copy_on_write_map_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_LARGE_BYTES", 0)
    pixels = mapped(tmp_path / "pixels.npy", 100, "c")
    pixels[7] = 123
    images.give_back(pixels)
    assert (pixels[7] == 123).all()
