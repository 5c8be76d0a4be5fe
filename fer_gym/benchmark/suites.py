"""What is compared: tasks, arms and seeds, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """An environment, the budget of a learner in it, and how a selection is scored.

    Attributes:
        name: part of the records' names.
        env_id: for `gym.make`.
        env: its keywords. `data_seed` is not among them: it is the trial's seed.
        episodes: what a learner may use.
        retrain_epochs: epochs of the network that is trained from scratch on the selection, for the test scores.
    """

    name: str
    env_id: str
    env: Mapping[str, Any]
    episodes: int
    retrain_epochs: int


@dataclass(frozen=True)
class Arm:
    """An agent with its settings.

    Attributes:
        name: part of the records' names and the row of the table.
        agent: an entry point of the group `fer_gym.agents`, or "module:Name".
        settings: its keywords, besides `env` and `seed`.
        keep_ratio_of: an arm that comes before this one; its keep ratio under the same seed becomes the setting
            `keep_ratio`.
    """

    name: str
    agent: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    keep_ratio_of: str | None = None


@dataclass(frozen=True)
class Suite:
    """Every arm on every task under every seed. Seed k fixes split, noise, initial weights and batch order."""

    name: str
    tasks: tuple[Task, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]


# The reading of RLPS that learns what Table 5 shows, chosen on the synthetic faces and on FER2013 seeds from 100 on:
# an image is worth what it says of its label beyond the prior, less the price of keeping it. An image worth nothing
# is kept with probability sigmoid(-0.12 / ent_coef) = 0.21, so the selection cannot collapse. Only the price's ratio to
# the entropy's weight decides that; both are large because the network comes to know none-faces by heart: after
# fifteen epochs on FER2013 their p(y) is 0.08 above the prior.
_RLPS = {"baseline": "marginal", "retain_cost": 0.12, "credit": "signed"}

_SELECTORS = (
    Arm("keep all", "keep_all"),
    Arm("REINFORCE", "reinforce"),
    Arm("random", "random", keep_ratio_of="REINFORCE"),
)

SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "quick",
            (
                Task(
                    "faces",
                    "ImageSelect-v0",
                    {"limit": 2000, "noise": "faces", "batch_size": 64, **_RLPS},
                    episodes=8,
                    retrain_epochs=12,
                ),
            ),
            _SELECTORS,
            seeds=(0, 1),
        ),
        Suite(
            "rlps-table5",
            (
                Task(
                    "fer2013-faces",
                    "ImageSelect-v0",
                    {
                        "dataset": "fer2013",
                        "limit": 6000,
                        "noise": "faces",
                        "network": "rlps_cnn",
                        "batch_size": 32,
                        "learning_rate": 5e-4,
                        **_RLPS,
                    },
                    episodes=11,
                    retrain_epochs=8,
                ),
            ),
            _SELECTORS,
            seeds=(0, 1, 2, 3, 4),
        ),
    )
}
