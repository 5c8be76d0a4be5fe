"""The agents whose actions are laid down beforehand."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from stable_baselines3.common.evaluation import evaluate_policy
from toy_box import ToyBox
from toy_walk import ToyWalk

from fer_gym import agents
from fer_gym.errors import UsageError
from fer_gym_agents import Cosine, KnowsInstance, Linear, RandomPerChunk, Replay, Static

LOW, HIGH = [0.0, 0.1], [0.8, 0.3]
RECORDED = [[0.1, 0.1], [0.2, 0.3], [0.3, 0.1], [0.8, 0.2], [0.0, 0.3]]


def walked(agent: Any, env: ToyBox) -> np.ndarray:
    """The actions of an episode, (chunks, h), asked for as the benchmark's runner does."""
    env.actions.clear()
    observation, _ = env.reset()
    state, start, over = None, np.ones(1, dtype=bool), False
    while not over:
        action, state = agent.predict(observation, state=state, episode_start=start, deterministic=False)
        assert env.action_space.contains(action)
        observation, _, over, _, _ = env.step(action)
        start = np.zeros(1, dtype=bool)
    return np.array(env.actions)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, LOW),
        ({"strength": 0.2}, [0.2, 0.2]),
        ({"strength": [0.4, 0.3]}, [0.4, 0.3]),
        ({"strength": np.array([0.8, 0.1])}, [0.8, 0.1]),
    ],
)
def test_static(settings: dict[str, Any], expected: list[float]) -> None:
    env = ToyBox()
    assert walked(Static(env, **settings), env) == pytest.approx(np.array([expected] * 5))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [[0.0, 0.1], [0.2, 0.15], [0.4, 0.2], [0.6, 0.25], [0.8, 0.3]]),
        ({"start": HIGH, "end": LOW}, [[0.8, 0.3], [0.6, 0.25], [0.4, 0.2], [0.2, 0.15], [0.0, 0.1]]),
        ({"start": 0.1, "end": 0.3}, [[0.1, 0.1], [0.15, 0.15], [0.2, 0.2], [0.25, 0.25], [0.3, 0.3]]),
        ({"chunks": 2}, [[0.0, 0.1], [0.8, 0.3], [0.8, 0.3], [0.8, 0.3], [0.8, 0.3]]),
        ({"chunks": 1}, [[0.0, 0.1]] * 5),
    ],
)
def test_linear(settings: dict[str, Any], expected: list[list[float]]) -> None:
    env = ToyBox()
    assert walked(Linear(env, **settings), env) == pytest.approx(np.array(expected), abs=1e-7)


def test_cosine() -> None:
    env = ToyBox()
    quarter = (1 - np.sqrt(0.5)) / 2  # (1 - cos(pi / 4)) / 2
    share = np.array([[0.0], [quarter], [0.5], [1 - quarter], [1.0]])
    assert walked(Cosine(env), env) == pytest.approx(np.array(LOW) + share * np.array([0.8, 0.2]), abs=1e-6)
    assert walked(Cosine(env, start=HIGH, end=LOW), env) == pytest.approx(
        np.array(HIGH) - share * np.array([0.8, 0.2]), abs=1e-6
    )


def test_random_per_chunk() -> None:
    env = ToyBox(400)
    actions = walked(RandomPerChunk(env, seed=3), env)
    assert actions.mean(axis=0) == pytest.approx([0.4, 0.2], abs=0.03)
    assert actions.min(axis=0) == pytest.approx(LOW, abs=0.02)
    assert actions.max(axis=0) == pytest.approx(HIGH, abs=0.02)
    agent = RandomPerChunk(env, seed=3)
    assert np.array_equal(walked(agent, env), actions)
    assert not np.array_equal(walked(agent, env), actions)  # the next episode's draws are others
    assert not np.array_equal(walked(RandomPerChunk(env, seed=4), env), actions)


def test_replay(tmp_path: Path) -> None:
    env = ToyBox()
    (tmp_path / "record.json").write_text(json.dumps({"schedule": RECORDED, "reward": "gap"}))
    for schedule in (RECORDED, [np.array(row) for row in RECORDED], tmp_path / "record.json"):
        assert walked(Replay(env, schedule=schedule), env) == pytest.approx(np.array(RECORDED))
    short = ToyBox(3)
    assert walked(Replay(short, schedule=str(tmp_path / "record.json")), short) == pytest.approx(np.array(RECORDED[:3]))


def test_batches_and_states() -> None:
    """Two environments whose episodes began at different times; predict itself remembers nothing."""
    agent = Linear(ToyBox())
    observations = np.ones((2, 3), np.float32)
    actions, state = agent.predict(observations)
    assert actions == pytest.approx(np.array([LOW, LOW]))
    actions, state = agent.predict(observations, state, np.array([False, True]))
    assert actions == pytest.approx(np.array([[0.2, 0.15], LOW]))
    again, _ = agent.predict(observations, np.array([1, 1]), np.array([False, True]))
    assert np.array_equal(again, actions)
    actions, state = agent.predict(observations, state, np.array([False, False]))
    assert actions == pytest.approx(np.array([[0.4, 0.2], [0.2, 0.15]]))
    actions[:] = 0  # the caller's own
    assert agent.predict(observations, state - 1)[0] == pytest.approx(np.array([[0.4, 0.2], [0.2, 0.15]]))
    assert agent.predict(observations, state + 9)[0] == pytest.approx(np.array([HIGH, HIGH]))
    assert RandomPerChunk(ToyBox(), seed=0).predict(observations)[0].shape == (2, 2)


def test_evaluate_policy_counts_the_steps() -> None:
    env = ToyBox()
    rewards, _ = evaluate_policy(Linear(env), env, n_eval_episodes=2, return_episode_rewards=True, warn=False)
    ramp = np.linspace(LOW, HIGH, 5)
    assert rewards == pytest.approx([-((ramp - ToyBox.target) ** 2).sum()] * 2, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("static", {"strength": 0.2}),
        ("linear", {"start": [0.1, 0.2], "chunks": 3}),
        ("cosine", {"end": 0.25}),
        ("random_per_chunk", {}),
        ("replay", {"schedule": RECORDED}),
    ],
)
def test_by_name_and_saved(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    env = ToyBox()
    agent: Any = agents.make(name, env, 7, settings)
    assert agent.learn(100, callback=None) is agent
    assert env.actions == []
    agent.save(tmp_path / "agent.json")
    actions = walked(agent, env)
    loaded = type(agent).load(tmp_path / "agent.json", env)
    assert np.array_equal(walked(loaded, env), actions)


def test_a_saved_schedule_can_be_replayed(tmp_path: Path) -> None:
    env = ToyBox()
    Replay(env, schedule=RECORDED).save(tmp_path / "agent.json")
    assert walked(Replay(env, schedule=tmp_path / "agent.json"), env) == pytest.approx(np.array(RECORDED))


@pytest.mark.parametrize(
    ("agent", "settings", "message"),
    [
        (Static, {"strength": 0.9}, r"strength: 0\.9 .*\[\[0\.0, 0\.1"),
        (Static, {"strength": [0.2]}, r"strength: \[0\.2\] .*shape \(2,\)"),
        (Static, {"strength": "much"}, r"strength: 'much'"),
        (Static, {"strength": float("nan")}, r"strength: nan"),
        (Linear, {"start": 0.0}, r"start: 0\.0"),
        (Cosine, {"end": [0.1, 0.2, 0.3]}, r"end: "),
        (Linear, {"chunks": 0}, r"chunks: 0 "),
        (Linear, {"chunks": True}, r"chunks: True "),
        (Cosine, {"chunks": 2.0}, r"chunks: 2\.0 "),
        (Replay, {"schedule": RECORDED[:4]}, r"schedule: it has 4 steps, the episode 5"),
        (Replay, {"schedule": [[0.1]] * 5}, r"schedule: its shape is \(5, 1\)"),
        (Replay, {"schedule": [0.1] * 5}, r"schedule: its shape is \(5,\)"),
        (Replay, {"schedule": [[0.1, 0.2], [0.1]]}, r"schedule: it is no array of numbers"),
        (Replay, {"schedule": [*RECORDED[:4], [0.1, 0.4]]}, r"schedule: step 4, \[0\.1.*outside"),
        (Replay, {"schedule": "absent.json"}, r"schedule: absent\.json cannot be read"),
    ],
)
def test_wrong_settings_are_named(agent: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        agent(ToyBox(), **settings)


@pytest.mark.parametrize(("text", "message"), [("{", "cannot be read as JSON"), ('{"a": 1}', 'has no key "schedule"')])
def test_files_that_hold_no_schedule(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(ValueError, match=rf"^schedule: .*record\.json {message}"):
        Replay(ToyBox(), schedule=tmp_path / "record.json")


class Unbounded(ToyBox):
    action_space = Box(-np.inf, np.inf, (2,))


def test_the_mean_of_a_random_action_is_the_middle_of_the_box() -> None:
    env = ToyBox()
    agent = RandomPerChunk(env, seed=3)
    observations = np.zeros((2, *env.observation_space.shape), np.float32)
    actions, _ = agent.predict(observations, deterministic=True)
    assert actions == pytest.approx(np.array([[0.4, 0.2], [0.4, 0.2]]))


def test_who_knows_the_instance_acts_by_it() -> None:
    instances = ({"limit": 14}, {"limit": 21})
    env = gym.make("fer_gym:RegTune-v0", instances=instances, chunks=1, chunk_size=1, batch_size=4, val_batches=1)
    agent = KnowsInstance(env, strengths=[0.1, 0.4])
    for instance, strength in ((0, 0.1), (1, 0.4)):
        observation, _ = env.reset(seed=0, options={"instance": instance})
        assert agent.predict(observation)[0] == pytest.approx([strength])
    with pytest.raises(UsageError, match=r"^strengths: 1 for 2 instances; give one for each"):
        KnowsInstance(env, strengths=[0.1])
    with pytest.raises(UsageError, match=r"^env: ToyBox is no RegTune-v0"):
        KnowsInstance(ToyBox(), strengths=[0.1])


@pytest.mark.parametrize("env", [ToyWalk(), Unbounded()])
@pytest.mark.parametrize("agent", [Static, Linear, RandomPerChunk])
def test_actions_that_are_no_box(agent: Any, env: gym.Env[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"^env: its actions are"):
        agent(env)


def test_an_environment_that_does_not_tell_its_length() -> None:
    env = ToyBox()
    del env.chunks
    with pytest.raises(ValueError, match=r"^chunks: "):
        Linear(env)
    assert len(Linear(env, chunks=4).schedule) == 4
    Static(env)


def test_wrappers_are_looked_through() -> None:
    env = gym.wrappers.RecordEpisodeStatistics(ToyBox())
    assert len(Linear(env).schedule) == 5
