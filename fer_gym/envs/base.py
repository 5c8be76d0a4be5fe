"""Base classes of the environments: scores and pickling for all, rendering for the scalar ones."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from fer_gym.checks import check_choice
from fer_gym.envs.spec import Described
from fer_gym.envs.window import Window
from fer_gym.training import Trainer
from fer_gym.training.metrics import scores

ObsType = TypeVar("ObsType")
ActType = TypeVar("ActType")


def keywords_of(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that an environment was made with.

    Args:
        kind: the environment's class. Only the names in its signature are taken: a debugger may add local variables.
        given: `locals()` at the start of its `__init__`.
    """
    return {name: given[name] for name in inspect.signature(kind).parameters}


class NetworkEnv(Described, ABC):
    """Base class of the scalar and vector environments, which train a network: its scores, and pickling.

    A subclass sets `_keywords`, the keywords that it was made with.
    """

    _keywords: dict[str, Any]

    @property
    @abstractmethod
    def trainer(self) -> Trainer:
        """The network as it is, with its optimiser and data.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, and after an interrupted reset or step.
        """

    @abstractmethod
    def made_for(self) -> dict[str, Any]:
        """What a state must match, as JSON values: the data's fingerprint, network, training and episode.

        A state stores it as `made_for`. How steps are rewarded and observed is not compared.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """The whole state, a plain dictionary that `copy.deepcopy` copies.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, and after an interrupted reset or step.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit.

        Raises:
            ValueError: if a part is missing, does not fit, or is of other data or settings; the message names the part.
                The environment is then as it was.
        """

    def evaluate(self, split: str) -> dict[str, float]:
        """Score the network as it is on a whole split: `accuracy`, `average_accuracy`, `macro_f1`, `macro_f1_of_means`.

        Args:
            split: "val" or "test".

        Raises:
            ValueError: for another split.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return scores(self.confusion(split))

    def confusion(self, split: str) -> NDArray[np.int64]:
        """The confusion matrix, int64 (C, C), of a whole split: row i counts the images of class i by prediction.

        Args:
            split: "val" or "test".

        Raises:
            ValueError: for another split.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        check_choice("split", split, ("val", "test"))
        return self.trainer.confusion(split)

    def __getstate__(self) -> dict[str, Any]:
        try:
            state = self.state_dict()
        except ResetNeeded:
            state = None
        return {"keywords": self._keywords, "spec": self.spec, "state": state}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        type(self).__init__(self, **pickled["keywords"])
        self.spec = pickled["spec"]
        if pickled["state"] is not None:
            self.load_state_dict(pickled["state"])


class ScalarEnv(NetworkEnv, gym.Env[ObsType, ActType]):
    """Base class of the scalar environments: rendering. A subclass sets `render_mode`."""

    _picture: Window | None = None  # made by the first `_draw`

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the state.

        Returns:
            uint8 (H, W, 3) with `render_mode="rgb_array"`; None with "human", which shows the picture in a window.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self.render_mode is None:
            gym.logger.warn("render() does nothing without a render_mode: gym.make(..., render_mode='rgb_array')")
            return None
        frame = self._draw()
        if self.render_mode == "human":
            assert self._picture is not None
            self._picture.show(frame, self.metadata["render_fps"])
            return None
        return frame

    @abstractmethod
    def _draw(self) -> NDArray[np.uint8]:
        """Draw the state with `_picture`, which is made if there is none: uint8 (H, W, 3).

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """

    def close(self) -> None:
        """Close the window of `render_mode="human"`."""
        if self._picture is not None:
            self._picture.close()
            self._picture = None
