"""PPO sets the drop rate of small networks while they train."""

import gymnasium as gym

from fer_gym_agents import ppo

env = gym.make(
    "fer_gym:RegTune-v0",
    limit=500,
    regularizers={"dropout": (0.0, 0.8)},
    chunks=6,
    chunk_size=10,
    val_batches=4,
    batch_size=32,
    reward="val_f1_change",
)
agent = ppo(env, seed=0)
agent.learn(total_timesteps=2 * env.unwrapped.chunks)  # each episode trains a new network

# Regularise one more network, without exploring.
observation, info = env.reset(seed=1)
terminated = False
while not terminated:
    action, _ = agent.predict(observation, deterministic=True)
    observation, reward, terminated, truncated, info = env.step(action)
    print(f"chunk {info['chunk']}: drop rate {action[0]:.2f}, F1 {info['val_f1']:.3f}")
print(f"test macro F1 {env.unwrapped.evaluate('test')['macro_f1']:.3f}")
