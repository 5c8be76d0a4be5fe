"""What "auto" means for device and precision, and what training needs of a process: memory, streams, forks."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import torch

from fer_gym.checks import check_choice
from fer_gym.errors import UsageError

PRECISIONS = ("auto", "fp32", "bf16")
# The CPU features that multiply bfloat16 in hardware (x86 and Arm); without them bf16 is slower than fp32.
_BF16_FEATURES = {"amx_bf16", "avx512_bf16", "bf16"}
# Parameters of glibc's mallopt: how much free memory it holds, and from which size on a block is mapped by itself.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**30
# PyTorch's own number, if nobody has changed it before this module was imported.
_DEFAULT_THREADS = torch.get_num_threads()


def resolve_device(device: str) -> torch.device:
    """Turn the keyword `device` into a device; "auto" takes CUDA where there is one.

    Raises:
        ValueError: if PyTorch does not know the device or it is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"device: {device!r} is not a device; use 'auto', 'cpu', 'cuda' or 'cuda:N'") from error
    if resolved.type not in ("cpu", "cuda"):
        raise UsageError(f"device: {device!r} is not supported; use 'auto', 'cpu', 'cuda' or 'cuda:N'")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device: there is no {device!r} here ({torch.cuda.device_count()} CUDA devices)")
    return resolved


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether to train in bfloat16; "auto" does so where the hardware multiplies it.

    Raises:
        ValueError: if `precision` is not one of `PRECISIONS`.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return _cpu_has_bf16()


def takes_images(device: torch.device, size: int) -> bool:
    """Whether images of `size` bytes are copied to the device: on CUDA, if they fit in half of its free memory."""
    if device.type == "cpu":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    if size > free // 2:
        logging.getLogger(__name__).warning(
            "the images take %.2f GiB, over half of the %.2f GiB free on %s: they stay memory-mapped, which is slower",
            size / 2**30,
            free / 2**30,
            device,
        )
        return False
    return True


@cache
def keep_freed_memory() -> None:
    """Let glibc hold up to 1 GiB of memory that the process frees, as CUDA's allocator does, instead of returning it.

    By default glibc returns the memory of every large tensor to the kernel, which gives it back zeroed, page by page,
    in each training step: a quarter of CNN-A's time. Nothing is done under another C library, or where
    `MALLOC_TRIM_THRESHOLD_` or `MALLOC_MMAP_THRESHOLD_` is set in the environment.
    """
    chosen = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys()
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" and not chosen else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _one_thread_in_forks() -> None:
    """Let a forked process compute with one PyTorch thread.

    The parent's threads do not exist in a fork, and an operation that is shared out among them would wait for ever. So
    the workers of `AsyncVectorEnv` (forks by default on Linux, up to Python 3.13) and of SB3's
    `SubprocVecEnv(start_method="fork")` train with one thread each. A worker that sets more waits for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


_one_thread_in_forks()


def side_by_side(works: Iterable[Callable[[], object]], device: torch.device) -> None:
    """Do each of `works`. On CUDA each runs on a stream of its own, and the current stream then waits for all."""
    if device.type == "cpu":
        for work in works:
            work()
        return
    before = torch.cuda.current_stream(device)
    streams = []
    for number, work in enumerate(works):
        streams.append(_side_stream(device, number))
        streams[-1].wait_stream(before)
        with torch.cuda.stream(streams[-1]):
            work()
    for stream in streams:
        before.wait_stream(stream)


@cache
def _side_stream(device: torch.device, number: int) -> torch.cuda.Stream:
    """Always the same stream for a number: CUDA's allocator reuses memory only on the stream that asked for it."""
    return torch.cuda.Stream(device)


@contextlib.contextmanager
def out_of_memory_explained(device: torch.device, batch_size: int | None = None) -> Iterator[None]:
    """Say in one line what to lower when a device has no memory left.

    Args:
        device: that the work runs on.
        batch_size: of the training; None in an evaluation, which does not use it.

    Raises:
        UsageError: in place of PyTorch's error, which spans many lines and names no keyword.
    """
    try:
        yield
    except RuntimeError as error:  # OutOfMemoryError is one
        if not (isinstance(error, torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)):
            raise
        if batch_size is None:
            raise UsageError(
                f"device: {device} has too little memory to evaluate the images; lower `limit`, or take a smaller "
                "network or another device"
            ) from error
        raise UsageError(
            f"batch_size: {batch_size} is too large for the memory of {device}; lower it, or `limit`, or take a "
            "smaller network"
        ) from error


def one_thread_in_a_worker() -> None:
    """Leave the other cores to the siblings of this process, if it is a worker and nobody has set its threads.

    K workers with all cores each wait for one another's threads most of the time. A worker is a daemonic process, as
    those of Gymnasium's, Stable-Baselines3's and Tianshou's vector environments are. Only a spawned worker may have
    more: set OMP_NUM_THREADS or MKL_NUM_THREADS, or `torch.set_num_threads` to another number than PyTorch's own.
    """
    named = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & os.environ.keys()
    if multiprocessing.current_process().daemon and not named and torch.get_num_threads() == _DEFAULT_THREADS:
        torch.set_num_threads(1)


@contextlib.contextmanager
def training_modes() -> Iterator[None]:
    """PyTorch's global modes as training needs them, whatever the caller's are.

    Loops that collect steps often run under `torch.no_grad()`, `torch.inference_mode()` or `torch.autocast`. Here
    gradients are on, nothing is cast, and floats are float32.
    """
    default = torch.get_default_dtype()
    with contextlib.ExitStack() as modes:
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                modes.enter_context(torch.autocast(device, enabled=False))
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(default)


@cache
def _cpu_has_bf16() -> bool:
    """Read the processor's features from Linux; elsewhere assume that it has none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return not _BF16_FEATURES.isdisjoint(features.split())
