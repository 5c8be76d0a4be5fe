"""Convolutions in oneDNN's own memory layout, where an x86 CPU trains them in bfloat16."""

from __future__ import annotations

import platform

import torch
from torch import Tensor, nn


class OneDnnStack(nn.Sequential):
    """Convolutions, max-pools and ReLUs, one after another: an `nn.Sequential`, faster in bfloat16 on an x86 CPU.

    There, under autocast, the images stay from the first of these layers to the last in the layout that oneDNN chooses
    itself. With AVX-512 that is blocks of 16 channels, in which it convolves, pools and rectifies faster than in the
    channels-last layout that PyTorch asks of it. Layers with hooks, and layers of other types, get dense tensors; under
    `torch.autograd.detect_anomaly` all of them do.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to what the last layer returns."""
        if not _uses_onednn(x):
            dense: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return dense
        # oneDNN's pools and ReLUs drop NaN. Images or weights that are not finite must show in the loss nonetheless;
        # should finite ones overflow, that shows in the weights after the step.
        total = sum((parameter.detach().sum() for parameter in self.parameters()), x.detach().sum())
        for layer in self:
            x = _call(layer, x)
        return _dense(x) + (0.0 * total).to(torch.bfloat16)


def lay_out(network: nn.Module, *, cpu_bf16: bool) -> None:
    """Put weights into the layout they train fastest in: channels-last, contiguous where oneDNN then chooses its own.

    Args:
        network: any; its weights are changed in place.
        cpu_bf16: whether it is going to train in bfloat16 on a CPU.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if cpu_bf16 and is_supported():
        for stack in (module for module in network.modules() if isinstance(module, OneDnnStack)):
            stack.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def is_supported() -> bool:
    """Whether oneDNN takes bfloat16 on this x86 processor (what it gains was measured with AVX512-BF16, no AMX)."""
    return (
        platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def _uses_onednn(x: Tensor) -> bool:
    in_bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    images_on_cpu = x.device.type == "cpu" and x.ndim == 4
    # Anomaly detection looks for NaN in every gradient, which it cannot read in this layout.
    traced = torch.compiler.is_compiling() or torch.is_anomaly_enabled()
    return images_on_cpu and in_bf16 and not traced and is_supported()


def _call(layer: nn.Module, x: Tensor) -> Tensor:
    """The layer's output, in oneDNN's layout if oneDNN has such a layer."""
    if layer._forward_pre_hooks or layer._forward_hooks or layer._backward_pre_hooks or layer._backward_hooks:
        return layer(_dense(x))  # type: ignore[no-any-return]
    if type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and isinstance(layer.padding, tuple):
        settings = layer.padding, layer.stride, layer.dilation, layer.groups
        return torch.mkldnn_convolution(_in_onednns_layout(x), layer.weight, layer.bias, *settings)
    if type(layer) is nn.MaxPool2d and layer.dilation == 1 and not layer.return_indices:
        window = layer.kernel_size, layer.stride, layer.padding
        return torch.mkldnn_max_pool2d(_in_onednns_layout(x), *window, ceil_mode=layer.ceil_mode)
    if type(layer) is nn.ReLU:
        return torch.relu(_in_onednns_layout(x))  # not in place: a pool's gradient needs its result
    return layer(_dense(x))  # type: ignore[no-any-return]


def _dense(x: Tensor) -> Tensor:
    return x.to_dense() if x.is_mkldnn else x


def _in_onednns_layout(x: Tensor) -> Tensor:
    return x if x.is_mkldnn else x.bfloat16().to_mkldnn()
