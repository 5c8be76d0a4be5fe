"""The images of a split, from which batches are cut, and the mean and deviation that standardise them."""

from __future__ import annotations

import mmap
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fer_gym.data.splits import Split

# How many images' grey levels are counted at once.
_COUNTED = 1024
# The pages of a memory map larger than the first are released whenever more than the second was read. An image that is
# read by itself brings about ten times its bytes into memory: the kernel maps what lies around it.
_LARGE_BYTES, _KEPT_BYTES = 1 << 30, 1 << 24
# The pixels and labels of a split on a device, shared by all trainers of the process.
_on_devices: WeakKeyDictionary[Split, dict[torch.device, tuple[Tensor, Tensor]]] = WeakKeyDictionary()


def is_on(device: torch.device, split: Split) -> bool:
    """Whether a split's images lie on the device already."""
    return device in _on_devices.get(split, {})


class Images:
    """The images (uint8) and labels of a split, from which batches are cut.

    Args:
        split: mostly a memory map.
        device: where batches are wanted.
        resident: keep the whole split on the device, copied once; if False, each batch is copied when it is cut.
    """

    def __init__(self, split: Split, device: torch.device, *, resident: bool) -> None:
        self._split = split
        self._device = device
        self._resident = resident
        self._read = 0
        if resident:
            if not is_on(device, split):
                pixels, labels = (
                    torch.from_numpy(np.array(array)).to(device) for array in (split.pixels, split.labels)
                )
                _on_devices.setdefault(split, {})[device] = pixels, labels
            self._pixels, self._labels = _on_devices[split][device]

    def __len__(self) -> int:
        return len(self._split)

    def pixels(self, indices: Tensor) -> Tensor:
        """uint8 (B, C, H, W), on the device, at `indices`, int64 (B,)."""
        if self._resident:
            return self._pixels[indices.to(self._device, non_blocking=True)]
        pixels = self._copied(self._split.pixels, indices)
        self._read += pixels.nbytes
        if self._read > _KEPT_BYTES:
            self._read = 0
            give_back(self._split.pixels)
        return pixels

    def labels(self, indices: Tensor) -> Tensor:
        """int64 (B,), on the device, at `indices`, int64 (B,)."""
        if self._resident:
            return self._labels[indices.to(self._device, non_blocking=True)]
        return self._copied(self._split.labels, indices)

    def _copied(self, array: NDArray[Any], indices: Tensor) -> Tensor:
        rows = torch.from_numpy(array[indices.numpy()])
        if self._device.type != "cpu":
            rows = rows.pin_memory()  # is copied while the host goes on
        return rows.to(self._device, non_blocking=True)


def give_back(pixels: NDArray[np.uint8]) -> None:
    """Take what was read of a large memory map out of this process's memory; it stays in the kernel's cache."""
    array: Any = pixels
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    # Of a map that may be written to, a private copy could be lost.
    if isinstance(array, np.memmap) and array.mode == "r" and array.nbytes > _LARGE_BYTES:
        memory = array.base
        if isinstance(memory, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            memory.madvise(mmap.MADV_DONTNEED)


def mean_and_std(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation (at least 1) per channel, each float32 (C,), in grey levels, from a histogram."""
    levels = np.arange(256)
    counts = np.zeros((pixels.shape[1], 256), np.int64)
    for start in range(0, len(pixels), _COUNTED):
        for channel, part in enumerate(np.moveaxis(pixels[start : start + _COUNTED], 1, 0)):
            # Pillow counts bytes several times as fast as `np.bincount`, which converts them to int64.
            counts[channel] += Image.fromarray(part.reshape(-1, part.shape[-1])).histogram()
        give_back(pixels)
    mean, std = [], []
    for of_channel in counts:
        average = (of_channel * levels).sum() / of_channel.sum()
        mean.append(average)
        std.append(max(np.sqrt((of_channel * (levels - average) ** 2).sum() / of_channel.sum()), 1.0))
    return np.array(mean, np.float32), np.array(std, np.float32)
