"""Ctrl-C at any line of the package: a seeded reset is then that of a new environment."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from plain_values import plain
from small_envs import SPLITS, tiny

import fer_gym

# Interrupted lines for each environment in each test; INTERRUPT_POINTS=200 makes 2,000 in all.
POINTS = int(os.environ.get("INTERRUPT_POINTS", 20))
PACKAGE = str(Path(fer_gym.__file__).parent)


WALKS: dict[str, Any] = {"network": tiny, "precision": "fp32", "batch_size": 4, "pretrain_epochs": 1}
RUNS: dict[str, Any] = {
    "network": tiny,
    "precision": "fp32",
    "batch_size": 4,
    "chunk_size": 2,
    "val_batches": 2,
    "chunks": 2,
    "instances": ({}, {"limit": 6}, {"learning_rate": 0.01}),
}
ENVS: dict[str, Any] = {
    "walk": lambda: gym.make("ImageSelect-v0", dataset=SPLITS, carry_over=False, **WALKS).unwrapped,
    "walk that is carried over": lambda: gym.make("ImageSelect-v0", dataset=SPLITS, **WALKS).unwrapped,
    "walkers": lambda: gym.make_vec("ImageSelect-v0", num_envs=2, dataset=SPLITS, carry_over=False, **WALKS),
    "run": lambda: gym.make("RegTune-v0", dataset=SPLITS, **RUNS).unwrapped,
    "children": lambda: gym.make_vec("RegTune-v0", num_envs=2, dataset=SPLITS, **RUNS),
}
every_env = pytest.mark.parametrize("name", ENVS)


@contextlib.contextmanager
def interrupted_at(line: int) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt before the so-manieth line that the package executes; yields how many there were."""
    seen = [0]

    def of_frame(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            seen[0] += 1
            if seen[0] == line:
                raise KeyboardInterrupt
        return of_frame

    def of_call(frame: FrameType, *_: Any) -> Any:
        return of_frame if frame.f_code.co_filename.startswith(PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(of_call)
    try:
        yield seen
    finally:
        sys.settrace(before)


def episode(env: Any) -> list[Any]:
    """The steps of an episode."""
    env.action_space.seed(0)
    steps: list[Any] = []
    while not steps or not np.all(steps[-1][2]):
        steps.append(env.step(env.action_space.sample()))
    return steps


def work(env: Any, seed: int) -> list[Any]:
    return [env.reset(seed=seed), episode(env), env.reset(), episode(env)]


@every_env
def test_a_seeded_reset_after_an_interrupt_is_that_of_a_new_environment(name: str) -> None:
    env, used = ENVS[name](), ENVS[name]()
    expected = plain(work(env, seed=2))
    work(used, seed=1)
    work(used, seed=2)  # all that is built only once
    with interrupted_at(0) as lines:
        work(used, seed=2)
    for line in np.linspace(1, 0.98 * lines[0], POINTS, dtype=int).tolist():
        with pytest.raises(KeyboardInterrupt), interrupted_at(line):
            work(used, seed=2)
        same = plain(work(used, seed=2)) == expected
        assert same, f"after an interrupt before line {line} of {lines[0]}"


@every_env
def test_a_reset_after_an_interrupted_seeded_reset_begins_afresh(name: str) -> None:
    env = ENVS[name]()
    work(env, seed=1)
    env.reset(seed=2)
    with interrupted_at(0) as lines:
        env.reset(seed=2)
    struck = 0
    # Before these lines arguments are checked, after them the new episode is there.
    for line in np.linspace(30, 0.9 * lines[0], POINTS, dtype=int).tolist():
        env.reset(seed=1)
        before = weights(env)
        try:
            with interrupted_at(line):
                env.reset(seed=2)
        except KeyboardInterrupt:
            struck += 1
        else:  # fewer trainers had to be built than when the lines were counted
            continue
        for call in (lambda: env.step(env.action_space.sample()), env.state_dict):
            with pytest.raises(gym.error.ResetNeeded):
                call()
        env.reset()
        assert weights(env) != before
        episode(env)
    assert struck >= POINTS / 2


def weights(env: Any) -> Any:
    children = getattr(env, "envs", [env])
    return [plain(child.trainer.state_dict()["network"]) for child in children]


@pytest.mark.parametrize("name", ["walk", "walkers"])
def test_a_step_that_is_interrupted_marks_no_image(name: str) -> None:
    env = ENVS[name]()
    env.reset(seed=0)
    retain = np.ones(env.action_space.shape, int) if env.action_space.shape else 1
    with interrupted_at(0) as lines:
        env.step(retain)
    for line in range(1, lines[0] + 1):
        env.reset(seed=0)
        with pytest.raises(KeyboardInterrupt), interrupted_at(line):
            env.step(retain)
        try:
            retained = np.frombuffer(bytes(env.state_dict()["retained"]), np.bool_)
            assert not retained.any()
        except gym.error.ResetNeeded:
            with pytest.raises(gym.error.ResetNeeded):
                env.step(retain)
