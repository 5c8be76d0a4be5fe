"""ImageSelect-v0 for K walkers at once."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from fer_gym.checks import check_choice, check_count, check_options, flag_in
from fer_gym.envs.image_select import rewards
from fer_gym.envs.image_select.env import ImageSelectEnv
from fer_gym.envs.image_select.picture import WalkPicture
from fer_gym.envs.image_select.run import Run
from fer_gym.envs.image_select.run_env import RunEnv
from fer_gym.envs.image_select.walk import ShardedWalk
from fer_gym.errors import UsageError

_Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class ImageSelectVectorEnv(RunEnv, VectorEnv[NDArray[np.float32], ArrayLike, NDArray[Any]]):
    """K walkers on K disjoint shards of one data set, one network: `gym.make_vec("ImageSelect-v0", num_envs=K)`.

    An episode walks the N training images, each once, in T = ceil(N / K) steps. In step t walker k sees image t·K + k
    of the order that the scalar environment would walk. If K does not divide N, the first N mod K walkers see one image
    more than the others. The others idle in the last step: they observe zeros in place of an image, and their action
    does nothing. All terminate on the same step. Then the network trains once, on the images that any of them retained.

    A walker observes the current image and the mean feature of the images that it has retained itself. Its last reward
    is Eq. 3 over its own retained images, with baselines over all N images; a reward that is one number for the whole
    walk goes to each walker in full. K = 1 is the scalar environment, bit for bit.

    In the last step's info, each key has Gymnasium's mask `_key` beside it. Each walker has a row, in the order of its
    walk, padded to T: `valid` (K, T) bool is True where there is an image; `sample_index` (K, T) int64, else -1;
    `retained` (K, T) bool, else False; `sample_rewards` and `sample_credits` (K, T) float32, else 0. `keep_ratio` (K,)
    is of a walker's own shard; `validation` has the network's scores, each repeated to (K,).

    `reset(seed=s)` and `options={"freeze": True}` are the scalar environment's. Walkers begin an episode together: a
    `reset_mask` among the options must be True for all of them.

    Args:
        num_envs: K, at most N.
        autoreset_mode: Gymnasium's. "NextStep": the step after the last one ignores its actions and begins the next
            episode; "SameStep": the last step begins it, with the old episode's last observations and info as
            `final_obs` and `final_info`; "Disabled": only `reset` begins it.
        keywords: of `ImageSelectEnv`; `render_mode` is None or "rgb_array", a frame for each walker.

    Attributes:
        shard_sizes: the images of each walker.
        autoreset_mode: Gymnasium's, as an `AutoresetMode`.

    Raises:
        ValueError: as `ImageSelectEnv`, and if `num_envs` or `autoreset_mode` is not allowed.
        DatasetError: the data set is unusable.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 (Gymnasium's form)

    _walk: ShardedWalk | None

    def __init__(
        self, num_envs: int = 1, autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP, **keywords: Any
    ) -> None:
        check_count("num_envs", num_envs, least=1)
        if not isinstance(autoreset_mode, AutoresetMode):
            check_choice("autoreset_mode", autoreset_mode, [mode.value for mode in AutoresetMode])
        try:
            bound = inspect.signature(ImageSelectEnv).bind(**keywords)
        except TypeError as error:
            raise TypeError(f"ImageSelect-v0: {error}") from None
        bound.apply_defaults()
        of_run = dict(bound.arguments)
        self.render_mode = of_run.pop("render_mode")
        check_choice("render_mode", self.render_mode, (None, *self.metadata["render_modes"]))
        self.run = Run(**of_run)
        images = self.num_images
        if num_envs > images:
            raise UsageError(f"num_envs: {num_envs:,} walkers for {images:,} training images; use at most one an image")
        self.num_envs = int(num_envs)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self._keywords = {**keywords, "num_envs": self.num_envs, "autoreset_mode": self.autoreset_mode}
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = self.run.observation_space()
        self.single_action_space = Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.shard_sizes = [len(range(k, images, self.num_envs)) for k in range(self.num_envs)]
        self._walk = None
        self._picture: WalkPicture | None = None

    # -- the episode ---------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode of all walkers; with `seed`, from new weights. `options`: `freeze` and `reset_mask`.

        Of a list of seeds, one for each walker, the first counts: the walkers share one network and one order.
        """
        if isinstance(seed, Sequence):
            if len(seed) != self.num_envs:
                raise UsageError(f"seed: {len(seed)} seeds for {self.num_envs} walkers; give one for each, or a number")
            seed = seed[0]
        check_options(options, allowed=("freeze", "reset_mask"))
        frozen = flag_in(options, "freeze")
        if not np.all((options or {}).get("reset_mask", True)):
            raise UsageError("options: reset_mask leaves walkers out, but all of them begin an episode together")
        self._walk = None  # if this is interrupted, the next call must be a reset
        if seed is not None:
            self.run.give_up()
        super().reset(seed=seed)
        self._walk = walk = self._new_walk(self.run.begin(self.np_random, frozen=frozen))
        return walk.observations[0], {}

    def _new_walk(self, order: NDArray[np.int64]) -> ShardedWalk:
        return ShardedWalk(order, *self.run.lay_out(order, self.num_envs))

    def _check_walk(self, state: dict[str, Any]) -> None:
        ShardedWalk.check_state(state, self.num_images, self.run.width, self.num_envs)

    def made_for(self) -> dict[str, Any]:
        """As the scalar environment's, and the number of walkers."""
        return {**super().made_for(), "num_envs": self.num_envs}

    def step(self, actions: ArrayLike) -> _Step:
        """Retain (1) or remove (0) each walker's image and show the next; after the last ones, train and reward.

        Args:
            actions: (K,).

        Returns:
            Observations (K, ...), rewards (K,) float64, terminations and truncations (K,) bool, and the info.
        """
        walk = self._begun_walk()
        if walk.position >= walk.length:
            return self._step_after_the_end()
        try:
            if not walk.decide(actions):
                nobody = np.zeros(self.num_envs, np.bool_)
                return walk.observations[walk.position], np.zeros(self.num_envs), nobody, nobody.copy(), {}
        except (ValueError, TypeError):
            raise  # of actions that are not allowed: nothing was changed
        except BaseException:
            self._walk = None  # the agent does not know whether the step was taken: the next call must be a reset
            raise
        return self._finish(walk)

    def _step_after_the_end(self) -> _Step:
        self.run.begun()
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            raise ResetNeeded("the episode is over: call reset()")
        nobody = np.zeros(self.num_envs, np.bool_)
        observations, info = self.reset()
        return observations, np.zeros(self.num_envs), nobody, nobody.copy(), info

    def _finish(self, walk: ShardedWalk) -> _Step:
        """Train on the retained images, then reward every walker for its own."""
        order, walkers = walk.order, self.num_envs
        retained = walk.retained.reshape(-1)[: len(order)]  # in the order of the walk
        outcomes = rewards.reward_shards(self.run.train_on(order, retained), walkers, **self.run.rewarding)
        observations = walk.last_observations()
        info = {
            "sample_index": self._by_walker([order[k::walkers] for k in range(walkers)], padding=-1),
            "retained": walk.retained.T.copy(),
            "sample_rewards": self._by_walker([outcome.sample_rewards for outcome in outcomes], padding=0),
            "sample_credits": self._by_walker([outcome.sample_credits for outcome in outcomes], padding=0),
            "valid": walk.valid.T.copy(),
            "keep_ratio": walk.count / self.shard_sizes,
            "validation": {name: np.full(walkers, score) for name, score in self.run.validation.items()},
        }
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = np.empty(walkers, object)
            for k, observation in enumerate(observations):
                final[k] = observation
            info = {"final_obs": final, "final_info": info}
            observations, _ = self.reset()
        everybody = np.ones(walkers, np.bool_)
        reward = np.array([outcome.reward for outcome in outcomes])
        return observations, reward, everybody, ~everybody, self._with_masks(info)

    def _by_walker(self, shards: list[NDArray[Any]], padding: int) -> NDArray[Any]:
        """A row for each walker, (K, T)."""
        rows = np.full((self.num_envs, max(self.shard_sizes)), padding, dtype=shards[0].dtype)
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

    # -- attributes and methods by name, as in Gymnasium's own vector environments ---------------------------------

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each walker: `num_images` is its shard's, every other one is the environment's."""
        return tuple(self.shard_sizes) if name == "num_images" else (getattr(self, name),) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of the environment, which all walkers share.

        Args:
            name: of the attribute.
            values: one for all walkers, or a list or tuple of K that are the same.

        Raises:
            ValueError: if the walkers' values differ.
        """
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs or any(value is not each[0] and value != each[0] for value in each):
            raise UsageError(f"{name}: the walkers share one environment; give {self.num_envs} times the same value")
        setattr(self, name, each[0])

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method, once for all walkers, or get an attribute; its result for each."""
        found = getattr(self, name)
        return (found(*args, **kwargs),) * self.num_envs if callable(found) else self.get_attr(name)

    # -- the picture ---------------------------------------------------------------------------------------------

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Each walker's state as a picture, uint8, (H, W, 3), with `render_mode="rgb_array"`."""
        if self.render_mode is None:
            return None
        walk = self._begun_walk()
        if self._picture is None:
            self._picture = WalkPicture(self.splits)
        frames = []
        for k, size in enumerate(self.shard_sizes):
            retained = bytearray(walk.retained[:size, k].tobytes())
            frames.append(self._picture.draw(walk.order[k :: self.num_envs], retained, min(walk.position, size)))
        return tuple(frames)
