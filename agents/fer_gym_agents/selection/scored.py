"""Agents for ImageSelect-v0 that give every training image a score, and retain those with the best."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym.data.splits import UNTOUCHED
from fer_gym.errors import UsageError
from fer_gym_agents.base import KeywordAgent, Memoryless
from fer_gym_agents.selection.own_networks import no_cost
from fer_gym_agents.selection.selection_env import image_select, true_noise


class ScoredSelection(Memoryless, KeywordAgent):
    """Scores every training image when it learns, higher being better, and retains the best share of them.

    An observation does not say which image it shows, so `predict` reads `current_image` of the environment that the
    agent was made with: the agent acts in that environment's walk and in no other. Learning walks no episode. A
    subclass defines `score`.

    Args:
        env: ImageSelect-v0.
        seed: of the draws: the order of images with the same score, and those of a subclass.
        keep_ratio: the share that is retained, in [0, 1]; "clean": the true share of images without noise, which is
            known in experiments only.
        keywords: those of the subclass, which `save` keeps.

    Attributes:
        image_scores: float64, (N,), in the order of the training split; None before `learn`.
        retained: bool, (N,), likewise.
        training_cost: of the networks that `learn` trains beside the environment's, as `CountedTrainer` counts it.

    Raises:
        ValueError: if `env` is not ImageSelect-v0, `keep_ratio` is not allowed, or it is "clean" and the data set does
            not know its noise.
    """

    _words: ClassVar[tuple[str, ...]] = ("clean",)

    def __init__(self, env: gym.Env[Any, Any], seed: int | None, keep_ratio: float | str, **keywords: Any) -> None:
        super().__init__(env, {"seed": seed, "keep_ratio": keep_ratio, **keywords})
        allowed = keep_ratio in self._words if isinstance(keep_ratio, str) else 0.0 <= keep_ratio <= 1.0
        if not allowed:
            words = " or ".join(repr(word) for word in self._words)
            raise UsageError(f"keep_ratio: {keep_ratio!r} is not allowed; use a share in [0, 1], or {words}")
        self.base = image_select(env, type(self).__name__)
        if keep_ratio == "clean":
            true_noise(self.base, "keep_ratio='clean'")
        self.keep_ratio = keep_ratio
        self.seed = seed
        self.image_scores: NDArray[np.float64] | None = None
        self.retained: NDArray[np.bool_] | None = None
        self.training_cost: dict[str, int] = no_cost()
        self._rng = np.random.default_rng(seed)

    @abstractmethod
    def score(self) -> NDArray[np.floating]:
        """The score of each training image, (N,), finite; the higher, the sooner it is retained."""

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Self:
        """Score every image and choose. `total_timesteps` and `callback` are without effect: no step is taken."""
        self._rng = np.random.default_rng(self.seed)
        self.image_scores = np.asarray(self.score(), dtype=np.float64)
        self.retained = self._choose(self.image_scores)
        return self

    def _choose(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The best share, bool, (N,); a draw decides between equal scores."""
        if self.keep_ratio == "clean":
            share = float((true_noise(self.base, "keep_ratio='clean'") == UNTOUCHED).mean())
        else:
            share = float(self.keep_ratio)
        retained = np.zeros(len(scores), dtype=np.bool_)
        best_first = np.lexsort((self._rng.random(len(scores)), -scores))
        retained[best_first[: round(share * len(scores))]] = True
        return retained

    def _act(self, observation: NDArray[np.float32], batch: tuple[int, ...]) -> NDArray[np.int64]:
        """Whether to retain the environment's current image: int64, () or, for a batch of one, (1,).

        Raises:
            ValueError: before `learn`, or for a batch of several observations: the walk is at one image.
            gymnasium.error.ResetNeeded: if there is no current image.
        """
        if self.retained is None:
            raise UsageError(f"{type(self).__name__} has scored no image yet: call learn()")
        if batch not in ((), (1,)):
            raise UsageError(
                f"observation: a batch of {batch[0]}; {type(self).__name__} decides on the current image of one "
                "environment, so give one observation at a time"
            )
        return np.full(batch, self.retained[self.base.current_image], dtype=np.int64)

    def save(self, path: str | Path) -> None:
        """Write the keywords, the scores and the choice as JSON."""
        learnt = None
        if self.image_scores is not None and self.retained is not None:
            learnt = {"image_scores": self.image_scores.tolist(), "retained": self.retained.astype(int).tolist()}
        Path(path).write_text(json.dumps({"keywords": self._keywords, "learnt": learnt}))

    @classmethod
    def load(cls, path: str | Path, env: gym.Env[Any, Any]) -> Self:
        """Build the agent that `save` wrote, for `env`.

        Raises:
            ValueError: if it has scored another number of images than `env` walks.
        """
        saved = json.loads(Path(path).read_text())
        agent = cls(env, **saved["keywords"])
        learnt = saved["learnt"]
        if learnt is not None:
            if len(learnt["image_scores"]) != agent.base.num_images:
                raise UsageError(
                    f"{path}: scores of {len(learnt['image_scores']):,} images, the environment has "
                    f"{agent.base.num_images:,}; load it for the data it was made with"
                )
            agent.image_scores = np.array(learnt["image_scores"], dtype=np.float64)
            agent.retained = np.array(learnt["retained"], dtype=np.bool_)
        return agent
