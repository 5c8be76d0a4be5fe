"""ImageSelect-v0: the walk against a slow reference, what ends it, its keywords, and the pretraining cache."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_data
import torch
from torch import nn

from fer_gym import files
from fer_gym.data import Splits
from fer_gym.envs import FinishedWalk, ImageSelectEnv
from fer_gym.envs.image_select.rewards import reward_walk
from fer_gym.errors import UsageError
from fer_gym.training import Trainer

SPLITS = tiny_data.splits(13, held_out=6, side=8)
SCORES = {"accuracy", "average_accuracy", "macro_f1", "macro_f1_of_means"}


def make(dataset: Any = SPLITS, **keywords: Any) -> ImageSelectEnv:
    return ImageSelectEnv(dataset, **{"pretrain_epochs": 0, "batch_size": 4, "precision": "fp32", **keywords})


def walk(env: ImageSelectEnv, actions: Any) -> tuple[list[np.ndarray], list[float], dict[str, Any]]:
    """All of an episode that has begun: the observations after each step, the rewards, the terminal info."""
    observations, rewards = [], []
    for place, action in enumerate(actions):
        observation, reward, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (place + 1 == len(actions), False)
        observations.append(observation)
        rewards.append(reward)
    return observations, rewards, info


def some_actions(count: int = 13, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(2, size=count)


def weights(env: ImageSelectEnv) -> list[torch.Tensor]:
    return list(env.state_dict()["network"]["trainer"]["network"].values())


def equal(some: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, some, other))


# -- the walk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observe_label", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_observations_against_a_slow_reference(shuffle: bool, observe_label: bool) -> None:
    env = make(pretrain_epochs=1, observe_label=observe_label, shuffle=shuffle)
    first, reset_info = env.reset(seed=1)
    assert reset_info == {}
    for episode in range(2):
        features = env.outputs.features
        actions = some_actions(seed=episode)
        observations, rewards, info = walk(env, actions)
        order = info["sample_index"]
        assert sorted(order) == list(range(13))
        assert (order.tolist() == list(range(13))) is not shuffle
        mean, retained = np.zeros(128), []
        for place, seen in enumerate([first, *observations]):
            current = order[min(place, 12)]
            np.testing.assert_array_equal(seen[:128], features[current])
            np.testing.assert_allclose(seen[128:256], mean, rtol=1e-6, atol=1e-7)
            if observe_label:
                assert seen[256:].tolist() == np.eye(3)[SPLITS.train.labels[current]].tolist()
            else:
                assert seen.shape == (256,)
            if place < 13 and actions[place]:
                retained.append(features[current].astype(np.float64))
                mean = np.mean(retained, axis=0)
        assert rewards[:-1] == [0.0] * 12
        assert info["retained"].tolist() == actions.astype(bool).tolist()
        first, _ = env.reset()
        assert not np.array_equal(env.outputs.features, features)  # the network has learnt, and is looked through


def test_each_episode_has_an_order_of_its_own() -> None:
    env = make(epochs_per_episode=0)
    env.reset(seed=0)
    orders = []
    for _ in range(3):
        orders.append(tuple(walk(env, [0] * 13)[2]["sample_index"]))
        env.reset()
    assert len(set(orders)) == 3


def test_terminal_info_is_the_contracts() -> None:
    env = make(credit="signed", retain_cost=0.01)
    env.reset(seed=0)
    actions = some_actions()
    infos = [env.step(action)[4] for action in actions]
    assert infos[:-1] == [{}] * 12
    info = infos[-1]
    arrays = {key: (value.dtype, value.shape) for key, value in info.items() if isinstance(value, np.ndarray)}
    assert arrays == {
        "sample_index": (np.dtype(np.int64), (13,)),
        "retained": (np.dtype(bool), (13,)),
        "sample_rewards": (np.dtype(np.float32), (13,)),
        "sample_credits": (np.dtype(np.float32), (13,)),
    }
    assert info.keys() == {*arrays, "keep_ratio", "validation"}
    assert type(info["keep_ratio"]) is float
    assert info["keep_ratio"] == actions.mean()
    assert info["validation"].keys() == SCORES
    assert all(type(value) is float for value in info["validation"].values())
    assert info["validation"] == env.evaluate("val")
    assert env.evaluate("test").keys() == SCORES


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"baseline": "marginal", "credit": "signed", "retain_cost": 0.02},
        {"baseline": "class", "credit": "literal"},
        {"reward": "f1_change"},
        {"reward": "log_likelihood"},
        {"reward": lambda finished: finished.probabilities[:, 0] * 2, "credit": "signed"},
        {"reward": lambda finished: finished.validation_after["accuracy"]},
    ],
)
def test_the_reward_is_of_the_network_after_the_training(keywords: dict[str, Any]) -> None:
    env = make(**keywords)
    env.reset(seed=2)
    before = env.evaluate("val")
    _, rewards, info = walk(env, some_actions())
    # The network as it is now, looked through once more.
    order = info["sample_index"]
    outputs = env.trainer.outputs("train")
    finished = FinishedWalk(
        outputs.probabilities[order], SPLITS.train.labels[order], info["retained"], before, env.evaluate("val")
    )
    expected = reward_walk(finished, **keywords)
    assert rewards[-1] == expected.reward
    assert np.array_equal(info["sample_rewards"], expected.sample_rewards)
    assert np.array_equal(info["sample_credits"], expected.sample_credits)


# -- what trains -----------------------------------------------------------------------------------------------------


def trained_on(env: ImageSelectEnv, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], int]]:
    calls: list[tuple[list[int], int]] = []
    original = Trainer.train_epochs

    def noted(self: Trainer, subset: np.ndarray, epochs: int) -> None:
        calls.append((subset.tolist(), epochs))
        original(self, subset, epochs)

    monkeypatch.setattr(Trainer, "train_epochs", noted)
    return calls


@pytest.mark.parametrize("epochs", [1, 3])
def test_the_retained_images_train_the_network(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(epochs_per_episode=epochs)
    env.reset(seed=0)
    calls, before = trained_on(env, monkeypatch), weights(env)
    _, _, info = walk(env, some_actions())
    ((subset, times),) = calls
    assert sorted(subset) == sorted(info["sample_index"][info["retained"]])
    assert times == epochs
    assert not equal(weights(env), before)


def test_nothing_retained_trains_nothing() -> None:
    env = make(pretrain_epochs=1)
    env.reset(seed=0)
    before = weights(env)
    observations, rewards, info = walk(env, [0] * 13)
    assert equal(weights(env), before)
    assert info["keep_ratio"] == 0.0
    assert rewards == [0.0] * 13
    assert not info["retained"].any()
    assert np.abs(info["sample_rewards"]).max() > 0  # removed images have rewards too
    assert not info["sample_credits"].any()
    assert all(not observation[128:].any() for observation in observations)


@pytest.mark.parametrize("place", [0, 12])
def test_a_single_retained_image_is_legal(place: int) -> None:
    env = make()
    env.reset(seed=0)
    before = weights(env)
    observations, rewards, info = walk(env, np.arange(13) == place)
    assert not equal(weights(env), before)
    assert info["retained"].sum() == 1
    assert rewards[-1] == pytest.approx(info["sample_rewards"][place])
    assert np.array_equal(observations[-1][:128], observations[-1][128:]) is (place == 12)


@pytest.mark.parametrize("carry_over", [True, False])
def test_a_frozen_episode_trains_nothing(carry_over: bool) -> None:
    env = make(carry_over=carry_over, pretrain_epochs=1)
    with pytest.raises(ValueError, match=r"^options: 'freeze': 'no' is not allowed; use True or False"):
        env.reset(options={"freeze": "no"})
    env.reset(seed=0, options={"freeze": True})
    before = weights(env)
    scores = env.evaluate("val")
    _, rewards, info = walk(env, [1] * 13)
    assert equal(weights(env), before)
    assert info["validation"] == scores
    assert rewards[-1] == pytest.approx(0, abs=1e-5)  # all retained: the mean less the mean
    env.reset(options={"freeze": False})
    walk(env, [1] * 13)
    assert not equal(weights(env), before)


def test_freezing_lasts_one_episode() -> None:
    env = make()
    env.reset(seed=0, options={"freeze": True})
    walk(env, [1] * 13)
    before = weights(env)
    env.reset()
    walk(env, [1] * 13)
    assert not equal(weights(env), before)


def test_a_state_remembers_that_its_episode_is_frozen() -> None:
    env, other = make(), make()
    env.reset(seed=0, options={"freeze": True})
    other.reset(seed=1)
    other.load_state_dict(env.state_dict())
    before = weights(other)
    walk(other, [1] * 13)
    assert equal(weights(other), before)


@pytest.mark.parametrize("carry_over", [True, False])
def test_carrying_the_network_over(carry_over: bool) -> None:
    env = make(carry_over=carry_over, pretrain_epochs=1)
    env.reset(seed=0)
    pretrained, scores, features = weights(env), env.evaluate("val"), env.outputs.features
    for _ in range(2):
        walk(env, [1] * 13)
        trained = weights(env)
        assert not equal(trained, pretrained)
        env.reset()
        assert equal(weights(env), trained if carry_over else pretrained)
        assert (env.evaluate("val") == scores) or carry_over
        assert np.array_equal(env.outputs.features, features) is not carry_over


def test_an_episode_left_in_the_middle_trains_nothing() -> None:
    env = make()
    env.reset(seed=0)
    before = weights(env)
    for _ in range(5):
        env.step(1)
    env.reset()
    assert equal(weights(env), before)
    _, _, info = walk(env, [0] * 12 + [1])
    assert info["retained"].sum() == 1


def test_a_seed_starts_afresh() -> None:
    env = make(pretrain_epochs=1)
    first, _ = env.reset(seed=0)
    start = weights(env)
    walk(env, [1] * 13)
    again, _ = env.reset(seed=0)
    assert np.array_equal(first, again)
    assert equal(weights(env), start)
    env.reset(seed=1)
    assert not equal(weights(env), start)


def test_a_network_that_diverges_pays_finite_rewards() -> None:
    env = make(learning_rate=1e30, optimizer="sgd", reward="log_likelihood")
    env.reset(seed=0)
    for _ in range(2):
        observations, rewards, info = walk(env, [1] * 13)
        assert all(env.observation_space.contains(observation) for observation in observations)
        assert math.isfinite(rewards[-1])
        assert np.isfinite(info["sample_credits"]).all()
        env.reset()
    assert rewards[-1] == pytest.approx(math.log(1 / 3))


# -- keywords --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "allowed"),
    [
        ({"dataset": "mnist"}, "synthetic"),
        ({"dataset": 3}, "Splits"),
        ({"network": "huge"}, "'small', 'rlps_cnn'"),
        ({"reward": "accuracy"}, "'probability', 'f1_change', 'log_likelihood' or a callable"),
        ({"reward": None}, "'probability'"),
        ({"baseline": "median"}, "'dataset', 'marginal', 'class'"),
        ({"baseline": None}, "'dataset'"),
        ({"credit": "all"}, "'retained', 'signed', 'literal'"),
        ({"carry_over": "false"}, "True or False"),
        ({"shuffle": 0}, "True or False"),
        ({"observe_label": None}, "True or False"),
        ({"retain_cost": math.nan}, "finite"),
        ({"retain_cost": math.inf}, "finite"),
        ({"retain_cost": "dear"}, "finite"),
        ({"retain_cost": None}, "finite"),
        ({"pretrain_epochs": -1}, "at least 0"),
        ({"pretrain_epochs": 1.5}, "at least 0"),
        ({"epochs_per_episode": -1}, "at least 0"),
        ({"epochs_per_episode": True}, "at least 0"),
        ({"batch_size": 0}, "at least 1"),
        ({"optimizer": "lion"}, "'adam', 'sgd'"),
        ({"learning_rate": -1.0}, "(0, inf)"),
        ({"precision": "fp64"}, "'auto', 'fp32', 'bf16'"),
        ({"device": "tpu"}, "'auto', 'cpu'"),
        ({"render_mode": "ansi"}, "'rgb_array', 'human'"),
        ({"limit": 0}, "at least 1"),
        ({"limit": 2}, "at least 3"),
        ({"data_seed": -1}, "at least 0"),
        ({"noise": "salt"}, "faces"),
        ({"noise": ("symmetric", 2.0)}, "symmetric"),
        ({"root": "/nowhere"}, "use None"),
    ],
    ids=str,
)
def test_bad_keywords_are_named(keywords: dict[str, Any], allowed: str) -> None:
    (keyword,) = keywords
    with pytest.raises(UsageError, match=keyword) as raised:
        make(**keywords).reset(seed=0)
    assert allowed in str(raised.value)


@pytest.mark.parametrize("action", [2, -1, 0.5, None, "1", np.int64(3), math.nan])
def test_a_bad_action_leaves_the_walk_as_it_is(action: Any) -> None:
    env, other = make(), make()
    for each in (env, other):
        each.reset(seed=0)
        each.step(1)
    with pytest.raises(ValueError, match=r"^action: .*0 \(remove\) or 1 \(retain\)"):
        env.step(action)
    ours, theirs = (walk(each, [1] * 12) for each in (env, other))
    assert np.array_equal(ours[2]["sample_credits"], theirs[2]["sample_credits"])
    assert ours[2]["retained"].all()


def test_limit_and_noise_are_data_seeds_alone() -> None:
    splits = tiny_data.splits(60, held_out=6, side=8)
    keywords = {"limit": 21, "noise": ("symmetric", 0.3)}
    one, other, third = (make(splits, data_seed=seed, **keywords) for seed in (1, 1, 2))
    one.reset(seed=5)
    other.reset(seed=6)
    assert one.num_images == other.num_images == 21
    assert np.array_equal(one.splits.train.pixels, other.splits.train.pixels)
    assert np.array_equal(one.splits.train.labels, other.splits.train.labels)
    assert not np.array_equal(one.splits.train.pixels, third.splits.train.pixels)
    assert (one.splits.train.noise == 3).sum() > 0


def test_the_defaults_work() -> None:
    env = ImageSelectEnv(limit=30, pretrain_epochs=0)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert env.num_images == 30
    assert ImageSelectEnv().num_images >= 3000


def test_splits_of_plain_arrays_in_colour() -> None:
    env = make(tiny_data.splits(9, channels=3, side=8), render_mode="rgb_array")
    env.reset(seed=0)
    walk(env, [1] * 9)
    assert env.render().shape[2] == 3


def factory(channels: int, classes: int, image_size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, 5), nn.ReLU(), nn.Linear(5, classes))


def test_a_network_of_ones_own() -> None:
    env = make(network=factory, pretrain_epochs=1)
    assert env.observation_space.shape == (10,)
    observation, _ = env.reset(seed=0)
    network = env.trainer.network
    observations, _, info = walk(env, [0] * 13)
    standard = env.trainer._standardise(torch.from_numpy(SPLITS.train.pixels[info["sample_index"]]))
    with torch.no_grad():
        expected = network[:3](standard)
    np.testing.assert_allclose(np.stack([observation, *observations[:-1]])[:, :5], expected, atol=1e-5)


class WithAWidth(nn.Module):
    """`feature_width` is its own affair."""

    feature_width = 99

    def __init__(self, channels: int, classes: int, image_size: int) -> None:
        super().__init__()
        self.layers = factory(channels, classes, image_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_a_class_as_factory() -> None:
    env = make(network=WithAWidth)
    assert env.observation_space.shape == (10,)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (10,)


def test_a_factory_that_returns_one_module_twice() -> None:
    network = factory(1, 3, 8)
    with pytest.raises(ValueError, match=r"^network: .*the same module twice"):
        make(network=lambda channels, classes, image_size: network).reset(seed=0)


# -- the pretraining cache -------------------------------------------------------------------------------------------


def pretraining_of(env: ImageSelectEnv, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> int:
    """How often a seeded reset trained."""
    with monkeypatch.context() as patch:
        calls = trained_on(env, patch)
        env.reset(seed=seed)
    return len(calls)


def cached(folder: Path) -> list[Path]:
    return sorted((folder / "pretrained").glob("*"))


def test_a_pretrained_network_is_trained_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = make(pretrain_epochs=2), make(pretrain_epochs=2, epochs_per_episode=3, reward="f1_change")
    assert pretraining_of(one, monkeypatch) == 1
    assert len(cached(empty_cache)) == 1
    assert pretraining_of(other, monkeypatch) == 0
    assert equal(weights(one), weights(other))
    later = [walk(env, [1] * 13)[0][-1] for env in (make(pretrain_epochs=2), other) if env.reset(seed=0)]
    assert np.array_equal(*later)
    # And the bits are those of a run without the cache.
    trained = make(pretrain_epochs=2, network="small")
    monkeypatch.setenv("FER_GYM_CACHE", str(empty_cache / "another"))
    assert pretraining_of(trained, monkeypatch) == 1
    state = trained.state_dict()["network"]["trainer"]
    assert torch.equal(state["noise_generator"], one.state_dict()["network"]["trainer"]["noise_generator"])
    assert equal(weights(trained), weights(one))


@pytest.mark.parametrize(
    "other",
    [
        {"pretrain_epochs": 2},
        {"batch_size": 5},
        {"optimizer": "sgd"},
        {"learning_rate": 2e-3},
        {"precision": "bf16"},
        {"dataset": tiny_data.splits(13, held_out=6, side=8, seed=1)},
        {"limit": 12},
        {"noise": ("symmetric", 0.2)},
    ],
    ids=str,
)
def test_other_settings_are_other_networks(
    other: dict[str, Any], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(pretrain_epochs=1).reset(seed=0)
    assert pretraining_of(make(**{"pretrain_epochs": 1, **other}), monkeypatch) == 1
    assert pretraining_of(make(pretrain_epochs=1), monkeypatch, seed=1) == 1
    assert pretraining_of(make(pretrain_epochs=1), monkeypatch) == 0


def save_checked(content: Any, path: Path) -> None:
    """As the environment writes a network, checksum included."""
    file = io.BytesIO()
    torch.save(content, file)
    files.write_checked(path, file.getvalue())


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no network at all"),
        lambda path: path.write_bytes(path.read_bytes()[:2000]),
        lambda path: path.write_bytes(path.read_bytes().replace(path.read_bytes()[3000:3001], b"\0", 1)),
        lambda path: save_checked([1, 2, 3], path),
        lambda path: save_checked({"network": {}}, path),
        lambda path: save_checked({"network": torch.load(io.BytesIO(files.read_checked(path)))["network"]}, path),
    ],
    ids=["empty", "garbage", "truncated", "a byte", "a list", "another state", "half a state"],
)
def test_a_damaged_file_is_made_anew(
    damage: Any, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    env = make(pretrain_epochs=1)
    env.reset(seed=0)
    (path,) = cached(empty_cache)
    damage(path)
    again = make(pretrain_epochs=1)
    assert pretraining_of(again, monkeypatch) == 1
    assert f"{path}: a damaged pretrained network" in caplog.text
    assert equal(weights(again), weights(env))
    assert pretraining_of(make(pretrain_epochs=1), monkeypatch) == 0
    assert cached(empty_cache) == [path]


def test_a_factorys_network_is_not_cached(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = make(network=factory, pretrain_epochs=1), make(network=factory, pretrain_epochs=1)
    assert pretraining_of(one, monkeypatch) == pretraining_of(other, monkeypatch) == 1
    assert cached(empty_cache) == []
    assert equal(weights(one), weights(other))


def test_an_interrupted_write_leaves_nothing(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(pretrain_epochs=1).reset(seed=0)
    assert cached(empty_cache) == []


def test_the_cache_does_not_grow_without_end(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_gym.envs.image_select.pretraining._KEPT", 2)
    env = make(pretrain_epochs=1)
    for seed in (0, 1, 2):
        env.reset(seed=seed)
    assert len(cached(empty_cache)) == 2
    # A file that another process throws out while its use is looked up.
    (empty_cache / "pretrained" / "gone.pt").symlink_to(empty_cache / "nowhere")
    env.reset(seed=3)
    env.reset(seed=2)
    assert pretraining_of(make(pretrain_epochs=1), monkeypatch, seed=2) == 0


def test_an_image_set_of_one_class_each_is_enough() -> None:
    train = tiny_data.split(3, side=8)
    env = make(Splits(train, train, train, ("a", "b", "c")), pretrain_epochs=1)
    env.reset(seed=0)
    assert walk(env, [1, 0, 1])[2]["keep_ratio"] == pytest.approx(2 / 3)
