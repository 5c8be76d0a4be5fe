"""The selector of the code that the authors of RLPS released: supervised learning, where their paper has rewards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch.nn import functional as F

from fer_gym.checks import check_count, check_number
from fer_gym.errors import UsageError
from fer_gym.training.generators import global_generators_restored
from fer_gym_agents.base import Memoryless
from fer_gym_agents.selection.reinforce import SelectorPolicy
from fer_gym_agents.selection.selection_env import image_select


class Agreement(Memoryless):
    """Predicts whether the network agrees with an image's label, and retains the image if so.

    No reward reaches this selector. Between two trainings of the network it minimises the binary cross-entropy

        - sum_i t_i log q(x_i) + (1 - t_i) log (1 - q(x_i)),    t_i = 1 where argmax_e p(e|x_i) = y_i,

    in batches; q is the network of `SelectorPolicy` on the image's feature alone, without the running mean. An image
    is retained where q is above a threshold; nothing is drawn. The defaults are the released ones.

    The release stops early on the test split and chooses its selector by the true noise labels. Here neither is read,
    and the last selector counts.

    Args:
        env: ImageSelect-v0.
        seed: of the selector and of its batches; where given, `learn` begins with `env.reset(seed=seed)`.
        threshold: of q.
        learning_rate: of Adam.
        n_epochs: passes over the training images after each training of the network.
        batch_size: images per gradient step of the selector.
        hidden: the widths of the selector's hidden layers.

    Raises:
        ValueError: if `env` is not ImageSelect-v0 or a keyword is not allowed; from `learn`, if the budget is less
            than an episode.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        threshold: float = 0.49,
        learning_rate: float = 0.01,
        n_epochs: int = 10,
        batch_size: int = 16,
        hidden: Sequence[int] = (128, 128, 64, 64),
    ) -> None:
        self.env = env
        self.base = image_select(env, "Agreement")
        check_number("threshold", threshold, "(0, 1)")
        check_number("learning_rate", learning_rate, "(0, inf)")
        check_count("n_epochs", n_epochs, least=1)
        check_count("batch_size", batch_size, least=1)
        self.seed = seed
        self.threshold = threshold
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self._keywords = {
            "seed": seed,
            "threshold": threshold,
            "learning_rate": learning_rate,
            "n_epochs": n_epochs,
            "batch_size": batch_size,
            "hidden": list(hidden),
        }
        self._width = self.base.run.width
        weights, batches = np.random.SeedSequence(seed).generate_state(2, np.uint32)
        self._generator = torch.Generator().manual_seed(int(batches))
        with global_generators_restored(int(weights)):
            self.selector = SelectorPolicy(
                Box(-np.inf, np.inf, (self._width,), np.float32), Discrete(2), lambda _: learning_rate, hidden
            )

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Self:
        """Alternate between learning the agreement and an episode, whose end trains the network on the retained images.

        Args:
            total_timesteps: steps of the environment; whole episodes are walked.
            callback: without effect, as are Stable-Baselines3's further arguments.
        """
        images = self.base.num_images
        episodes = total_timesteps // images
        if not episodes:
            raise UsageError(
                f"total_timesteps: {total_timesteps} is less than an episode of {images:,} images; give more"
            )
        self.env.reset(seed=self.seed)
        for episode in range(episodes):
            if episode:
                self.env.reset()
            self._fit()
            retained = self.keep_probability(self.base.outputs.features) > self.threshold
            over = False
            while not over:
                over = self.env.step(np.int64(retained[self.base.current_image]))[2]
        self._fit()
        return self

    def _fit(self) -> None:
        """Learn where the network, as it is now, agrees with the labels."""
        outputs = self.base.outputs
        features = torch.from_numpy(outputs.features)
        agrees = outputs.probabilities.argmax(axis=1) == self.base.splits.train.labels
        targets = torch.from_numpy(agrees.astype(np.float32))
        self.selector.set_training_mode(True)
        for _ in range(self.n_epochs):
            for batch in torch.randperm(len(targets), generator=self._generator).split(self.batch_size):
                loss = F.binary_cross_entropy_with_logits(self.selector.logits(features[batch]), targets[batch])
                self.selector.optimizer.zero_grad()
                loss.backward()
                self.selector.optimizer.step()

    def _act(self, observation: NDArray[np.float32], batch: tuple[int, ...]) -> NDArray[np.int64]:
        """1 where q is above the threshold: int64, () or (B,)."""
        expected = self.keep_probability(observation.reshape(-1, observation.shape[-1]))
        return (expected > self.threshold).astype(np.int64).reshape(batch)

    def keep_probability(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """The selector's q of each observation or feature, float32, (B,)."""
        return self.selector.keep_probability(observations[:, : self._width])

    def save(self, path: str | Path) -> None:
        """Write keywords and weights."""
        torch.save({"keywords": self._keywords, "selector": self.selector.state_dict()}, path)

    @classmethod
    def load(cls, path: str | Path, env: gym.Env[Any, Any]) -> Self:
        """Build the agent that `save` wrote, for `env`."""
        saved = torch.load(path, weights_only=True)
        agent = cls(env, **saved["keywords"])
        agent.selector.load_state_dict(saved["selector"])
        return agent
