"""A walk over 200 embedded faces that retains each by a coin."""

import gymnasium as gym

env = gym.make("fer_gym:ImageSelect-v0", limit=200)
env.action_space.seed(0)
observation, info = env.reset(seed=0)
terminated = False
while not terminated:
    action = env.action_space.sample()  # 0 removes the image, 1 retains it
    observation, reward, terminated, truncated, info = env.step(action)

print(f"kept {info['keep_ratio']:.0%} of the images, reward {reward:.2f}")
print(f"validation accuracy {info['validation']['accuracy']:.3f}")
