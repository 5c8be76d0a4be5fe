"""Instances: what may differ from one run of RegTune-v0 to the next, without the agent being told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_gym.data import Splits
from fer_gym.errors import UsageError
from fer_gym.training import TrainerSettings

_OF_DATA = ("noise", "limit")
_OF_TRAINING = ("learning_rate", "batch_size")
KEYWORDS = (*_OF_DATA, *_OF_TRAINING)


@dataclass(frozen=True, eq=False)
class Instance:
    """The data that a child trains on, and how it trains.

    Attributes:
        splits: validation and test images are the same for all instances.
        settings: of the child.
    """

    splits: Splits
    settings: TrainerSettings


def build(
    instances: Sequence[Mapping[str, Any] | Instance] | None,
    load: Callable[..., Splits],
    settings: TrainerSettings,
    **of_data: Any,
) -> tuple[Instance, ...]:
    """The instances that `RegTuneEnv` was given.

    Args:
        instances: for each, values for some of `KEYWORDS`, or what this function returned; None is one instance that
            changes nothing.
        load: takes the keywords `noise` and `limit`.
        settings: what an instance does not change.
        of_data: `noise` and `limit` of an instance that has none of its own.

    Raises:
        ValueError: if there is none, one is no mapping, a keyword is unknown or its value not allowed.
        DatasetError: as `load`.
    """
    if instances is None:
        return (Instance(load(**of_data), settings),)
    if isinstance(instances, str | Mapping) or not isinstance(instances, Sequence) or not instances:
        raise UsageError(f"instances: {instances!r} is not allowed; use None or a sequence of mappings of keywords")
    loaded: dict[str, Splits] = {}
    built: list[Instance] = []
    for k, each in enumerate(instances):
        if isinstance(each, Instance):
            built.append(each)
            continue
        if not isinstance(each, Mapping):
            raise UsageError(f"instances: {each!r}, number {k}, is not allowed; use a mapping of keywords to values")
        for name in each:
            if name not in KEYWORDS:
                raise UsageError(f"instances: {name!r} of number {k} is unknown; use {', '.join(KEYWORDS)}")
        try:
            mine = {name: each.get(name, of_data[name]) for name in _OF_DATA}
            if (key := repr(mine)) not in loaded:
                loaded[key] = load(**mine)
            trained = {name: each[name] for name in _OF_TRAINING if name in each}
            built.append(Instance(_with_held_out_of(built, loaded[key]), dataclasses.replace(settings, **trained)))
        except UsageError as error:
            raise type(error)(f"instances: number {k}: {error}") from error
    return tuple(built)


def _with_held_out_of(built: list[Instance], splits: Splits) -> Splits:
    """Splits with the held-out images of the instances before, in the same arrays: a device holds them once."""
    if not built:
        return splits
    first = built[0].splits
    return Splits(splits.train, first.val, first.test, splits.classes)
