"""Walks through the training images: their order, what was retained, and the mean feature of the retained images."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from fer_gym.errors import UsageError


class Walk:
    """The walk of one walker. A walk is its own state: `state_dict` and `load_state_dict` copy it.

    Args:
        order: int64, (N,): the training images in the order of the walk.
        observations: float32, (N, W): all observations of the walk, their mean features still zero. Each is handed out
            once, as it is.
        features: float64, (N, D): the images' features. The sum of the retained ones is kept in double precision; the
            features as well, since NumPy adds two arrays of one dtype twice as fast.

    Attributes:
        order: as given.
        length: N.
        position: how many images have been decided on.
        retained: N bytes, 1 where the image was retained.
        count: how many images were retained.
        observations: a list of the N observations.
    """

    def __init__(
        self, order: NDArray[np.int64], observations: NDArray[np.float32], features: NDArray[np.float64]
    ) -> None:
        width = features.shape[1]
        self.order = order
        self.length = len(order)
        self.position = 0
        self.retained = bytearray(self.length)
        self.count = 0
        # Lists of rows, since taking a row out of an array costs more than what is done with it.
        self.observations = list(observations)
        self._features = list(features)
        self._means = observations[:, width : 2 * width]
        # Returned once more at the end; the row itself is the receiver's.
        self._last: NDArray[np.float32] = observations[-1].copy()
        self._sum = np.zeros(width)
        self._mean = np.zeros(width)

    def decide(self, action: Any) -> bool:
        """Retain (1) or remove (0) the current image; whether it was the last one.

        Raises:
            gymnasium.error.ResetNeeded: if there is no current image.
            UsageError: if the action is neither 0 nor 1.
        """
        i = self.position
        if i >= self.length:
            raise ResetNeeded("the episode is over: call reset()")
        if action == 1:
            self.retained[i] = 1
            self.count += 1
            np.add(self._sum, self._features[i], self._sum)
            np.multiply(self._sum, 1.0 / self.count, self._mean)
        elif action != 0:
            raise UsageError(f"action: {action!r} is not allowed; use 0 (remove) or 1 (retain)")
        self.position = i = i + 1
        if i == self.length:
            return True
        self._means[i] = self._mean
        return False

    def last_observation(self) -> NDArray[np.float32]:
        """The observation of the last image, its mean feature that of all images retained."""
        width = len(self._mean)
        self._last[width : 2 * width] = self._mean
        return self._last

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the walk has become; its observations follow from the network's features."""
        return {
            "order": self.order.copy(),
            "retained": bytes(self.retained),
            "position": self.position,
            "sum": self._sum.copy(),
            "mean": self._mean.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of a walk in the same order."""
        self.retained = bytearray(state["retained"])
        self.position = state["position"]
        self.count = sum(self.retained)
        self._sum = state["sum"].copy()
        self._mean = state["mean"].copy()
        if self.position < self.length:
            self._means[self.position] = self._mean


class ShardedWalk:
    """The walk of K walkers side by side: image i of the order is walker i mod K's.

    The first N mod K walkers have one image more than the others, which idle in the last step. Like `Walk`, it is its
    own state.

    Args:
        order: int64, (N,): the training images in the order of the walk.
        observations: float32, (T, K, W), T = ceil(N / K): as `Walk`; zeros where a walker idles.
        features: float64, (T, K, D): as `Walk`.

    Attributes:
        order: as given.
        length: T.
        position: steps taken.
        retained: bool, (T, K).
        count: float64, (K,): the images that each walker has retained.
        valid: bool, (T, K): False where a walker idles.
        observations: as given.
    """

    def __init__(
        self, order: NDArray[np.int64], observations: NDArray[np.float32], features: NDArray[np.float64]
    ) -> None:
        steps, walkers, width = features.shape
        self.order = order
        self.length = steps
        self.position = 0
        self.retained = np.zeros((steps, walkers), np.bool_)
        self.count = np.zeros(walkers)
        self.valid = np.arange(steps * walkers).reshape(steps, walkers) < len(order)
        self.observations = observations
        self._features = features
        self._means = observations[:, :, width : 2 * width]
        # Returned once more at the end; the rows themselves are the receiver's.
        self._last: NDArray[np.float32] = observations[-1].copy()
        self._sum = np.zeros((walkers, width))

    def decide(self, actions: ArrayLike) -> bool:
        """Retain (1) or remove (0) each walker's image; whether these were the last ones.

        Args:
            actions: (K,).

        Raises:
            UsageError: if an action is neither 0 nor 1, or there are not K of them.
        """
        t = self.position
        retain = self._checked(actions) & self.valid[t]
        self.retained[t] = retain
        self.count += retain
        np.add(self._sum, self._features[t], out=self._sum, where=retain[:, None])
        self.position = t = t + 1
        if t == self.length:
            return True
        self._write_means(self._means[t])
        return False

    def _checked(self, actions: ArrayLike) -> NDArray[np.bool_]:
        """Which walkers retain, (K,)."""
        actions = np.asarray(actions)
        retain: NDArray[np.bool_] = actions == 1
        walkers = len(self.count)
        if np.shape(retain) != (walkers,) or not (retain | (actions == 0)).all():
            raise UsageError(
                f"actions: {actions.tolist()!r} is not allowed; use {walkers} of 0 (remove) and 1 (retain)"
            )
        return retain

    def _write_means(self, out: NDArray[np.float32]) -> None:
        """The mean feature of the images that each walker retained, (K, D); zeros where it retained none."""
        out[...] = self._sum * (1.0 / np.maximum(self.count, 1))[:, None]

    def last_observations(self) -> NDArray[np.float32]:
        """The observations of the last step, (K, W), their mean features those of all images retained."""
        width = self._sum.shape[1]
        self._write_means(self._last[:, width : 2 * width])
        return self._last

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the walk has become; its observations follow from the network's features."""
        return {
            "order": self.order.copy(),
            "retained": self.retained.copy(),
            "position": self.position,
            "sum": self._sum.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of a walk in the same order with as many walkers."""
        self.retained = state["retained"].copy()
        self.position = state["position"]
        self.count = self.retained.sum(axis=0, dtype=np.float64)
        self._sum = state["sum"].copy()
        if self.position < self.length:
            self._write_means(self._means[self.position])
