"""Stable-Baselines3 and its contributions: algorithms of every kind, and worker processes of every start method."""

import multiprocessing

import gymnasium as gym
from sb3_contrib import ARS, QRDQN, TQC, TRPO, RecurrentPPO
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE, before_and_after_training
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize

from fer_gym_agents import GymnasiumVecEnv


def _tune() -> gym.Env:
    return gym.make("RegTune-v0", **REG_TUNE)


def image_select() -> None:
    env = gym.make("ImageSelect-v0", **IMAGE_SELECT)
    check_env(env)
    for algorithm in (PPO, A2C):
        algorithm("MlpPolicy", env, n_steps=IMAGES).learn(2 * IMAGES)
    for algorithm in (TRPO, RecurrentPPO):
        policy = "MlpLstmPolicy" if algorithm is RecurrentPPO else "MlpPolicy"
        algorithm(policy, env, n_steps=IMAGES, batch_size=IMAGES).learn(IMAGES)
    for algorithm in (DQN, QRDQN):
        algorithm("MlpPolicy", env, learning_starts=10).learn(IMAGES)
    model = ARS("MlpPolicy", env, n_delta=1).learn(2 * IMAGES)
    mean, _ = evaluate_policy(model, make_vec_env("ImageSelect-v0", env_kwargs=IMAGE_SELECT), n_eval_episodes=1)
    assert abs(mean) < IMAGES


def image_select_vector() -> None:
    envs = VecNormalize(GymnasiumVecEnv(gym.make_vec("ImageSelect-v0", num_envs=2, **IMAGE_SELECT)))
    PPO("MlpPolicy", envs, n_steps=IMAGES // 2, batch_size=IMAGES).learn(2 * IMAGES)


def reg_tune() -> None:
    env = _tune()
    check_env(env)
    for algorithm in (SAC, TD3, TQC):
        algorithm("MlpPolicy", env, learning_starts=2).learn(2 * CHUNKS)
    PPO("MlpPolicy", env, n_steps=2 * CHUNKS, batch_size=2 * CHUNKS).learn(2 * CHUNKS)


def reg_tune_vector() -> None:
    envs = GymnasiumVecEnv(gym.make_vec("RegTune-v0", num_envs=2, **REG_TUNE))
    SAC("MlpPolicy", envs, learning_starts=2).learn(4 * CHUNKS)


def workers() -> None:
    for _ in before_and_after_training():
        for method in multiprocessing.get_all_start_methods():
            envs = SubprocVecEnv([_tune, _tune], start_method=method)
            PPO("MlpPolicy", envs, n_steps=CHUNKS, batch_size=CHUNKS).learn(2 * CHUNKS)
            envs.close()
