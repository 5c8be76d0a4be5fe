"""RL Zoo: its own command line trains, saves and plays an agent."""

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE


def _zoo(name: str, keywords: dict, algorithm: str, settings: dict, steps: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "settings.yml").write_text(
            yaml.safe_dump({name: {"policy": "MlpPolicy", "n_timesteps": steps, **settings}})
        )
        asked = ["--algo", algorithm, "--env", name, "--gym-packages", "fer_gym"]
        given = [f"{key}:{value!r}" for key, value in keywords.items()]
        training = ["--conf-file", "settings.yml", "-f", "logs", "--eval-freq", "-1"]
        _run(folder, "rl_zoo3.train", *asked, *training, "--env-kwargs", *given)
        _run(folder, "rl_zoo3.enjoy", *asked, "-f", "logs", "-n", "5", "--no-render", "--env-kwargs", *given)


def _run(folder: str, module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def image_select() -> None:
    _zoo("ImageSelect-v0", IMAGE_SELECT, "ppo", {"n_steps": IMAGES, "batch_size": IMAGES}, IMAGES)


def image_select_vector() -> None:
    _zoo("ImageSelect-v0", IMAGE_SELECT, "ppo", {"n_envs": 2, "n_steps": 20, "batch_size": IMAGES}, IMAGES)


def reg_tune() -> None:
    _zoo("RegTune-v0", REG_TUNE, "sac", {"learning_starts": 2}, 2 * CHUNKS)


def reg_tune_vector() -> None:
    _zoo("RegTune-v0", REG_TUNE, "sac", {"n_envs": 2, "learning_starts": 2}, 2 * CHUNKS)
