"""The optimisers, whose state is put back in place: a recorded step goes on writing to the same tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

OPTIMIZERS = ("adam", "sgd")


def build(name: str, network: nn.Module, learning_rate: float, *, capturable: bool) -> torch.optim.Optimizer:
    """The optimiser of a network: "adam", or "sgd" with momentum 0.9; `capturable` as part of a CUDA graph."""
    parameters = network.parameters()
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9, fused=True)
    # Capturable, its step counts on the device.
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True, capturable=capturable)


def rewind(optimizer: torch.optim.Optimizer) -> None:
    """Back to the beginning: Adam's and SGD's states all begin at 0."""
    for state in optimizer.state.values():
        for tensor in _tensors(state):
            tensor.zero_()


def load(optimizer: torch.optim.Optimizer, saved: dict[str, Any], *, in_place: bool) -> None:
    """Go on from `saved`, a `state_dict` of such an optimiser; nothing of it is kept.

    Args:
        optimizer: what goes on.
        saved: the state. A parameter that no loss has reached yet has none.
        in_place: keep to the tensors that there are.
    """
    if not (in_place and optimizer.state):
        # An optimiser keeps the tensors that it is given, so it gets its own.
        optimizer.load_state_dict(copied(saved))
        return
    rewind(optimizer)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for place, state in saved["state"].items():
        for ours, theirs in zip(_tensors(optimizer.state[parameters[place]]), _tensors(state), strict=True):
            ours.copy_(theirs)


def copied(tree: Any) -> Any:
    """A nested dictionary with every tensor cloned."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [copied(value) for value in tree]
    return tree


def _tensors(state: dict[str, Any]) -> list[Tensor]:
    return [value for _, value in sorted(state.items()) if isinstance(value, Tensor)]
