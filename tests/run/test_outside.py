"""Agents from outside take part without a line of ours: an installed package's by name, a script's by module:Name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_gym.cli.commands import app

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_agent.py"
SUITE = """
seeds = [0]

[[tasks]]
env_id = "ImageSelect-v0"
name = "faces"
episodes = 2
retrain_epochs = 1
env = {limit = 60, noise = "faces", pretrain_epochs = 1, batch_size = 32}

[[tasks.arms]]
name = "installed"
agent = "outsider"
settings = {penalty = 3.0}

[[tasks.arms]]
name = "script"
agent = "own_agent:RidgeSelector"

[[tasks.arms]]
name = "random"
agent = "random"
keep_ratio_of = "script"
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an installed package and a script, both the example's agent."""
    (tmp_path / "outside_package.py").write_text(EXAMPLE.read_text().replace("RidgeSelector", "Outsider"))
    (tmp_path / "own_agent.py").write_text(EXAMPLE.read_text())
    installed = tmp_path / "outside_package-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-package\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[fer_gym.agents]\noutsider = outside_package:Outsider\n")
    (tmp_path / "suite.toml").write_text(SUITE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("outside_package", "own_agent"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_they_take_part(outside: Path, workers: str) -> None:
    out = outside / "out"
    command = ["benchmark", "--suite", str(outside / "suite.toml"), "--out", str(out), "--workers", workers]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    records = {path.name: json.loads(path.read_text()) for path in (out / "records").glob("*.json")}
    assert sorted(records) == ["faces__installed__0.json", "faces__random__0.json", "faces__script__0.json"]
    installed, script = records["faces__installed__0.json"], records["faces__script__0.json"]
    assert installed["settings"]["agent_settings"] == {"penalty": 3.0}
    assert installed["saved_agent"]["class"] == "outside_package:Outsider"
    for record in (installed, script):
        assert len(record["episodes"]) == 2
        assert 0 < record["scores"]["auroc_none_face"]["agent"] <= 1
    assert "script" in (out / "report.md").read_text()


def test_a_script_is_found_where_the_command_runs(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path / "own_agent.py")
    (tmp_path / "typer.py").write_text("raise RuntimeError('a file of the user's hides the library')\n")
    command = [Path(sys.executable).with_name("fer-gym"), "train", "--agent", "own_agent:RidgeSelector"]
    command += ["--episodes", "1", "--env", "limit=50", "--env", "pretrain_epochs=0", "--out", "agent"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "agent").exists()


def test_without_stable_baselines3_the_extra_is_named() -> None:
    code = "import sys; sys.modules['stable_baselines3'] = None; import fer_gym_agents"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert "fer_gym_agents needs stable_baselines3: pip install 'fer-gym[agents]'" in result.stderr
