"""The agents that rank the training images, and the two rankings that train nothing."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
from gymnasium.error import ResetNeeded
from stable_baselines3.common.evaluation import evaluate_policy
from tiny_walks import base_of, noisy_splits, selection_of, walk
from toy_walk import ToyWalk

from fer_gym_agents import ImageVariance, Oracle, ScoredSelection


class ByIndex(ScoredSelection):
    """Later images are better; all are equal with `level`."""

    def __init__(self, env: gym.Env, seed: int | None = None, keep_ratio: float | str = 0.5, level: bool = False):
        super().__init__(env, seed, keep_ratio, level=level)
        self.level = level

    def score(self) -> np.ndarray:
        return np.zeros(24) if self.level else np.arange(24)


@pytest.mark.parametrize(("keep_ratio", "kept"), [(0.0, 0), (0.25, 6), (0.5, 12), (1.0, 24)])
def test_the_best_share_is_retained_in_any_order_of_the_walk(keep_ratio: float, kept: int) -> None:
    env = walk()
    agent = ByIndex(env, seed=0, keep_ratio=keep_ratio).learn(1000, callback=None, progress_bar=False)
    env.reset(seed=1)
    for _ in range(2):
        assert np.array_equal(selection_of(agent, env), np.arange(24) >= 24 - kept)
    assert agent.training_cost == {"images_trained": 0, "gradient_steps": 0, "images_evaluated": 0}


def test_stable_baselines_evaluates_it() -> None:
    env = walk()
    agent = ByIndex(env, seed=0).learn(0)
    kept = []
    evaluate_policy(
        agent,
        env,
        n_eval_episodes=2,
        callback=lambda locals_, _: (
            kept.append(locals_["info"]["retained"][locals_["info"]["sample_index"].argsort()])
            if locals_["done"]
            else None
        ),
        warn=False,
    )
    assert [np.flatnonzero(each).tolist() for each in kept] == [list(range(12, 24))] * 2


def test_a_seeded_coin_decides_between_equals() -> None:
    env = walk()
    chosen = [ByIndex(env, seed=seed, level=True).learn(0).retained for seed in (0, 0, 1)]
    assert all(each.sum() == 12 for each in chosen)
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])
    again = ByIndex(env, seed=0, level=True).learn(0)
    assert np.array_equal(again.learn(0).retained, chosen[0])


def test_saving(tmp_path: Path) -> None:
    env = walk()
    agent = ByIndex(env, seed=3, keep_ratio=0.25).learn(0)
    agent.save(tmp_path / "agent")
    loaded = ByIndex.load(tmp_path / "agent", env)
    assert (loaded.seed, loaded.keep_ratio, loaded.level) == (3, 0.25, False)
    assert np.array_equal(loaded.image_scores, agent.image_scores)
    env.reset(seed=0)
    assert np.array_equal(selection_of(loaded, env), agent.retained)
    ByIndex(env).save(tmp_path / "not yet")
    assert ByIndex.load(tmp_path / "not yet", env).retained is None
    with pytest.raises(ValueError, match=r"scores of 24 images, the environment has 12"):
        ByIndex.load(tmp_path / "agent", walk(noisy_splits(12)))


def test_the_true_noise_rate_when_told() -> None:
    agent = ByIndex(walk(), keep_ratio="clean").learn(0)
    assert agent.retained.sum() == 12
    with pytest.raises(ValueError, match=r"^keep_ratio='clean' needs the truth about the noise.*noise="):
        ByIndex(walk(tiny_data.splits(24)), keep_ratio="clean")


@pytest.mark.parametrize("keep_ratio", [-0.1, 1.1, float("nan"), "estimated"])
def test_what_is_no_keep_ratio(keep_ratio: float | str) -> None:
    with pytest.raises(ValueError, match=r"^keep_ratio: .* use a share in \[0, 1\], or 'clean'$"):
        ByIndex(walk(), keep_ratio=keep_ratio)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^env: ToyWalk is no ImageSelect-v0"):
        ByIndex(ToyWalk())
    env = walk()
    agent = ByIndex(env)
    observation = np.zeros(env.observation_space.shape, np.float32)
    with pytest.raises(ValueError, match=r"has scored no image yet: call learn\(\)"):
        agent.predict(observation)
    agent.learn(0)
    with pytest.raises(ResetNeeded):
        agent.predict(observation)
    env.reset(seed=0)
    assert agent.predict(observation)[0].shape == ()
    action, state = agent.predict(observation[None])
    assert (action.shape, action.dtype, state) == ((1,), np.int64, None)
    with pytest.raises(ValueError, match=r"^observation: a batch of 2; .* one observation at a time"):
        agent.predict(np.stack([observation, observation]))


def test_the_current_image_is_that_of_the_walk() -> None:
    env = walk()
    with pytest.raises(ResetNeeded):
        _ = base_of(env).current_image
    env.reset(seed=0)
    walked, over = [], False
    while not over:
        walked.append(base_of(env).current_image)
        _, _, over, _, info = env.step(1)
    assert walked == info["sample_index"].tolist()
    with pytest.raises(ResetNeeded):
        _ = base_of(env).current_image


def test_the_oracle_keeps_what_is_clean_and_half_faces_before_none_faces() -> None:
    env = walk()
    noise = base_of(env).splits.train.noise
    assert np.array_equal(Oracle(env).learn(0).retained, noise == 0)
    assert np.array_equal(Oracle(env, keep_ratio=0.75).learn(0).retained, noise != 2)
    with pytest.raises(ValueError, match=r"^the oracle needs the truth about the noise"):
        Oracle(walk(tiny_data.splits(24)), keep_ratio=0.5)


def test_image_variance() -> None:
    env = walk()
    agent = ImageVariance(env, keep_ratio=0.25).learn(0)
    pixels = base_of(env).splits.train.pixels.astype(float)
    assert agent.image_scores == pytest.approx([image.var() for image in pixels])
    assert agent.image_scores[agent.retained].min() > agent.image_scores[~agent.retained].max()
