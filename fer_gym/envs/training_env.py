"""What the environments share: the trainer behind them, its scores, pickling and the picture."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from fer_gym.checks import check_choice
from fer_gym.training import Trainer
from fer_gym.training.metrics import scores

ObsType = TypeVar("ObsType")
ActType = TypeVar("ActType")


class Picture(Protocol):
    """What draws an environment."""

    def show(self, frame: NDArray[np.uint8], fps: int) -> None:
        """Show a frame in a window."""

    def close(self) -> None:
        """Close the window."""


class Training:
    """What every environment over one `Trainer` has, scalar or vector: its scores, its state, and pickling.

    A subclass keeps its keywords in `_keywords`; `_trainer` is None whenever no step may be taken: before the first
    reset, and after an interruption.
    """

    spec: EnvSpec | None
    _keywords: dict[str, Any]
    _trainer: Trainer | None = None  # built at the first reset: no device is touched before it

    def _begun(self) -> Trainer:
        if self._trainer is None:
            raise ResetNeeded("there is no state before the first reset: call reset()")
        return self._trainer

    @property
    def trainer(self) -> Trainer:
        """The network as it is, with its optimiser and data.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return self._begun()

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
        return self._begun().confusion(split)

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """The whole state, which `copy.deepcopy` copies.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit."""

    def __getstate__(self) -> dict[str, Any]:
        state = None if self._trainer is None else self.state_dict()
        return {"keywords": self._keywords, "spec": self.spec, "state": state}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        type(self).__init__(self, **pickled["keywords"])
        self.spec = pickled["spec"]
        if pickled["state"] is not None:
            self.load_state_dict(pickled["state"])


class TrainingEnv(Training, gym.Env[ObsType, ActType]):
    """A Gymnasium environment over one `Trainer`. A subclass sets `render_mode`."""

    _picture: Picture | None = None

    def render(self) -> NDArray[np.uint8] | None:
        """The state as a picture, uint8, (H, W, 3), or in a window."""
        if self.render_mode is None:
            gym.logger.warn("render() does nothing without a render_mode: gym.make(..., render_mode='rgb_array')")
            return None
        self._begun()
        frame = self._draw()
        if self.render_mode == "human":
            assert self._picture is not None
            self._picture.show(frame, self.metadata["render_fps"])
            return None
        return frame

    @abstractmethod
    def _draw(self) -> NDArray[np.uint8]:
        """The state as a picture by `_picture`, which is made here when first needed."""

    def close(self) -> None:
        """Close the window of `render_mode="human"`."""
        if self._picture is not None:
            self._picture.close()
            self._picture = None
