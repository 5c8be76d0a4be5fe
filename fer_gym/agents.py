"""Agents by name: entry points of the group `fer_gym.agents`, or `module:Name`."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, SupportsFloat

import gymnasium as gym

from fer_gym import files, imports
from fer_gym.errors import UsageError, without_callable

GROUP = "fer_gym.agents"
_REMEDY = "the reference agents need pip install 'fer-gym[agents]'"


class Agent(Protocol):
    """An agent, as the algorithms of Stable-Baselines3 are; `load` comes beside it."""

    def learn(self, total_timesteps: int, callback: Any = None) -> Any:
        """Learn for so many steps of the environment."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """The action for an observation, and the agent's next hidden state."""

    def save(self, path: Any) -> Any:
        """Write the agent to a file."""


class Budget(gym.Wrapper[Any, Any, Any, Any]):
    """Refuses steps beyond a budget, those of frozen episodes left out.

    Args:
        env: the environment.
        budget: steps.

    Attributes:
        budget: as given.
    """

    def __init__(self, env: gym.Env[Any, Any], budget: int) -> None:
        super().__init__(env)
        self.budget = budget
        self._taken = 0
        self._frozen = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset, and remember whether the episode is frozen."""
        self._frozen = bool(options and options.get("freeze"))
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step.

        Raises:
            UsageError: if the budget is spent.
        """
        self._taken += not self._frozen
        if self._taken > self.budget:
            raise UsageError(f"budget: its {self.budget:,} steps are spent; stop learning")
        return self.env.step(action)


def save(agent: Agent, path: Path) -> dict[str, str] | None:
    """Write an agent to a file, whole or not at all.

    Returns:
        What `load` needs: `class`, as "module:Name", and `file`, the file's name. None if the agent wrote no file.

    Raises:
        UsageError: if the system refuses, as where there is no room.
    """
    try:
        save_by(path, agent, path)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path}: the agent cannot be written ({reason}); mend that, and add --resume") from error
    kind = type(agent)
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "file": path.name} if path.is_file() else None


def save_by(scratch: Path, agent: Agent, path: Path) -> None:
    """Write an agent to a file or folder, whole or not at all, by way of a new folder.

    Args:
        scratch: the new folder is made beside this path, which is on the file system of `path`.
        agent: is asked to `save`.
        path: where the agent goes. Stable-Baselines3 adds an ending to a name that has none.
    """
    with files.scratch_folder(scratch) as folder:
        agent.save(folder / path.name)
        for written in folder.iterdir():
            place = path.with_name(written.name)
            if place.is_dir():
                shutil.rmtree(place)
            os.replace(written, place)
    files.synced(path.parent)


def load(name: str, path: Path, env: gym.Env[Any, Any]) -> Agent:
    """Read an agent from a file.

    Args:
        name: the agent's class, as "module:Name".
        path: the file that the agent has written.
        env: an environment like the one that it learnt in.

    Raises:
        UsageError: if the class cannot be found, or the file is not there.
    """
    try:
        kind = _find(name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the agent's class {name!r} cannot be found ({error})") from error
    if not path.is_file():
        raise UsageError(f"{path}: the agent's file is not there")
    agent: Agent = kind.load(path, env=env)
    return agent


def names() -> list[str]:
    """The agents that are installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def descriptions() -> dict[str, str]:
    """The agents that are installed, each with the first line of its docstring; why, if it cannot be imported."""
    found = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            lines = (entry.load().__doc__ or "").strip().splitlines()
        except ImportError as error:
            lines = [f"cannot be loaded ({error}); {_REMEDY}"]
        found[entry.name] = lines[0] if lines else ""
    return found


def adapted(env: gym.vector.VectorEnv[Any, Any, Any]) -> Any:
    """Several environments in the form that agents take, by the reference agents' adapter.

    Raises:
        UsageError: if it is not installed.
    """
    try:
        return _find("fer_gym_agents:GymnasiumVecEnv")(env)
    except ImportError as error:
        raise UsageError("--num-envs: several environments need pip install 'fer-gym[agents]'") from error


def make(name: str, env: gym.Env[Any, Any], seed: int, settings: dict[str, Any]) -> Agent:
    """Build an agent by calling it with the keywords `env`, `seed` and its settings.

    Args:
        name: one of `names()`, or "module:Name".
        env: the environment it learns in.
        seed: of the agent and of its environment's first reset.
        settings: its other keywords.

    Raises:
        UsageError: if there is no agent of that name, it does not take a setting, or it is no agent.
    """
    found = entry_points(group=GROUP, name=name)
    try:
        if found:
            factory = next(iter(found)).load()
        elif ":" in name:
            factory = _find(name)
        else:
            raise UsageError(f"agent: {name!r} is unknown; use {', '.join(names())} or module:Name")
    except (ImportError, AttributeError) as error:
        raise UsageError(f"agent: {name!r} cannot be loaded ({error}); {_REMEDY}") from error
    if not callable(factory):
        raise UsageError(f"agent: {name!r} is a {type(factory).__name__}; use what can be called with env and seed")
    try:
        agent: Agent = factory(env=env, seed=seed, **settings)
    except TypeError as error:
        # What a function says of keywords that it does not know or misses; any other TypeError is a bug.
        if "keyword" not in str(error) and "required" not in str(error):
            raise
        raise UsageError(f"agent: {name!r} does not take these settings: {without_callable(str(error))}") from error
    except ImportError as error:
        raise UsageError(f"agent: {error}") from error
    check_has(agent, name, "learn")
    return agent


def _find(name: str) -> Any:
    """The object "module:Name".

    The libraries of the reference agents, which an agent may import, try modules that are not installed. They are
    imported first, so that they find none in the working directory.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("fer_gym_agents")
    return imports.find(name)


def check_has(agent: Agent, name: str, method: str) -> None:
    """Raise if an agent has no such method.

    Raises:
        UsageError: naming both.
    """
    if not callable(getattr(agent, method, None)):
        raise UsageError(f"agent: {name!r} makes a {type(agent).__name__}, which has no method `{method}`")


def learned(
    agent: str | Callable[..., Any], env: gym.Env[Any, Any], seed: int, settings: dict[str, Any], budget: int
) -> Any:
    """An agent that has learnt.

    Args:
        agent: what `make` takes; or a callable that gets `env` and `seed`, learns, and returns something with
            `predict`. More than `env.budget` steps are refused to it.
        env: the environment it learns in.
        seed: of the agent and of its environment's first reset.
        settings: its other keywords.
        budget: the steps it learns from.
    """
    if callable(agent):
        return agent(Budget(env, budget), seed, **settings)
    made = make(agent, env, seed, settings)
    made.learn(budget)
    return made
