"""ImageSelect-v0: walk a data set, retain or remove each image, train on what was kept."""

from __future__ import annotations

import functools
import math
from typing import Any, SupportsFloat

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from fer_gym.data import Splits, load
from fer_gym.envs import pretraining, rewards
from fer_gym.envs.checks import check_choice, check_count, check_options
from fer_gym.envs.rewards import RewardFunction
from fer_gym.envs.training_env import TrainingEnv
from fer_gym.envs.walk_picture import WalkPicture
from fer_gym.training import NetworkFactory, Outputs, Trainer, TrainerSettings
from fer_gym.training.trainer import feature_width

# The features of a sane network are far inside; the bound makes the observation space finite.
FEATURE_BOUND = 1e6


class ImageSelectEnv(TrainingEnv[NDArray[np.float32], np.int64]):
    """Choose the images that a facial expression classifier trains on (RLPS, Li & Xu 2020).

    ## Description
    An episode walks the training set, each image once, in an order drawn anew. The agent retains or removes each
    image. After the last one the network trains on the retained images, and every image, removed ones too, gets its
    delayed reward. The next episode goes on with the network as it is (Algorithm 1 of the paper).

    ## Observation
    `Box(float32, (2D,))`: the feature of the current image, then the mean feature of the images retained before it
    in this episode (zeros while there is none). D is the width of the network's first dense layer, 128; of the
    penultimate feature, 512, for "vgg19" and "resnet34". With `observe_label=True` the label follows as one-hot.

    ## Action
    `Discrete(2)`: 0 removes the image, 1 retains it.

    ## Reward
    0.0 before the last step. On the last step:

    | `reward` | R_i of image i | reward of the last step | credit of step i |
    |---|---|---|---|
    | "probability" (Eq. 2) | p(y_i) - baseline_i - retain_cost | sum of R_i over the retained (Eq. 3) | by `credit` |
    | "f1_change" | validation macro F1 after - before | the same | the same |
    | "log_likelihood" | mean of log p(y_i) over the retained, over all if none is | the same | the same |
    | a callable | gets a `FinishedWalk`; returns (N,) numbers or a float | as the row of its shape | likewise |

    p(y_i) is the network's probability, after the training and in evaluation mode, of the label y_i that image i was
    given. `baseline`: "dataset" = mean_j p(y_j) of image j; "marginal" = mean_j p(y_i) of image j; "class" = 1/C; all
    over the N training images. `credit`:
    "retained" a_i R_i, "signed" (2 a_i - 1) R_i, "literal" R_i. Eq. 6 has no sum over the future, so an agent learns
    from a credit with gamma = 0 and lambda = 0.

    ## Start and end
    `reset(seed=s)` starts afresh: new weights, `pretrain_epochs` epochs on everything (cached), a new walk. `reset()`
    begins the next episode; `reset(options={"freeze": True})` one that trains nothing. An episode terminates after
    the last image and is never truncated. Retaining nothing trains nothing and is legal.

    ## Info
    The last step's, in walk order: `sample_index` (N,) int64, `retained` (N,) bool, `sample_rewards` and
    `sample_credits` (N,) float32; `keep_ratio`; `validation`: `accuracy`, `average_accuracy`, `macro_f1`,
    `macro_f1_of_means`.

    ## Arguments
    Args:
        dataset: a name that `fer_gym.data.load` knows, or a `Splits`.
        root: where the data set is; None for "synthetic".
        limit: at most so many training images.
        noise: corruption of the training images, see `fer_gym.data.load`.
        data_seed: decides split, limit and noise, and nothing else.
        network: "small", "rlps_cnn", "vgg19", "resnet34", or a factory f(channels, classes, image_size) ->
            nn.Module.
        pretrain_epochs: epochs on all images after `reset(seed=...)`.
        epochs_per_episode: epochs on the retained images at the end of an episode.
        carry_over: go on with the network as it is; else every episode starts from the pretrained one.
        reward: see above.
        baseline: see above.
        retain_cost: the price of keeping an image, see above.
        credit: see above.
        shuffle: draw the order of the walk; else it is the data set's.
        observe_label: append the one-hot label. A selector that does not see it cannot find flipped labels.
        batch_size: images per gradient step.
        optimizer: "adam" or "sgd".
        learning_rate: of the optimiser.
        precision: "auto", "fp32" or "bf16".
        device: "auto", "cpu" or "cuda".
        render_mode: None, "rgb_array" or "human".

    Raises:
        ValueError: a keyword, an action or an option is not allowed; the message names it and what is.
        DatasetError: the data set is unusable.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 30}  # noqa: RUF012 (Gymnasium's form)

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
        check_choice("reward", reward, rewards.REWARDS, or_callable=True)
        check_choice("baseline", baseline, rewards.BASELINES)
        check_choice("credit", credit, rewards.CREDITS)
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        check_count("pretrain_epochs", pretrain_epochs, least=0)
        check_count("epochs_per_episode", epochs_per_episode, least=0)
        if not (isinstance(retain_cost, int | float | np.number) and math.isfinite(retain_cost)):
            raise ValueError(f"retain_cost: {retain_cost!r} is not allowed; use a finite number")
        self.pretrain_epochs = pretrain_epochs
        self.epochs_per_episode = epochs_per_episode
        self.carry_over = carry_over
        self.shuffle = shuffle
        self.observe_label = observe_label
        self.render_mode = render_mode
        self._settle = functools.partial(
            rewards.settle, reward=reward, baseline=baseline, credit=credit, retain_cost=retain_cost
        )
        self.settings = TrainerSettings(network, batch_size, optimizer, learning_rate, precision, device)
        self.splits = load(dataset, root, limit, noise, data_seed)
        self._width = feature_width(self.settings, self.splits)
        self.action_space = Discrete(2)
        self.observation_space: Box = self._space()  # type: ignore[assignment]
        self._picture: WalkPicture | None = None
        self._position = self._length = 0

    @property
    def num_images(self) -> int:
        """N, the training images of an episode: its length in steps."""
        return len(self.splits.train)

    def _space(self) -> Box:
        low = np.full(2 * self._width, -FEATURE_BOUND, dtype=np.float32)
        high = -low
        if self.observe_label:
            classes = len(self.splits.classes)
            low = np.concatenate([low, np.zeros(classes, np.float32)])
            high = np.concatenate([high, np.ones(classes, np.float32)])
        return Box(low, high, dtype=np.float32)

    # -- the walk ------------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; with `seed`, afresh. `options={"freeze": True}`: it will train nothing."""
        check_options(options, allowed=("freeze",))
        super().reset(seed=seed)
        if seed is not None or self._trainer is None:
            self._start_afresh()
        elif not self.carry_over:
            assert self._pretrained is not None
            # The weights return, the draws go on: no two episodes share their batches.
            trainer = {**self._pretrained["trainer"], **self._trainer.generators()}
            self._go_on_from({**self._pretrained, "trainer": trainer})
        self._frozen = bool(options and options.get("freeze"))
        images = self.num_images
        self._begin_walk(self.np_random.permutation(images) if self.shuffle else np.arange(images))
        if self.render_mode == "human":
            self.render()
        return self._observations[0], {}

    def _start_afresh(self) -> None:
        """New weights, pretrained on every image; the state to which `carry_over=False` returns."""
        trainer = self._trainer or Trainer(self.splits, self.settings)
        # Should this be interrupted, the next reset starts afresh again, and no step is taken before it.
        self._trainer, self._length = None, 0
        seed = int(self.np_random.integers(2**32))
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

    def _begin_walk(self, order: NDArray[np.int64]) -> None:
        """Lay out the episode's observations, all but the means: a step writes one mean and touches no tensor.

        Every row is handed out once, as it is, so the array is a new one in every episode. The sum is kept in double
        precision, and so are the features it is made of: NumPy adds two arrays of one dtype twice as fast.
        """
        width, length = self._width, len(order)
        walked = self._outputs.features[order]
        observations = np.zeros((length, *self.observation_space.shape), np.float32)
        observations[:, :width] = walked
        if self.observe_label:
            observations[np.arange(length), 2 * width + self.splits.train.labels[order]] = 1.0
        self._order = order
        self._length = length
        self._position = 0
        # Lists of rows, since taking a row out of an array costs more than what is done with it.
        self._observations = list(observations)
        self._features = list(walked.astype(np.float64))
        self._means = observations[:, width : 2 * width]
        self._last = observations[-1].copy()  # returned once more at the end; the row itself is the receiver's
        self._retained = bytearray(length)
        self._count = 0
        self._sum = np.zeros(width)
        self._mean = np.zeros(width)

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Retain (1) or remove (0) the current image and show the next; after the last one, train and pay."""
        i = self._position
        if i >= self._length:
            raise ResetNeeded("the episode is over or was never begun: call reset()")
        if action == 1:
            self._retained[i] = 1
            self._count += 1
            np.add(self._sum, self._features[i], self._sum)
            np.multiply(self._sum, 1.0 / self._count, self._mean)
        elif action != 0:
            raise ValueError(f"action: {action!r} is not allowed; use 0 (remove) or 1 (retain)")
        self._position = i = i + 1
        if i == self._length:
            return self._finish()
        self._means[i] = self._mean
        if self.render_mode == "human":
            self.render()
        return self._observations[i], 0.0, False, False, {}

    def _finish(self) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Train on the retained images, then pay every image (Algorithm 1, lines 13 and 14)."""
        trainer = self._begun()
        order = self._order
        retained = np.frombuffer(bytes(self._retained), dtype=np.bool_)
        validation_before = self._validation
        if not self._frozen and self._count and self.epochs_per_episode:
            self._trainer = None  # should this be interrupted, the next reset starts afresh
            trainer.train_epochs(order[retained], self.epochs_per_episode)
            self._look(trainer)
            self._trainer = trainer
        walk = rewards.FinishedWalk(
            self._outputs.probabilities[order],
            self.splits.train.labels[order],
            retained,
            validation_before,
            self._validation,
        )
        payment = self._settle(walk)
        observation = self._last
        observation[self._width : 2 * self._width] = self._mean
        info = {
            "sample_index": order.copy(),
            "retained": retained.copy(),
            "sample_rewards": payment.sample_rewards,
            "sample_credits": payment.sample_credits,
            "keep_ratio": self._count / self._length,
            "validation": dict(self._validation),
        }
        return observation, payment.reward, True, False, info

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

    def state_dict(self) -> dict[str, Any]:
        """The whole state: network, optimiser, generators and walk. `copy.deepcopy` copies it.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return {
            "network": self._network_state(),
            "pretrained": self._pretrained,
            "generator": self.np_random.bit_generator.state,
            "frozen": self._frozen,
            "order": self._order.copy(),
            "retained": bytes(self._retained),
            "position": self._position,
            "sum": self._sum.copy(),
            "mean": self._mean.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit."""
        if len(state["order"]) != self.num_images:
            raise ValueError(
                f"state: it walks {len(state['order']):,} images, this environment has {self.num_images:,}; load it "
                "into one of the same keywords"
            )
        self._trainer = self._trainer or Trainer(self.splits, self.settings)
        self._go_on_from(state["network"])
        self._pretrained = state["pretrained"]
        self.np_random.bit_generator.state = state["generator"]
        self._frozen = state["frozen"]
        self._begin_walk(state["order"].copy())
        self._retained = bytearray(state["retained"])
        self._position = state["position"]
        self._count = sum(self._retained)
        self._sum = state["sum"].copy()
        self._mean = state["mean"].copy()
        if self._position < self._length:
            self._means[self._position] = self._mean

    # -- the picture ---------------------------------------------------------------------------------------------

    def _draw(self) -> NDArray[np.uint8]:
        """The current image, those retained and removed so far, and the keep ratio."""
        if self._picture is None:
            self._picture = WalkPicture(self.splits)
        return self._picture.draw(self._order, self._retained, self._position)
