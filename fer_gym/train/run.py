"""One run of `fer-gym train`: learn, write a checkpoint after each rollout, save the agent."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

import fer_gym
from fer_gym import agents, files, imports
from fer_gym.description import description
from fer_gym.envs import RegTuneEnv
from fer_gym.envs.image_select.run_env import RunEnv
from fer_gym.envs.reg_tune.vector import RegTuneVectorEnv
from fer_gym.episodes import EpisodeLog, VectorEpisodeLog, in_words
from fer_gym.errors import UsageError, without_callable
from fer_gym.progress import progress
from fer_gym.train import checkpoint
from fer_gym.training import VERSION


@dataclass(frozen=True)
class Arguments:
    """What decides a run's bits.

    Attributes:
        env_id: the environment.
        env: its keywords.
        agent: as `agents.make` takes it.
        agent_settings: its keywords.
        episodes: to learn from.
        seed: of the environment and the agent.
        num_envs: walkers, or children at once.
    """

    env_id: str
    env: dict[str, Any]
    agent: str
    agent_settings: dict[str, Any]
    episodes: int
    seed: int
    num_envs: int = 1

    def described(self) -> dict[str, Any]:
        """Each by its name on the command line, as JSON values that another process can compare."""
        return {
            "the environment": self.env_id,
            "--agent": self.agent,
            "--episodes": self.episodes,
            "--seed": self.seed,
            "--num-envs": self.num_envs,
            **{f"--env {key}": description(value) for key, value in self.env.items()},
            **{f"--set {key}": description(value) for key, value in self.agent_settings.items()},
        }


class Stopped(Exception):
    """The run was stopped with Ctrl-C; the message says how to go on."""


def run(arguments: Arguments, out: Path, *, resume: bool, overwrite: bool = False) -> list[dict[str, Any]]:
    """Train an agent, print a line for each episode, and save the agent.

    After each rollout in which an episode ended, a checkpoint is written beside `out`, if the agent can be resumed
    (`checkpoint.obstacle`). It is removed when the agent is saved.

    Args:
        arguments: of the run.
        out: where the agent is saved.
        resume: go on after the last checkpoint of a stopped run with the same arguments. The agent and the rows are
            those of a run that never stopped, bit for bit.
        overwrite: replace an agent that is there.

    Returns:
        A row for each episode.

    Raises:
        UsageError: if an argument is not allowed, `out` cannot be written to, another run writes there or an agent is
            there, if there is a checkpoint and `resume` is False, or if the checkpoint is that of a run with other
            arguments, on other data or of another version.
        Stopped: by Ctrl-C.
    """
    if not out.name:
        raise UsageError("out: it has no name; give the file of the agent, such as agents/mine")
    # Runs to `mine` and to `mine.zip` may save the same file, so they share the checkpoint and its lock.
    path = out.with_name(f"{out.name.removesuffix('.zip')}.checkpoint") / "state.pt"
    going_on = resume and path.exists()  # if that run was stopped while it saved, there may be an agent
    if not (overwrite or going_on):
        for place in _places(out):
            if place.exists():
                raise UsageError(f"{place}: already there; add --overwrite to replace it, or choose another --out")
    for folder, name in ((out.parent, f"{out.name}.zip"), (path.parent, path.name)):
        files.check_writable(folder, name)
    with files.held(path.with_name("running")):
        try:
            return _run(arguments, out, path, resume)
        finally:
            if not path.exists():
                shutil.rmtree(path.parent)


def _run(arguments: Arguments, out: Path, path: Path, resume: bool) -> list[dict[str, Any]]:
    remedy = "there is no checkpoint yet, the same command starts anew"
    try:
        log, env = _make(arguments, lambda row: say(row))  # defined below: no bar before the arguments are checked
        described = arguments.described() | _provenance(log)
        saved = _checkpoint(path, described, arguments.episodes, resume)
        learner = _learner(arguments, env)
        if isinstance(log, VectorEpisodeLog):
            obstacle: str | None = "it has several environments"
        else:
            obstacle = checkpoint.obstacle(learner, log)
        if obstacle:
            remedy = f"{obstacle}, so the same command starts anew"
        episodes_done = len(saved["rows"]) if saved else 0
        with progress(f"training {arguments.agent}, episodes", arguments.episodes, episodes_done) as bar:

            def say(row: dict[str, Any]) -> None:
                number, asked = len(log.rows), arguments.episodes
                of = f"/{asked}" if number <= asked else ", of the last rollout"  # which several environments fill
                print(f"episode {number}{of}: {in_words(row)}", flush=True)
                bar.advance()

            _learn(learner, log, arguments, described, None if obstacle else path, saved)
        written = _save(learner, out, path.parent)
    except KeyboardInterrupt:
        raise Stopped("go on with --resume" if path.exists() else remedy) from None
    path.unlink(missing_ok=True)
    print(f"saved the agent to {written}")
    return log.rows


def _places(out: Path) -> tuple[Path, Path]:
    """Where the agent may be saved: Stable-Baselines3 adds an ending to a name that has none."""
    return out, out.with_name(f"{out.name}.zip")


def _save(learner: agents.Agent, out: Path, checkpoints: Path) -> Path:
    """Save an agent, by way of the checkpoint's folder, which goes when the run is done; returns where it is.

    Raises:
        UsageError: if there is no room at `out`; the agent is then among the temporary files.
    """
    try:
        agents.save_by(checkpoints / out.name, learner, out)
    except Exception as error:  # a full disk has many names in libraries
        elsewhere = Path(tempfile.mkdtemp(prefix="fer-gym-")) / out.name
        learner.save(elsewhere)
        raise UsageError(f"{out}: the agent cannot be written there ({error}); it is in {_saved(elsewhere)}") from error
    return _saved(out)


def _saved(out: Path) -> Path:
    return next((place for place in _places(out) if place.exists()), out)


def _learner(arguments: Arguments, env: Any) -> agents.Agent:
    """The agent. What its library says of settings that were given on the command line is a user's mistake."""
    try:
        learner = agents.make(arguments.agent, env, arguments.seed, arguments.agent_settings)
    except UsageError:
        raise
    except Exception as error:
        if not arguments.agent_settings:
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.agent_settings.items())
        reason = f"{type(error).__name__}: {without_callable(str(error))}".partition("\n")[0]
        raise UsageError(f"agent: {arguments.agent!r} cannot be built with {given} ({reason})") from error
    agents.check_has(learner, arguments.agent, "save")
    return learner


def _provenance(log: EpisodeLog | VectorEpisodeLog) -> dict[str, str]:
    """What decides a run's bits beside its arguments, by its name in messages."""
    splits = getattr(log.unwrapped, "splits", None)
    return {
        "the version of fer-gym": fer_gym.__version__,
        "the training code": str(VERSION),
        **({} if splits is None else {"the data": splits.fingerprint()}),
    }


def _checkpoint(path: Path, described: dict[str, Any], episodes: int, resume: bool) -> dict[str, Any] | None:
    if not path.exists():
        if resume:
            print(f"no checkpoint in {path.parent}: starting from the beginning", flush=True)
        return None
    if not resume:
        raise UsageError(
            f"{path.parent}: the checkpoint of an unfinished run; add --resume to go on with it, remove it to start "
            "anew, or choose another --out"
        )
    saved = checkpoint.read(path, described)
    print(f"going on after episode {len(saved['rows'])}/{episodes}", flush=True)
    return saved


def _make(arguments: Arguments, note: Callable[[dict[str, Any]], None]) -> tuple[EpisodeLog | VectorEpisodeLog, Any]:
    """The log of the environment, and what the agent learns in."""
    count = arguments.num_envs
    module, colon, _ = arguments.env_id.partition(":")
    try:
        if colon and not module:
            raise UsageError(f"environment {arguments.env_id!r}: there is no module's name before the colon")
        if colon:  # Gymnasium imports it too, but not from the working directory
            imports.import_module(module)
        if count == 1:
            log = EpisodeLog(gym.make(arguments.env_id, **arguments.env), note)
            return log, log
        several = VectorEpisodeLog(gym.make_vec(arguments.env_id, num_envs=count, **arguments.env), note)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise UsageError(f"environment {arguments.env_id!r}: there is no module {module!r}") from error
    except gym.error.UnregisteredEnv as error:
        raise UsageError(f"environment {arguments.env_id!r} is unknown; use ImageSelect-v0 or RegTune-v0") from error
    except gym.error.Error as error:
        raise UsageError(f"environment {arguments.env_id!r}: {error}") from error
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        what = str(error).partition(" was raised from")[0]  # Gymnasium adds all the keywords
        raise UsageError(f"environment {arguments.env_id!r}: it {without_callable(what)}") from error
    return several, agents.adapted(several)


def _learn(
    learner: Any,
    log: Any,
    arguments: Arguments,
    described: dict[str, Any],
    path: Path | None,
    saved: dict[str, Any] | None,
) -> None:
    """Learn to the end, from the start or from the checkpoint `saved`; write checkpoints to `path`, if it is one."""
    steps = _steps(log.unwrapped, arguments)
    if path is None:
        learner.learn(steps)
        return
    if saved is not None:
        checkpoint.put_back(path, saved, learner, log)
    episodes_saved = len(log.rows)

    def save_checkpoint() -> None:
        # Some algorithms train many times an episode.
        nonlocal episodes_saved
        if len(log.rows) == episodes_saved:
            return
        try:
            checkpoint.write(path, described, learner, log)
        except OSError as error:  # the one before is there still
            message = f"after episode {len(log.rows)} no checkpoint was written ({error.strerror}: {error.filename})"
            print(f"fer-gym: {message}; the run goes on", file=sys.stderr, flush=True)
        else:
            episodes_saved = len(log.rows)

    with checkpoint.after_each_training(learner, save_checkpoint):
        if saved is None:
            learner.learn(steps)
        elif learner.num_timesteps < steps:  # else it was stopped while the agent was saved
            learner.learn(steps - learner.num_timesteps, reset_num_timesteps=False)


def _steps(base: Any, arguments: Arguments) -> int:
    """The steps of all environments together, in whole episodes."""
    if isinstance(base, RunEnv):  # an episode of all walkers, each of as many steps as the longest walk
        return arguments.episodes * -(-base.num_images // arguments.num_envs) * arguments.num_envs
    if isinstance(base, RegTuneEnv):
        return arguments.episodes * base.chunks
    if isinstance(base, RegTuneVectorEnv):
        return arguments.episodes * base.envs[0].chunks
    raise UsageError(
        f"environment {arguments.env_id!r}: its episodes have no fixed length; use ImageSelect-v0 or RegTune-v0"
    )
