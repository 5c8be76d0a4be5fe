"""TorchRL: its checks of the specs, rollouts over several episodes, its own workers."""

import gymnasium as gym
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE
from torchrl.envs import GymEnv, GymWrapper, ParallelEnv, SerialEnv, check_env_specs

from fer_gym.envs import UniformInfo


def _roll_out(env, steps: int, episodes: int) -> None:
    check_env_specs(env)
    rollout = env.rollout(steps, break_when_any_done=False)
    assert rollout["next", "done"].sum() == episodes
    assert rollout["next", "reward"].isfinite().all()
    env.close()


def image_select() -> None:
    _roll_out(GymEnv("fer_gym:ImageSelect-v0", **IMAGE_SELECT), 2 * IMAGES, episodes=2)
    # GymEnv keeps batch_size= and device= for itself: these go to gymnasium.make.
    _roll_out(GymWrapper(gym.make("fer_gym:ImageSelect-v0", batch_size=8, device="cpu", **IMAGE_SELECT)), IMAGES, 1)


def image_select_vector() -> None:
    for mode in ("SameStep", "Disabled"):  # TorchRL refuses NextStep
        envs = gym.make_vec("fer_gym:ImageSelect-v0", num_envs=2, autoreset_mode=mode, **IMAGE_SELECT)
        _roll_out(GymWrapper(envs), IMAGES, episodes=4)


def reg_tune() -> None:
    _roll_out(GymEnv("fer_gym:RegTune-v0", **REG_TUNE), 2 * CHUNKS, episodes=2)


def reg_tune_vector() -> None:
    envs = gym.make_vec("fer_gym:RegTune-v0", num_envs=2, autoreset_mode="Disabled", **REG_TUNE)
    _roll_out(GymWrapper(envs), 2 * CHUNKS, episodes=4)
    # In the mode SameStep TorchRL reads the last infos, and cannot read a dictionary in a dictionary.
    envs = gym.vector.AsyncVectorEnv([_make_uniform] * 2, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    _roll_out(GymWrapper(envs), 2 * CHUNKS, episodes=4)


def workers() -> None:
    for made in (SerialEnv, ParallelEnv):
        envs = made(2, _make)
        assert envs.rollout(2 * CHUNKS, break_when_any_done=False)["next", "done"].sum() == 4
        envs.close()


def _make() -> GymEnv:
    return GymEnv("fer_gym:RegTune-v0", **REG_TUNE)


def _make_uniform() -> gym.Env:
    return UniformInfo(gym.make("fer_gym:RegTune-v0", **REG_TUNE))
