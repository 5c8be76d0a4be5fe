"""K children at once are K scalar environments, bit for bit."""

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
from gymnasium.error import ResetNeeded

from fer_gym.envs.reg_tune.vector import RegTuneVectorEnv
from fer_gym.training import Trainer

SPLITS = tiny_data.splits(20, held_out=9)
SMALL = {
    "batch_size": 4,
    "chunk_size": 3,
    "val_batches": 2,
    "chunks": 3,
    "precision": "fp32",
    "regularizers": {"dropout": (0.0, 0.8), "mixup": (0.0, 1.0)},
}


def make(children: int = 3, **keywords: Any) -> RegTuneVectorEnv:
    envs = gym.make_vec("fer_gym:RegTune-v0", num_envs=children, dataset=SPLITS, **{**SMALL, **keywords})
    assert isinstance(envs.unwrapped, RegTuneVectorEnv)
    return envs.unwrapped


def actions(step: int, children: int = 3) -> np.ndarray:
    return np.random.default_rng(step).uniform(0.0, 0.8, (children, 2)).astype(np.float32)


def same(some: Any, other: Any) -> bool:
    if isinstance(some, dict):
        return some.keys() == other.keys() and all(same(some[key], other[key]) for key in some)
    if isinstance(some, (list, tuple)):
        return len(some) == len(other) and all(map(same, some, other))
    return bool(np.array_equal(some, other))


@pytest.mark.parametrize("children", [1, 3])
def test_each_child_is_the_scalar_environment(children: int) -> None:
    envs = make(children)
    alone = [gym.make("RegTune-v0", dataset=SPLITS, **SMALL).unwrapped for _ in range(children)]
    observations, _ = envs.reset(seed=7)
    expected = [env.reset(seed=7 + child)[0] for child, env in enumerate(alone)]
    np.testing.assert_array_equal(observations, expected)
    for step in range(9):  # two episodes and the resets between them
        observations, rewards, terminated, _, infos = envs.step(actions(step, children))
        for child, env in enumerate(alone):
            if step % 4 == 3:  # the step after the last one
                expected_observation, reward, over = env.reset()[0], 0.0, False
            else:
                expected_observation, reward, over, _, info = env.step(actions(step, children)[child])
                assert infos["val_f1"][child] == info["val_f1"]
            np.testing.assert_array_equal(observations[child], expected_observation)
            assert (rewards[child], terminated[child]) == (reward, over)
    assert envs.evaluate("test") == [env.evaluate("test") for env in alone]


def test_all_are_launched_before_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    envs = make()
    envs.reset(seed=0)
    done = []
    for name in ("train_batches", "read"):
        method = getattr(Trainer, name)

        def noted(*arguments: Any, name: str = name, method: Any = method) -> Any:
            done.append(name)
            return method(*arguments)

        monkeypatch.setattr(Trainer, name, noted)
    envs.step(actions(0))
    assert done == ["train_batches"] * 3 + ["read"] * 3


def test_a_child_interrupted_while_it_is_launched_needs_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    envs = make()
    envs.reset(seed=0)
    monkeypatch.setattr(Trainer, "validate_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        envs.step(actions(0))
    monkeypatch.undo()
    with pytest.raises(ResetNeeded):
        envs.step(actions(0))
    expected = make()
    np.testing.assert_array_equal(envs.reset(seed=1)[0], expected.reset(seed=1)[0])
    np.testing.assert_array_equal(envs.step(actions(0))[0], expected.step(actions(0))[0])


def test_a_state_puts_aside_what_was_launched() -> None:
    one, other = make(1).envs[0], make(1).envs[0]
    for env in (one, other):
        env.reset(seed=0)
    state = copy.deepcopy(one.state_dict())
    one.launch(actions(0)[0])
    one.load_state_dict(state)
    np.testing.assert_array_equal(one.step(actions(1)[0])[0], other.step(actions(1)[0])[0])


def interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt


def test_a_state_branches_all_of_them() -> None:
    envs, other = make(), make()
    envs.reset(seed=1)
    for step in range(3):
        envs.step(actions(step))  # all are over now, and about to be reset
    other.load_state_dict(copy.deepcopy(envs.state_dict()))
    pickled = pickle.loads(pickle.dumps(envs))
    for step in range(3, 6):
        steps = [each.step(actions(step)) for each in (envs, other, pickled)]
        assert same(steps[0], steps[1])
        assert same(steps[0], steps[2])
    with pytest.raises(ValueError, match=r"^state: 'made_for.num_envs' is 3, here 1;"):
        make(1).load_state_dict(envs.state_dict())


def test_a_masked_reset_after_a_state() -> None:
    envs, fresh, used = (make(autoreset_mode="Disabled") for _ in range(3))
    used.reset(seed=9)
    envs.reset(seed=1)
    envs.step(actions(0))
    state = envs.state_dict()

    def reset_the_second(of: RegTuneVectorEnv) -> Any:
        return of.reset(options={"reset_mask": np.array([False, True, False])})  # Gymnasium empties the options

    expected = reset_the_second(envs)
    for other in (fresh, used):
        other.load_state_dict(state)
        assert same(reset_the_second(other), expected)


def test_a_step_with_a_child_without_an_episode_touches_no_child() -> None:
    envs, other = make(autoreset_mode="Disabled"), make(autoreset_mode="Disabled")
    with pytest.raises(ResetNeeded, match=r"^no episode of child 0, 1, 2: call reset\(\) with its reset_mask$"):
        envs.step(actions(0))
    for each in (envs, other):
        each.reset(seed=1)
        each.step(actions(0))
        each.step(actions(1))
        each.envs[1].reset(seed=8)  # one child is behind the others
        each.step(actions(2))
    with pytest.raises(ResetNeeded, match=r"^no episode of child 0, 2: "):
        envs.step(actions(3))
    for each in (envs, other):
        each.reset(options={"reset_mask": np.array([True, False, True])})
    assert same(envs.step(actions(4)), other.step(actions(4)))


def test_what_is_not_allowed_leaves_all_untouched() -> None:
    envs, other = make(), make()
    for each in (envs, other):
        each.reset(seed=1)
    bad = actions(0)
    bad[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"^action: "):
        envs.step(bad)
    with pytest.raises(ValueError, match=r"^actions: shape \(2, 2\) is not allowed; use \(3, 2\)"):
        envs.step(actions(0, 2))
    assert same(envs.step(actions(0)), other.step(actions(0)))
    with pytest.raises(ValueError, match=r"^num_envs: 0 is not allowed"):
        RegTuneVectorEnv(num_envs=0)
    with pytest.raises(ValueError, match=r"^autoreset_mode: 'never' is unknown; use .*'NextStep'"):
        make(autoreset_mode="never")


def test_the_images_are_loaded_once() -> None:
    envs = make(noise=("symmetric", 0.5))  # loading it anew would make new labels
    assert (envs.envs[0].splits.train.labels != SPLITS.train.labels).any()
    assert all(child.splits.train.labels is envs.envs[0].splits.train.labels for child in envs.envs)


def test_children_draw_instances_of_their_own_and_share_the_data() -> None:
    instances = ({"noise": ("symmetric", 0.5)}, {"limit": 10}, {"learning_rate": 1e-2})
    envs = make(6, instances=instances)
    _, info = envs.reset(seed=0)
    drawn = info["instance"]
    assert len(set(drawn.tolist())) > 1
    for k, child in enumerate(envs.envs):
        scalar = gym.make("RegTune-v0", dataset=SPLITS, instances=instances, **SMALL)
        assert scalar.reset(seed=k)[1]["instance"] == drawn[k]
        assert all(mine is its for mine, its in zip(child.instances, envs.envs[0].instances, strict=True))
    steps = [envs.step(actions(step, 6)) for step in range(SMALL["chunks"])]
    np.testing.assert_array_equal(steps[-1][4]["instance"], drawn)
    again = pickle.loads(pickle.dumps(envs))
    np.testing.assert_array_equal([child.state_dict()["instance"] for child in again.envs], drawn)
