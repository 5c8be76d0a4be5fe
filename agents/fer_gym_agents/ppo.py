"""PPO for both tasks: Stable-Baselines3's, with a policy that acts in the units of RegTune-v0, or as a selector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.distributions import DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from fer_gym_agents.clock import ClockedPPO
from fer_gym_agents.lengths import told_length
from fer_gym_agents.walkers import WalkerPPO, minibatch, walk_settings

if TYPE_CHECKING:
    from sb3_contrib import RecurrentPPO


class Symlog(FlattenExtractor):
    """Flattened observations x as `sign(x) log(1 + |x|)`.

    RegTune-v0's losses lie between 0.01 and 2 while a network learns, and reach 10 ln C where it diverges. This leaves
    the small ones nearly as they are and brings the large ones near, for any number of classes. The scale is fixed:
    running statistics would hide what the agent is to see, that the losses fall, and tens of episodes are too few for
    them to settle.
    """

    def forward(self, observations: Tensor) -> Tensor:
        """(B, ...) to (B, N)."""
        flat: Tensor = super().forward(observations)
        return flat.sign() * flat.abs().log1p()


class Blind(FlattenExtractor):
    """Zeros in place of every observation: what is learnt then cannot have used the state."""

    def forward(self, observations: Tensor) -> Tensor:
        """(B, ...) to (B, N)."""
        return torch.zeros_like(super().forward(observations))


class BoxPolicy(ActorCriticPolicy):
    """An MLP policy whose networks see a Box of actions as [-1, 1], and whose actions are in the Box's own units.

    With m and s the mean and standard deviation that Stable-Baselines3's policy computes, the actions' are
    `middle + half_width * m` and `half_width * s`. That is the policy of an environment wrapped in
    `RescaleAction(-1, 1)`: PPO's probability ratios are the same, log-probabilities and entropy differ by a constant.
    But the actions that are stored, sent to the environment and predicted are all in its own units, so that there is
    no wrapper to forget. Those outside the Box are clipped to it, as Stable-Baselines3 does. Actions that are no Box
    are left alone.
    """

    middle: Tensor
    half_width: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.action_space, spaces.Box):
            low, high = (
                torch.as_tensor(bound, dtype=torch.float32).flatten()
                for bound in (self.action_space.low, self.action_space.high)
            )
            self.register_buffer("middle", (low + high) / 2)
            self.register_buffer("half_width", (high - low) / 2)

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> Distribution:
        distribution = super()._get_action_dist_from_latent(latent_pi)
        if isinstance(distribution, DiagGaussianDistribution):
            unit = distribution.distribution
            distribution.distribution = torch.distributions.Normal(
                self.middle + self.half_width * unit.loc, self.half_width * unit.scale
            )
        return distribution


def ppo(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, blind: bool = False, **settings: Any) -> PPO:
    """Stable-Baselines3's PPO with the paper's clip range of 0.2 and discount of 0.995, for RegTune-v0; or a selector.

    In ImageSelect-v0 it is `WalkerPPO`, which learns from the images' credits: a rollout is a walk, nothing is
    discounted, four epochs and a small entropy bonus. What follows is about RegTune-v0.

    What the paper does not tell is chosen for a training of some 40 episodes: a rollout is two episodes, all of which
    is learnt from ten times over, at a rate of 1e-3. Generalised advantages are held against the time within the
    episode; see `Clocked` for what a critic of the losses teaches instead. Their lambda = 0.8 is then a second
    discount: an action answers for some five steps, which so few episodes can tell apart; `gae_lambda=1.0` leaves the
    paper's discount alone. Draws begin with a standard deviation of a third of the Box's width: Stable-Baselines3's
    half of it would clip every third draw to a bound, and nothing would hold the mean inside.

    The agent takes `env` as it is, its actions not normalised to [-1, 1], and `predict` returns actions in the units of
    `env`: its policy does the scaling, see `BoxPolicy`, so `save`, `PPO.load` and `set_env` need to know nothing of it.

    Args:
        env: the environment, or several of them as a `VecEnv`: the rollout is then two episodes of each.
        seed: of the agent and of its environment's first reset.
        blind: show the policy zeros instead of its observations, to see whether it uses them.
        settings: any keyword of `stable_baselines3.PPO`, in place of the defaults here; `policy_kwargs` are added to
            them.

    Raises:
        ValueError: if the actions are a Box without finite bounds, `use_sde` is set, or `n_steps` is missing for an
            environment that has no `chunks`.
    """
    if images := told_length(env, "num_images"):
        policy_kwargs = {"features_extractor_class": Blind} if blind else {}
        return WalkerPPO(env=env, seed=seed, **_of_a_walk(images, settings, **policy_kwargs))
    extractor = Blind if blind else Symlog
    return ClockedPPO(
        env=env, seed=seed, **_with_defaults(env, settings, BoxPolicy, features_extractor_class=extractor)
    )


def recurrent_ppo(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, **settings: Any) -> RecurrentPPO:
    """`ppo` with an LSTM before actor and critic: sb3-contrib's RecurrentPPO.

    Args:
        env: the environment.
        seed: of the agent and of its environment's first reset.
        settings: any keyword of `sb3_contrib.RecurrentPPO`, as for `ppo`.

    Raises:
        ImportError: if sb3-contrib is not installed.
        ValueError: as `ppo`.
    """
    try:
        from fer_gym_agents.recurrent import BoxLstmPolicy, ClockedRecurrentPPO, WalkerRecurrentPPO
    except ImportError as error:
        raise ImportError("recurrent_ppo needs sb3-contrib: pip install 'fer-gym[agents]'") from error
    if images := told_length(env, "num_images"):
        keywords = _of_a_walk(images, {"policy": "MlpLstmPolicy", **settings}, lstm_hidden_size=64)
        return WalkerRecurrentPPO(env=env, seed=seed, **keywords)
    # An LSTM as wide as the layers that follow it: the library's 256 units take most of a training's time.
    keywords = _with_defaults(env, settings, BoxLstmPolicy, features_extractor_class=Symlog, lstm_hidden_size=64)
    return ClockedRecurrentPPO(env=env, seed=seed, **keywords)


def _of_a_walk(images: int, settings: dict[str, Any], **policy_kwargs: Any) -> dict[str, Any]:
    """The keywords of PPO on ImageSelect-v0, in a walk of so many images."""
    defaults: dict[str, Any] = {"n_epochs": 4, "ent_coef": 0.01, "batch_size": minibatch(images)}
    policy_kwargs |= settings.get("policy_kwargs") or {}
    return walk_settings(images, {**defaults, **settings, "policy_kwargs": policy_kwargs})


def _with_defaults(
    env: gym.Env[Any, Any] | VecEnv, settings: dict[str, Any], policy: type[ActorCriticPolicy], **policy_kwargs: Any
) -> dict[str, Any]:
    """The keywords of PPO: `settings`, and the defaults of this module for what they leave open."""
    if isinstance(env.action_space, spaces.Box) and not env.action_space.is_bounded():
        raise ValueError(f"env: its actions are {env.action_space}; use a Box with finite bounds")
    if settings.get("use_sde"):
        raise ValueError("use_sde: True is not allowed; the policy scales a Gaussian of its own to the actions' box")
    n_steps = settings.get("n_steps")
    if n_steps is None:
        chunks = told_length(env, "chunks")
        if chunks is None:
            raise ValueError("n_steps: the environment does not tell its `chunks`; give the steps of a rollout")
        n_steps = 2 * chunks
    return {
        "policy": policy,
        "batch_size": n_steps * getattr(env, "num_envs", 1),
        "n_epochs": 10,
        "learning_rate": 1e-3,
        "gamma": 0.995,
        "gae_lambda": 0.8,
        "clip_range": 0.2,
        "device": "cpu",  # the networks are small
        **settings,
        "n_steps": n_steps,
        "policy_kwargs": {
            "log_std_init": -0.4,
            **policy_kwargs,
            **(settings.get("policy_kwargs") or {}),
        },
    }
