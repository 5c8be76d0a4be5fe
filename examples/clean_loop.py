"""An agent that is not ours: a training loop in one file, as CleanRL's are, scored in a calibrated task."""

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import fer_gym


class Selector(nn.Module):
    """A policy: the probability of retaining an image."""

    def __init__(self, env: gym.Env, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        width = env.observation_space.shape[0]
        self.layers = nn.Sequential(
            nn.LayerNorm(width, elementwise_affine=False), nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def logits(self, observations: np.ndarray) -> torch.Tensor:
        """Log-odds of retaining, (B,), of observations (B, W)."""
        return self.layers(torch.as_tensor(observations))[:, 0]

    @torch.no_grad()
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        """As Stable-Baselines3's: an action, drawn or the more probable one, and no memory."""
        keep = torch.sigmoid(self.logits(observation[None]))[0].item()
        return int(keep > (0.5 if deterministic else self.rng.random())), None


def learn(env: gym.Env, seed: int, epochs: int = 10, entropy: float = 0.12) -> Selector:
    """Policy gradient on the images' credits, from as many walks as the budget allows."""
    torch.manual_seed(seed)
    policy = Selector(env, seed)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
    length = env.get_wrapper_attr("num_images")
    observation, _ = env.reset(seed=seed)
    for walk in range(env.budget // length):
        observations, actions, over = [], [], False
        while not over:
            action, _ = policy.predict(observation)
            observations.append(observation)
            actions.append(action)
            observation, _, over, _, info = env.step(action)
        batch = np.array(observations), torch.tensor(actions), torch.as_tensor(info["sample_credits"])
        for _ in range(epochs):
            for picked in torch.randperm(length).split(64):
                distribution = torch.distributions.Bernoulli(logits=policy.logits(batch[0][picked]))
                gain = batch[2][picked] * distribution.log_prob(batch[1][picked].float())
                loss = -(gain + entropy * distribution.entropy()).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        observation, _ = env.reset()
        print(f"walk {walk}: kept {np.mean(actions):.2f}, validation {info['validation']['macro_f1']:.3f}")
    return policy


if __name__ == "__main__":
    print(fer_gym.score("ImageSelect-Flips-v1", learn, seeds=[0]))
