"""What ImageSelect-v0 is but for its steps: the network, its looks at the images, and what a walk trains and earns."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from fer_gym.checks import check_choice, check_count, check_flag
from fer_gym.data import Splits, load
from fer_gym.envs.image_select import pretraining, rewards
from fer_gym.envs.image_select.rewards import FinishedWalk, RewardFunction
from fer_gym.envs.training_env import Training
from fer_gym.errors import UsageError
from fer_gym.training import NetworkFactory, Outputs, Trainer, TrainerSettings
from fer_gym.training.settings import feature_width

# The features of a sane network are far inside; the bound makes the observation space finite.
FEATURE_BOUND = 1e6


class Selection(Training):
    """A network that is trained on selected images, for environments in which walkers select them.

    An environment walks the order that `_begin_episode` returns, and hands what it retained to `_train_on`. With K
    walkers, image i of that order is walker i mod K's: so the first N mod K of them have one image more, and what all
    of them see in one step lies side by side.

    Its arguments are explained in `ImageSelectEnv`.
    """

    metadata: dict[str, Any]

    def __init__(
        self,
        dataset: str | Splits = "synthetic",
        root: str | None = None,
        limit: int | None = None,
        noise: Any = None,
        data_seed: int = 0,
        network: str | NetworkFactory = "small",
        pretrain_epochs: int = 5,
        epochs_per_episode: int = 1,
        carry_over: bool = True,
        reward: str | RewardFunction = "probability",
        baseline: str = "dataset",
        retain_cost: float = 0.0,
        credit: str = "retained",
        shuffle: bool = True,
        observe_label: bool = False,
        batch_size: int = 128,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        precision: str = "auto",
        device: str = "auto",
        render_mode: str | None = None,
    ) -> None:
        self._keywords = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        if not callable(reward):
            check_choice("reward", reward, rewards.REWARDS, or_else="a callable")
        check_choice("baseline", baseline, rewards.BASELINES)
        check_choice("credit", credit, rewards.CREDITS)
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        check_count("pretrain_epochs", pretrain_epochs, least=0)
        check_count("epochs_per_episode", epochs_per_episode, least=0)
        check_flag("carry_over", carry_over)
        check_flag("shuffle", shuffle)
        check_flag("observe_label", observe_label)
        if not (isinstance(retain_cost, int | float | np.number) and math.isfinite(retain_cost)):
            raise UsageError(f"retain_cost: {retain_cost!r} is not allowed; use a finite number")
        self.pretrain_epochs = pretrain_epochs
        self.epochs_per_episode = epochs_per_episode
        self.carry_over = carry_over
        self.shuffle = shuffle
        self.observe_label = observe_label
        self.render_mode = render_mode
        self._rewarding: dict[str, Any] = {
            "reward": reward,
            "baseline": baseline,
            "credit": credit,
            "retain_cost": retain_cost,
        }
        self.settings = TrainerSettings(network, batch_size, optimizer, learning_rate, precision, device)
        self.splits = load(dataset, root, limit, noise, data_seed)
        self._width = feature_width(self.settings, self.splits)
        self._set_spaces(self._observations_of_a_walker(), Discrete(2))
        self._position = self._length = 0  # of the walk under way, in steps

    @abstractmethod
    def _set_spaces(self, observations: Box, actions: Discrete) -> None:
        """Set the environment's spaces by those of one walker."""

    @property
    def num_images(self) -> int:
        """N, the training images that an episode walks."""
        return len(self.splits.train)

    def _observations_of_a_walker(self) -> Box:
        low = np.full(2 * self._width, -FEATURE_BOUND, dtype=np.float32)
        high = -low
        if self.observe_label:
            classes = len(self.splits.classes)
            low = np.concatenate([low, np.zeros(classes, np.float32)])
            high = np.concatenate([high, np.ones(classes, np.float32)])
        return Box(low, high, dtype=np.float32)

    # -- an episode ----------------------------------------------------------------------------------------------

    def _begin_episode(self, draws: np.random.Generator, afresh: bool, frozen: bool) -> NDArray[np.int64]:
        """Make the network ready and draw the order of the walk, int64, (N,).

        Args:
            draws: the environment's generator.
            afresh: whether to begin with new weights, pretrained.
            frozen: whether the episode trains nothing.
        """
        if afresh or self._trainer is None:
            self._start_afresh(draws)
        elif not self.carry_over:
            assert self._pretrained is not None
            # The weights return, the draws go on: no two episodes share their batches.
            trainer = {**self._pretrained["trainer"], **self._trainer.generators()}
            self._go_on_from({**self._pretrained, "trainer": trainer})
        self._frozen = frozen
        return draws.permutation(self.num_images) if self.shuffle else np.arange(self.num_images)

    def _start_afresh(self, draws: np.random.Generator) -> None:
        """New weights, pretrained on every image; the state to which `carry_over=False` returns."""
        trainer = self._trainer or Trainer(self.splits, self.settings)
        # Should this be interrupted, the next reset starts afresh again, and no step is taken before it.
        self._trainer, self._length = None, 0
        seed = int(draws.integers(2**32))
        pretraining.pretrain(trainer, seed, self.pretrain_epochs)
        self._look(trainer)
        self._trainer = trainer
        # Kept only where it is needed: it is as large as the network and its optimiser together.
        self._pretrained = None if self.carry_over else self._network_state()

    def _look(self, trainer: Trainer) -> None:
        """One evaluation pass: rewards are paid from it, and the next episode walks on its features."""
        outputs = trainer.outputs("train")
        self._outputs = Outputs(np.clip(outputs.features, -FEATURE_BOUND, FEATURE_BOUND), outputs.probabilities)
        self._validation = trainer.evaluate("val")

    def _laid_out(self, order: NDArray[np.int64], walkers: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """All observations of an episode but for the means, so that a step writes those and touches no tensor.

        Every observation is handed out once, as it is, so they are new ones in every episode. The sum of the retained
        is kept in double precision, and so are the features it is made of: NumPy adds two arrays of one dtype twice as
        fast.

        Returns:
            Observations, (T, K, ...), and features, (T, K, D), of K walkers in T steps; zeros where a walker is done.
        """
        width, images, steps = self._width, len(order), -(-len(order) // walkers)
        walked = self._outputs.features[order]
        wide = 2 * width + (len(self.splits.classes) if self.observe_label else 0)
        observations = np.zeros((steps * walkers, wide), np.float32)
        observations[:images, :width] = walked
        if self.observe_label:
            observations[np.arange(images), 2 * width + self.splits.train.labels[order]] = 1.0
        features = np.zeros((steps * walkers, width))
        features[:images] = walked
        return observations.reshape(steps, walkers, wide), features.reshape(steps, walkers, width)

    def _train_on(self, order: NDArray[np.int64], retained: NDArray[np.bool_]) -> FinishedWalk:
        """Train on the retained images, unless the episode is frozen (Algorithm 1, lines 13 and 14).

        Args:
            order: int64, (N,): the walk.
            retained: bool, (N,), in its order.
        """
        trainer = self._begun()
        validation_before = self._validation
        if not self._frozen and retained.any() and self.epochs_per_episode:
            self._trainer = None  # should this be interrupted, the next reset starts afresh
            trainer.train_epochs(order[retained], self.epochs_per_episode)
            self._look(trainer)
            self._trainer = trainer
        return FinishedWalk(
            self._outputs.probabilities[order],
            self.splits.train.labels[order],
            retained,
            validation_before,
            self._validation,
        )

    @property
    def outputs(self) -> Outputs:
        """Features and probabilities that the network as it is gives the training images, in their order.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        self._begun()
        return self._outputs

    # -- the state -----------------------------------------------------------------------------------------------

    def _network_state(self) -> dict[str, Any]:
        return {
            "trainer": self._begun().state_dict(),
            "features": self._outputs.features.copy(),
            "probabilities": self._outputs.probabilities.copy(),
            "validation": dict(self._validation),
        }

    def _go_on_from(self, state: dict[str, Any]) -> None:
        assert self._trainer is not None
        self._trainer.load_state_dict(state["trainer"])
        self._outputs = Outputs(state["features"], state["probabilities"])
        self._validation = dict(state["validation"])

    def _selection_state(self, draws: np.random.Generator) -> dict[str, Any]:
        """The part of the state that is not the walk."""
        return {
            "network": self._network_state(),
            "pretrained": self._pretrained,
            "generator": draws.bit_generator.state,
            "frozen": self._frozen,
        }

    def _load_selection(self, state: dict[str, Any], draws: np.random.Generator) -> None:
        self._trainer = self._trainer or Trainer(self.splits, self.settings)
        self._go_on_from(state["network"])
        self._pretrained = state["pretrained"]
        draws.bit_generator.state = state["generator"]
        self._frozen = state["frozen"]
