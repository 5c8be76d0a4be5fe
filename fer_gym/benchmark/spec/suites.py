"""The suites that `fer-gym benchmark` knows by name."""

from __future__ import annotations

from fer_gym.benchmark.spec import arms, calibrated, papers
from fer_gym.benchmark.spec.tasks import Arm, Suite
from fer_gym.tasks import TASKS

# The demo: in each environment, an agent that learns beside doing nothing, in minutes.
_QUICK = Suite(
    "quick",
    (
        calibrated.task_of(TASKS["ImageSelect-Flips-v1"], (arms.KEEP_ALL, arms.REINFORCE)),
        calibrated.task_of(TASKS["RegTune-Overfit-v0"], (Arm("none", "static"), Arm("PPO", "ppo")), episodes=6),
    ),
    seeds=(0,),
)


# Every baseline, and every algorithm of reinforcement learning, in every calibrated task.
_STANDARD = calibrated.suite("standard", arms.SELECTORS, arms.SCHEDULERS)
_RL = calibrated.suite("rl", arms.RL_SELECTORS, arms.RL_SCHEDULERS)

SUITES = {
    suite.name: suite for suite in (_QUICK, _STANDARD, _RL, *(table.suite("small") for table in papers.TABLES.values()))
}
