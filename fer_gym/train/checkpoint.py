"""Checkpoints of a training run: everything that decides its future, in one file of plain data.

Stable-Baselines3's own `save` is not enough: its `load` executes what is pickled in the file, and the file has no state
of the environment. So a resumed run builds its agent anew from the same arguments, and a checkpoint holds only what
learning changes: weights and optimisers, the agent's attributes that are plain data (counters, the last observation, a
recurrent policy's state), the environment's state and the global generators.
"""

from __future__ import annotations

import collections
import contextlib
import inspect
import io
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fer_gym import files
from fer_gym.description import in_words
from fer_gym.episodes import EpisodeLog
from fer_gym.errors import UsageError

#: Raised when a checkpoint's fields change.
FORMAT = 4
# What PyTorch and this module raise for content that `write` has not written.
_BROKEN = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    RuntimeError,
    OSError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
)


def obstacle(agent: Any, env: EpisodeLog) -> str | None:
    """Why a run of this agent in this environment cannot be resumed exactly; None if it can."""
    name = type(agent).__name__
    # What an on-policy algorithm of Stable-Baselines3 has. Off-policy ones also have a replay buffer, of any size.
    needed = ("train", "rollout_buffer", "num_timesteps", "get_env", "get_parameters", "set_parameters")
    if not all(hasattr(agent, attribute) for attribute in needed):
        return f"{name} is no on-policy algorithm of Stable-Baselines3"
    parameters = inspect.signature(agent.learn).parameters.values()
    if not any(p.name == "reset_num_timesteps" or p.kind is p.VAR_KEYWORD for p in parameters):
        return f"{name}.learn does not take reset_num_timesteps"
    # Wrappers may have a state that nobody can see. Around the environment there is at most a Monitor.
    outermost = vars(agent.get_env()).get("envs", [None])[0]
    if env not in (outermost, getattr(outermost, "env", None)):
        return f"{name} learns in an environment that was wrapped"
    if not hasattr(env.unwrapped, "load_state_dict"):
        return f"{type(env.unwrapped).__name__} has no state_dict"
    return None


@contextlib.contextmanager
def after_each_training(agent: Any, then: Callable[[], None]) -> Iterator[None]:
    """Call `then` whenever the agent has trained, that is between two rollouts.

    Several calls of `learn`, one an episode, would not be the same run: every schedule would end with its call. A
    callback of Stable-Baselines3 is called too early (before the training) or too late (after the next rollout drew its
    noise), and would displace the one that an agent's `learn` adds. The agent's class is replaced and not its attribute
    `train`, since attributes are saved.
    """
    own = type(agent)

    def train(self: Any) -> None:
        own.train(self)
        then()

    agent.__class__ = type(own.__name__, (own,), {"train": train})
    try:
        yield
    finally:
        agent.__class__ = own


def write(path: Path, arguments: dict[str, Any], agent: Any, env: EpisodeLog) -> None:
    """Write the state of `agent` and `env` between two rollouts, whole or not at all.

    Args:
        path: of the file.
        arguments: the run's, JSON values by name.
        agent: without an `obstacle`.
        env: that the agent learns in.

    Raises:
        OSError: if there is no room.
    """
    content = {
        "format": FORMAT,
        "arguments": _packed(arguments),
        "rows": _packed(env.rows),
        "running": _packed(env.running),
        "parameters": _packed(agent.get_parameters()),
        "agent": _plain_attributes(agent),
        "monitor": _plain_attributes(agent.get_env().envs[0]),
        "env": _packed(env.unwrapped.state_dict()),  # type: ignore[attr-defined]
        "generators": _packed(_generators(env)),
    }
    in_memory = io.BytesIO()  # PyTorch would say of a full disk that its position in the file is unexpected
    torch.save(content, in_memory)
    files.write_checked(path, in_memory.getbuffer())


def read(path: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint for `put_back`; nothing in the file is executed.

    Raises:
        UsageError: if it is no checkpoint, or that of a run with other arguments; the message names the difference.
    """
    with _refused(path):
        content = torch.load(io.BytesIO(files.read_checked(path)), map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise UsageError(f"format {content['format']!r}, expected {FORMAT}")
        theirs: dict[str, Any] = dict(_unpacked(content["arguments"]))
        rows: list[dict[str, Any]] = [dict(row) for row in _unpacked(content["rows"])]
    differences = [
        f"{name} is {_in_words(arguments, name)}, was {_in_words(theirs, name)}"
        for name in dict.fromkeys([*theirs, *arguments])
        if (name in theirs, theirs.get(name)) != (name in arguments, arguments.get(name))
    ]
    if differences:
        raise UsageError(f"{path}: from other arguments ({'; '.join(differences)}); give the same, or {_remedy(path)}")
    return {**content, "rows": rows}


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong in the block that the file at `path` is no checkpoint."""
    try:
        yield
    except _BROKEN as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: not a checkpoint of this version ({reason}); {_remedy(path)}") from error


def _remedy(path: Path) -> str:
    return f"remove {path.parent} to start anew"


def _in_words(arguments: dict[str, Any], name: str) -> str:
    return in_words(arguments[name]) if name in arguments else "not given"


def put_back(path: Path, content: dict[str, Any], agent: Any, env: EpisodeLog) -> None:
    """Bring an agent that was just built, and its environment, to where `write` found them.

    Args:
        path: the checkpoint's, for error messages.
        content: what `read` returned.
        agent: of the same arguments.
        env: that it learns in.

    Raises:
        UsageError: if the content is not what `write` wrote.
    """
    # The wrappers need a reset before the first step. It also uses up the seed that the agent has set, which would
    # otherwise reseed the environment at its next reset.
    agent.get_env().reset()
    with _refused(path):
        env.unwrapped.load_state_dict(_unpacked(content["env"]))  # type: ignore[attr-defined]
        agent.set_parameters(_unpacked(content["parameters"]))
        _set_attributes(agent, content["agent"], agent.device)
        _set_attributes(agent.get_env().envs[0], content["monitor"])
        env.rows[:] = content["rows"]
        env.running = _unpacked(content["running"])
        _set_generators(env, _unpacked(content["generators"]))  # last: building and resetting drew from them


def _generators(env: EpisodeLog) -> dict[str, Any]:
    """The generators that agents draw from."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "actions": env.action_space.np_random.bit_generator.state,
    }


def _set_generators(env: EpisodeLog, states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    env.action_space.np_random.bit_generator.state = states["actions"]


def _plain_attributes(owner: Any) -> dict[str, Any]:
    """What `owner` holds that is data; its construction makes the rest (spaces, schedules, networks)."""
    plain = {}
    for name, value in vars(owner).items():
        with contextlib.suppress(TypeError):
            plain[name] = _packed(value)
    return plain


def _set_attributes(owner: Any, packed: dict[str, Any], device: torch.device | str = "cpu") -> None:
    for name, value in dict(packed).items():
        unpacked = _unpacked(value, device)
        # A tuple whose entries have names keeps them: RecurrentPPO's `_last_lstm_states`.
        make_named = getattr(getattr(owner, name, None), "_make", lambda values: values)
        setattr(owner, name, make_named(unpacked))


def _packed(value: Any) -> Any:
    """Plain data in the few types that PyTorch reads without executing anything.

    Raises:
        TypeError: if it is not plain data.
    """
    if type(value) in (type(None), bool, int, float, str, bytes):
        return value
    if type(value) is Tensor and not value.requires_grad:
        return value
    if isinstance(value, np.ndarray | np.generic):
        return "array", torch.from_numpy(np.array(value))
    if isinstance(value, dict):
        return "dict", [(_packed(key), _packed(each)) for key, each in value.items()]
    if isinstance(value, collections.deque):
        return "deque", [_packed(each) for each in value], value.maxlen
    for kind in (list, tuple):
        if isinstance(value, kind):
            return kind.__name__, [_packed(each) for each in value]
    raise TypeError(f"{type(value).__name__} is not plain data")


def _unpacked(packed: Any, device: torch.device | str = "cpu") -> Any:
    """What `_packed` was given; tensors on `device`."""
    if isinstance(packed, Tensor):
        return packed.to(device)
    if not isinstance(packed, tuple):
        return packed
    kind, content, *rest = packed
    if kind == "array" and isinstance(content, Tensor):
        return content.numpy()[()]  # a NumPy number has no dimensions
    if kind == "dict":
        return {_unpacked(key, device): _unpacked(value, device) for key, value in content}
    values = [_unpacked(each, device) for each in content]
    if kind == "deque":
        return collections.deque(values, *rest)
    return values if kind == "list" else tuple(values)
