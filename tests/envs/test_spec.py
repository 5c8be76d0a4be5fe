"""What Gymnasium knows of the environments, as JSON."""

import pickle

import gymnasium as gym
import pytest
import tiny_data
from gymnasium.envs.registration import EnvSpec

import fer_gym  # noqa: F401  (registers)

IDS = ("ImageSelect-v0", "RegTune-v0")


def several(id: str, **keywords: object) -> gym.vector.VectorEnv:
    return gym.make_vec(id, num_envs=2, **keywords)


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("make", [gym.make, several])
def test_what_json_cannot_hold_is_named(id: str, make) -> None:
    env = make(id, dataset=tiny_data.splits(9, held_out=6, side=8), batch_size=4)
    with pytest.raises(ValueError, match=r"^dataset: a Splits cannot be written as JSON; use a plain value, such as"):
        env.spec.to_json()
    # The other way that the message names.
    assert pickle.loads(pickle.dumps(env.spec)).kwargs["batch_size"] == 4
    env.close()


def test_a_function_is_named() -> None:
    env = gym.make("ImageSelect-v0", limit=30, reward=len)
    with pytest.raises(ValueError, match=r"^reward: a builtin_function_or_method cannot be written as JSON"):
        env.spec.to_json()


@pytest.mark.parametrize("id", IDS)
def test_plain_keywords_go_through_json(id: str) -> None:
    env = gym.make(id, limit=30, batch_size=4, noise=["symmetric", 0.4])
    spec = EnvSpec.from_json(env.spec.to_json())
    assert spec == env.spec
    assert env.spec == spec
    assert spec != gym.make(id, limit=30, batch_size=5).spec
    assert gym.make(spec).unwrapped.splits.fingerprint() == env.unwrapped.splits.fingerprint()


@pytest.mark.parametrize("id", IDS)
def test_a_vector_environments_keywords_go_through_json(id: str) -> None:
    env = several(id, limit=30, batch_size=4)
    assert EnvSpec.from_json(env.spec.to_json()) == env.spec
    env.close()
