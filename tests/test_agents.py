import gymnasium as gym
import pytest

from fer_gym import agents
from fer_gym.errors import UsageError


class Named:
    def __init__(self, env, seed, temperature=1):
        self.arguments = env, seed, temperature

    def learn(self, total_timesteps):
        raise NotImplementedError


def test_reference_agents_are_installed():
    assert {"keep_all", "random", "reinforce"} <= set(agents.names())


def test_a_scripts_class():
    env = gym.make("CartPole-v1")
    agent = agents.make(f"{__name__}:Named", env, 3, {"temperature": 2})
    assert agent.arguments == (env, 3, 2)


@pytest.mark.parametrize("name", ["nobody", "no_such_module:Agent", f"{__name__}:Nothing"])
def test_an_unknown_agent_is_named(name):
    with pytest.raises(ValueError, match=name):
        agents.make(name, gym.make("CartPole-v1"), 0, {})


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("builtins:dict", "makes a dict, which has no method `learn`"),
        ("os:path", "is a module; use what can be called with env and seed"),
        (":Named", "cannot be loaded \\(it names no module\\)"),
    ],
)
def test_what_is_no_agent(name, what):
    with pytest.raises(UsageError, match=f"^agent: '{name}' {what}"):
        agents.make(name, gym.make("CartPole-v1"), 0, {})


@pytest.mark.parametrize(
    ("name", "settings"),
    [(f"{__name__}:Named", {"temperatur": 2}), ("ppo", {"temperature": 2}), ("replay", {})],
)
def test_settings_that_an_agent_does_not_take(name, settings):
    env = gym.wrappers.TimeLimit(gym.make("Pendulum-v1"), 10)
    env.chunks = 10
    with pytest.raises(ValueError, match=f"^agent: '{name}' does not take these settings: .*(temperatur|schedule)"):
        agents.make(name, env, 0, settings)
