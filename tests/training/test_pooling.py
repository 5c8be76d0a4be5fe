"""2x2 max-pooling of our own against PyTorch's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from fer_gym.training import pooling
from fer_gym.training.pooling import MaxPool2x2


def _images(seed: int, shape: tuple[int, int, int, int], dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """Small whole numbers, so that many of the maxima are tied; no -0, which may be told from 0."""
    drawn = np.random.default_rng(seed).integers(-3, 4, shape)
    return torch.from_numpy(drawn).to(dtype).to(memory_format=torch.channels_last).requires_grad_()


def _both_ways(pool: nn.Module, x: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    pooled = pool(x)
    return pooled.detach(), torch.autograd.grad(pooled, x, gradient)[0]


@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(2, 12), st.integers(2, 12)),
    st.sampled_from([torch.bfloat16, torch.float32]),
    st.sampled_from([1, 500, 2**22]),
)
def test_it_is_pytorchs(seed: int, shape: tuple[int, int, int, int], dtype: torch.dtype, slice_bytes: int) -> None:
    """Ours or PyTorch's own, where ours does not take it (float32, odd sides); in one slice or several."""
    x = _images(seed, shape, dtype)
    gradient = _images(seed + 1, (*shape[:2], shape[2] // 2, shape[3] // 2), dtype).detach()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooling, "_SLICE_BYTES", slice_bytes)
        ours = _both_ways(MaxPool2x2(), x, gradient)
        with torch.no_grad():
            evaluated = MaxPool2x2()(x)
    expected = _both_ways(nn.MaxPool2d(2), x, gradient)
    for a, b in zip((*ours, evaluated), (*expected, expected[0]), strict=True):
        assert torch.equal(a, b)
        assert a.stride() == b.stride()


def test_infinite_gradients_and_pixels_go_where_pytorchs_go() -> None:
    x = _images(0, (2, 3, 8, 8))
    with torch.no_grad():
        x[0, 0, :4] = float("inf")
        x[1, 1, 2:, 2:] = float("-inf")
    gradient = torch.full((2, 3, 4, 4), float("inf")).bfloat16()
    for a, b in zip(_both_ways(MaxPool2x2(), x, gradient), _both_ways(nn.MaxPool2d(2), x, gradient), strict=True):
        assert torch.equal(a, b)


def test_a_nan_is_passed_on() -> None:
    x = torch.zeros((1, 1, 4, 4), dtype=torch.bfloat16)
    x[0, 0, 1, 2] = float("nan")
    assert MaxPool2x2()(x).isnan().tolist() == [[[[False, True], [False, False]]]]


def test_ours_is_used_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    pooled = pooling._pooled
    monkeypatch.setattr(pooling, "_pooled", lambda *arguments: seen.append(1) or pooled(*arguments))
    MaxPool2x2()(_images(0, (2, 3, 8, 8)))
    MaxPool2x2()(_images(0, (2, 3, 8, 8)).detach())
    assert len(seen) == 2
    MaxPool2x2()(_images(0, (2, 3, 7, 8)))
    MaxPool2x2()(_images(0, (2, 3, 8, 8)).contiguous())
    MaxPool2x2()(_images(0, (2, 3, 8, 8), torch.float32))
    assert len(seen) == 2
