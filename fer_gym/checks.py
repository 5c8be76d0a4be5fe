"""Checks of keywords: a `UsageError` that names the keyword, what was found and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fer_gym.errors import UsageError

#: What the global generators of NumPy, which Stable-Baselines3 seeds, take.
LARGEST_SEED = 2**32 - 1


def check_choice(name: str, value: object, allowed: Iterable[object], *, or_else: str = "") -> None:
    """Raise unless `value` is one of `allowed`.

    Args:
        name: of the keyword.
        value: what was given.
        allowed: texts, or objects compared by identity.
        or_else: what else the caller takes, in words, for the message.
    """
    allowed = list(allowed)
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in allowed):
        choices = ", ".join(repr(choice) for choice in allowed)
        raise UsageError(f"{name}: {value!r} is unknown; use {choices}{' or ' + or_else if or_else else ''}")


def check_count(name: str, value: object, *, least: int, most: int | None = None) -> None:
    """Raise unless `value` is a whole number from `least` to `most`; True and False are none."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):  # type: ignore[operator]
        above = "" if most is None else f" and at most {most:,}"
        raise UsageError(f"{name}: {value!r} is not allowed; use a whole number of at least {least}{above}")


def check_number(name: str, value: object, allowed: str = "(-inf, inf)") -> None:
    """Raise unless `value` is a finite number in an interval.

    Args:
        name: of the keyword.
        value: what was given.
        allowed: the interval as one writes it: "[0, 1]", "(0, inf)", "[0, 1)".
    """
    low, high = (float(bound) for bound in allowed[1:-1].split(","))
    number = float(value) if isinstance(value, int | float | np.number) and not isinstance(value, bool) else math.nan
    above = number > low or (allowed[0] == "[" and number == low)
    below = number < high or (allowed[-1] == "]" and number == high)
    if not (math.isfinite(number) and above and below):
        where = "" if math.isinf(low) and math.isinf(high) else f" in {allowed}"
        raise UsageError(f"{name}: {value!r} is not allowed; use a finite number{where}")


def check_flag(name: str, value: object) -> None:
    """Raise unless `value` is True or False: a text such as "false" would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"{name}: {value!r} is not allowed; use True or False")


def check_options(options: dict[str, Any] | None, *, allowed: Sequence[str]) -> None:
    """Raise if `reset` was given an option that it does not know."""
    unknown = sorted(set(options or ()) - set(allowed))
    if unknown:
        raise UsageError(f"options: {unknown[0]!r} is unknown; use {', '.join(map(repr, allowed)) or 'none'}")


def flag_in(options: dict[str, Any] | None, name: str) -> bool:
    """Whether an option of `reset` is True; raise if it is anything but True or False."""
    value = (options or {}).get(name, False)
    check_flag(f"options: {name!r}", value)
    return bool(value)
