"""ImageSelect-v0: walk a data set, retain or remove each image, train on the retained ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from fer_gym.checks import check_choice, check_options, flag_in
from fer_gym.data import Splits
from fer_gym.envs.base import ScalarEnv, keywords_of
from fer_gym.envs.image_select import rewards
from fer_gym.envs.image_select.picture import WalkPicture
from fer_gym.envs.image_select.rewards import RewardFunction
from fer_gym.envs.image_select.run import Run
from fer_gym.envs.image_select.run_env import RunEnv
from fer_gym.envs.image_select.walk import Walk
from fer_gym.training import NetworkFactory


class ImageSelectEnv(RunEnv, ScalarEnv[NDArray[np.float32], np.int64]):
    """Choose the images that a facial expression classifier trains on (RLPS, Li & Xu 2020).

    ## Description
    An episode walks the training set, each image once, in an order drawn anew. The agent retains or removes each
    image. After the last one the network trains on the retained images, and every image, removed ones too, gets its
    delayed reward. The next episode goes on with the network as it is (Algorithm 1 of the paper).

    ## Observation
    `Box(float32, (2D,))`: the feature of the current image, then the mean feature of the images retained before it
    in this episode (zeros while there is none). D is 128 for "small" and "rlps_cnn", whose first dense layer it is; 512
    for "vgg19" and "resnet34", the penultimate feature; `fer_gym.training.features.extractor` has the rule for networks
    of yours. With `observe_label=True` the one-hot label follows.

    ## Action
    `Discrete(2)`: 0 removes the image, 1 retains it.

    ## Reward
    0.0 before the last step. On the last step:

    | `reward` | R_i of image i | reward of the last step | credit of step i |
    |---|---|---|---|
    | "probability" (Eq. 2) | p(y_i) - baseline_i - retain_cost | sum of R_i over the retained (Eq. 3) | by `credit` |
    | "f1_change" | validation macro F1 after - before | the same | the same |
    | "log_likelihood" | mean of log p(y_i) over the retained, over all if none is | the same | the same |
    | a callable | the (N,) numbers that it returns | sum of R_i over the retained | by `credit` |
    | a callable | the float that it returns | the same | the same |

    A callable gets a `FinishedWalk`. p(y_i) is short for p(y_i|x_i), the probability that the network gives image x_i's
    label, in evaluation mode after the training. `baseline`: "dataset" = mean_j p(y_j|x_j), "marginal" =
    mean_j p(y_i|x_j), both over the N training images; "class" = 1/C. With a_i the action, `credit` is "retained"
    a_i R_i, "signed" (2 a_i - 1) R_i or "literal" R_i. Eq. 6 has no sum over the future, so an agent learns from a
    credit with gamma = 0 and lambda = 0.

    ## Start and end
    `reset(seed=s)` starts afresh: new weights, `pretrain_epochs` epochs on all images (cached), a new walk. `reset()`
    begins the next episode; `reset(options={"freeze": True})` one that trains nothing. An episode terminates after
    the last image and is never truncated. Retaining nothing trains nothing and is legal.

    After Ctrl-C in a `reset` or `step`, call `reset`. `reset(seed=s)` then acts as in a new environment; `reset()`
    keeps the network if only the walk was interrupted, else it starts from new weights.

    ## Info
    The last step's info, in walk order: `sample_index` (N,) int64, `retained` (N,) bool, `sample_rewards` and
    `sample_credits` (N,) float32; `keep_ratio`; `validation`: `accuracy`, `average_accuracy`, `macro_f1`,
    `macro_f1_of_means`.

    ## Arguments
    Args:
        dataset: a name that `fer_gym.data.load` knows, or a `Splits`.
        root: where the data set is, see `fer_gym.data.load`; "synthetic" needs none.
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
        retain_cost: subtracted from each R_i, see above.
        credit: see above.
        shuffle: draw the order of the walk anew each episode; else walk in the data set's order.
        observe_label: append the one-hot label. A selector that does not see it cannot find flipped labels.
        batch_size: images per gradient step.
        optimizer: "adam" or "sgd".
        learning_rate: of the optimiser.
        augment: None, or a mapping: `flip` (True: mirror half of the training images, by a coin each), `shift` (by at
            most so many pixels each way), `border` (what a shift uncovers: "zeros" or "reflect").
        precision: "auto", "fp32" or "bf16".
        device: "auto", "cpu", "cuda" or "cuda:N".
        render_mode: None, "rgb_array" or "human".

    Raises:
        ValueError: a keyword, an action or an option is not allowed; the message names it and what is allowed.
        DatasetError: the data set is unusable.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 30}  # noqa: RUF012 (Gymnasium's form)
    _picture: WalkPicture | None = None
    _walk: Walk | None

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
        augment: Mapping[str, Any] | None = None,
        precision: str = "auto",
        device: str = "auto",
        render_mode: str | None = None,
    ) -> None:
        self._keywords = keywords_of(ImageSelectEnv, locals())
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        self.render_mode = render_mode
        self.run = Run(**{name: value for name, value in self._keywords.items() if name != "render_mode"})
        self.observation_space: Box = self.run.observation_space()  # type: ignore[assignment]
        self.action_space = Discrete(2)
        self._walk = None

    # -- the episode ---------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; with `seed`, from new weights. `options={"freeze": True}`: the episode trains nothing."""
        check_options(options, allowed=("freeze",))
        frozen = flag_in(options, "freeze")
        self._walk = None  # if this is interrupted, the next call must be a reset
        if seed is not None:
            self.run.give_up()
        super().reset(seed=seed)
        self._walk = walk = self._new_walk(self.run.begin(self.np_random, frozen=frozen))
        if self.render_mode == "human":
            self.render()
        return walk.observations[0], {}

    def _new_walk(self, order: NDArray[np.int64]) -> Walk:
        observations, features = self.run.lay_out(order, walkers=1)
        return Walk(order, observations[:, 0], features[:, 0])

    def _check_walk(self, state: dict[str, Any]) -> None:
        Walk.check_state(state, self.num_images, self.run.width)

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Retain (1) or remove (0) the current image and show the next; after the last one, train and reward."""
        walk = self._walk
        if walk is None:
            raise ResetNeeded("there is no episode: call reset()")
        try:
            if not walk.decide(action):
                if self.render_mode == "human":
                    self.render()
                return walk.observations[walk.position], 0.0, False, False, {}
        except (ValueError, TypeError, ResetNeeded):
            raise  # of an action that is not allowed: nothing was changed
        except BaseException:
            self._walk = None  # the agent does not know whether the step was taken: the next call must be a reset
            raise
        return self._finish(walk)

    def _finish(self, walk: Walk) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Train on the retained images, then reward every image (Algorithm 1, lines 13 and 14)."""
        retained = np.frombuffer(bytes(walk.retained), dtype=np.bool_)
        outcome = rewards.reward_walk(self.run.train_on(walk.order, retained), **self.run.rewarding)
        info = {
            "sample_index": walk.order.copy(),
            "retained": retained.copy(),
            "sample_rewards": outcome.sample_rewards,
            "sample_credits": outcome.sample_credits,
            "keep_ratio": walk.count / walk.length,
            "validation": dict(self.run.validation),
        }
        return walk.last_observation(), outcome.reward, True, False, info

    # -- the current image ---------------------------------------------------------------------------------------

    @property
    def current_image(self) -> int:
        """The training image that the next action decides on, counted within the (limited) training split.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset and after an episode's end.
        """
        walk = self._begun_walk()
        if walk.position >= walk.length:
            raise ResetNeeded("there is no current image: call reset()")
        return int(walk.order[walk.position])

    # -- the picture ---------------------------------------------------------------------------------------------

    def _draw(self) -> NDArray[np.uint8]:
        """The current image, those retained and removed so far, and the keep ratio."""
        walk = self._begun_walk()
        if self._picture is None:
            self._picture = WalkPicture(self.splits)
        return self._picture.draw(walk.order, walk.retained, walk.position)
