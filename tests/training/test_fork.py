"""A process forked after a training can train: PyTorch's threads do not exist in it, and nothing waits for them."""

import os
import subprocess
import sys

import pytest

_TRAIN_FORK_TRAIN = """
import os, sys
import gymnasium as gym
import numpy as np
import torch

torch.set_num_threads(2)
keywords = {"limit": 60, "batch_size": 16, "chunk_size": 3, "val_batches": 2, "chunks": 4, "precision": "fp32"}
env = gym.make("fer_gym:RegTune-v0", **keywords)
env.reset(seed=0)
action = np.array([0.3], np.float32)
env.step(action)

def make():
    return gym.make("fer_gym:RegTune-v0", **keywords)

if sys.argv[1] == "fork":
    child = os.fork()
    if child == 0:
        env.step(action)
        made = make()
        made.reset(seed=1)
        made.step(action)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
else:
    if sys.argv[1] == "gymnasium":
        envs = gym.vector.AsyncVectorEnv([make, make], context="fork")
        envs.reset(seed=0)
        envs.step(np.stack([action, action]))
    else:
        from stable_baselines3.common.vec_env import SubprocVecEnv
        envs = SubprocVecEnv([make, make], start_method="fork")
        envs.reset()
        envs.step(np.stack([action, action]))
    envs.close()
env.step(action)
print("trained", torch.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("by", ["fork", "gymnasium", "stable_baselines3"])
def test_a_forked_process_trains(by: str) -> None:
    done = subprocess.run([sys.executable, "-c", _TRAIN_FORK_TRAIN, by], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["trained", "2"], done.stderr
