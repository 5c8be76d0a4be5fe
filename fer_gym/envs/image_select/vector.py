"""ImageSelect-v0 for K walkers at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from fer_gym.checks import check_choice, check_count, check_options, flag_in
from fer_gym.envs.image_select import rewards
from fer_gym.envs.image_select.picture import WalkPicture
from fer_gym.envs.image_select.run import Selection
from fer_gym.errors import UsageError

_Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class ImageSelectVectorEnv(Selection, VectorEnv[NDArray[np.float32], ArrayLike, NDArray[Any]]):
    """K walkers on K disjoint shards of one data set, for one network: `gym.make_vec("ImageSelect-v0", num_envs=K)`.

    An episode walks the N training images in T = ceil(N / K) steps. Of the order that the scalar environment would
    walk, in step t walker k sees image t·K + k; so each walks an image once, and the first N mod K walkers, if there
    are any, walk one image more than the others. These idle in the last step: they see zeros in place of an image, and
    their action does nothing. All terminate on the same step. Then the network trains once, on what all of them
    retained.

    A walker observes the current image and the mean feature of those that it has retained itself. Its last reward is
    its share: Eq. 3 over its own retained images, with baselines over all N; a reward that is one number for the whole
    walk is paid to each. K = 1 is the scalar environment, bit for bit.

    The last step's info has, beside each key, Gymnasium's mask `_key`. Rows are walkers, in the order in which they
    walked, padded to T where one is shorter: `valid` (K, T) bool tells which entries are images; `sample_index` (K, T)
    int64, else -1; `retained` (K, T) bool, else False; `sample_rewards` and `sample_credits` (K, T) float32, else 0.
    `keep_ratio` (K,) is of a walker's own shard, and `validation` has the network's scores, each (K,) times the same.

    `reset(seed=s)` and `options={"freeze": True}` are the scalar environment's. There are no walkers to be reset alone:
    `options={"reset_mask": mask}` takes a mask of all of them.

    Args:
        num_envs: K, at most N.
        autoreset_mode: Gymnasium's. "NextStep": the step after the last one ignores its actions and begins the next
            episode; "SameStep": the last one does, and its own observations and info are `final_obs` and `final_info`;
            "Disabled": `reset` does.
        keywords: of `ImageSelectEnv`; `render_mode` is None or "rgb_array", a frame for each walker.

    Attributes:
        shard_sizes: the images of each walker.

    Raises:
        ValueError: as `ImageSelectEnv`, and if `num_envs` or `autoreset_mode` is not allowed.
        DatasetError: the data set is unusable.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 (Gymnasium's form)

    def __init__(
        self, num_envs: int = 1, autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP, **keywords: Any
    ) -> None:
        check_count("num_envs", num_envs, least=1)
        if not isinstance(autoreset_mode, AutoresetMode):
            check_choice("autoreset_mode", autoreset_mode, [mode.value for mode in AutoresetMode])
        self.num_envs = int(num_envs)
        super().__init__(**keywords)
        images = self.num_images
        if num_envs > images:
            raise UsageError(f"num_envs: {num_envs:,} walkers for {images:,} training images; use at most one an image")
        self._mode = AutoresetMode(autoreset_mode)
        self._keywords |= {"num_envs": self.num_envs, "autoreset_mode": self._mode}
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        steps = -(-images // self.num_envs)
        self._valid = np.arange(steps * self.num_envs).reshape(steps, self.num_envs) < images
        self.shard_sizes: list[int] = self._valid.sum(axis=0).tolist()
        self._picture: WalkPicture | None = None

    def _set_spaces(self, observations: Box, actions: Discrete) -> None:
        self.single_observation_space = observations
        self.single_action_space = actions
        self.observation_space = batch_space(observations, self.num_envs)
        self.action_space = batch_space(actions, self.num_envs)

    # -- the walk ------------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode of all walkers; with `seed`, afresh. `options={"freeze": True}`: it will train nothing."""
        check_options(options, allowed=("freeze", "reset_mask"))
        frozen = flag_in(options, "freeze")
        options = options or {}
        if not np.all(options.get("reset_mask", True)):
            raise UsageError("options: reset_mask leaves walkers out, but all of them begin an episode together")
        super().reset(seed=seed)
        self._begin_walk(self._begin_episode(self.np_random, seed is not None, frozen))
        return self._observations[0], {}

    def _begin_walk(self, order: NDArray[np.int64]) -> None:
        self._order = order
        self._observations, self._features = self._laid_out(order, self.num_envs)
        self._means = self._observations[:, :, self._width : 2 * self._width]
        self._last = self._observations[-1].copy()  # returned once more at the end; the rows are the receiver's
        self._length = len(self._observations)
        self._position = 0
        self._retained = np.zeros((self._length, self.num_envs), np.bool_)
        self._count = np.zeros(self.num_envs)
        self._sum = np.zeros((self.num_envs, self._width))

    def step(self, actions: ArrayLike) -> _Step:
        """Retain (1) or remove (0) each walker's image and show the next; after the last ones, train and pay.

        Args:
            actions: (K,).

        Returns:
            Observations (K, ...), rewards (K,) float64, terminations and truncations (K,) bool, and the info.
        """
        t = self._position
        if t >= self._length:
            return self._step_after_the_end()
        retain = self._checked(actions) & self._valid[t]
        self._retained[t] = retain
        self._count += retain
        np.add(self._sum, self._features[t], out=self._sum, where=retain[:, None])
        self._position = t = t + 1
        if t == self._length:
            return self._finish()
        self._write_means(self._means[t])
        nobody = np.zeros(self.num_envs, np.bool_)
        return self._observations[t], np.zeros(self.num_envs), nobody, nobody.copy(), {}

    def _checked(self, actions: ArrayLike) -> NDArray[np.bool_]:
        """Who retains, (K,)."""
        actions = np.asarray(actions)
        retain: NDArray[np.bool_] = actions == 1
        if np.shape(retain) != (self.num_envs,) or not (retain | (actions == 0)).all():
            raise UsageError(
                f"actions: {actions.tolist()!r} is not allowed; use {self.num_envs} of 0 (remove) and 1 (retain)"
            )
        return retain

    def _write_means(self, out: NDArray[np.float32]) -> None:
        """The mean of what each walker retained, (K, D); zeros for who retained nothing."""
        out[...] = self._sum * (1.0 / np.maximum(self._count, 1))[:, None]

    def _step_after_the_end(self) -> _Step:
        self._begun()
        if self._mode is not AutoresetMode.NEXT_STEP:
            raise ResetNeeded("the episode is over: call reset()")
        nobody = np.zeros(self.num_envs, np.bool_)
        observations, info = self.reset()
        return observations, np.zeros(self.num_envs), nobody, nobody.copy(), info

    def _finish(self) -> _Step:
        """Train on the retained images, then pay every walker for its own."""
        order, walkers = self._order, self.num_envs
        retained = self._retained.reshape(-1)[: len(order)]  # in the order of the walk
        payments = rewards.settle_shards(self._train_on(order, retained), walkers, **self._rewarding)
        observations = self._last
        self._write_means(observations[:, self._width : 2 * self._width])
        info = {
            "sample_index": self._by_walker([order[k::walkers] for k in range(walkers)], padding=-1),
            "retained": self._retained.T.copy(),
            "sample_rewards": self._by_walker([payment.sample_rewards for payment in payments], padding=0),
            "sample_credits": self._by_walker([payment.sample_credits for payment in payments], padding=0),
            "valid": self._valid.T.copy(),
            "keep_ratio": self._count / self.shard_sizes,
            "validation": {name: np.full(walkers, score) for name, score in self._validation.items()},
        }
        paid = np.array([payment.reward for payment in payments])
        if self._mode is AutoresetMode.SAME_STEP:
            final = np.empty(walkers, object)
            for k, observation in enumerate(observations):
                final[k] = observation
            info = {"final_obs": final, "final_info": info}
            observations, _ = self.reset()
        everybody = np.ones(walkers, np.bool_)
        return observations, paid, everybody, ~everybody, self._with_masks(info)

    def _by_walker(self, shards: list[NDArray[Any]], padding: int) -> NDArray[Any]:
        """A row for each walker, (K, T)."""
        rows = np.full((self.num_envs, self._length), padding, dtype=shards[0].dtype)
        for row, shard in zip(rows, shards, strict=True):
            row[: len(shard)] = shard
        return rows

    def _with_masks(self, info: dict[str, Any]) -> dict[str, Any]:
        """`info` in Gymnasium's form: with a mask `_key` of the walkers that have a `key`, which is all of them."""
        masked = {}
        for key, value in info.items():
            masked[key] = self._with_masks(value) if isinstance(value, dict) else value
            masked[f"_{key}"] = np.ones(self.num_envs, np.bool_)
        return masked

    # -- what Gymnasium's own vector environments have as well ----------------------------------------------------

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each walker: `num_images` is its shard's, every other one is the environment's."""
        return tuple(self.shard_sizes) if name == "num_images" else (getattr(self, name),) * self.num_envs

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method, once for all walkers; its result for each."""
        return (getattr(self, name)(*args, **kwargs),) * self.num_envs

    # -- the state -----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The whole state: network, optimiser, generators and walks. `copy.deepcopy` copies it.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return {
            **self._selection_state(self.np_random),
            "order": self._order.copy(),
            "retained": self._retained.copy(),
            "position": self._position,
            "sum": self._sum.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit."""
        if (len(state["order"]), np.shape(state["retained"])) != (self.num_images, self._valid.shape):
            raise UsageError(
                f"state: not one of {self.num_envs} walkers on {self.num_images:,} images; load it into an environment "
                "of the same keywords"
            )
        self._load_selection(state, self.np_random)
        self._begin_walk(state["order"].copy())
        self._retained = state["retained"].copy()
        self._position = state["position"]
        self._count = self._retained.sum(axis=0, dtype=np.float64)
        self._sum = state["sum"].copy()
        if self._position < self._length:
            self._write_means(self._means[self._position])

    # -- the picture ---------------------------------------------------------------------------------------------

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Each walker's state as a picture, uint8, (H, W, 3), with `render_mode="rgb_array"`."""
        if self.render_mode is None:
            return None
        self._begun()
        if self._picture is None:
            self._picture = WalkPicture(self.splits)
        frames = []
        for k, size in enumerate(self.shard_sizes):
            retained = bytearray(self._retained[:size, k].tobytes())
            frames.append(self._picture.draw(self._order[k :: self.num_envs], retained, min(self._position, size)))
        return tuple(frames)
