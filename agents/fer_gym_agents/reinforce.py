"""REINFORCE for ImageSelect-v0 (Algorithm 1 of RLPS), on Stable-Baselines3's base class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback, ConvertCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from torch import Tensor, nn

from fer_gym_agents.credit import SampleCredits


class SelectorPolicy(BasePolicy):
    """The policy network of RLPS: five fully connected layers, ReLU, sigmoid (Eq. 1).

    It has no critic: its values are zero.

    Args:
        observation_space: a flat Box.
        action_space: `Discrete(2)`.
        lr_schedule: the learning rate as a function of the progress remaining.
        hidden: the widths of the four hidden layers.
        use_sde: as Stable-Baselines3 passes it; not supported.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        hidden: Sequence[int] = (128, 128, 64, 64),
        use_sde: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space)
        assert not use_sde, "generalised state-dependent exploration is for continuous actions"
        widths = [spaces.flatdim(observation_space), *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        last = nn.Linear(widths[-1], 1)
        nn.init.zeros_(last.weight)  # begin at pi(a = 1) = 1/2 everywhere
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(*layers, last)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr_schedule(1))

    def logits(self, observations: Tensor) -> Tensor:
        """(B, ...) to (B,): the log-odds of retaining; pi(a = 1) is their sigmoid."""
        logits: Tensor = self.network(observations.flatten(1))[:, 0]
        return logits

    def forward(self, observations: Tensor, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (B,) int64, values (B, 1) of zero, and log-probabilities (B,)."""
        logits = self.logits(observations)
        keep = torch.sigmoid(logits)
        retain = keep > 0.5 if deterministic else torch.rand_like(keep) < keep
        actions = retain.long()
        return actions, torch.zeros_like(logits)[:, None], _log_probability(logits, actions)

    def evaluate_actions(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of `actions` and the policy's entropy, each (B,)."""
        logits = self.logits(observations)
        keep = torch.sigmoid(logits)
        entropy = -(keep * nn.functional.logsigmoid(logits) + (1 - keep) * nn.functional.logsigmoid(-logits))
        return _log_probability(logits, actions.flatten()), entropy

    def predict_values(self, observations: Tensor) -> Tensor:
        """Zeros, (B, 1): there is no critic."""
        return torch.zeros(len(observations), 1, device=observations.device)

    def keep_probability(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """pi(a = 1) of each observation, float32, (B,)."""
        self.set_training_mode(False)
        tensor, _ = self.obs_to_tensor(observations)
        with torch.no_grad():
            probability: NDArray[np.float32] = torch.sigmoid(self.logits(tensor)).cpu().numpy()
        return probability

    def _predict(self, observation: Tensor, deterministic: bool = False) -> Tensor:
        return self.forward(observation, deterministic)[0]


def _log_probability(logits: Tensor, actions: Tensor) -> Tensor:
    return nn.functional.logsigmoid(torch.where(actions == 1, logits, -logits))


class Reinforce(OnPolicyAlgorithm):
    """REINFORCE with a credit for each step (Eq. 4 and 6 of RLPS).

    Each episode is walked whole, then the policy takes `n_epochs` passes of gradient ascent over it, in mini-batches,
    on credit_i * log pi(a_i | s_i) + ent_coef * H(pi(. | s_i)). Before the first episode the policy is pretrained on
    frozen episodes, in which the network does not change ("we use the fixed CNN model to pre-train the policy").

    Why the entropy bonus: with credits a_i R_i it makes the best policy known, log-odds = E[R_i | s_i] / ent_coef
    (twice that with "signed" credits). It keeps every image with a probability that grows with its expected reward,
    rather than saturating at the first sign of one, and can return when the network changes.

    Args:
        env: an environment with actions `Discrete(2)`, `ImageSelect-v0` above all, or its id.
        policy: "SelectorPolicy" or a class of that interface.
        learning_rate: of Adam.
        n_steps: steps of a rollout, a whole number of episodes; None takes the environment's `num_images`.
        credit: "sample" learns from `info["sample_credits"]`; "episode" gives every step the whole episode's return.
        pretrain_episodes: frozen episodes before the first one. They need no gradient step of the network, and are not
            counted in `total_timesteps`.
        n_epochs: passes over an episode.
        batch_size: steps per gradient step of the policy.
        ent_coef: weight of the policy's entropy.
        max_grad_norm: the gradient is scaled down to this norm.
        stats_window_size: as in Stable-Baselines3, like all that follow.
        tensorboard_log: folder for TensorBoard.
        policy_kwargs: keywords of the policy.
        verbose: 0, 1 or 2.
        seed: of the agent and of its environment's first reset.
        device: "auto", "cpu" or "cuda".
        _init_setup_model: whether to build the networks at once.

    Raises:
        ValueError: if `credit` is unknown, or `n_steps` is needed and missing.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"SelectorPolicy": SelectorPolicy}

    def __init__(
        self,
        env: GymEnv | str,
        policy: str | type[SelectorPolicy] = "SelectorPolicy",
        learning_rate: float | Schedule = 1e-3,
        n_steps: int | None = None,
        credit: str = "sample",
        pretrain_episodes: int = 10,
        n_epochs: int = 1,
        batch_size: int = 64,
        ent_coef: float = 0.05,
        max_grad_norm: float = 1.0,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        _init_setup_model: bool = True,
    ) -> None:
        if credit not in ("sample", "episode"):
            raise ValueError(f"credit: {credit!r} is unknown; use 'sample' or 'episode'")
        self.credit = credit
        self.pretrain_episodes = pretrain_episodes
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        discount = 0.0 if credit == "sample" else 1.0
        super().__init__(
            policy,  # type: ignore[arg-type]
            env,
            learning_rate,
            n_steps=n_steps or 0,
            gamma=discount,
            gae_lambda=discount,
            ent_coef=ent_coef,
            vf_coef=0.0,
            max_grad_norm=max_grad_norm,
            use_sde=False,
            sde_sample_freq=-1,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
            supported_action_spaces=(spaces.Discrete,),
        )

    def _setup_model(self) -> None:
        if not self.n_steps:
            if self.env is None or not self.env.has_attr("num_images"):
                raise ValueError("n_steps: the environment has no num_images; give the steps of a whole episode")
            self.n_steps = self.env.get_attr("num_images")[0]
        super()._setup_model()

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        given = callback if isinstance(callback, list) else [callback]
        callbacks = [c if isinstance(c, BaseCallback) else ConvertCallback(c) for c in given if c is not None]
        if self.credit == "sample":
            callbacks.insert(0, SampleCredits())
        return super()._init_callback(callbacks, progress_bar)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        total_timesteps, callback = super()._setup_learn(*args, **kwargs)
        if self.num_timesteps == 0:
            self._pretrain_policy()
        return total_timesteps, callback

    def _pretrain_policy(self) -> None:
        """Algorithm 1 with the network frozen."""
        assert self.env is not None
        callback = self._init_callback(None)
        for _ in range(self.pretrain_episodes):
            self.env.set_options({"freeze": True})
            self._last_obs = self.env.reset()  # type: ignore[assignment]
            self._last_episode_starts = np.ones(self.n_envs, dtype=bool)
            self.collect_rollouts(self.env, callback, self.rollout_buffer, self.n_steps)
            self.train()
        # The vector environment has begun the next episode, which is not frozen, by itself.
        self.num_timesteps = 0

    def train(self) -> None:
        """Gradient ascent on the episode in the rollout buffer (Algorithm 1, line 15)."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses, entropies = [], []
        for _ in range(self.n_epochs):
            for batch in self.rollout_buffer.get(self.batch_size):
                log_probability, entropy = self.policy.evaluate_actions(batch.observations, batch.actions)  # type: ignore[misc]
                loss = -(batch.returns * log_probability).mean() - self.ent_coef * entropy.mean()
                self.policy.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
                self.policy.optimizer.step()
                losses.append(loss.item())
                entropies.append(entropy.mean().item())
        self.logger.record("train/loss", float(np.mean(losses)))
        self.logger.record("train/entropy", float(np.mean(entropies)))
        self.logger.record("rollout/keep_ratio", float(self.rollout_buffer.actions.mean()))
        self.logger.record("rollout/mean_credit", float(self.rollout_buffer.returns.mean()))

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "rollout_buffer"]
