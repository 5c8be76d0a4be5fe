"""The agents that are compared, with their settings."""

from __future__ import annotations

import dataclasses

from fer_gym.benchmark.spec.tasks import Arm
from fer_gym.training import Dni, Periodic

#: The reading of RLPS that learns what Table 5 shows, chosen on the synthetic faces and on FER2013 seeds from 100 on:
#: the reward of an image is p(y|x) less its prior, less the cost c of keeping the image. An image without information
#: on its label is kept with probability sigmoid(-c / ent_coef) = 0.06 at the agent's default ent_coef of 0.04, so the
#: selection cannot collapse. A smaller c reaches the full faces in fewer episodes, but keeps, and so fits, more none
#: faces.
RLPS_ENV = {"baseline": "marginal", "retain_cost": 0.11, "credit": "signed"}

KEEP_ALL = Arm("keep all", "keep_all")
REINFORCE = Arm("REINFORCE", "reinforce")
RANDOM = Arm("random", "random", keep_ratio_of="REINFORCE")
SIGMOID = Arm("sigmoid selector (Feng)", "sigmoid_selector", env={"reward": "log_likelihood"})
F1_CHANGE = Arm(
    "REINFORCE on F1 change",
    "reinforce",
    # One number for the whole episode: one gradient step a walk, and not of the natural gradient, whose truncated
    # weights need a credit of each image; and no frozen episodes, in which F1 cannot change.
    {
        "credit": "episode",
        "gradient": "vanilla",
        "ent_coef": 0.0,
        "n_epochs": 1,
        "batch_size": None,
        "pretrain_episodes": 0,
        "refresh_episodes": 0,
    },
    {"reward": "f1_change"},
)

#: The baselines of a selector of ImageSelect-v0. The rankings, and the oracle, which reads the true noise, keep as many
#: images as REINFORCE under the same seed, so that the networks trained on them compare; how well they find the noise
#: does not depend on the keep ratio. Out of fold, K networks judge images that they were not trained on; in sample, the
#: environment's pretrained network judges its own training images, which costs nothing.
SELECTION_BASELINES = (
    KEEP_ALL,
    REINFORCE,
    RANDOM,
    Arm("oracle (true noise)", "oracle", keep_ratio_of="REINFORCE"),
    Arm("image variance", "image_variance", keep_ratio_of="REINFORCE"),
    Arm("self-confidence in sample", "self_confidence", {"folds": 0}, keep_ratio_of="REINFORCE"),
    Arm("self-confidence out of fold", "self_confidence", keep_ratio_of="REINFORCE"),
    Arm("entropy in sample", "entropy", {"folds": 0}, keep_ratio_of="REINFORCE"),
    Arm("entropy out of fold", "entropy", keep_ratio_of="REINFORCE"),
    Arm("cleanlab", "cleanlab", keep_ratio_of="REINFORCE"),
    Arm("AUM", "aum", keep_ratio_of="REINFORCE"),
    Arm("KNN-Shapley", "knn_shapley", keep_ratio_of="REINFORCE"),
    Arm("agreement", "agreement"),
    SIGMOID,
    F1_CHANGE,
    Arm("DVRL", "dvrl", env={"reward": "f1_change", "carry_over": False, "observe_label": True}),
    Arm("REINFORCE without the mean", "bandit"),
)

_PPO = Arm("PPO", "ppo")

#: The baselines, and the other way to learn.
SELECTORS = (*SELECTION_BASELINES, _PPO)

#: Learners of ImageSelect-v0 by algorithm, all on the images' credits.
RL_SELECTORS = (
    KEEP_ALL,
    REINFORCE,
    # The budget's environment steps and no more: the other learners walk frozen episodes on top.
    Arm("REINFORCE, no frozen walks", "reinforce", {"pretrain_episodes": 0, "refresh_episodes": 0}),
    RANDOM,
    Arm("A2C", "a2c"),
    _PPO,
    Arm("PPO, blind", "ppo", {"blind": True}),
    Arm("RecurrentPPO", "recurrent_ppo"),
    Arm("DQN", "dqn"),
)

# What an agent of RegTune-v0 regularises: the dropout, or the noise at DNI's sites.
_DROPOUT = {"regularizers": {"dropout": (0.0, 0.8)}}
_NOISE = {"regularizers": {"feature_noise": (0.0, 1.0)}}

VANILLA = Arm("vanilla", "static", env=_DROPOUT)
STATIC_DROPOUT = Arm("best static dropout (D)", "best_static", {"strengths": (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)}, _DROPOUT)
STATIC_NOISE = Arm("best static noise (NI)", "best_static", {"strengths": (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)}, _NOISE)
DNI = Arm("DNI (reconstruction)", "static", env={**_DROPOUT, "network": Dni("small")})
RNI = Arm("PPO on noise (RNI)", "ppo", env=_NOISE)
RD = Arm("PPO on dropout (RD)", "ppo", env=_DROPOUT)

# The same learners under the reward that cannot be raised without learning.
_VAL_F1 = {"reward": "val_f1_change"}


def tuners(network: str) -> tuple[Arm, ...]:
    """Every arm of Hong's Table 1 on a network, and their baselines.

    The baselines are constant strong dropout, schedules without observations, a blind agent; and the learners once
    more, with the change of validation F1 for a reward.
    """
    return (
        VANILLA,
        STATIC_NOISE,
        STATIC_DROPOUT,
        dataclasses.replace(DNI, env={**DNI.env, "network": Dni(network)}),
        RNI,
        RD,
        Arm("strong dropout (0.8)", "static", {"strength": 0.8}, _DROPOUT),
        Arm("random noise", "random_per_chunk", env=_NOISE),
        Arm("random dropout", "random_per_chunk", env=_DROPOUT),
        Arm("dropout 0 to 0.8", "linear", env=_DROPOUT),
        Arm("dropout 0.8 to 0", "linear", {"start": 0.8, "end": 0.0}, _DROPOUT),
        Arm("RD, blind", "ppo", {"blind": True}, _DROPOUT),
        Arm("RNI on val_f1_change", "ppo", env={**_NOISE, **_VAL_F1}),
        Arm("RD on val_f1_change", "ppo", env={**_DROPOUT, **_VAL_F1}),
        Arm("RD, blind, on val_f1_change", "ppo", {"blind": True}, {**_DROPOUT, **_VAL_F1}),
    )


_CONSTANT = (Arm("none", "static"), Arm("best static", "best_static"), Arm("random", "random_per_chunk"))

#: The baselines of an adaptive agent of RegTune-v0, every search with a learner's budget.
SCHEDULERS = (
    *_CONSTANT,
    Arm("linear up", "linear"),
    Arm("best random schedule", "best_random_schedule"),
    Arm("Bayesian optimisation", "bayes_static"),
    Arm("greedy", "greedy"),
    Arm("PBT", "pbt"),
    Arm("DNI (reconstruction)", "static", env={"network": Dni("small")}),
    Arm("periodic noise", "static", env={"network": Periodic("small")}),
    Arm("PPO", "ppo"),
    Arm("PPO, blind", "ppo", {"blind": True}),
)

#: Learners of RegTune-v0 by algorithm.
RL_SCHEDULERS = (
    *_CONSTANT,
    Arm("PPO", "ppo"),
    Arm("PPO, blind", "ppo", {"blind": True}),
    Arm("A2C", "a2c"),
    Arm("RecurrentPPO", "recurrent_ppo"),
    Arm("SAC", "sac"),
    Arm("SAC, blind", "sac", {"blind": True}),
    Arm("TD3", "td3"),
)
