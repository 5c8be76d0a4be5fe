"""RLlib: an iteration of PPO on its own vector environments and its own workers, the environment by its name alone."""

import contextlib
from collections.abc import Iterator

import gymnasium as gym
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE


@contextlib.contextmanager
def _ray() -> Iterator[None]:
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def _config(config, name: str, keywords: dict, *, environments: int = 1, runners: int = 0):
    return (
        config.environment(f"fer_gym:{name}", env_config=keywords)
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=environments, rollout_fragment_length="auto")
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[16]))
    )


def _trained(config, episodes: int) -> None:
    algorithm = config.build_algo()
    result = algorithm.train()
    assert result["env_runners"]["num_episodes"] >= episodes
    algorithm.stop()


def _ppo(steps: int) -> PPOConfig:
    return PPOConfig().training(train_batch_size_per_learner=steps, minibatch_size=steps, num_epochs=1)


def image_select() -> None:
    with _ray():
        _trained(_config(_ppo(2 * IMAGES), "ImageSelect-v0", IMAGE_SELECT), 1)


def image_select_vector() -> None:
    with _ray():
        _trained(_config(_ppo(2 * IMAGES), "ImageSelect-v0", IMAGE_SELECT, environments=2), 1)


def reg_tune() -> None:
    with _ray():
        _trained(_config(_ppo(2 * CHUNKS), "RegTune-v0", REG_TUNE), 1)
        sac = SACConfig().training(num_steps_sampled_before_learning_starts=2, train_batch_size_per_learner=4)
        _trained(_config(sac, "RegTune-v0", REG_TUNE), 0)


def reg_tune_vector() -> None:
    with _ray():
        _trained(_config(_ppo(4 * CHUNKS), "RegTune-v0", REG_TUNE, environments=2), 2)


def workers() -> None:
    with _ray():
        _trained(_config(_ppo(4 * CHUNKS), "RegTune-v0", REG_TUNE, runners=2), 2)
        # RLlib's own environments in processes, below one of its workers.
        several = _config(_ppo(4 * CHUNKS), "RegTune-v0", REG_TUNE, environments=2)
        _trained(several.env_runners(gym_env_vectorize_mode=gym.VectorizeMode.ASYNC), 2)
