"""Settings as JSON values, the same in every process; and such values in words."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_gym.data import Splits


def description(value: Any) -> Any:
    """A setting as a JSON value that a resumed run can compare: no address of an object, no number of a hash.

    Returns:
        JSON values as they are; "inf", "-inf" and "nan" for numbers that JSON does not have; a tuple or an array as a
        list; a function as {"function": "module:name"}; a class as
        {"class": "module:name"}; any other object as {"class": "module:name", ...} with its fields or, if it is not a
        dataclass, its plain public attributes. A data set is described by its fingerprint.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return description(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): description(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [description(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, functools.partial):
        given = {"args": description(value.args), **description(value.keywords)}
        return {**description(value.func), **{key: each for key, each in given.items() if each != []}}
    if isinstance(value, type):
        return {"class": _name(value)}
    if isinstance(value, Splits):
        return {"class": _name(type(value)), "fingerprint": value.fingerprint()}
    if dataclasses.is_dataclass(value):
        fields = {field.name: description(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": _name(type(value)), **fields}
    if hasattr(value, "__qualname__"):
        return {"function": _name(value)}
    public = (
        {key: each for key, each in vars(value).items() if not key.startswith("_")}
        if hasattr(value, "__dict__")
        else {}
    )
    plain = {key: each for key, each in public.items() if each is None or isinstance(each, bool | int | float | str)}
    return {"class": _name(type(value)), **plain}


def in_words(value: Any) -> str:
    """A described setting as Python would write it: Dni(network='small'), [0.0, 0.8], {'dropout': [0.0, 0.8]}."""
    if isinstance(value, dict):
        kind = value.get("class", value.get("function"))
        if isinstance(kind, str):
            given = ", ".join(
                f"{key}={in_words(each)}" for key, each in value.items() if key not in ("class", "function")
            )
            name = kind.partition(":")[2] or kind
            return name if "function" in value and not given else f"{name}({given})"
        return "{" + ", ".join(f"{key!r}: {in_words(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(in_words, value)) + "]"
    return repr(value)


def _name(of: Any) -> str:
    return f"{of.__module__}:{of.__qualname__}"
