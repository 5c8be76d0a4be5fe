from typer.testing import CliRunner

import fer_gym
from fer_gym import agents
from fer_gym.cli.commands import app


def test_every_agent_has_a_line():
    result = CliRunner().invoke(app, ["agents", "ls"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == agents.names()
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)
    assert "REINFORCE with a credit for each step (Eq. 4 and 6 of RLPS)." in result.stdout


def test_the_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"fer-gym {fer_gym.__version__}\n")
