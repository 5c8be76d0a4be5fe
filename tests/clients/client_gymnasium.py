"""Gymnasium: its check, its wrappers, its vector environments with every start method."""

import multiprocessing

import gymnasium as gym
from gymnasium.utils.env_checker import check_env
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE, before_and_after_training


def _tune() -> gym.Env:
    return gym.make("RegTune-v0", **REG_TUNE)


def _one(name: str, keywords: dict, length: int) -> None:
    env = gym.make(name, **keywords)
    check_env(env.unwrapped, skip_render_check=True)
    env = gym.wrappers.RecordEpisodeStatistics(gym.wrappers.NormalizeObservation(env))
    env.reset(seed=0)
    for step in range(1, length + 1):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        assert (terminated or truncated) == (step == length)
    assert info["episode"]["l"] == length


def _many(envs: gym.vector.VectorEnv, length: int) -> None:
    envs = gym.wrappers.vector.RecordEpisodeStatistics(envs)
    envs.reset(seed=0)
    for _ in range(length):
        _, _, terminated, truncated, info = envs.step(envs.action_space.sample())
    assert (terminated | truncated).all()
    assert (info["episode"]["l"] == length).all()
    envs.close()


def image_select() -> None:
    _one("ImageSelect-v0", IMAGE_SELECT, IMAGES)


def image_select_vector() -> None:
    _many(gym.make_vec("ImageSelect-v0", num_envs=2, **IMAGE_SELECT), IMAGES // 2)
    for mode in ("sync", "async"):
        _many(gym.make_vec("ImageSelect-v0", num_envs=2, vectorization_mode=mode, **IMAGE_SELECT), IMAGES)


def reg_tune() -> None:
    _one("RegTune-v0", REG_TUNE, CHUNKS)


def reg_tune_vector() -> None:
    _many(gym.make_vec("RegTune-v0", num_envs=2, **REG_TUNE), CHUNKS)
    _many(gym.make_vec("RegTune-v0", num_envs=2, vectorization_mode="sync", **REG_TUNE), CHUNKS)


def workers() -> None:
    for _ in before_and_after_training():
        for method in multiprocessing.get_all_start_methods():
            _many(gym.vector.AsyncVectorEnv([_tune, _tune], context=method), CHUNKS)
