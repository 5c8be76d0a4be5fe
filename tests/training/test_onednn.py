"""Convolutions in oneDNN's own layout against PyTorch's."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fer_gym.training import onednn
from fer_gym.training.networks import NETWORKS, SmallCnn
from fer_gym.training.onednn import OneDnnStack

# Elsewhere the stack is an nn.Sequential, and these are PyTorch's own ways with hooks and NaN.
_NEEDS_ONEDNN = pytest.mark.skipif(not onednn.is_supported(), reason="oneDNN has no bfloat16 on this processor")

_IN_BF16 = torch.autocast("cpu", dtype=torch.bfloat16)


def _stack(seed: int, channels: int, widths: list[int]) -> OneDnnStack:
    """Weights of -1, 0 and 1, most of them 0: what comes out is whole numbers, which bfloat16 rounds in one way."""
    drawn = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    for width in widths:
        convolution = nn.Conv2d(channels, width, kernel_size=3, padding=1)
        for parameter in convolution.parameters():
            values = drawn.choice([-1.0, 0.0, 1.0], parameter.shape, p=[0.1, 0.8, 0.1])
            parameter.data = torch.from_numpy(values.astype(np.float32))
        layers += [convolution, nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        channels = width
    return OneDnnStack(*layers, nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.ReLU(inplace=True))


def _whole_numbers(seed: int, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32))


def _both_ways(layers: nn.Module, x: Tensor, gradient_seed: int) -> list[Tensor]:
    """What comes out, and the gradients of the images and the parameters."""
    x = x.clone().requires_grad_()
    with _IN_BF16:
        outcome = layers(x)
    gradient = _whole_numbers(gradient_seed, outcome.shape).to(outcome.dtype)
    return [outcome.detach(), *torch.autograd.grad(outcome, [x, *layers.parameters()], gradient)]


_SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(4, 13), st.integers(4, 13))


@settings(deadline=None)
@given(st.integers(0, 2**32), _SHAPES, st.lists(st.integers(1, 20), min_size=1, max_size=2))
def test_it_is_pytorchs(seed: int, shape: tuple[int, int, int, int], widths: list[int]) -> None:
    stack, x = _stack(seed, shape[1], widths), _whole_numbers(seed, shape)
    for ours, theirs in zip(
        _both_ways(stack, x, seed + 1), _both_ways(nn.Sequential(*stack), x, seed + 1), strict=True
    ):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False),
        nn.Conv2d(4, 4, (3, 1), padding=(1, 0), dilation=(2, 1)),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(2, dilation=2),
    ],
    ids=str,
)
def test_so_it_is_with_settings_that_no_network_here_has(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        parameter.data.copy_(_whole_numbers(0, parameter.shape))
    x = _whole_numbers(1, (3, 4, 9, 9))
    for ours, theirs in zip(
        _both_ways(OneDnnStack(nn.ReLU(), layer), x, 2), _both_ways(nn.Sequential(nn.ReLU(), layer), x, 2), strict=True
    ):
        assert torch.equal(ours, theirs)


@_NEEDS_ONEDNN
@pytest.mark.parametrize(
    "register", ["forward_pre_hook", "forward_hook", "full_backward_pre_hook", "full_backward_hook"]
)
def test_a_layer_with_hooks_gives_the_same_bits(register: str) -> None:
    """As it does under a regulariser at strength 0."""
    network = NETWORKS["small"](1, 7, 16)
    assert isinstance(network, SmallCnn)
    stack, x = network.convolutions, torch.randn(8, 1, 16, 16)
    seen: list[Tensor] = []
    expected = _both_ways(stack, x, 0)
    places = [place for place, layer in enumerate(stack) if isinstance(layer, nn.ReLU | nn.MaxPool2d)]
    for place in places:
        hooked = copy.deepcopy(stack)
        hooked[place].inplace = False  # a backward hook allows nothing else
        getattr(hooked[place], f"register_{register}")(lambda _, given, *rest: seen.append(given[0]))
        for a, b in zip(_both_ways(hooked, x, 0), expected, strict=True):
            assert torch.equal(a, b)
    assert len(seen) == len(places) == 6
    assert not any(z.is_mkldnn for z in seen)


def test_a_layer_of_another_type_is_called() -> None:
    stack = _stack(0, 1, [3])
    x = _whole_numbers(0, (2, 1, 6, 6))
    with _IN_BF16:
        expected = stack(x) * 2.0
        assert torch.equal(OneDnnStack(*stack, _Doubled())(x), expected)


class _Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * x


@_NEEDS_ONEDNN
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_shows(value: float) -> None:
    stack, x = _stack(0, 1, [2, 2]), _whole_numbers(0, (2, 1, 8, 8))
    with _IN_BF16:
        assert not stack(x.index_fill(2, torch.tensor(3), value)).isfinite().any()
        stack[0].weight.data[0, 0, 1, 1] = value  # type: ignore[index]
        assert not stack(x).isfinite().any()


def test_one_image_without_a_batch() -> None:
    stack, x = _stack(0, 1, [2]), _whole_numbers(0, (1, 8, 8))
    with _IN_BF16:
        assert torch.equal(stack(x), stack(x[None])[0])


def test_a_compiler_gets_the_layers() -> None:
    stack, x = _stack(0, 1, [2]), _whole_numbers(0, (2, 1, 8, 8))
    with _IN_BF16:
        assert torch.equal(torch.compile(stack, backend="eager", fullgraph=True)(x), stack(x))


def test_the_weights_are_contiguous_where_onednn_lays_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def are_contiguous(*, cpu_bf16: bool) -> bool:
        network = NETWORKS["small"](3, 7, 16)
        onednn.lay_out(network, cpu_bf16=cpu_bf16)
        weights = [layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        assert len({weight.is_contiguous() for weight in weights}) == 1
        return weights[0].is_contiguous()

    assert are_contiguous(cpu_bf16=True) == onednn.is_supported()
    assert not are_contiguous(cpu_bf16=False)
    monkeypatch.setattr(onednn, "is_supported", lambda: False)
    assert not are_contiguous(cpu_bf16=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_in_other_types_it_is_a_sequential(dtype: torch.dtype) -> None:
    stack, x = _stack(0, 1, [2]), torch.randn(2, 1, 8, 8)
    with torch.autocast("cpu", dtype=torch.float16, enabled=dtype == torch.float16):
        assert torch.equal(stack(x), nn.Sequential(*stack)(x))
        assert stack(x).dtype == dtype


@pytest.mark.skipif(not onednn.is_supported(), reason="oneDNN does not compute in bfloat16 here")
def test_onednn_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Conv2d, "forward", None)
    with _IN_BF16:
        _stack(0, 1, [2])(torch.randn(2, 1, 8, 8))


def test_anomaly_detection_reads_every_gradient() -> None:
    stack, x = _stack(0, 1, [2, 2]), _whole_numbers(0, (2, 1, 8, 8))
    with torch.autograd.detect_anomaly(), _IN_BF16:
        stack(x).sum().backward()
    assert all(parameter.grad is not None for parameter in stack.parameters())
    with torch.autograd.detect_anomaly(), _IN_BF16, pytest.raises(RuntimeError, match="returned nan values"):
        (stack(x) * math.nan).sum().backward()
