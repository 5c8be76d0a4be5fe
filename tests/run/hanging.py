"""Agents for `module:Name` that never come to an end, or to a bad one."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fer_gym_agents import KeepAll


class Asleep(KeepAll):
    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        time.sleep(3600)


class Busy(KeepAll):
    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        while True:
            pass


class Killed(KeepAll):
    """Its process is killed, as by a system that is out of memory."""

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class Buggy(KeepAll):
    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        return [][total_timesteps]


class Leaving(KeepAll):
    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        sys.exit("enough")


class Surrogate(KeepAll):
    """Its message has what cannot be written as UTF-8."""

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        raise ValueError("a name of bytes: \udcff")


class NoMessage(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no str")


class Mute(KeepAll):
    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        raise NoMessage


class WrongAction(KeepAll):
    def predict(self, *_: Any, **__: Any) -> Any:
        return "retain", None


class KilledOnce(KeepAll):
    """Its process is killed where the file `folder`/killed is not there yet."""

    def __init__(self, env: Any, seed: int | None = None, *, folder: str = "") -> None:
        super().__init__(env, seed=seed)
        self._folder = Path(folder)

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        killed = self._folder / "killed"
        if not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class SlowAtFirst(KilledOnce):
    """It says on which of Ray's nodes it is, and takes its time until the file `folder`/killed is there."""

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Any:
        import ray

        (self._folder / f"began-{ray.get_runtime_context().get_node_id()}").touch()
        while not (self._folder / "killed").exists():
            time.sleep(0.1)
