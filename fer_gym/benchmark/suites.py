"""The suites that `fer-gym benchmark` knows."""

from __future__ import annotations

from fer_gym.benchmark import arms, papers
from fer_gym.benchmark.tasks import Arm, RegTuneTask, SelectionTask, Suite

SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "quick",
            (
                SelectionTask(
                    "faces",
                    (arms.KEEP_ALL, arms.REINFORCE, arms.RANDOM),
                    {"limit": 2000, "noise": "faces", "batch_size": 64, **arms.RLPS_ENV},
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
        *(table.suites["small"] for table in papers.TABLES.values()),
    )
}
