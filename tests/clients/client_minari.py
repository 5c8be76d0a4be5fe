"""Minari: episodes recorded with their infos, and read again."""

import os
import tempfile

import gymnasium as gym
import numpy as np
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE

from fer_gym.envs import UniformInfo

with tempfile.TemporaryDirectory() as _folder:
    os.environ["MINARI_DATASETS_PATH"] = _folder
    import minari


def _recorded(name: str, keywords: dict, length: int) -> dict[str, np.ndarray]:
    env = minari.DataCollector(UniformInfo(gym.make(name, **keywords)), record_infos=True)
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(length):
            env.step(env.action_space.sample())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        env.create_dataset(dataset_id="fer-gym/test-v0", algorithm_name="random")
        episodes = list(minari.load_dataset("fer-gym/test-v0").iterate_episodes())
    assert [len(episode.rewards) for episode in episodes] == [length, length]
    return episodes[-1].infos


def image_select() -> None:
    infos = _recorded("fer_gym:ImageSelect-v0", IMAGE_SELECT, IMAGES)
    assert infos["sample_credits"].shape == (IMAGES + 1, IMAGES)
    assert np.any(infos["sample_credits"][-1])


def reg_tune() -> None:
    infos = _recorded("fer_gym:RegTune-v0", REG_TUNE, CHUNKS)
    assert np.isfinite(infos["val_f1"][1:]).all()
