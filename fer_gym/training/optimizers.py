"""The optimisers. Their state can be restored in place, since a recorded step uses the same tensors each time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fer_gym.training import states

OPTIMIZERS = ("adam", "sgd")


def build(name: str, network: nn.Module, learning_rate: float, *, capturable: bool) -> torch.optim.Optimizer:
    """The optimiser of a network: "adam", or "sgd" with momentum 0.9; `capturable` if a CUDA graph records it."""
    parameters = network.parameters()
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9, fused=True)
    # A capturable Adam counts its steps on the device.
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True, capturable=capturable)


def rewind(optimizer: torch.optim.Optimizer) -> None:
    """Reset the state in place: Adam's and SGD's begin at 0."""
    for state in optimizer.state.values():
        for tensor in _tensors(state):
            tensor.zero_()


def state_dict(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """A copy of an optimiser's state, with `trained`, the places of the parameters that have one.

    A parameter that no loss has reached yet has no state: without `trained`, an entry could be lost unnoticed.
    """
    saved = optimizer.state_dict()
    return copied({**saved, "trained": sorted(saved["state"])})  # type: ignore[no-any-return]


def check(part: str, saved: Any, optimizer: torch.optim.Optimizer) -> None:
    """Raise a `UsageError` unless `saved`, called `part`, is a `state_dict` of such an optimiser of such a network."""
    groups = optimizer.state_dict()["param_groups"]
    states.check_keys(part, saved, ("state", "param_groups", "trained"))
    states.check_like(f"{part}.param_groups", saved["param_groups"], groups, values=True)
    trained = saved["trained"]
    if not isinstance(trained, list) or not all(type(place) is int for place in trained):
        states.refuse(f"{part}.trained", "is no list of whole numbers")
    states.check_keys(f"{part}.state", saved["state"], trained)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for place, state in saved["state"].items():
        if not 0 <= place < len(parameters):
            states.refuse(f"{part}.state.{place}", f"is of none of the {len(parameters)} parameters")
        tensor = parameters[place].detach()
        if isinstance(optimizer, torch.optim.SGD):
            expected = {"momentum_buffer": tensor}
        else:
            expected = {"step": torch.zeros((), dtype=torch.float32), "exp_avg": tensor, "exp_avg_sq": tensor}
        states.check_like(f"{part}.state.{place}", state, expected)


def load(optimizer: torch.optim.Optimizer, saved: dict[str, Any], *, in_place: bool) -> None:
    """Load a copy of a saved state into an optimiser.

    Args:
        optimizer: of `build`.
        saved: its `state_dict`.
        in_place: write into the tensors that the optimiser has.
    """
    if not (in_place and optimizer.state):
        # `load_state_dict` would share the tensors of `saved` with the optimiser.
        optimizer.load_state_dict(copied({name: saved[name] for name in ("state", "param_groups")}))
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
