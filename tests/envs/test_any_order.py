"""Reset, step, state_dict, load_state_dict, pickle, deepcopy, render and close, in any order that Hypothesis thinks of.

A twin goes the same way without the detours: it is only reset, stepped and loaded. Both must see the same, bit for bit.
"""

import copy
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from plain_values import plain
from small_envs import scalar, vector

EXAMPLES = settings(max_examples=10, stateful_step_count=25, deadline=None, database=None, derandomize=True)


class AnyOrder(RuleBasedStateMachine):
    """An environment, its twin, and states that were saved."""

    name: ClassVar[str]
    make: ClassVar[Any]
    keywords: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.env, self.twin = self.new(), self.new()
        self.begun = self.over = False
        self.saved: list[tuple[Any, bool]] = []

    def new(self) -> Any:
        return type(self).make(self.name, **self.keywords)

    def see(self, ours: Any, theirs: Any) -> None:
        assert plain(ours) == plain(theirs)
        observation = ours[0]
        assert self.env.observation_space.contains(observation)

    @rule(seed=st.none() | st.integers(0, 3))
    def reset(self, seed: int | None) -> None:
        # The first reset without a seed would draw one from the system.
        seed = 0 if seed is None and not self.begun else seed
        self.see(self.env.reset(seed=seed), self.twin.reset(seed=seed))
        self.begun, self.over = True, False

    @rule(seed=st.integers(0, 3))
    def step(self, seed: int) -> None:
        self.env.action_space.seed(seed)
        action = self.env.action_space.sample()
        if not self.begun or self.over:
            for env in (self.env, self.twin):
                with pytest.raises(ResetNeeded):
                    env.step(action)
            return
        ours, theirs = self.env.step(action), self.twin.step(action)
        self.see(ours, theirs)
        self.over = ours[2] is True  # a vector form goes on by itself
        assert np.all(np.isfinite(ours[1]))

    @rule()
    def save(self) -> None:
        if not self.begun:
            with pytest.raises(ResetNeeded):
                self.env.state_dict()
            return
        self.saved.append((self.env.state_dict(), self.over))

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def load(self, data: st.DataObject) -> None:
        state, self.over = data.draw(st.sampled_from(self.saved))
        before = plain(state)
        for env in (self.env, self.twin):
            env.load_state_dict(copy.deepcopy(state))
        self.begun = True
        assert plain(self.env.state_dict()) == before

    @rule()
    def pickle(self) -> None:
        self.env = pickle.loads(pickle.dumps(self.env))

    @rule()
    def deepcopy(self) -> None:
        self.env = copy.deepcopy(self.env)

    @precondition(lambda self: getattr(self.env, "render_mode", None))
    @rule()
    def render(self) -> None:
        if not self.begun:
            with pytest.raises(ResetNeeded):
                self.env.render()
            return
        picture = self.env.render()
        assert picture.dtype == np.uint8
        assert picture.shape[2:] == (3,)

    @rule()
    def close(self) -> None:
        """Who closed an environment makes another; closing twice is nothing new."""
        state = self.env.state_dict() if self.begun else None
        self.env.close()
        self.env.close()
        self.env = self.new()
        if state is not None:
            self.env.load_state_dict(state)

    @invariant()
    def the_twin_is_in_the_same_state(self) -> None:
        if self.begun:
            assert plain(self.env.state_dict()) == plain(self.twin.state_dict())


@pytest.mark.parametrize(
    ("name", "make", "keywords"),
    [
        ("ImageSelect-v0", scalar, {"render_mode": "rgb_array"}),
        ("RegTune-v0", scalar, {"render_mode": "rgb_array"}),
        ("ImageSelect-v0", vector, {}),
        ("RegTune-v0", vector, {}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_any_order(name: str, make: Any, keywords: dict[str, Any]) -> None:
    attributes = {"name": name, "make": staticmethod(make), "keywords": keywords}
    machine = type(f"{name} {make.__name__}", (AnyOrder,), attributes)
    machine.TestCase.settings = EXAMPLES
    machine.TestCase().runTest()
