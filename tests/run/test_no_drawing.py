"""The modules that run trials import no plotting library, so a worker loads none."""

import subprocess
import sys
from pathlib import Path

DRAWING = "assert not {'matplotlib', 'captum'} & sys.modules.keys()"
TRIALS = """
import sys
from pathlib import Path

import tiny_data
from fer_gym.benchmark.run import runner
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite

splits = tiny_data.splits(30)
walk = {"dataset": splits, "noise": None, "pretrain_epochs": 0}
run = {"dataset": splits, "chunks": 2, "chunk_size": 2, "val_batches": 2, "batch_size": 4}
tasks = (
    SelectionTask("walk", (Arm("learner", "reinforce", {"pretrain_episodes": 0}),), walk, 1, 1),
    RegTuneTask("run", (Arm("ppo", "ppo"),), run, 2, 1),
)
done, failed = runner.run(Suite("tiny", tasks, (0,)), Path(sys.argv[1]), None, resume=False)
assert len(done) == 2, failed
"""


def test_importing_a_trial_loads_nothing_that_draws() -> None:
    code = f"import fer_gym.benchmark.run.trial, sys; {DRAWING}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_running_trials_loads_nothing_that_draws(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n{TRIALS}\n{DRAWING}"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
