"""Agents by name: entry points of the group `fer_gym.agents`, or `module:Name`."""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym

from fer_gym.benchmark.records import store as records
from fer_gym.errors import UsageError

GROUP = "fer_gym.agents"
#: The group of the one that brings Gymnasium's vector environments to them.
ADAPTERS = "fer_gym.vector_adapters"
#: Beside `records/`, where a benchmark keeps what has learnt.
FOLDER = "agents"


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


def save(agent: Agent, path: Path) -> dict[str, str]:
    """Write an agent to a file; what a record needs to tell so that `load` finds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    agent.save(path)
    kind = type(agent)
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "file": path.name}


def load(record: Path, env: gym.Env[Any, Any]) -> Agent:
    """The agent of a benchmark's trial, as it was when it had learnt.

    What an algorithm of Stable-Baselines3 has saved is read by its own `load`, which executes what the file says: do
    not load the results of someone you do not trust.

    Args:
        record: the trial's file in `records/`.
        env: an environment like the one that it learnt in.

    Raises:
        ValueError: if the record tells of no agent, or its class cannot be found.
    """
    told = records.read(record).get("saved_agent")
    if not isinstance(told, dict) or not {"class", "file"} <= told.keys():
        raise UsageError(f"{record}: it tells of no saved agent")
    module, _, name = str(told["class"]).partition(":")
    try:
        kind = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{record}: its agent's class {told['class']!r} is not there ({error})") from error
    agent: Agent = kind.load(record.parent.parent / FOLDER / str(told["file"]), env=env)
    return agent


def names() -> list[str]:
    """The agents that are installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def adapted(env: gym.vector.VectorEnv[Any, Any, Any]) -> Any:
    """Several environments in the form that agents take, by the adapter that is installed.

    Raises:
        ValueError: if there is none.
    """
    try:
        adapter = next(iter(entry_points(group=ADAPTERS))).load()
    except (StopIteration, ImportError) as error:
        raise UsageError("--num-envs: several environments need pip install 'fer-gym[agents]'") from error
    return adapter(env)


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
            raise UsageError(f"agent: {name!r} is unknown; use {', '.join(names())} or module:Name")
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"agent: {name!r} cannot be loaded ({error}); the reference agents need pip install 'fer-gym[agents]'"
        ) from error
    try:
        agent: Agent = factory(env=env, seed=seed, **settings)
    except TypeError as error:
        # What a function says of keywords that it does not know or misses; any other TypeError is a bug.
        if "keyword" not in str(error) and "required" not in str(error):
            raise
        raise UsageError(f"agent: {name!r} does not take these settings: {error}") from error
    except ImportError as error:
        raise UsageError(f"agent: {error}") from error
    return agent
