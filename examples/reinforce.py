"""REINFORCE on faces of which some are cut in half and some show no face."""

import gymnasium as gym

from fer_gym_agents import Reinforce

env = gym.make(
    "fer_gym:ImageSelect-v0",
    limit=200,
    pretrain_epochs=20,
    noise="faces",
    baseline="marginal",
    retain_cost=0.11,
    credit="signed",
)
agent = Reinforce(env, pretrain_episodes=5, seed=0)
agent.learn(total_timesteps=2 * env.unwrapped.num_images)

# Walk once more, ask the policy about every image, and compare with the truth, which the agent never saw.
observation, info = env.reset()
keep, terminated = [], False
while not terminated:
    keep.append(agent.policy.keep_probability(observation[None])[0])
    action, _ = agent.predict(observation)
    observation, reward, terminated, truncated, info = env.step(action)
truth = env.unwrapped.splits.train.noise[info["sample_index"]]
for code, name in enumerate(["full face", "half face", "none face"]):
    chosen = [p for p, t in zip(keep, truth, strict=True) if t == code]
    print(f"{name}: mean keep probability {sum(chosen) / len(chosen):.3f}")
