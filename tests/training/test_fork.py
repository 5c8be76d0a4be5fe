"""A process forked after a training can train: PyTorch's threads do not exist in it, and nothing waits for them.

FORK_TRIES=50 forks as often, with ImageSelect-v0 too.
"""

import os
import subprocess
import sys

import pytest

_TRAIN_FORK_TRAIN = """
import os, sys
import gymnasium as gym
import numpy as np
import torch

name, by, tries = sys.argv[1:]
torch.set_num_threads(2)
keywords = {
    "RegTune-v0": {"limit": 60, "batch_size": 16, "chunk_size": 3, "val_batches": 2, "chunks": 4},
    "ImageSelect-v0": {"limit": 24, "batch_size": 8, "pretrain_epochs": 1},
}[name]

def make():
    return gym.make(f"fer_gym:{name}", precision="fp32", **keywords)

env = make()
env.action_space.seed(0)
action = env.action_space.sample()

def train(env, seed):
    env.reset(seed=seed)
    for _ in range(1 if name == "RegTune-v0" else 24):
        env.step(action)

train(env, 0)
for _ in range(int(tries)):
    if by == "fork":
        child = os.fork()
        if child == 0:
            train(env, 1)
            train(make(), 1)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        continue
    if by == "gymnasium":
        envs = gym.vector.AsyncVectorEnv([make, make], context="fork")
        envs.reset(seed=0)
    else:
        from stable_baselines3.common.vec_env import SubprocVecEnv
        envs = SubprocVecEnv([make, make], start_method="fork")
        envs.reset()
    for _ in range(1 if name == "RegTune-v0" else 24):
        envs.step(np.stack([action, action]))
    envs.close()
train(env, 2)
print("trained", torch.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("by", ["fork", "gymnasium", "stable_baselines3"])
@pytest.mark.parametrize("name", ["ImageSelect-v0", "RegTune-v0"] if "FORK_TRIES" in os.environ else ["RegTune-v0"])
def test_a_forked_process_trains(name: str, by: str) -> None:
    tries = os.environ.get("FORK_TRIES", "1")
    command = [sys.executable, "-c", _TRAIN_FORK_TRAIN, name, by, tries]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 + 30 * int(tries))
    assert done.stdout.split() == ["trained", "2"], done.stderr
