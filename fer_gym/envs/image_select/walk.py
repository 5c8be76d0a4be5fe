"""Walks through the training images: their order, what was retained, and the mean feature of the retained images."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from fer_gym.errors import UsageError
from fer_gym.training import states


def _check_order(state: dict[str, Any], images: int) -> None:
    states.check_like("order", state["order"], np.arange(images))
    if not np.array_equal(np.sort(state["order"]), np.arange(images)):
        states.refuse("order", f"does not have each of the {images:,} images once")


class Walk:
    """The walk of the scalar environment.

    Args:
        order: int64, (N,): the training images in the order of the walk.
        observations: float32, (N, W): all observations of the walk, their mean features zero. They are written in
            place and returned without a copy.
        features: float64, (N, D): the images' features. They are summed in double precision, and NumPy adds two arrays
            of the same dtype twice as fast.

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
        # Lists of rows: indexing an array costs more than all that is done with the row.
        self.observations = list(observations)
        self._features = list(features)
        self._means = observations[:, width : 2 * width]
        # For the terminal observation; the row itself was returned before and belongs to the agent.
        self._last: NDArray[np.float32] = observations[-1].copy()
        self._sum = np.zeros(width)
        self._mean = np.zeros(width)

    def decide(self, action: Any) -> bool:
        """Retain (1) or remove (0) the current image.

        Returns:
            Whether it was the last one.

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
        """The observation of the last image, its mean feature over all retained images."""
        width = len(self._mean)
        self._last[width : 2 * width] = self._mean
        return self._last

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that changes in the walk, without the observations, which the network's features determine."""
        return {
            "order": self.order.copy(),
            "retained": bytes(self.retained),
            "position": self.position,
            "sum": self._sum.copy(),
        }

    @staticmethod
    def check_state(state: dict[str, Any], images: int, width: int) -> None:
        """Raise a `UsageError` unless a walk through so many images, of features so wide, would take the state."""
        _check_order(state, images)
        states.check_count("position", state["position"], images)
        retained = state["retained"]
        if type(retained) is not bytes or len(retained) != images or not set(retained) <= {0, 1}:
            states.refuse("retained", f"is no {images:,} bytes of 0 and 1")
        if any(retained[state["position"] :]):
            states.refuse("retained", "has images that are not decided on yet")
        states.check_like("sum", state["sum"], np.zeros(width))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of a walk in the same order."""
        self.retained = bytearray(state["retained"])
        self.position = state["position"]
        self.count = sum(self.retained)
        self._sum = state["sum"].copy()
        self._mean = self._sum * (1.0 / max(self.count, 1))
        if self.position < self.length:
            self._means[self.position] = self._mean


class ShardedWalk:
    """The walk of the vector environment's K walkers: image i of the order belongs to walker i mod K.

    The first N mod K walkers have one image more than the others, which idle in the last step.

    Args:
        order: int64, (N,): the training images in the order of the walk.
        observations: float32, (T, K, W), T = ceil(N / K): as in `Walk`; zeros where a walker idles.
        features: float64, (T, K, D): as in `Walk`.

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
        # For the terminal observations; the rows themselves were returned before and belong to the agent.
        self._last: NDArray[np.float32] = observations[-1].copy()
        self._sum = np.zeros((walkers, width))

    def decide(self, actions: ArrayLike) -> bool:
        """Retain (1) or remove (0) each walker's image.

        Args:
            actions: (K,).

        Returns:
            Whether these were the last ones.

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
        """Write each walker's mean feature, (K, D), into `out`; zeros where a walker has retained nothing."""
        out[...] = self._sum * (1.0 / np.maximum(self.count, 1))[:, None]

    def last_observations(self) -> NDArray[np.float32]:
        """The observations of the last step, (K, W), their mean features over all images that a walker retained."""
        width = self._sum.shape[1]
        self._write_means(self._last[:, width : 2 * width])
        return self._last

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that changes in the walk, without the observations, which the network's features determine."""
        return {
            "order": self.order.copy(),
            "retained": self.retained.copy(),
            "position": self.position,
            "sum": self._sum.copy(),
        }

    @staticmethod
    def check_state(state: dict[str, Any], images: int, width: int, walkers: int) -> None:
        """Raise a `UsageError` unless a walk of so many walkers would take the state, as `Walk.check_state`."""
        _check_order(state, images)
        steps = -(-images // walkers)
        states.check_count("position", state["position"], steps)
        states.check_like("retained", state["retained"], np.zeros((steps, walkers), np.bool_))
        undecided = np.arange(steps * walkers).reshape(steps, walkers) >= images
        undecided[state["position"] :] = True
        if state["retained"][undecided].any():
            states.refuse("retained", "has images that are not decided on yet, or not there")
        states.check_like("sum", state["sum"], np.zeros((walkers, width)))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of a walk in the same order with as many walkers."""
        self.retained = state["retained"].copy()
        self.position = state["position"]
        self.count = self.retained.sum(axis=0, dtype=np.float64)
        self._sum = state["sum"].copy()
        if self.position < self.length:
            self._write_means(self._means[self.position])
