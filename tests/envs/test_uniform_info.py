"""Infos that can be stacked: the same keys, shapes and dtypes throughout, and the environment's own values."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from small_envs import SMALL, scalar

from fer_gym.envs import UniformInfo


def episode(env: gym.Env[Any, Any]) -> list[dict[str, Any]]:
    """The infos of a reset and of an episode's steps."""
    infos = [env.reset(seed=3)[1]]
    env.action_space.seed(0)
    over = False
    while not over:
        *_, over, _, info = env.step(env.action_space.sample())
        infos.append(info)
    return infos


def flat(info: dict[str, Any]) -> dict[str, Any]:
    return {
        key: each
        for name, value in info.items()
        for key, each in (
            {f"{name}_{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
        ).items()
    }


@pytest.mark.parametrize("name", SMALL)
def test_infos_can_be_stacked(name: str) -> None:
    infos, own = episode(UniformInfo(scalar(name))), episode(scalar(name))
    stacked = {key: np.stack([info[key] for info in infos]) for key in infos[0]}
    assert all(info.keys() == stacked.keys() for info in infos)
    for number, info in enumerate(own):
        for key, value in flat(info).items():
            np.testing.assert_array_equal(stacked[key][number], value)
            assert stacked[key].dtype == np.asarray(value).dtype
    assert stacked.keys() == {key for info in own for key in flat(info)}
    assert np.isnan(stacked["validation_macro_f1"][:-1]).all()


def test_of_one_reset_nothing_stays_in_the_next() -> None:
    env = UniformInfo(scalar("ImageSelect-v0"))
    last = episode(env)[-1]
    last["sample_credits"][:] = 7
    _, info = env.reset()
    assert not info["sample_credits"].any()
    assert (info["sample_index"] == -1).all()


def test_a_spec_keeps_the_wrapper() -> None:
    env = UniformInfo(gym.make("fer_gym:RegTune-v0", limit=40, chunks=1, chunk_size=1, val_batches=1, batch_size=4))
    assert env.spec is not None
    assert isinstance(gym.make(env.spec), UniformInfo)


def test_another_environment_is_refused() -> None:
    with pytest.raises(ValueError, match="not allowed; use ImageSelect-v0 or RegTune-v0"):
        UniformInfo(gym.make("CartPole-v1"))
