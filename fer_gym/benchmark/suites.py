"""What is compared: tasks, arms and seeds, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fer_gym.training import Dni


@dataclass(frozen=True)
class Arm:
    """An agent with its settings.

    Attributes:
        name: part of the records' names and the row of the table.
        agent: an entry point of the group `fer_gym.agents`, or "module:Name".
        settings: its keywords, besides `env` and `seed`.
        env: keywords of the environment that are the arm's own, such as what it regularises.
        keep_ratio_of: an arm that comes before this one; its keep ratio under the same seed becomes the setting
            `keep_ratio`.
    """

    name: str
    agent: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    keep_ratio_of: str | None = None


@dataclass(frozen=True)
class SelectionTask:
    """ImageSelect-v0, a learner's budget in it, and how a selection is scored.

    Attributes:
        name: part of the records' names.
        arms: the agents compared.
        env: the environment's keywords. `data_seed` is not among them: it is the trial's seed.
        episodes: what a learner may use.
        retrain_epochs: epochs of the network that is trained from scratch on the selection, for the test scores.
    """

    name: str
    arms: tuple[Arm, ...]
    env: Mapping[str, Any]
    episodes: int
    retrain_epochs: int

    env_id: ClassVar[str] = "ImageSelect-v0"


@dataclass(frozen=True)
class RegTuneTask:
    """RegTune-v0, a learner's budget in it, and how many children score an agent.

    Attributes:
        name: part of the records' names.
        arms: the agents compared.
        env: the environment's keywords. `data_seed` is not among them: it is the trial's seed.
        episodes: what a learner may use, the children of a search included.
        children: the fresh ones that an agent regularises when it has learnt, for the test scores.
    """

    name: str
    arms: tuple[Arm, ...]
    env: Mapping[str, Any]
    episodes: int
    children: int

    env_id: ClassVar[str] = "RegTune-v0"


Task = SelectionTask | RegTuneTask


@dataclass(frozen=True)
class Suite:
    """Every task's arms under every seed. Seed k fixes split, noise, initial weights and batch order."""

    name: str
    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]


# The reading of RLPS that learns what Table 5 shows, chosen on the synthetic faces and on FER2013 seeds from 100 on:
# an image is worth what it says of its label beyond the prior, less the price c of keeping it. An image worth nothing
# is kept with probability sigmoid(-c / ent_coef) = 0.14, so the selection cannot collapse. A smaller ent_coef at the
# same c keeps fewer none-faces and as many full ones; a smaller c reaches the full ones in fewer episodes, but keeps,
# and so comes to know by heart, more none-faces.
_RLPS = {"baseline": "marginal", "retain_cost": 0.11, "credit": "signed"}

_SELECTORS = (
    Arm("keep all", "keep_all"),
    Arm("REINFORCE", "reinforce", {"ent_coef": 0.06}),
    Arm("random", "random", keep_ratio_of="REINFORCE"),
)

#: What a selector of ImageSelect-v0 must be held against. The rankings, and the oracle, which is told the true noise,
#: keep as many images as REINFORCE under the same seed, so that the networks trained on them compare; how well they
#: find the noise does not depend on it. Out of fold, K networks judge what they were not trained on; in sample, the
#: environment's pretrained network judges its own training images, which costs nothing.
SELECTION_BASELINES = (
    *_SELECTORS,
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
    Arm("sigmoid selector (Feng)", "sigmoid_selector", env={"reward": "log_likelihood"}),
    Arm(
        "REINFORCE on F1 change",
        "reinforce",
        # One number for the whole episode: no natural gradient, whose truncated weights need a credit of each image;
        # and no frozen episodes, in which F1 cannot change.
        {
            "credit": "episode",
            "gradient": "vanilla",
            "ent_coef": 0.0,
            "pretrain_episodes": 0,
            "refresh_episodes": 0,
        },
        {"reward": "f1_change"},
    ),
    Arm("DVRL", "dvrl", env={"reward": "f1_change", "carry_over": False, "observe_label": True}),
    Arm("REINFORCE without the mean", "bandit", {"ent_coef": 0.06}),
)

# RegTune's arms. Which of them regularise the dropout, and which the noise at DNI's sites.
_DROPOUT = {"regularizers": {"dropout": (0.0, 0.8)}}
_NOISE = {"regularizers": {"feature_noise": (0.0, 1.0)}}


def _tuners(reward: str) -> tuple[Arm, ...]:
    """Every arm of Hong's Table 1 and what it must be held against; learners are paid `reward`."""
    dropout, noise = {**_DROPOUT, "reward": reward}, {**_NOISE, "reward": reward}
    return (
        Arm("vanilla", "static", env=dropout),
        Arm("best static dropout (D)", "best_static", {"strengths": (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)}, dropout),
        Arm("best static noise (NI)", "best_static", {"strengths": (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)}, noise),
        Arm("strong dropout (0.8)", "static", {"strength": 0.8}, dropout),
        Arm("random dropout", "random_per_chunk", env=dropout),
        Arm("random noise", "random_per_chunk", env=noise),
        Arm("dropout 0 to 0.8", "linear", env=dropout),
        Arm("dropout 0.8 to 0", "linear", {"start": 0.8, "end": 0.0}, dropout),
        Arm("DNI (reconstruction)", "static", env={**dropout, "network": Dni("small")}),
        Arm("PPO on dropout (RD)", "ppo", env=dropout),
        Arm("PPO on noise (RNI)", "ppo", env=noise),
        Arm("PPO on dropout, blind", "ppo", {"blind": True}, dropout),
    )


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "quick",
            (
                SelectionTask(
                    "faces",
                    _SELECTORS,
                    {"limit": 2000, "noise": "faces", "batch_size": 64, **_RLPS},
                    episodes=8,
                    retrain_epochs=12,
                ),
                RegTuneTask(
                    "schedule",
                    (
                        Arm("vanilla", "static"),
                        Arm("static dropout 0.3", "static", {"strength": 0.3}),
                        Arm("random dropout", "random_per_chunk"),
                        Arm("PPO on dropout", "ppo"),
                    ),
                    {"limit": 500, "chunks": 8, "chunk_size": 10, "val_batches": 5, "batch_size": 32},
                    episodes=10,
                    children=2,
                ),
            ),
            seeds=(0, 1),
        ),
        Suite(
            "rlps-table5",
            (
                SelectionTask(
                    "fer2013-faces",
                    _SELECTORS,
                    {
                        "dataset": "fer2013",
                        "limit": 6000,
                        "noise": "faces",
                        "network": "rlps_cnn",
                        "batch_size": 32,
                        "learning_rate": 5e-4,
                        **_RLPS,
                    },
                    episodes=13,
                    retrain_epochs=8,
                ),
            ),
            seeds=(0, 1, 2, 3, 4),
        ),
        Suite(
            "regtune-table1",
            tuple(
                RegTuneTask(
                    f"fer2013-{reward}",
                    _tuners(reward),
                    {
                        "dataset": "fer2013",
                        "limit": 4000,
                        "chunks": 30,
                        "val_batches": 10,
                        "batch_size": 32,
                    },
                    episodes=40,
                    children=3,
                )
                for reward in ("gap", "val_f1_change")
            ),
            seeds=(0, 1, 2, 3, 4),
        ),
    )
}
