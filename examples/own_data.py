"""Pictures, a network and a reward of one's own."""

import gymnasium as gym
import numpy as np
from torch import nn

from fer_gym.data import Split, Splits

rng = np.random.default_rng(0)


def bright_or_dark(images):
    """Pictures of 24x24 pixels: label 1 where they are bright."""
    labels = rng.integers(0, 2, images)
    pixels = rng.integers(0, 156, (images, 1, 24, 24)) + 100 * labels[:, None, None, None]
    return Split(pixels.astype(np.uint8), labels)


def network(channels, classes, image_size):
    """One hidden layer, whose output is the feature that the agent sees."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, 16), nn.ReLU(), nn.Linear(16, classes))


def certainty(walk):
    """The reward of each image: the probability of the class that the network holds likeliest."""
    return walk.probabilities.max(axis=1)


splits = Splits(bright_or_dark(100), bright_or_dark(20), bright_or_dark(20), classes=("dark", "bright"))
env = gym.make("fer_gym:ImageSelect-v0", dataset=splits, network=network, reward=certainty)
observation, info = env.reset(seed=0)
terminated = False
while not terminated:
    observation, reward, terminated, truncated, info = env.step(1)

print(f"test accuracy {env.unwrapped.evaluate('test')['accuracy']:.3f}, reward {reward:.2f}")
