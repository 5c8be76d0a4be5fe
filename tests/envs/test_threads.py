"""Environments in one process whose other threads draw, or have environments of their own."""

import copy
import random
import threading
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from torch import nn

from fer_gym.training import Dni

SPLITS = tiny_data.splits(9, held_out=6, side=8)
SMALL: dict[str, dict[str, Any]] = {
    "ImageSelect-v0": {"batch_size": 4, "pretrain_epochs": 1},
    "RegTune-v0": {"batch_size": 4, "chunk_size": 3, "val_batches": 2, "chunks": 3},
}


def dense(channels: int, classes: int, image_size: int) -> nn.Module:
    """A user's network: the environment has the global generators while it is built and trained."""
    first, last = nn.Linear(channels * image_size**2, 8), nn.Linear(8, classes)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Dropout(), last)


def played(id: str, **keywords: Any) -> Any:
    """What an episode shows, and the state at its end."""
    env = gym.make(f"fer_gym:{id}", dataset=SPLITS, precision="fp32", **SMALL[id], **keywords)
    space = copy.deepcopy(env.action_space)
    space.seed(0)
    shown: list[Any] = [env.reset(seed=3)]
    over = False
    while not over:
        shown.append(env.step(space.sample()))
        over = shown[-1][2]
    return shown, env.unwrapped.state_dict()  # type: ignore[attr-defined]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other)


@pytest.fixture
def drawing() -> Iterator[list[int]]:
    """Another thread draws from the global generators all the time; how often."""
    stop, draws = threading.Event(), [0]

    def draw() -> None:
        while not stop.is_set():
            torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
            draws[0] += 1

    thread = threading.Thread(target=draw)
    thread.start()
    yield draws
    stop.set()
    thread.join()


@pytest.mark.parametrize("id", SMALL)
def test_another_thread_may_draw(id: str, drawing: list[int]) -> None:
    first = played(id)
    begun = drawing[0]
    assert all(same(played(id), first) for _ in range(10))
    assert drawing[0] > begun


@pytest.mark.parametrize("network", ["small", Dni("small"), dense], ids=["ours", "Dni", "a user's"])
def test_environments_in_threads_are_those_of_one_thread(network: Any) -> None:
    alone = [played(id, network=network) for id in SMALL]
    found: dict[int, Any] = {}
    ids = [*SMALL] * 3
    before = torch.get_rng_state()
    threads = [
        threading.Thread(target=lambda place=place, id=id: found.update({place: played(id, network=network)}))
        for place, id in enumerate(ids)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(found[place], alone[place % 2]) for place in range(len(ids)))
    assert torch.equal(torch.get_rng_state(), before)


def test_our_networks_leave_the_global_generators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: Any, **__: Any) -> None:
        raise AssertionError("seeded")

    for place, name in ((torch.random, "fork_rng"), (np.random, "seed"), (random, "seed")):
        monkeypatch.setattr(place, name, touched)
    for id in SMALL:
        played(id)
    with pytest.raises(AssertionError, match="seeded"):
        played("RegTune-v0", network=dense)
