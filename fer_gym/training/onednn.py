"""Convolutions in oneDNN's own memory layout, where an x86 CPU trains them in bfloat16."""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class OneDnnStack(nn.Sequential):
    """Convolutions, max-pools and ReLUs, one after another: an `nn.Sequential`, faster in bfloat16 on an x86 CPU.

    There, under autocast, the images stay from the first of these layers to the last in the layout that oneDNN chooses
    itself. With AVX-512 that is blocks of 16 channels, in which it convolves, pools and rectifies faster than in the
    channels-last layout that PyTorch asks of it. Layers with hooks, and others that were put in, get plain tensors.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to what the last layer returns."""
        if not _takes(x):
            plain: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return plain
        for layer in self:
            x = _call(layer, x)
        # oneDNN's pools and ReLUs drop NaN; weights that are not finite must show in the loss, here as elsewhere.
        total = torch.stack([parameter.detach().sum() for parameter in self.parameters()]).sum()
        return _plain(x) + (0.0 * total).to(torch.bfloat16)


def lay_out(network: nn.Module, *, for_onednn: bool) -> None:
    """Put a network's weights into the memory layout in which it trains fastest: channels-last, oneDNN's stacks not."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in network.modules():
        if for_onednn and isinstance(module, OneDnnStack):
            module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def is_supported() -> bool:
    """Whether oneDNN computes in bfloat16 on this processor, and it is one on which that was measured to be faster."""
    return (
        platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def _takes(x: Tensor) -> bool:
    in_bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    return x.device.type == "cpu" and in_bf16 and not torch.compiler.is_compiling() and is_supported()


def _call(layer: nn.Module, x: Tensor) -> Tensor:
    if layer._forward_pre_hooks or layer._forward_hooks or layer._backward_pre_hooks or layer._backward_hooks:
        return layer(_plain(x))  # type: ignore[no-any-return]
    if type(layer) is nn.Conv2d and layer.padding_mode == "zeros":
        convolved: Tensor = _Convolution.apply(_opaque(x), layer.weight, layer.bias, layer)  # type: ignore[no-untyped-call]
        return convolved
    if type(layer) is nn.MaxPool2d:
        window = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode
        return torch.mkldnn_max_pool2d(_opaque(x), *window)
    if type(layer) is nn.ReLU:
        return torch.relu(_opaque(x))  # not in place: a pool's gradient needs its result
    return layer(_plain(x))  # type: ignore[no-any-return]


def _plain(x: Tensor) -> Tensor:
    return x.to_dense() if x.is_mkldnn else x


def _opaque(x: Tensor) -> Tensor:
    return x if x.is_mkldnn else x.bfloat16().to_mkldnn()


class _Convolution(torch.autograd.Function):
    """PyTorch's own convolution of such images, which has no gradient for the bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, layer: nn.Conv2d) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = layer.stride, layer.padding, layer.dilation
        ctx.groups = layer.groups
        stride, padding, dilation = ctx.settings
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, dilation, layer.groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        gradients = torch.ops.aten.convolution_backward(
            gradient, x, weight, [len(weight)], *ctx.settings, False, [0, 0], ctx.groups, wanted
        )
        return *gradients, None
