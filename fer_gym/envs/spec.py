"""Gymnasium's description of an environment that `gymnasium.make` made, and how it is written as JSON."""

from __future__ import annotations

import json
from dataclasses import fields

from gymnasium.envs.registration import EnvSpec

from fer_gym.errors import UsageError


class Spec(EnvSpec):
    """Gymnasium's description of an environment; its `to_json` names a keyword that JSON cannot hold."""

    def to_json(self) -> str:
        """Write what `gymnasium.make` needs.

        Raises:
            ValueError: if a keyword is no JSON value, such as `Splits` or a function; the message names the keyword.
        """
        for name, value in self.kwargs.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"{name}: a {type(value).__name__} cannot be written as JSON; use a plain value, such as the name "
                    "of a data set, or pickle the spec"
                ) from error
        return super().to_json()

    def __eq__(self, other: object) -> bool:
        # Gymnasium's compares specs of one class alone, and `EnvSpec.from_json` makes its own.
        return isinstance(other, EnvSpec) and all(
            getattr(self, field.name) == getattr(other, field.name) for field in fields(EnvSpec)
        )

    __hash__ = None  # type: ignore[assignment]  # as Gymnasium's


class Described:
    """Base class of the environments: the `spec` that Gymnasium sets is a `Spec`."""

    _spec: Spec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium made the environment from; None if it was made without `gymnasium.make`."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is None:
            self._spec = None
        else:
            self._spec = Spec(**{field.name: getattr(spec, field.name) for field in fields(spec) if field.init})
