"""`fer-gym agents`: the agents that are installed."""

from __future__ import annotations

import typer

from fer_gym import agents

app = typer.Typer(help="List the installed agents.", no_args_is_help=True)


@app.command("ls")
def list_agents() -> None:
    """List the names that `--agent` takes, each with what its docstring says first; nothing is trained."""
    described = agents.descriptions()
    width = max(map(len, described), default=0)
    for name, line in described.items():
        print(f"{name:{width}}  {line}".rstrip())
