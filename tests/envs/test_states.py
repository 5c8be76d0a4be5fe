"""States that do not fit: each is refused in one line that names the part, and leaves no trace."""

import copy
import functools
import operator
import pickle
import random
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from plain_values import plain
from small_envs import SMALL, Make, scalar, vector

import fer_gym  # noqa: F401  (registers)

TAMPERED = 200  # states for each environment


SETTINGS: dict[str, list[dict[str, Any]]] = {
    "ImageSelect-v0": [
        {"carry_over": True},
        {"observe_label": False},
        {"shuffle": False},
        {"pretrain_epochs": 2},
        {"epochs_per_episode": 2},
    ],
    "RegTune-v0": [
        {"chunk_size": 3},
        {"val_batches": "all"},
        {"chunks": 5},
        {"warmup": None},
        {"train_f1": "eval"},
        {"regularizers": {"dropout": (0.0, 0.7), "mixup": (0.0, 1.0)}},
        {"regularizers": {"dropout": (0.0, 0.8)}},
        {"instances": None},
        {"instances": ({"noise": ("symmetric", 0.4)}, {"learning_rate": 0.01})},
        {"instances": ({"noise": ("symmetric", 0.3)}, {"learning_rate": 0.02})},
    ],
}
EVERYWHERE: list[dict[str, Any]] = [
    {"dataset": tiny_data.splits(9, held_out=6, side=8, seed=1)},
    {"dataset": tiny_data.splits(12, held_out=6, side=8)},
    {"data_seed": 1, "noise": ("pair", 0.4)},
    {"batch_size": 5},
    {"learning_rate": 0.05},
    {"optimizer": "adam"},
    {"optimizer": "sgd"},
    {"precision": "bf16"},
    {"network": "small"},
]
COLLECTIONS = (list, dict, np.ndarray, torch.Tensor)


every_form = pytest.mark.parametrize(
    ("make", "name"),
    [(make, name) for name in SMALL for make in (scalar, vector)],
    ids=lambda x: getattr(x, "__name__", x),
)


def begun(make: Make, name: str) -> Any:
    env = make(name)
    env.reset(seed=0)
    env.action_space.seed(0)
    env.step(env.action_space.sample())
    return env


def future(env: Any) -> Any:
    """The rest of the episode, the next one's start, and the state then."""
    space = copy.deepcopy(env.action_space)
    space.seed(1)
    steps = [env.step(space.sample()) for _ in range(2)]
    return plain([steps, env.reset(), env.state_dict()])


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a state."""
    if path:
        yield path
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from places(tree[key], (*path, key))


def other_values(value: Any) -> list[Any]:
    """What cannot stand in the place of `value`."""
    others: list[Any] = [None, "garbage", b"", 10**9, 0.5, True, object(), torch.ones(3, 2), np.ones((2, 3))]
    if isinstance(value, torch.Tensor):
        others += [value.double(), value.to(torch.int32), value[None], value.numpy(), torch.ones(7, dtype=value.dtype)]
        others += [value.to("meta"), value.to_sparse()]
    if isinstance(value, np.ndarray):
        others += [value.astype(np.float16), value[None], value.tolist(), np.ones(7, value.dtype)]
    if isinstance(value, list):
        others += [[*value, 1], [*value, None]]
    if isinstance(value, dict):
        others += [{**value, "unknown": 1}, list(value.items()), {0: value}]
    # Of another number the type alone says nothing.
    return [other for other in others if type(other) is not type(value) or (isinstance(other, COLLECTIONS))]


def tampered(state: dict[str, Any], draw: random.Random) -> tuple[Any, tuple[Any, ...], str]:
    """A state with a part that is gone or another, the part's path, and what was done."""
    made, path = copy.deepcopy(state), draw.choice(list(places(state)))
    *above, last = path
    parent = functools.reduce(operator.getitem, above, made)
    if draw.random() < 0.3:
        del parent[last]
        return made, path, "was removed"
    parent[last] = draw.choice(other_values(parent[last]))
    return made, path, f"was replaced by {parent[last]!r}"


@every_form
def test_a_tampered_state_is_refused_and_leaves_no_trace(make: Make, name: str) -> None:
    env = begun(make, name)
    state = env.state_dict()
    before = plain(state)
    draw = random.Random(0)
    for _ in range(TAMPERED):
        made, path, done = tampered(state, draw)
        try:
            env.load_state_dict(made)
        except ValueError as error:
            message = str(error)
        else:
            pytest.fail(f"{path} {done}, and was loaded")
        assert message.startswith("state: ")
        assert "\n" not in message
        assert any(str(part) in message for part in path if isinstance(part, str)), (path, message)
    same = plain(env.state_dict()) == before
    assert same
    same = future(env) == future(begun(make, name))
    assert same


@every_form
@pytest.mark.parametrize(
    "made", [None, [], "state", 3, {}, {"format": 1}, {"format": 3}, {"format": 3, "made_for": {}}], ids=repr
)
def test_what_is_no_state(make: Make, name: str, made: Any) -> None:
    env = make(name)
    with pytest.raises(ValueError, match=r"^state: "):
        env.load_state_dict(made)
    with pytest.raises(gym.error.ResetNeeded):
        env.state_dict()


@every_form
def test_a_state_of_other_data_or_settings_is_refused(make: Make, name: str) -> None:
    env = begun(make, name)
    expected = future(begun(make, name))
    tried = 0
    for keywords in EVERYWHERE + SETTINGS[name]:
        if keywords == {"optimizer": SMALL[name].get("optimizer", "adam")}:
            continue
        if name == "RegTune-v0" and keywords.keys() & {"noise"}:
            continue  # the instances have their own
        other = begun_with(make, name, keywords)
        with pytest.raises(ValueError, match=r"^state: 'made_for\.") as caught:
            env.load_state_dict(other.state_dict())
        assert "\n" not in str(caught.value)
        tried += 1
    assert tried >= 12
    same = future(env) == expected
    assert same


def begun_with(make: Make, name: str, keywords: dict[str, Any]) -> Any:
    env = make(name, **keywords)
    env.reset(seed=0)
    return env


@every_form
def test_a_state_is_loaded_before_the_first_reset_as_after_it(make: Make, name: str) -> None:
    env, fresh = begun(make, name), make(name)
    state = env.state_dict()
    expected = future(env)
    broken = {**state, "generator": None} if "generator" in state else {**state, "over": None}
    with pytest.raises(ValueError, match=r"^state: '(generator|over)' is None"):
        fresh.load_state_dict(broken)
    with pytest.raises(gym.error.ResetNeeded):
        fresh.state_dict()
    fresh.load_state_dict(pickle.loads(pickle.dumps(state)))
    same = future(fresh) == expected
    assert same
