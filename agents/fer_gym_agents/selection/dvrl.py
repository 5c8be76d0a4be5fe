"""A selector in the manner of DVRL: its reward comes from the validation split, its keep rate stays within bounds."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.type_aliases import GymEnv
from torch import nn

from fer_gym.checks import check_count, check_number
from fer_gym.errors import UsageError
from fer_gym_agents.selection.reinforce import ONE_STEP_A_WALK, Reinforce


class Dvrl(Reinforce):
    """REINFORCE with a moving baseline and a penalty on extreme keep rates (Yoon, Arik & Pfister 2020).

    For an environment with `reward="f1_change"`, `carry_over=False` and `observe_label=True`: an episode's return F is
    then the change of the pretrained network's validation F1 by training on the selection, and the policy observes
    the label, as DVRL's does. Over the episode, with r the mean of pi(a_i = 1 | s_i), it takes a step down

        - (F - d) mean_i log pi(a_i | s_i) + penalty * (max(r - high, 0) + max(low - r, 0)),

    and then moves its baseline, d <- d + (F - d) / window. It begins at 0, the pretrained network's own F1. DVRL values
    images anew for every mini-batch of its predictor; here a predictor's training is an episode.

    Args:
        env: the environment, or its id.
        keep_rates: low and high, the rates without a penalty.
        penalty: on a rate's distance from them, in units of the return.
        window: of the baseline, in episodes.
        settings: any other keyword of `Reinforce`, in place of the defaults here, but `gradient`, `ent_coef`,
            `pretrain_episodes` and `refresh_episodes`: the step is the one above, and F1 cannot change in a frozen
            episode.

    Raises:
        ValueError: if a keyword is not allowed, or as `Reinforce`.
    """

    def __init__(
        self,
        env: GymEnv | str,
        keep_rates: tuple[float, float] = (0.1, 0.9),
        penalty: float = 1.0,
        window: int = 20,
        **settings: Any,
    ) -> None:
        low, high = keep_rates
        if not 0.0 <= low < high <= 1.0:
            raise UsageError(f"keep_rates: {keep_rates!r} is not allowed; use 0 <= low < high <= 1")
        check_number("penalty", penalty, "[0, inf)")
        check_count("window", window, least=1)
        self.keep_rates = keep_rates
        self.penalty = penalty
        self.window = window
        self.mean_return = 0.0
        for name in ("gradient", "ent_coef", "pretrain_episodes", "refresh_episodes"):
            if name in settings:
                raise UsageError(
                    f"{name}: it is not allowed; Dvrl's step is its own, and none of its episodes is frozen"
                )
        super().__init__(env, **{**ONE_STEP_A_WALK, "pretrain_episodes": 0, "refresh_episodes": 0, **settings})

    def train(self) -> None:
        """Update the policy from the episode in the rollout buffer, then the baseline."""
        self._update_learning_rate(self.policy.optimizer)
        self.policy.set_training_mode(True)
        low, high = self.keep_rates
        for observations, actions, returns in self._minibatches():
            log_probability, _ = self.policy.evaluate_actions(observations, actions)
            rate = torch.sigmoid(self.policy.logits(observations)).mean()
            loss = -((returns - self.mean_return) * log_probability).mean()
            loss = loss + self.penalty * ((rate - high).clamp(min=0) + (low - rate).clamp(min=0))
            self.policy.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        buffer = self.rollout_buffer
        self.logger.record("rollout/keep_ratio", float(buffer.actions[self._counts].mean()))
        self.mean_return += (float(buffer.returns[self._counts].mean()) - self.mean_return) / self.window
