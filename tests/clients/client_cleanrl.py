"""A loop in CleanRL's manner: it knows a name alone, and wraps what `gymnasium.make` gives it as CleanRL's files do."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE
from torch import nn

import fer_gym  # noqa: F401 (registers the environments)

# Such a file passes no keywords, so a variant gets a name.
gym.register("SmallSelect-v0", entry_point="fer_gym.envs:ImageSelectEnv", kwargs=IMAGE_SELECT)
gym.register("SmallTune-v0", entry_point="fer_gym.envs:RegTuneEnv", kwargs=REG_TUNE)


def _make(name: str) -> Callable[[], gym.Env]:
    def thunk() -> gym.Env:
        env = gym.wrappers.RecordEpisodeStatistics(gym.make(name))
        if isinstance(env.action_space, gym.spaces.Box):
            env = gym.wrappers.ClipAction(env)
            env = gym.wrappers.NormalizeObservation(env)
            env = gym.wrappers.TransformObservation(env, lambda seen: np.clip(seen, -10, 10), env.observation_space)
            env = gym.wrappers.NormalizeReward(env)
            env = gym.wrappers.TransformReward(env, lambda reward: float(np.clip(reward, -10, 10)))
        return env

    return thunk


def _train(name: str, environments: int, length: int) -> None:
    """REINFORCE on two episodes of each environment."""
    torch.manual_seed(0)
    envs = gym.vector.SyncVectorEnv([_make(name)] * environments, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    discrete = isinstance(envs.single_action_space, gym.spaces.Discrete)
    actions = envs.single_action_space.n if discrete else int(np.prod(envs.single_action_space.shape))
    policy = nn.Sequential(
        nn.Linear(int(np.prod(envs.single_observation_space.shape)), 16), nn.Linear(16, int(actions))
    )
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
    observations, _ = envs.reset(seed=0)
    log_probabilities, rewards, lengths = [], [], []
    for _ in range(2 * length):
        outputs = policy(torch.as_tensor(observations, dtype=torch.float32))
        drawn = torch.distributions.Categorical(logits=outputs) if discrete else torch.distributions.Normal(outputs, 1)
        action = drawn.sample()
        observations, reward, _, _, info = envs.step(action.numpy())
        log_probabilities.append(drawn.log_prob(action).reshape(environments, -1).sum(1))
        rewards.append(reward)
        if "final_info" in info:
            lengths += info["final_info"]["episode"]["l"].tolist()
    loss = -(torch.stack(log_probabilities) * torch.as_tensor(np.array(rewards)).flip(0).cumsum(0).flip(0)).mean()
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    assert lengths == [length] * 2 * environments
    envs.close()


def image_select() -> None:
    _train("SmallSelect-v0", 1, IMAGES)


def image_select_vector() -> None:
    _train("SmallSelect-v0", 2, IMAGES)


def reg_tune() -> None:
    _train("SmallTune-v0", 1, CHUNKS)


def reg_tune_vector() -> None:
    _train("SmallTune-v0", 2, CHUNKS)
