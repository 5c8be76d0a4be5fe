"""The agents that trials have saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym

from fer_gym import agents
from fer_gym.benchmark.records import store
from fer_gym.errors import UsageError


def path_of_agent(record: Path) -> Path:
    """Where the agent of a trial is saved, by its record's path: in `agents/` beside `records/`."""
    return record.parent.parent / "agents" / record.with_suffix(".agent").name


def load_agent(record: Path, env: gym.Env[Any, Any]) -> agents.Agent:
    """The agent of a benchmark's trial, as it was when it had learnt.

    What an algorithm of Stable-Baselines3 has saved is read by its own `load`, which executes what the file says: do
    not load the results of someone you do not trust.

    Args:
        record: the trial's JSON file in `records/`.
        env: an environment like the one that it learnt in.

    Raises:
        UsageError: if the record has no saved agent, or its class cannot be found.
    """
    saved = store.read(record).get("saved_agent")
    if not isinstance(saved, dict) or not {"class", "file"} <= saved.keys():
        raise UsageError(f"{record}: the record has no saved agent")
    try:
        return agents.load(str(saved["class"]), path_of_agent(record).with_name(str(saved["file"])), env)
    except UsageError as error:
        raise UsageError(f"{record}: {error}") from error
