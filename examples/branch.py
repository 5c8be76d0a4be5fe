"""One training run, branched: the same network goes on without dropout and with much of it."""

import gymnasium as gym

env = gym.make(
    "fer_gym:RegTune-v0",
    limit=200,
    chunks=6,
    chunk_size=5,
    val_batches=4,
    batch_size=16,
)
env.reset(seed=0)
for _ in range(3):
    env.step([0.3])
state = env.unwrapped.state_dict()

for rate in (0.0, 0.8):
    env.unwrapped.load_state_dict(state)
    for _ in range(3):
        observation, reward, terminated, truncated, info = env.step([rate])
    print(f"drop rate {rate}: loss {info['train_loss']:.3f}, validation {info['val_loss']:.3f}")
