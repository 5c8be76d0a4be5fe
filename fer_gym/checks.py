"""Keyword checks that both environments share: a `ValueError` that names the keyword and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_gym.errors import UsageError


def check_choice(name: str, value: object, allowed: Sequence[object], *, or_callable: bool = False) -> None:
    """Raise unless `value` is one of `allowed`, or callable where that is allowed too."""
    if or_callable and callable(value):
        return
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in allowed):
        choices = ", ".join(repr(choice) for choice in allowed)
        raise UsageError(f"{name}: {value!r} is unknown; use {choices}{' or a callable' if or_callable else ''}")


def check_count(name: str, value: object, *, least: int) -> None:
    """Raise unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name}: {value!r} is not allowed; use a whole number of at least {least}")


def check_flag(name: str, value: object) -> None:
    """Raise unless `value` is True or False: a text such as "false" would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"{name}: {value!r} is not allowed; use True or False")


def is_set(options: dict[str, Any] | None, name: str) -> bool:
    """Whether an option of `reset` is True; raise if it is anything but True or False."""
    value = (options or {}).get(name, False)
    check_flag(f"options: {name!r}", value)
    return bool(value)


def check_options(options: dict[str, Any] | None, *, allowed: Sequence[str]) -> None:
    """Raise if `reset` was given an option that it does not know."""
    unknown = sorted(set(options or ()) - set(allowed))
    if unknown:
        raise UsageError(f"options: {unknown[0]!r} is unknown; use {', '.join(map(repr, allowed))}")
