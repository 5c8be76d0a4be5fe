"""What the scalar and the vector form of ImageSelect-v0 share: a run, whose state is a part of theirs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from fer_gym.data import Splits
from fer_gym.envs.base import NetworkEnv
from fer_gym.envs.image_select.run import Run
from fer_gym.training import Outputs, Trainer, TrainerSettings, states


class RunEnv(NetworkEnv):
    """A scalar or vector environment that owns a `Run`, whose attributes are the environment's as well."""

    run: Run
    np_random: np.random.Generator
    _walk: Any  # a Walk or a ShardedWalk; None before the first reset, and after an interrupted reset or step

    @abstractmethod
    def _new_walk(self, order: NDArray[np.int64]) -> Any:
        """The walk in this order, at its beginning."""

    @abstractmethod
    def _check_walk(self, state: dict[str, Any]) -> None:
        """Raise a `UsageError` unless a walk here would take the state; it has all parts."""

    def _begun_walk(self) -> Any:
        if self._walk is None:
            raise ResetNeeded("there is no episode: call reset()")
        return self._walk

    # -- the state -----------------------------------------------------------------------------------------------

    def made_for(self) -> dict[str, Any]:
        """All that decides a state's future, as JSON values: the data's fingerprint, network, training and episode."""
        return self.run.made_for()

    def state_dict(self) -> dict[str, Any]:
        """The whole state: network, optimiser, generators and walk. `copy.deepcopy` copies it.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, and after an interrupted reset or step.
        """
        walk = self._begun_walk()
        of_run, generator = self.run.state_dict(), self.np_random.bit_generator.state
        return {**states.header(self.made_for()), **of_run, "generator": generator, **walk.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit.

        Raises:
            ValueError: if a part is missing, does not fit, or is of other data or settings; the message names the part.
                The environment is then as it was.
        """
        states.check_header(state, self.made_for())
        of_run, of_walk = ("network", "pretrained", "frozen"), ("order", "retained", "position", "sum")
        states.check_keys("", state, ("format", "made_for", *of_run, "generator", *of_walk))
        self._check_walk(state)
        trainer = self.run.checked(state)
        states.check_numpy_generator("generator", state["generator"], self.np_random)
        self._walk = None  # if this is interrupted, the next call must be a reset
        self.run.load_state_dict(state, trainer)
        self.np_random.bit_generator.state = state["generator"]
        walk = self._new_walk(state["order"].copy())
        walk.load_state_dict(state)
        self._walk = walk

    # -- what is the run's ---------------------------------------------------------------------------------------

    @property
    def num_images(self) -> int:
        """N, the training images that an episode walks."""
        return self.run.num_images

    @property
    def splits(self) -> Splits:
        """The data."""
        return self.run.splits

    @property
    def settings(self) -> TrainerSettings:
        """How the network is built and trained."""
        return self.run.settings

    @property
    def pretrain_epochs(self) -> int:
        """Epochs on all images after `reset(seed=...)`."""
        return self.run.pretrain_epochs

    @property
    def epochs_per_episode(self) -> int:
        """Epochs on the retained images at the end of an episode."""
        return self.run.epochs_per_episode

    @property
    def carry_over(self) -> bool:
        """Whether an episode goes on with the network as it is."""
        return self.run.carry_over

    @property
    def shuffle(self) -> bool:
        """Whether the order of the walk is drawn anew each episode."""
        return self.run.shuffle

    @property
    def observe_label(self) -> bool:
        """Whether an observation ends with the one-hot label."""
        return self.run.observe_label

    @property
    def trainer(self) -> Trainer:
        """The network as it is, with its optimiser and data.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, and after an interrupted reset or step.
        """
        return self.run.begun()

    @property
    def outputs(self) -> Outputs:
        """The network's features and probabilities of the training images, in the order of the split.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return self.run.outputs
