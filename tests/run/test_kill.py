"""A benchmark killed at random moments, and resumed each time: its records are those of one that was left alone."""

import multiprocessing
import random
import signal
import time
from pathlib import Path
from typing import Any

import torch

from fer_gym.benchmark import records
from fer_gym.benchmark.run import runner
from fer_gym.benchmark.spec.arms import KEEP_ALL, RANDOM, REINFORCE
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite

KILLS = 5  # as many as there are trials; `make kills` has fifty
SUITE = Suite(
    "killed",
    (
        SelectionTask(
            "walk",
            (KEEP_ALL, REINFORCE, RANDOM),
            {"limit": 60, "noise": "faces", "pretrain_epochs": 1, "batch_size": 32},
            episodes=1,
            retrain_epochs=1,
        ),
        RegTuneTask(
            "run",
            (Arm("random", "random_per_chunk"), Arm("PPO", "ppo")),
            {"limit": 60, "chunks": 2, "chunk_size": 2, "val_batches": 2, "batch_size": 16},
            episodes=2,
            children=1,
        ),
    ),
    seeds=(0,),
)


def _run(folder: Path) -> None:
    torch.set_num_threads(1)
    runner.run(SUITE, folder, None, resume=True)


def _records(folder: Path) -> dict[str, Any]:
    """Every record by its file's name, save the time it took and the commit, which somebody may make meanwhile."""
    found = {path.name: records.read(path) for path in (folder / "records").glob("*.json")}
    for record in found.values():
        record["versions"]["commit"] = record["seconds"] = None
        record["arrays"] = {name: values.tolist() for name, values in record["arrays"].items()}
    return found


def test_kill_minus_nine_five_times(tmp_path: Path):
    # A server that has imported what is slow to import, so that most kills come while trials run.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fer_gym.benchmark.run.runner", "fer_gym_agents"])
    alone = context.Process(target=_run, args=(tmp_path / "alone",))
    alone.start()
    alone.join()
    assert alone.exitcode == 0
    moments = random.Random(0)
    killed, exits = tmp_path / "killed", []
    for kill in range(KILLS):
        process = context.Process(target=_run, args=(killed,))
        process.start()
        # As many trials as this must have ended, so that the kills are spread over the run; the moment is drawn.
        while process.is_alive() and len(list((killed / "records").glob("*.json"))) < kill:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.3))
        process.kill()
        process.join()
        exits.append(process.exitcode)
    assert exits.count(-signal.SIGKILL) >= KILLS - 2  # the last may have come too late
    last = context.Process(target=_run, args=(killed,))
    last.start()
    last.join()
    assert last.exitcode == 0
    assert _records(killed) == _records(tmp_path / "alone")
    assert len(_records(killed)) == KILLS
