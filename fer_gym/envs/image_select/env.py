"""ImageSelect-v0: walk a data set, retain or remove each image, train on what was kept."""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from fer_gym.checks import check_options, flag_in
from fer_gym.envs.image_select import rewards
from fer_gym.envs.image_select.picture import WalkPicture
from fer_gym.envs.image_select.run import Selection
from fer_gym.envs.training_env import TrainingEnv
from fer_gym.errors import UsageError


class ImageSelectEnv(Selection, TrainingEnv[NDArray[np.float32], np.int64]):
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
    _picture: WalkPicture | None = None

    def _set_spaces(self, observations: Box, actions: Discrete) -> None:
        self.observation_space: Box = observations  # type: ignore[assignment]
        self.action_space = actions

    @property
    def current_image(self) -> int:
        """The training image that the next action decides on, counted within the (limited) training split.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset and after an episode's end.
        """
        if self._position >= self._length:
            raise ResetNeeded("there is no current image: the episode is over or was never begun: call reset()")
        return int(self._order[self._position])

    # -- the walk ------------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; with `seed`, afresh. `options={"freeze": True}`: it will train nothing."""
        check_options(options, allowed=("freeze",))
        super().reset(seed=seed)
        frozen = flag_in(options, "freeze")
        self._begin_walk(self._begin_episode(self.np_random, seed is not None, frozen))
        if self.render_mode == "human":
            self.render()
        return self._observations[0], {}

    def _begin_walk(self, order: NDArray[np.int64]) -> None:
        width, length = self._width, len(order)
        observations, features = self._laid_out(order, walkers=1)
        self._order = order
        self._length = length
        self._position = 0
        # Lists of rows, since taking a row out of an array costs more than what is done with it.
        self._observations = list(observations[:, 0])
        self._features = list(features[:, 0])
        self._means = observations[:, 0, width : 2 * width]
        self._last = observations[-1, 0].copy()  # returned once more at the end; the row itself is the receiver's
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
            raise UsageError(f"action: {action!r} is not allowed; use 0 (remove) or 1 (retain)")
        self._position = i = i + 1
        if i == self._length:
            return self._finish()
        self._means[i] = self._mean
        if self.render_mode == "human":
            self.render()
        return self._observations[i], 0.0, False, False, {}

    def _finish(self) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Train on the retained images, then pay every image (Algorithm 1, lines 13 and 14)."""
        order = self._order
        retained = np.frombuffer(bytes(self._retained), dtype=np.bool_)
        payment = rewards.settle(self._train_on(order, retained), **self._rewarding)
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

    # -- the state -----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The whole state: network, optimiser, generators and walk. `copy.deepcopy` copies it.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return {
            **self._selection_state(self.np_random),
            "order": self._order.copy(),
            "retained": bytes(self._retained),
            "position": self._position,
            "sum": self._sum.copy(),
            "mean": self._mean.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit."""
        if len(state["order"]) != self.num_images:
            raise UsageError(
                f"state: it walks {len(state['order']):,} images, this environment has {self.num_images:,}; load it "
                "into one of the same keywords"
            )
        self._load_selection(state, self.np_random)
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
