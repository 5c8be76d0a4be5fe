"""The network of ImageSelect-v0: its pretraining, its training on the retained images, its evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from fer_gym.checks import check_choice, check_count, check_flag, check_number
from fer_gym.data import Splits, load
from fer_gym.envs.image_select import pretraining, rewards
from fer_gym.envs.image_select.rewards import FinishedWalk, RewardFunction
from fer_gym.training import NetworkFactory, Outputs, Trainer, TrainerSettings, scores, states
from fer_gym.training.augmentation import Augmentation
from fer_gym.training.settings import feature_width, made_for

# Makes the observation space finite; features are far smaller unless the network has diverged.
FEATURE_BOUND = 1e6
_MOST_EPOCHS = 1 << 20  # more hang, and have no use


class Run:
    """The network of ImageSelect-v0: pretrained, then trained at the end of each episode.

    An environment walks the order that `begin` returns, and passes the retained images to `train_on`. With K walkers,
    image i of that order belongs to walker i mod K, so that the observations of one step are adjacent in memory.

    The arguments are those of `ImageSelectEnv`, where they are explained.

    Attributes:
        splits: the data.
        settings: how the network is built and trained.
        width: D, the length of a feature.
        rewarding: keywords of `rewards.reward_walk` and `rewards.reward_shards`.
        trainer: None before the first reset, and after an interrupted reset or training.
        validation: the network's scores on the validation split.

    Raises:
        ValueError: a keyword is not allowed.
        DatasetError: the data set is unusable.
    """

    def __init__(
        self,
        *,
        dataset: str | Splits,
        root: str | None,
        limit: int | None,
        noise: Any,
        data_seed: int,
        network: str | NetworkFactory,
        pretrain_epochs: int,
        epochs_per_episode: int,
        carry_over: bool,
        reward: str | RewardFunction,
        baseline: str,
        retain_cost: float,
        credit: str,
        shuffle: bool,
        observe_label: bool,
        batch_size: int,
        optimizer: str,
        learning_rate: float,
        augment: Mapping[str, Any] | None,
        precision: str,
        device: str,
    ) -> None:
        if not callable(reward):
            check_choice("reward", reward, rewards.REWARDS, or_else="a callable")
        check_choice("baseline", baseline, rewards.BASELINES)
        check_choice("credit", credit, rewards.CREDITS)
        check_count("pretrain_epochs", pretrain_epochs, least=0, most=_MOST_EPOCHS)
        check_count("epochs_per_episode", epochs_per_episode, least=0, most=_MOST_EPOCHS)
        for name, flag in (("carry_over", carry_over), ("shuffle", shuffle), ("observe_label", observe_label)):
            check_flag(name, flag)
        check_number("retain_cost", retain_cost)
        # NumPy's whole numbers overflow where Python's do not.
        self.pretrain_epochs = int(pretrain_epochs)
        self.epochs_per_episode = int(epochs_per_episode)
        self.carry_over = carry_over
        self.shuffle = shuffle
        self.observe_label = observe_label
        self.rewarding: dict[str, Any] = {
            "reward": reward,
            "baseline": baseline,
            "credit": credit,
            "retain_cost": retain_cost,
        }
        augmentation = Augmentation.of(augment)
        self.settings = TrainerSettings(network, batch_size, optimizer, learning_rate, precision, device, augmentation)
        self.splits = load(dataset, root, limit, noise, data_seed)
        self.width = feature_width(self.settings, self.splits)
        self.trainer: Trainer | None = None  # built at the first reset: no device is touched before it
        self._given_up: Trainer | None = None  # to be initialised anew: building another takes memory and time
        self.validation: dict[str, float] = {}
        self._outputs: Outputs | None = None
        self._pretrained: dict[str, Any] | None = None
        self._frozen = False

    @property
    def num_images(self) -> int:
        """N, the training images that an episode walks."""
        return len(self.splits.train)

    @property
    def outputs(self) -> Outputs:
        """The network's features and probabilities of the training images, in the order of the split.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        self.begun()
        return self._outputs_now()

    def _outputs_now(self) -> Outputs:
        assert self._outputs is not None
        return self._outputs

    def observation_space(self) -> Box:
        """The space of one walker's observations."""
        low = np.full(2 * self.width, -FEATURE_BOUND, dtype=np.float32)
        high = -low
        if self.observe_label:
            classes = len(self.splits.classes)
            low = np.concatenate([low, np.zeros(classes, np.float32)])
            high = np.concatenate([high, np.ones(classes, np.float32)])
        return Box(low, high, dtype=np.float32)

    def begun(self) -> Trainer:
        """The trainer.

        Raises:
            gymnasium.error.ResetNeeded: if there is none.
        """
        if self.trainer is None:
            raise ResetNeeded("there is no network yet: call reset()")
        return self.trainer

    # -- an episode ----------------------------------------------------------------------------------------------

    def begin(self, rng: np.random.Generator, *, frozen: bool) -> NDArray[np.int64]:
        """Make the network ready, new and pretrained where there is none, and draw the order of the walk, int64, (N,).

        Args:
            rng: the environment's generator.
            frozen: whether the episode trains nothing.
        """
        if self.trainer is None:
            self._begin_afresh(rng)
        elif not self.carry_over:
            assert self._pretrained is not None
            trainer, self.trainer = self.trainer, None  # if this is interrupted, the next reset begins afresh
            # The pretrained weights come back, the generators go on: no two episodes share their batches.
            state = {**self._pretrained["trainer"], **trainer.generators()}
            self._load_network({**self._pretrained, "trainer": state}, trainer)
            self.trainer = trainer
        self._frozen = frozen
        return rng.permutation(self.num_images) if self.shuffle else np.arange(self.num_images)

    def give_up(self) -> None:
        """Let the next episode begin afresh, whatever happens before it."""
        if self.trainer is not None:
            self._given_up, self.trainer = self.trainer, None

    def _begin_afresh(self, rng: np.random.Generator) -> None:
        """New weights, pretrained on every image; the state to which `carry_over=False` returns."""
        trainer, self._given_up = self._given_up or Trainer(self.splits, self.settings), None
        seed = int(rng.integers(2**32))
        pretraining.pretrain(trainer, seed, self.pretrain_epochs)
        self._evaluate(trainer)
        # Only if it is needed: it is as large as the network and its optimiser together.
        self._pretrained = None if self.carry_over else self._network_state(trainer)
        self.trainer = trainer

    def _evaluate(self, trainer: Trainer) -> None:
        """One evaluation pass: the rewards are computed from it, and the next episode observes its features."""
        outputs = trainer.outputs("train")
        self._outputs = Outputs(np.clip(outputs.features, -FEATURE_BOUND, FEATURE_BOUND), outputs.probabilities)
        self.validation = trainer.evaluate("val")

    def lay_out(self, order: NDArray[np.int64], walkers: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Make all observations of an episode at once: a step then writes mean features, and touches no tensor.

        Args:
            order: int64, (N,): the walk.
            walkers: K.

        Returns:
            Observations, float32 (T, K, W), their mean features zero, and features, float64 (T, K, D), of K walkers in
            T = ceil(N / K) steps; zeros where a walker has no image left.
        """
        width, images, steps = self.width, len(order), -(-len(order) // walkers)
        walked = self.outputs.features[order]
        wide = 2 * width + (len(self.splits.classes) if self.observe_label else 0)
        observations = np.zeros((steps * walkers, wide), np.float32)
        observations[:images, :width] = walked
        if self.observe_label:
            observations[np.arange(images), 2 * width + self.splits.train.labels[order]] = 1.0
        features = np.zeros((steps * walkers, width))
        features[:images] = walked
        return observations.reshape(steps, walkers, wide), features.reshape(steps, walkers, width)

    def train_on(self, order: NDArray[np.int64], retained: NDArray[np.bool_]) -> FinishedWalk:
        """Train on the retained images, unless the episode is frozen (Algorithm 1, lines 13 and 14).

        Args:
            order: int64, (N,): the walk.
            retained: bool, (N,), in its order.
        """
        trainer = self.begun()
        validation_before = self.validation
        if not self._frozen and retained.any() and self.epochs_per_episode:
            self.trainer = None  # if this is interrupted, the next reset begins afresh
            trainer.train_epochs(order[retained], self.epochs_per_episode)
            self._evaluate(trainer)
            self.trainer = trainer
        return FinishedWalk(
            self.outputs.probabilities[order],
            self.splits.train.labels[order],
            retained,
            validation_before,
            self.validation,
        )

    # -- the state -----------------------------------------------------------------------------------------------

    def _network_state(self, trainer: Trainer) -> dict[str, Any]:
        return {
            "trainer": trainer.state_dict(),
            "features": self._outputs_now().features.copy(),
            "probabilities": self._outputs_now().probabilities.copy(),
            "validation": dict(self.validation),
        }

    def _check_network(self, part: str, state: Any, trainer: Trainer) -> None:
        classes = len(self.splits.classes)
        states.check_keys(part, state, ("trainer", "features", "probabilities", "validation"))
        trainer.check_state(state["trainer"], f"{part}.trainer")
        for name, columns in (("features", self.width), ("probabilities", classes)):
            states.check_like(f"{part}.{name}", state[name], np.empty((self.num_images, columns), np.float32))
        states.check_like(f"{part}.validation", state["validation"], scores(np.eye(classes, dtype=np.int64)))

    def _load_network(self, state: dict[str, Any], trainer: Trainer) -> None:
        trainer.load_state_dict(state["trainer"])
        self._outputs = Outputs(state["features"].copy(), state["probabilities"].copy())
        self.validation = dict(state["validation"])

    def made_for(self) -> dict[str, Any]:
        """All that decides a state's future, as JSON values."""
        names = ("pretrain_epochs", "epochs_per_episode", "carry_over", "shuffle", "observe_label")
        return {**made_for(self.splits, self.settings), **{name: getattr(self, name) for name in names}}

    def state_dict(self) -> dict[str, Any]:
        """The whole state.

        Raises:
            gymnasium.error.ResetNeeded: if there is none.
        """
        return {"network": self._network_state(self.begun()), "pretrained": self._pretrained, "frozen": self._frozen}

    def checked(self, state: dict[str, Any]) -> Trainer:
        """The trainer for `load_state_dict`, untouched, or a new one.

        Raises:
            UsageError: if the run would not take the state, which has the parts that `state_dict` returns.
        """
        trainer = self.trainer or Trainer(self.splits, self.settings)
        self._check_network("network", state["network"], trainer)
        if self.carry_over:
            states.check_like("pretrained", state["pretrained"], None)
        else:
            self._check_network("pretrained", state["pretrained"], trainer)
        states.check_like("frozen", state["frozen"], False)
        return trainer

    def load_state_dict(self, state: dict[str, Any], trainer: Trainer) -> None:
        """Go on from a state, with the trainer that `checked` has returned."""
        self.trainer = None  # if this is interrupted, the next reset begins afresh
        self._load_network(state["network"], trainer)
        self._pretrained = state["pretrained"]
        self._frozen = state["frozen"]
        self.trainer = trainer
