"""Eight walkers share a data set and one policy."""

import gymnasium as gym

from fer_gym_agents import GymnasiumVecEnv, Reinforce

envs = gym.make_vec("fer_gym:ImageSelect-v0", num_envs=8, limit=200, credit="signed")
print(f"{envs.unwrapped.num_images} images in shards of {envs.unwrapped.shard_sizes}")
agent = Reinforce(GymnasiumVecEnv(envs), pretrain_episodes=5, seed=0)
agent.learn(total_timesteps=2 * agent.n_steps * agent.n_envs)  # two episodes

# Walk once more. The policy sees the states of all walkers in one pass.
observations, infos = envs.reset()
terminated = [False]
while not any(terminated):
    actions, _ = agent.predict(observations)
    observations, rewards, terminated, truncated, infos = envs.step(actions)
print("rewards of the walkers:", rewards.round(2).tolist())
print("images retained:", int(infos["retained"].sum()))
