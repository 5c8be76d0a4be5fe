"""Agents by name: entry points of the group `fer_gym.agents`, or `module:Name`."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any, Protocol

import gymnasium as gym

GROUP = "fer_gym.agents"


class Agent(Protocol):
    """What every algorithm of Stable-Baselines3 is."""

    def learn(self, total_timesteps: int, callback: Any = None) -> Any:
        """Learn for so many steps of the environment."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """The action for an observation, and the agent's next hidden state."""

    def save(self, path: Any) -> Any:
        """Write the agent to a file."""


def names() -> list[str]:
    """The agents that are installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def make(name: str, env: gym.Env[Any, Any], seed: int, settings: dict[str, Any]) -> Agent:
    """Build an agent by calling it with the keywords `env`, `seed` and its settings.

    Args:
        name: one of `names()`, or "module:Name".
        env: the environment it learns in.
        seed: of the agent and of its environment's first reset.
        settings: its other keywords.

    Raises:
        ValueError: if there is no agent of that name, or it does not take a setting.
    """
    found = entry_points(group=GROUP, name=name)
    try:
        if found:
            factory = next(iter(found)).load()
        elif ":" in name:
            module, _, attribute = name.partition(":")
            factory = getattr(importlib.import_module(module), attribute)
        else:
            raise ValueError(f"agent: {name!r} is unknown; use {', '.join(names())} or module:Name")
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"agent: {name!r} cannot be loaded ({error}); the reference agents need pip install 'fer-gym[agents]'"
        ) from error
    try:
        agent: Agent = factory(env=env, seed=seed, **settings)
    except TypeError as error:
        # What a function says of keywords that it does not know or misses; any other TypeError is a bug.
        if "keyword" not in str(error) and "required" not in str(error):
            raise
        raise ValueError(f"agent: {name!r} does not take these settings: {error}") from error
    except ImportError as error:
        raise ValueError(f"agent: {error}") from error
    return agent
