"""Saved states: each is checked whole before anything is touched, so that one that does not fit leaves no trace.

Every check raises a `UsageError` of one line, which names the part of the state: "state: 'trainer.queue' is None, ...".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from fer_gym.description import in_words
from fer_gym.errors import UsageError

#: Bump it when the parts of a state change.
FORMAT = 3
_REMEDY = "load a whole state_dict() of an environment of the same keywords"


def header(made_for: dict[str, Any]) -> dict[str, Any]:
    """The first entries of a state: its format, and the data and settings that it was made for."""
    return {"format": FORMAT, "made_for": made_for}


def check_header(state: Any, made_for: dict[str, Any]) -> None:
    """Raise unless `state` is a dictionary of this format with an equal `made_for`."""
    if not isinstance(state, dict):
        raise UsageError(f"state: it is {_kind(state)}, expected a dictionary; {_REMEDY}")
    for part in ("format", "made_for"):
        if part not in state:
            refuse(part, "is missing")
    if type(state["format"]) is not int or state["format"] != FORMAT:
        refuse("format", f"is {_kind(state['format'])}, expected {FORMAT}")
    check_made_for(state["made_for"], made_for)


def check_made_for(found: Any, ours: dict[str, Any]) -> None:
    """Raise unless two descriptions are the same; the message names what differs and both values."""
    check_keys("made_for", found, ours)
    for name, value in ours.items():
        check_like(f"made_for.{name}", found[name], value, values=True)


def check_keys(part: str, found: Any, names: Iterable[str]) -> None:
    """Raise unless `found` is a dictionary with exactly these keys."""
    if not isinstance(found, dict):
        refuse(part, f"is {_kind(found)}, expected a dictionary")
    names = list(names)
    for name in names:
        if name not in found:
            refuse(_below(part, name), "is missing")
    for name in found:
        if name not in names:
            refuse(_below(part, name), "is unknown")


def check_like(part: str, found: Any, ours: Any, *, values: bool = False) -> None:
    """Raise unless two nested values have the same keys, lengths, types, shapes and dtypes.

    Args:
        part: its name.
        found: in the state.
        ours: what an environment has.
        values: whether everything but arrays and tensors must have the same value as well.
    """
    if isinstance(ours, dict):
        check_keys(part, found, ours)
        for name, value in ours.items():
            check_like(_below(part, name), found[name], value, values=values)
    elif isinstance(ours, Tensor | np.ndarray):
        kind = Tensor if isinstance(ours, Tensor) else np.ndarray
        if not isinstance(found, kind) or (found.dtype, found.shape) != (ours.dtype, ours.shape):
            refuse(part, f"is {_kind(found)}, expected {_kind(ours)}")
        if isinstance(found, Tensor) and (found.layout is not torch.strided or found.is_meta):
            refuse(part, f"is a tensor of layout {found.layout} on {found.device}, expected one of plain numbers")
    elif type(found) is not type(ours):
        refuse(part, f"is {_kind(found)}, expected {_kind(ours)}")
    elif isinstance(ours, list | tuple):
        if len(found) != len(ours):
            refuse(part, f"has {len(found)} entries, expected {len(ours)}")
        for place, pair in enumerate(zip(found, ours, strict=True)):
            check_like(f"{part}[{place}]", *pair, values=values)
    elif values and found != ours:
        refuse(part, f"is {in_words(found)}, here {in_words(ours)}")


def check_indices(part: str, found: Any, images: int) -> None:
    """Raise unless `found` is an int64 tensor, (n,), of different indices below `images`."""
    if not isinstance(found, Tensor) or found.ndim != 1 or found.dtype != torch.int64:
        refuse(part, f"is {_kind(found)}, expected indices, int64")
    low, high = (int(found.min()), int(found.max())) if len(found) else (0, 0)
    if low < 0 or high >= images:
        refuse(part, f"has indices from {low} to {high} of {images:,} images")
    if len(found.unique()) < len(found):
        refuse(part, "has an index twice")


def check_count(part: str, found: Any, most: int) -> None:
    """Raise unless `found` is a whole number from 0 to `most`."""
    if type(found) is not int or not 0 <= found <= most:
        refuse(part, f"is {_kind(found)}, expected a whole number from 0 to {most}")


def check_generator(part: str, found: Any, generator: torch.Generator) -> None:
    """Raise unless a generator of PyTorch's on the same device takes the state."""
    check_like(part, found, generator.get_state())
    try:
        torch.Generator(generator.device).set_state(found)
    except RuntimeError:
        refuse(part, f"is {_kind(found)}, expected the state of a generator on {generator.device}")


def check_numpy_generator(part: str, found: Any, generator: np.random.Generator) -> None:
    """Raise unless a generator of NumPy's of the same kind takes the state, and has it then."""
    scratch = type(generator.bit_generator)(0)
    check_like(part, found, scratch.state)
    try:
        scratch.state = found
        same = bool(scratch.state == found)
    except (TypeError, ValueError, OverflowError):
        same = False
    if not same:
        refuse(part, f"is no state of NumPy's {type(scratch).__name__}")


def refuse(part: str, what: str) -> NoReturn:
    """Raise the error of a part that is not as it should be."""
    raise UsageError(f"state: {part!r} {what}; {_REMEDY}")


def _below(part: str, name: Any) -> str:
    return f"{part}.{name}" if part else str(name)


def _kind(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, Tensor | np.ndarray):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a {type(value).__name__}"
