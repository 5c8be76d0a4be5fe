"""What stops a command, and what it leaves behind: nothing that runs."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import running
from toml_suites import FER_GYM, suite

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Two trials that do not end by themselves.
SUITE = suite(("asleep", "asleep:Asleep"))
ASLEEP = """
import time
from pathlib import Path
from fer_gym_agents import KeepAll

class Asleep(KeepAll):
    def learn(self, total_timesteps, callback=None):
        Path(f"asleep-{self.env.unwrapped.np_random_seed}").touch()
        time.sleep(3600)
"""


def signals_as_in_a_terminal() -> None:
    """In the new process: a shell ignores some in what it runs in the background, and that would be inherited."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(folder: Path, workers: int) -> subprocess.Popen[str]:
    """A benchmark whose agents all sleep."""
    (folder / "asleep.py").write_text(ASLEEP)
    (folder / "suite.toml").write_text(SUITE)
    command = [*FER_GYM, "benchmark", "--suite", "suite.toml", "--out", "out", "--workers", str(workers)]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=signals_as_in_a_terminal,
    )
    while len(list(folder.glob("asleep-*"))) < workers:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def ended(folder: Path) -> bool:
    deadline = time.monotonic() + 30
    while running(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGINT, 1), (signal.SIGHUP, 1), (signal.SIGTERM, 2), (signal.SIGKILL, 2)],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_a_signal_leaves_behind(number: signal.Signals, workers: int, tmp_path: Path) -> None:
    process = started(tmp_path, workers)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:  # as Ctrl-C does
        assert process.returncode == 128 + number
        assert errors.endswith("fer-gym: stopped; the finished trials are in out, go on with --resume\n")
    assert ended(tmp_path), running(tmp_path)


def test_ctrl_c_while_modules_are_imported() -> None:
    code = (
        "import sys, types\n"
        "class Stopping:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'fer_gym.cli.commands':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stopping())\n"
        "from fer_gym.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nfer-gym: stopped\n")
