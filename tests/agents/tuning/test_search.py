"""The search for the best constant action, on a toy whose validation score is known."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box

from fer_gym_agents import BestStatic


class Toy(gym.Env[Any, Any]):
    """Its validation score is best at 0.5; a child's seed moves all scores alike."""

    chunks = 3

    def __init__(self) -> None:
        self.action_space = Box(0.0, 0.9, (1,), np.float32)
        self.observation_space = Box(0.0, 1.0, (2,), np.float32)
        self.children: list[int] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        assert seed is not None
        self.children.append(seed)
        self._actions: list[float] = []
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self._actions.append(float(action[0]))
        over = len(self._actions) == self.chunks
        score = seed_bonus(self.children[-1]) - sum(abs(action - 0.5) for action in self._actions)
        info = {"validation": {"macro_f1": score, "accuracy": self._actions[0]}} if over else {}
        return np.zeros(2, np.float32), 0.0, over, False, info


def seed_bonus(seed: int) -> float:
    return 100.0 * (seed % 7)


def test_it_settles_for_the_best_of_the_grid(tmp_path: Any) -> None:
    env = Toy()
    agent = BestStatic(env, seed=0, strengths=[0.1, 0.45, 0.9])
    agent.learn(20)  # two rounds of three children of three chunks
    assert len(agent.scores) == 2 * 3
    assert len(env.children) == 6
    assert len(set(env.children)) == 2
    assert env.children[:3] == [env.children[0]] * 3
    action, _ = agent.predict(np.zeros(2, np.float32))
    assert action == pytest.approx([0.45])
    agent.save(tmp_path / "agent.json")
    again, _ = BestStatic.load(tmp_path / "agent.json", env).predict(np.zeros(2, np.float32))
    assert again == pytest.approx([0.45])


def test_the_score_is_of_ones_choice_and_the_grid_the_box() -> None:
    agent = BestStatic(Toy(), seed=0, score="accuracy").learn(18)
    assert agent.predict(np.zeros(2, np.float32))[0] == pytest.approx([0.9])
    grid = [candidate[0, 0] for candidate in agent.candidates]
    assert grid == pytest.approx([0.15, 0.3, 0.45, 0.6, 0.75, 0.9])


def test_what_is_not_allowed() -> None:
    with pytest.raises(ValueError, match=r"^strengths: the grid is empty"):
        BestStatic(Toy(), strengths=[])
    with pytest.raises(ValueError, match=r"^strengths: 2.0 is not allowed"):
        BestStatic(Toy(), strengths=[2.0])
    with pytest.raises(ValueError, match=r"^total_timesteps: 8 is less than one try, 9 steps; give more"):
        BestStatic(Toy(), strengths=[0.1, 0.2, 0.3]).learn(8)
