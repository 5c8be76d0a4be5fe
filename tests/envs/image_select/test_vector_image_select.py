"""K walkers of ImageSelect-v0: one is the scalar environment, several share its walk, its training and its rewards."""

import copy
import pickle
import random
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from fer_gym.envs import ImageSelectEnv
from fer_gym.envs.image_select.rewards import FinishedWalk, reward_walk
from fer_gym.envs.image_select.vector import ImageSelectVectorEnv
from fer_gym.errors import UsageError
from fer_gym.training import Trainer
from fer_gym_agents import GymnasiumVecEnv

N = 10
SPLITS = tiny_data.splits(N, held_out=6, side=8)
SMALL: dict[str, Any] = {"dataset": SPLITS, "pretrain_epochs": 1, "batch_size": 4, "precision": "fp32"}
KEYWORDS: list[dict[str, Any]] = [
    {},
    {"carry_over": False, "observe_label": True, "credit": "signed", "baseline": "marginal", "retain_cost": 0.01},
    {"reward": "f1_change", "shuffle": False, "optimizer": "sgd"},
    {"reward": "log_likelihood", "epochs_per_episode": 2, "precision": "bf16"},
    {"reward": lambda walk: walk.probabilities[:, 0], "credit": "literal"},
]
MODES = list(AutoresetMode)

every_keywords = pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
every_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)


def make(walkers: int = 3, **keywords: Any) -> ImageSelectVectorEnv:
    env = gym.make_vec("fer_gym:ImageSelect-v0", num_envs=walkers, **{**SMALL, **keywords})
    assert isinstance(env, ImageSelectVectorEnv)
    return env


def scalar(**keywords: Any) -> ImageSelectEnv:
    return ImageSelectEnv(**{**SMALL, **keywords})


def some_actions(steps: int, walkers: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(2, size=(steps, walkers))


def walk(env: ImageSelectVectorEnv, actions: np.ndarray) -> list[Any]:
    """Step through all of an episode that has begun."""
    steps = [env.step(row) for row in actions]
    assert [step[2].all() for step in steps] == [False] * (len(actions) - 1) + [True]
    assert not any(step[2].any() for step in steps[:-1])
    return steps


def same(some: Any, other: Any) -> bool:
    """Whether two nested values are the same, types and bits."""
    if type(some) is not type(other):
        return False
    if isinstance(some, dict):
        return some.keys() == other.keys() and all(same(some[key], other[key]) for key in some)
    if isinstance(some, list | tuple):
        return len(some) == len(other) and all(map(same, some, other))
    if isinstance(some, np.ndarray) and some.dtype == object:
        return same(list(some), list(other))
    if isinstance(some, np.ndarray):
        return some.dtype == other.dtype and np.array_equal(some, other)
    if isinstance(some, torch.Tensor):
        return some.dtype == other.dtype and torch.equal(some, other)
    return bool(some == other)


def arrays_of(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return arrays_of(list(value)) if value.dtype == object else [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [array for part in parts for array in arrays_of(part)]


# -- one walker ------------------------------------------------------------------------------------------------------


@every_keywords
@every_mode
def test_one_walker_is_the_scalar_environment(mode: AutoresetMode, keywords: dict[str, Any]) -> None:
    """And Gymnasium's own vector environment of one, autoreset and infos included, for several episodes."""
    ours = make(1, autoreset_mode=mode, **keywords)
    alone = scalar(**keywords)
    theirs = SyncVectorEnv([lambda: alone], autoreset_mode=mode)
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"] is mode
    assert ours.autoreset_mode is theirs.autoreset_mode
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert same(ours.reset(seed=5), theirs.reset(seed=5))
    rng = np.random.default_rng(0)
    ends = 0
    for _ in range(3 * N + 2):
        actions = rng.integers(2, size=1)
        our_step, their_step = ours.step(actions), theirs.step(actions)
        over = our_step[2].all()
        if over:
            ends += 1
            info = our_step[4]["final_info"] if mode is AutoresetMode.SAME_STEP else our_step[4]
            assert info.pop("valid").all()
            assert info.pop("_valid").all()
        assert same(our_step, their_step)
        if over:
            assert same(ours.state_dict()["network"], alone.state_dict()["network"])
            options = {"freeze": ends == 1, "reset_mask": np.ones(1, bool)}
            if mode is AutoresetMode.DISABLED:
                assert same(ours.reset(options=options), theirs.reset(options=options))
    assert ends >= 2
    for options in ({"freeze": True}, {"freeze": False}):
        assert same(ours.reset(options=options), theirs.reset(options=options))
        for actions in some_actions(N, 1):
            our_step, their_step = ours.step(actions), theirs.step(actions)
        assert same(our_step[1:4], their_step[1:4])
        assert same(ours.state_dict()["network"], alone.state_dict()["network"])
        assert same(ours.evaluate("test"), alone.evaluate("test"))
    assert same(ours.reset(seed=6), theirs.reset(seed=6))


# -- several ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observe_label", [False, True])
def test_three_walkers_on_ten_images(observe_label: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 4, 3 and 3 images of the order that the scalar environment walks; by hand."""
    env, alone = make(observe_label=observe_label), scalar(observe_label=observe_label)
    assert (env.num_images, env.shard_sizes) == (N, [4, 3, 3])
    first, info = env.reset(seed=2)
    assert info == {}
    alone.reset(seed=2)
    order, features = alone._walk.order, env.outputs.features
    trained: list[list[int]] = []
    original = Trainer.train_epochs
    monkeypatch.setattr(
        Trainer,
        "train_epochs",
        lambda self, subset, epochs: (trained.append(list(subset)), original(self, subset, epochs)),
    )
    actions = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]])
    steps = walk(env, actions)
    observations = np.stack([first, *(step[0] for step in steps)])
    sums, counts = np.zeros((3, 128)), np.zeros(3)
    for t in range(5):
        for k in range(3):
            place = min(t, 3) * 3 + k  # the last observations are those of the last images, their means updated
            mean = sums[k] / max(counts[k], 1)
            image = features[order[place]] if place < N else np.zeros(128)
            np.testing.assert_array_equal(observations[t, k, :128], image)
            np.testing.assert_allclose(observations[t, k, 128:256], mean, rtol=1e-6, atol=1e-7)
            label = np.eye(3)[SPLITS.train.labels[order[place]]] if place < N else np.zeros(3)
            assert observations[t, k, 256:].tolist() == (label.tolist() if observe_label else [])
            if t < 4 and place < N and actions[t, k]:
                sums[k] += features[order[place]]
                counts[k] += 1
    _, _, terminated, truncated, info = steps[-1]
    assert [step[4] for step in steps[:-1]] == [{}] * 3
    assert all(not step[1].any() and step[1].dtype == np.float64 for step in steps[:-1])
    assert terminated.tolist() == [True] * 3
    assert truncated.tolist() == [False] * 3
    assert info["valid"].tolist() == [[True] * 4, [True, True, True, False], [True, True, True, False]]
    expected_index = [[*order[[0, 3, 6, 9]]], [*order[[1, 4, 7]], -1], [*order[[2, 5, 8]], -1]]
    assert info["sample_index"].tolist() == expected_index
    assert info["retained"].tolist() == [[True, False, True, True], [False, True, True, False], [False] * 4]
    assert info["keep_ratio"].tolist() == pytest.approx([3 / 4, 2 / 3, 0])
    assert trained == [order[[0, 4, 6, 7, 9]].tolist()]
    assert {key: value.dtype for key, value in info.items() if key[0] != "_" and key != "validation"} == {
        "sample_index": np.int64,
        "retained": np.bool_,
        "sample_rewards": np.float32,
        "sample_credits": np.float32,
        "valid": np.bool_,
        "keep_ratio": np.float64,
    }
    assert {key: values.tolist() for key, values in info["validation"].items() if key[0] != "_"} == {
        key: [value] * 3 for key, value in env.evaluate("val").items()
    }


@every_keywords
def test_credits_and_shares_are_the_scalar_environments(keywords: dict[str, Any]) -> None:
    """Given the same retained set. The order of the walk is the same, so the network is too, bit for bit."""
    env, alone = make(**keywords), scalar(**keywords)
    env.reset(seed=1), alone.reset(seed=1)
    for episode in range(2):
        actions = some_actions(4, 3, seed=episode)
        _, shares, _, _, info = walk(env, actions)[-1]
        for action in actions.flatten()[:N]:
            _, reward, _, _, expected = alone.step(action)
        valid = info["valid"]
        for key in ("sample_index", "retained", "sample_rewards", "sample_credits"):
            laid_side_by_side = info[key].T[valid.T]
            np.testing.assert_array_equal(laid_side_by_side, expected[key])
            assert (info[key][~valid] == (-1 if key == "sample_index" else 0)).all()
        assert (info["keep_ratio"] * env.shard_sizes).sum() == pytest.approx(expected["keep_ratio"] * N)
        if keywords.get("reward") in ("f1_change", "log_likelihood"):
            assert shares.tolist() == [reward] * 3  # one number for the whole walk
        else:
            assert shares.sum() == pytest.approx(reward, abs=1e-9)
            assert len(set(shares)) == 3
            paid = [info["sample_rewards"][k][info["retained"][k]].sum() for k in range(3)]
            np.testing.assert_allclose(shares, paid, atol=1e-6)
        assert same(env.state_dict()["network"], alone.state_dict()["network"])
        env.reset(), alone.reset()


def test_baselines_are_of_all_images() -> None:
    env = make(baseline="marginal", credit="literal")
    env.reset(seed=3)
    _, _, _, _, info = walk(env, some_actions(4, 3))[-1]
    outputs = env.trainer.outputs("train")
    scores = env.evaluate("val")
    expected = reward_walk(
        FinishedWalk(outputs.probabilities, SPLITS.train.labels, np.ones(N, bool), scores, scores),
        baseline="marginal",
        credit="literal",
    ).sample_credits
    for index, credits, valid in zip(info["sample_index"], info["sample_credits"], info["valid"], strict=True):
        np.testing.assert_array_equal(credits[valid], expected[index[valid]])


@pytest.mark.parametrize("walkers", [2, 9, N])
def test_shards_cover_the_data_once(walkers: int) -> None:
    env = make(walkers)
    env.reset(seed=0)
    steps = -(-N // walkers)
    for episode in range(2):
        _, _, _, _, info = walk(env, some_actions(steps, walkers, seed=episode))[-1]
        assert info["valid"].sum(axis=1).tolist() == env.shard_sizes
        assert sorted(env.shard_sizes, reverse=True) == env.shard_sizes
        assert sorted(info["sample_index"][info["valid"]]) == list(range(N))
        env.step(np.zeros(walkers, int))


def test_nothing_retained_and_frozen_train_nothing() -> None:
    env = make()
    env.reset(seed=0)
    before = env.state_dict()["network"]
    _, rewards, _, _, info = walk(env, np.zeros((4, 3), int))[-1]
    assert not rewards.any()
    assert not info["keep_ratio"].any()
    env.reset(options={"freeze": True})
    walk(env, np.ones((4, 3), int))
    assert same(env.state_dict()["network"], before)
    env.step(np.ones(3))  # the next episode is not frozen
    walk(env, np.ones((4, 3), int))
    assert not same(env.state_dict()["network"], before)


# -- autoreset -------------------------------------------------------------------------------------------------------


def test_the_step_after_the_last_one() -> None:
    env, other = make(), make()
    env.reset(seed=0), other.reset(seed=0)
    walk(env, some_actions(4, 3)), walk(other, some_actions(4, 3))
    observations, rewards, terminated, truncated, info = env.step(np.full(3, 77))  # its actions are ignored
    assert same((observations, info), other.reset())
    assert not rewards.any()
    assert not terminated.any()
    assert not truncated.any()
    assert same(walk(env, some_actions(4, 3, 1)), walk(other, some_actions(4, 3, 1)))


def test_the_same_step() -> None:
    env, other = make(autoreset_mode="SameStep"), make(autoreset_mode="Disabled")
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    env.reset(seed=0), other.reset(seed=0)
    for episode in range(2):
        ours, theirs = (walk(each, some_actions(4, 3, episode)) for each in (env, other))
        assert same(ours[:-1], theirs[:-1])
        (observations, *paid, infos), (final, *expected, final_info) = ours[-1], theirs[-1]
        assert same(paid, expected)
        assert infos.keys() == {"final_obs", "_final_obs", "final_info", "_final_info"}
        assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == [True] * 3
        assert same(list(infos["final_obs"]), list(final))
        assert same(infos["final_info"], final_info)
        assert same(observations, other.reset()[0])


def test_no_autoreset() -> None:
    env = make(autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    walk(env, some_actions(4, 3))
    with pytest.raises(ResetNeeded):
        env.step(np.ones(3))
    env.reset(options={"reset_mask": np.ones(3, bool)})
    env.step(np.ones(3))


@pytest.mark.filterwarnings("error")
def test_gymnasiums_vector_wrappers() -> None:
    env = gym.wrappers.vector.RecordEpisodeStatistics(make())
    env.reset(seed=0)
    for actions in some_actions(4, 3):
        _, rewards, _, _, infos = env.step(actions)
    assert infos["episode"]["l"].tolist() == [4, 4, 4]
    np.testing.assert_allclose(infos["episode"]["r"], rewards)


def test_make_vec_goes_through_the_entry_point() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make(2)
    assert env.spec is not None
    assert (env.spec.id, env.num_envs) == ("ImageSelect-v0", 2)
    again = gym.make_vec(env.spec)
    assert isinstance(again, ImageSelectVectorEnv)
    assert again.num_envs == 2
    assert isinstance(gym.make_vec("ImageSelect-v0", 2, vectorization_mode="sync", **SMALL), SyncVectorEnv)


# -- seeds, state and memory -----------------------------------------------------------------------------------------


def test_one_seed_one_future() -> None:
    one, other = make(), make()
    other.reset(seed=4)
    other.step(np.ones(3))
    assert same(one.reset(seed=3), other.reset(seed=3))
    for actions in some_actions(12, 3):
        torch.rand(2), np.random.rand(2), random.random()  # noqa: NPY002
        assert same(one.step(actions), other.step(actions))
    assert same(one.state_dict(), other.state_dict())
    assert not same(one.reset(seed=3), other.reset(seed=4))


def test_global_generators_are_not_moved() -> None:
    def state() -> Any:
        return random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002

    before = state()
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    walk(env, some_actions(4, 3))
    env.render()
    env.load_state_dict(env.state_dict())
    assert same(state(), before)


@pytest.mark.parametrize("steps", [0, 2, 3, 4, 6])
@pytest.mark.parametrize("keywords", KEYWORDS[:2], ids=str)
def test_a_state_branches_the_run(steps: int, keywords: dict[str, Any]) -> None:
    env = make(**keywords)
    env.reset(seed=5)
    for actions in some_actions(steps, 3):
        env.step(actions)
    state = env.state_dict()
    copied = copy.deepcopy(state)
    others = [make(**keywords), pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    others[0].load_state_dict(copied)
    expected = [env.step(actions) for actions in some_actions(8, 3, seed=1)]
    assert same(state, copied), "living on changed the saved state"
    for other in others:
        assert same([other.step(actions) for actions in some_actions(8, 3, seed=1)], expected)
        assert same(other.state_dict(), env.state_dict())
        assert other.metadata == env.metadata
    assert same(state, copied), "loading it tied an environment to the state"


def test_a_state_of_others() -> None:
    env = make()
    env.reset(seed=0)
    alone = scalar()
    alone.reset(seed=0)
    for state, other in ((env.state_dict(), make(4)), (alone.state_dict(), make(1))):
        with pytest.raises(ValueError, match=r"^state: 'made_for.num_envs' is (3, here 4|missing);"):
            other.load_state_dict(state)


@every_mode
def test_no_two_calls_share_memory(mode: AutoresetMode) -> None:
    env = make(autoreset_mode=mode)
    calls: list[Any] = []
    for _ in range(2):
        calls += [env.reset(), *walk(env, some_actions(4, 3))]
    arrays = [arrays_of(call) for call in calls]
    for place, one in enumerate(arrays):
        for other in arrays[place + 1 :]:
            assert not any(np.shares_memory(a, b) for a in one for b in other)


def test_writing_into_what_it_returned_does_no_harm() -> None:
    one, other = make(), make()
    results = [env.reset(seed=0) for env in (one, other)]
    for actions in some_actions(12, 3):
        for array in arrays_of(results[1]):
            array[...] = np.zeros_like(array)
        results = [env.step(actions) for env in (one, other)]
        assert same(*results)


def test_a_step_or_a_state_needs_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(pretrain_epochs=0)
    calls = (lambda: env.step(np.ones(3)), env.state_dict, lambda: env.evaluate("val"))
    for call in calls:
        with pytest.raises(ResetNeeded):
            call()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    env.reset(seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            walk(env, np.ones((4, 3), int))
    for call in calls:
        with pytest.raises(ResetNeeded):
            call()
    other = make(pretrain_epochs=0)
    assert same(env.reset(seed=0), other.reset(seed=0))


# -- the rest --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("walkers", "keywords", "message"),
    [
        (0, {}, r"^num_envs: 0 is not allowed; .*at least 1"),
        (-1, {}, r"^num_envs: -1 "),
        (2.0, {}, r"^num_envs: 2.0 "),
        (11, {}, r"^num_envs: 11 walkers for 10 training images"),
        (3, {"autoreset_mode": "later"}, r"^autoreset_mode: 'later' .*'NextStep', 'SameStep', 'Disabled'"),
        (3, {"render_mode": "human"}, r"^render_mode: 'human' .*'rgb_array'"),
        (3, {"reward": "accuracy"}, r"^reward: "),
    ],
)
def test_bad_keywords_are_named(walkers: Any, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(walkers, **keywords)


@pytest.mark.parametrize(
    "actions",
    [[0, 1, 2], [0, 1], [[0, 1, 1]], 1, None, [0, 0.5, 1], [0, np.nan, 1], ["0", "1", "1"], np.ones((3, 1))],
    ids=str,
)
def test_a_bad_action_leaves_the_walk_as_it_is(actions: Any) -> None:
    env, other = make(), make()
    for each in (env, other):
        each.reset(seed=0)
        each.step(np.ones(3))
    with pytest.raises(ValueError, match=r"^actions: .* is not allowed; use 3 of 0 \(remove\) and 1 \(retain\)"):
        env.step(actions)
    assert same(env.state_dict(), other.state_dict())


def test_options() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^options: 'frozen' is unknown"):
        env.reset(options={"frozen": True})
    with pytest.raises(ValueError, match=r"^options: reset_mask leaves walkers out"):
        env.reset(options={"reset_mask": np.array([True, False, True])})


def test_a_list_of_seeds_and_keywords_that_nobody_knows() -> None:
    one, other = make(), make()
    assert np.array_equal(one.reset(seed=[3, 4, 5])[0], other.reset(seed=3)[0])
    assert np.array_equal(one.reset(seed=[None] * 3)[0], other.reset()[0])
    with pytest.raises(UsageError, match=r"^seed: 2 seeds for 3 walkers; give one for each, or a number$"):
        one.reset(seed=[1, 2])
    with pytest.raises(TypeError, match=r"^ImageSelect-v0: got an unexpected keyword argument 'max_episode_steps'"):
        make(max_episode_steps=3)


def test_attributes_and_methods_of_each_walker() -> None:
    env = make()
    env.reset(seed=0)
    assert env.get_attr("num_images") == (4, 3, 3)
    assert env.get_attr("carry_over") == (True, True, True)
    assert env.call("evaluate", "val") == (env.evaluate("val"),) * 3
    assert env.call("num_images") == env.get_attr("num_images")
    with pytest.raises(AttributeError):
        env.get_attr("no_such_thing")


def test_frames() -> None:
    env = make(render_mode="rgb_array")
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0)
    before = env.render()
    walk(env, some_actions(4, 3))
    frames = env.render()
    assert before is not None
    assert frames is not None
    assert [(frame.dtype, frame.shape) for frame in frames] == [(np.uint8, (360, 640, 3))] * 3
    assert all((one != other).any() for one, other in zip(frames, before, strict=True))
    assert make().render() is None
    env.close()


def test_attributes_are_set_for_all_walkers() -> None:
    env = GymnasiumVecEnv(ImageSelectVectorEnv(num_envs=3, dataset=SPLITS))
    env.set_attr("note", "same")
    assert env.get_attr("note") == ["same"] * 3
    env.env.unwrapped.set_attr("note", ["other"] * 3)
    assert env.get_attr("note") == ["other"] * 3
    for values in (["a", "b", "b"], ["a", "a"]):
        with pytest.raises(UsageError, match=r"^note: the walkers share one environment; give 3 times the same value$"):
            env.env.unwrapped.set_attr("note", values)
