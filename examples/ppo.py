"""Stable-Baselines3's PPO on the delayed reward of each image."""

import gymnasium as gym
from stable_baselines3 import PPO

from fer_gym_agents import SampleCredits

env = gym.make("fer_gym:ImageSelect-v0", limit=200, credit="signed")
images = env.unwrapped.num_images  # the steps of an episode
agent = PPO("MlpPolicy", env, n_steps=images, batch_size=50, gamma=0.0, gae_lambda=0.0, seed=0, device="cpu")
agent.learn(total_timesteps=2 * images, callback=SampleCredits())
for episode, result in enumerate(agent.ep_info_buffer):
    print(f"episode {episode}: reward {result['r']:.2f}")
