"""A folder of pictures, and which of them to keep."""

import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image

from fer_gym import data
from fer_gym_agents import Reinforce


def kept_pictures(folder):
    """Paths of the training pictures that REINFORCE keeps of folder/train/CLASS/*.png."""
    env = gym.make(
        "fer_gym:ImageSelect-v0",
        dataset="folder",
        root=folder,
        pretrain_epochs=20,
        baseline="marginal",
        retain_cost=0.11,
        credit="signed",
    )
    agent = Reinforce(env, pretrain_episodes=5, seed=0)
    agent.learn(total_timesteps=2 * env.unwrapped.num_images)
    observation, info = env.reset(options={"freeze": True})  # a walk that trains nothing
    terminated = False
    while not terminated:
        action, _ = agent.predict(observation, deterministic=True)
        observation, _, terminated, _, info = env.step(action)
    pictures = sorted(folder.glob("train/*/*"))  # image i is the i-th by class and name
    return [pictures[index] for index in np.sort(info["sample_index"][info["retained"]])]


def write_pictures(folder, splits):
    """Drawn faces, as pictures of yours would lie."""
    for part in ("train", "val", "test"):
        split = getattr(splits, part)
        for number, (pixels, label) in enumerate(zip(split.pixels, split.labels, strict=True)):
            path = folder / part / splits.classes[label] / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[0]).save(path)


with tempfile.TemporaryDirectory() as folder:
    drawn = data.load("synthetic", limit=200, noise="faces", val=100, test=100)
    write_pictures(Path(folder), drawn)
    kept = kept_pictures(Path(folder))
    kinds = drawn.train.noise[[int(path.stem) for path in kept]]
    for code, name in enumerate(["full face", "half face", "none face"]):
        print(f"{name}: kept {(kinds == code).sum()} of {(drawn.train.noise == code).sum()}")
