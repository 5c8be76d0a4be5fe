"""Many episodes of each form: memory, descriptors, threads and processes stay as they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_envs import SMALL

MEGABYTES = 0.5  # what the second half may add; 0.03 were measured over 100 episodes
HALF = {"ImageSelect-v0": 100, "RegTune-v0": 25}  # of the episodes

_EPISODES = """
import gc, json, os, sys, threading
import numpy as np
sys.path.append(sys.argv[1])
import small_envs

env = getattr(small_envs, sys.argv[2])(sys.argv[3])
env.action_space.seed(0)

def episodes(count):
    ended = 0
    env.reset(seed=0)
    while ended < count:
        over = env.step(env.action_space.sample())[2]
        if np.any(over):
            ended += 1
            if over is True:
                env.reset()

def counts():
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "processes": len(children),
    }

episodes(int(sys.argv[4]))
before = counts()
episodes(int(sys.argv[4]))
print(json.dumps([before, counts()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("form", ["scalar", "vector"])
def test_the_second_half_of_the_episodes_leaves_nothing_behind(name: str, form: str) -> None:
    tests = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-c", _EPISODES, tests, form, name, str(HALF[name])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout.splitlines()[-1])
    assert after.pop("memory") - before.pop("memory") < MEGABYTES
    assert after == before
