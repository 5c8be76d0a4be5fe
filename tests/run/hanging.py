"""Agents for `module:Name` that never come to an end, or to a bad one."""

import os
import signal
import sys
import time
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


class WrongAction(KeepAll):
    def predict(self, *_: Any, **__: Any) -> Any:
        return "retain", None
