"""Searches that branch a child, compared with branches made by hand; and the schedules that they choose."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data

import fer_gym  # noqa: F401  (registers)
from fer_gym import agents
from fer_gym.envs import RegTuneEnv
from fer_gym_agents import BayesStatic, BestRandomSchedule, Greedy, PopulationBasedTraining

SIZES = {"chunks": 4, "chunk_size": 2, "val_batches": 3, "batch_size": 8, "precision": "fp32", "device": "cpu"}
NAMES = ["greedy", "pbt", "bayes_static", "best_random_schedule", "best_static"]


def tune(**keywords: Any) -> gym.Env[Any, Any]:
    return gym.make("RegTune-v0", dataset=tiny_data.splits(40), **{**SIZES, "learning_rate": 0.01, **keywords})


def end_of(env: gym.Env[Any, Any], child: int, schedule: Any) -> dict[str, Any]:
    """The last info of a child trained under a schedule."""
    env.reset(seed=child)
    for action in schedule:
        *_, info = env.step(np.asarray(action, np.float32))
    return info


class Seen(gym.Wrapper[Any, Any, Any, Any]):
    """Counts the steps that a wrapper sees."""

    steps = 0
    resets: list[int]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.resets = [*getattr(self, "resets", []), seed]
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self.env.step(action)


def test_greedy_takes_the_best_branch_of_each_chunk() -> None:
    agent = Greedy(tune(), seed=0, strengths=(0.0, 0.5, 1.0))
    children: list[int] = []
    child = agent._child
    agent._child = lambda: children.append(child()) or children[-1]  # type: ignore[func-returns-value, method-assign]
    agent.learn(12)
    assert agent.chunks_trained == 1 + 3 * 4  # the warm-up, and three branches of each chunk
    assert agent.schedule.shape == (4, 1)
    env = tune()
    for chunk in range(4):
        before = agent.schedule[:chunk]
        scores = {}
        for strength in (0.0, 0.4, 0.8):  # anew from the child's beginning: no state is loaded
            scores[strength] = end_of(env, children[0], [*before, [strength]])["val_f1"]
        assert scores[round(float(agent.schedule[chunk, 0]), 6)] == max(scores.values())
    assert agent.scores == [end_of(env, children[0], agent.schedule)["validation"]["macro_f1"]]


def test_a_population_ends_with_the_schedule_that_made_its_best_child(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    reset = RegTuneEnv.reset

    def noted(self: RegTuneEnv, *, seed: int | None = None, options: Any = None) -> Any:
        assert seed is not None
        seeds.append(seed)
        return reset(self, seed=seed, options=options)

    monkeypatch.setattr(RegTuneEnv, "reset", noted)
    agent = PopulationBasedTraining(tune(), seed=1, population=8, interval=1)
    agent.learn(32)
    assert len(seeds) == 8 == len(agent.scores)
    assert agent.chunks_trained == 8 * (1 + 4)
    monkeypatch.undo()
    # The best child has one ancestor's seed and the strengths of all its ancestors.
    ends = [end_of(tune(), seed, agent.schedule)["validation"]["macro_f1"] for seed in seeds]
    assert max(agent.scores) in ends


def test_a_population_copies_the_best_and_changes_its_strength() -> None:
    agent = PopulationBasedTraining(tune(), seed=0, population=4, interval=1)
    members = [agent._member() for _ in range(4)]
    for place, member in enumerate(members):
        member.strength = np.array([0.1 * (place + 1)], np.float32)
        member.schedule.append(member.strength)
        member.info = {"val_f1": [0.3, 0.9, 0.1, 0.5][place]}
    states = [member.state for member in members]
    agent._exploit_and_explore(members)
    assert [member.state is state for member, state in zip(members, states, strict=True)] == [True, True, False, True]
    assert members[2].state is states[1]
    assert members[2].schedule == members[1].schedule
    assert members[2].schedule is not members[1].schedule
    assert members[1].strength == pytest.approx([0.2])
    explored = {round(float(agent._explored(np.array([0.5], np.float32))[0]), 4) for _ in range(40)}
    assert {0.4, 0.6} < explored
    assert all(0 <= strength <= 0.8 for strength in explored)


def test_bayesian_optimisation_finds_what_children_like(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = BayesStatic(tune(), seed=0)
    monkeypatch.setattr(agent, "_train", lambda schedule, child: -abs(float(schedule[0, 0]) - 0.3))
    agent.learn(4 * 30)
    assert len(agent.scores) == 30
    assert agent.schedule.shape == (1, 1)
    assert abs(float(agent.schedule[0, 0]) - 0.3) < 0.05
    assert np.mean(agent.scores[20:]) > np.mean(agent.scores[:10])


def test_the_best_random_schedule_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = BestRandomSchedule(tune(), seed=0)
    tried: list[np.ndarray] = []
    monkeypatch.setattr(agent, "_train", lambda schedule, child: tried.append(schedule) or len(tried) % 3)
    agent.learn(5 * 4)
    assert agent.scores == [1, 2, 0, 1, 2]
    assert np.array_equal(agent.schedule, tried[1])
    assert all(schedule.shape == (4, 1) for schedule in tried)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_keeps_to_its_budget_and_repeats_its_answer(name: str, tmp_path: Path) -> None:
    env = Seen(tune())
    settings = {"pbt": {"population": 4}, "greedy": {"strengths": (0.0, 1.0)}, "best_static": {"strengths": [0.2, 0.5]}}
    agent: Any = agents.make(name, env, 3, settings.get(name, {}))
    agent.learn(17)
    warm_ups = len(agent.scores) if agent.chunks_trained else 0  # which are no steps
    assert 0 < env.steps + agent.chunks_trained - warm_ups <= 17
    observation, state = np.zeros(2, np.float32), None
    actions = []
    for _ in range(4):
        action, state = agent.predict(observation, state=state)
        actions.append(action)
    rows = agent.schedule if len(agent.schedule) == 4 else np.repeat(agent.schedule, 4, axis=0)
    assert np.array_equal(actions, rows)
    agent.save(tmp_path / "agent.json")
    assert np.array_equal(type(agent).load(tmp_path / "agent.json", env).schedule, agent.schedule)
    # The same seed, the same search.
    again: Any = agents.make(name, tune(), 3, settings.get(name, {}))
    assert np.array_equal(again.learn(17).schedule, agent.schedule)


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_of_less_than_one_try_is_refused(name: str) -> None:
    agent: Any = agents.make(name, tune(), 0, {})
    with pytest.raises(ValueError, match=r"^total_timesteps: 3 is less than one try, "):
        agent.learn(3)


def test_what_is_not_allowed() -> None:
    with pytest.raises(ValueError, match=r"^strengths: \(\) is not allowed"):
        Greedy(tune(), strengths=())
    with pytest.raises(ValueError, match=r"^strengths: \(0.5, 2\) is not allowed"):
        Greedy(tune(), strengths=(0.5, 2))
    with pytest.raises(ValueError, match=r"^population: 3 is not allowed"):
        PopulationBasedTraining(tune(), population=3)
    with pytest.raises(ValueError, match=r"^interval: 0 is not allowed"):
        PopulationBasedTraining(tune(), interval=0)
    with pytest.raises(ValueError, match=r"is no RegTune-v0, whose children this agent branches"):
        Greedy(Other())


class Other(gym.Env[Any, Any]):
    chunks = 3
    action_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
    observation_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32)
