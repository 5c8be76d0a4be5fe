"""`fer-gym train`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fer_gym.checks import LARGEST_SEED
from fer_gym.cli import errors
from fer_gym.errors import UsageError


def train(
    env_id: Annotated[str, typer.Argument(help="The environment, such as ImageSelect-v0.")] = "ImageSelect-v0",
    agent: Annotated[
        str | None, typer.Option(help="An installed agent's name, or module:Name; by default the paper's.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="Episodes to learn from.", min=1)] = 10,
    env: Annotated[list[str], typer.Option("--env", "-e", help="KEY=VALUE: a keyword of the environment.")] = [],  # noqa: B006
    agent_settings: Annotated[list[str], typer.Option("--set", "-s", help="KEY=VALUE: a keyword of the agent.")] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="The seed of the environment and the agent.", min=0, max=LARGEST_SEED)] = 0,
    num_envs: Annotated[
        int, typer.Option(help="Environments at once: walkers in ImageSelect-v0, children in RegTune-v0.", min=1)
    ] = 1,
    out: Annotated[Path, typer.Option(help="Where the agent is saved.")] = Path("agent"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run of the same arguments.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an agent that is there.")] = False,
) -> None:
    """Train one agent, print a line for each episode, and save the agent."""
    from fer_gym.train import run as training  # with PyTorch, which the other commands do not need

    chosen = agent or ("ppo" if "RegTune" in env_id else "reinforce")
    arguments = training.Arguments(
        env_id, settings_of(env), chosen, settings_of(agent_settings), episodes, seed, num_envs
    )
    try:
        training.run(arguments, out, resume=resume, overwrite=overwrite)
    except training.Stopped as stopped:
        print(f"\nfer-gym: stopped; {stopped}", file=sys.stderr)
        raise typer.Exit(errors.INTERRUPTED) from None


def settings_of(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; a value that is no Python literal is a text."""
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not allowed; use KEY=VALUE")
        try:
            settings[key] = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            settings[key] = text
    return settings
