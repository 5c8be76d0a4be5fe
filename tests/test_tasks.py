"""The calibrated tasks: what is registered, what may be given, what admits them, and the score between references."""

import importlib
import json
import math
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from scipy import stats

import fer_gym
from fer_gym.benchmark import scoring
from fer_gym.benchmark.spec import calibrated
from fer_gym.data.splits import UNTOUCHED
from fer_gym.errors import UsageError
from fer_gym.tasks import CALIBRATION_SEEDS, CURRENT, KEYWORDS, TASKS, CalibratedTask, Reference

EMBEDDED = [task.id for task in CURRENT.values() if task.env.get("dataset") != "fer2013"]


@pytest.mark.parametrize("task", EMBEDDED)
def test_an_id_is_the_whole_task(task: str) -> None:
    env = gym.make(f"fer_gym:{task}", data_seed=3)
    plain = gym.make(TASKS[task].env_id, **TASKS[task].env, data_seed=3)
    assert env.spec is not None
    assert env.spec.id == task
    assert env.observation_space == plain.observation_space
    assert env.action_space == plain.action_space
    assert env.unwrapped.splits.fingerprint() == plain.unwrapped.splits.fingerprint()
    several = gym.make_vec(task, num_envs=2)
    assert several.single_observation_space == env.observation_space
    several.close()


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_what_the_task_fixes_cannot_be_given(make) -> None:
    task = EMBEDDED[0]
    with pytest.raises(UsageError, match=rf"^noise: not allowed for {task}, which fixes it; use {', '.join(KEYWORDS)}"):
        make(task, noise=None)


def test_every_task_is_admitted_by_the_rule() -> None:
    assert TASKS
    for task in TASKS.values():
        assert task.headroom >= 0.03, task.id
        assert task.headroom_interval[0] > 0, task.id
        assert task.admitted, task.id
        assert all(task.trivial.mean >= other.mean for other in task.others if other.name in ("keep all", "random"))


def test_the_last_version_of_a_task_is_the_current_one() -> None:
    assert {"ImageSelect-Flips-v0", "ImageSelect-Flips-v1"} <= set(TASKS)
    assert "ImageSelect-Flips-v1" in CURRENT
    assert "ImageSelect-Flips-v0" not in CURRENT
    assert {id[:-3] for id in TASKS} == {id[:-3] for id in CURRENT}
    with pytest.warns(DeprecationWarning, match="ImageSelect-Flips-v0 is out of date"):
        gym.make("ImageSelect-Flips-v0")


def _reference(*scores: float) -> Reference:
    return Reference("arm", "keep_all", {}, scores)


def _task(trivial: Reference, reference: Reference) -> CalibratedTask:
    return CalibratedTask("X-v0", "", "", "ImageSelect-v0", {}, 1, {"retrain_steps": 1}, trivial, reference)


def test_headroom_and_its_interval_are_those_of_a_paired_test() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.5, 0.1, 10), rng.normal(0.6, 0.1, 10)
    task = _task(_reference(*low), _reference(*high))
    expected = stats.ttest_1samp(high - low, 0).confidence_interval(0.95)
    assert task.headroom == pytest.approx(high.mean() - low.mean())
    assert task.headroom_interval == pytest.approx((expected.low, expected.high), abs=1e-5)


@pytest.mark.parametrize(
    ("low", "high", "admitted"),
    [
        ([0.5, 0.6] * 5, [0.54, 0.64] * 5, True),
        ([0.5, 0.6] * 5, [0.52, 0.62] * 5, False),  # too little to win
        ([0.5, 0.9] * 5, [0.7, 0.8] * 5, False),  # its interval holds 0
    ],
)
def test_what_admits_a_task(low: list[float], high: list[float], admitted: bool) -> None:
    assert _task(_reference(*low), _reference(*high)).admitted is admitted


def test_a_task_without_scores_is_not_admitted() -> None:
    task = _task(_reference(), _reference())
    assert math.isnan(task.headroom)
    assert not task.admitted


class Cleaner:
    """Reads the truth about the noise: retains an image whose label is right."""

    def __init__(self, env: gym.Env, seed: int) -> None:
        self.base = env.unwrapped
        env.reset(seed=seed)
        for _ in range(env.budget):
            env.step(1)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return int(self.base.splits.train.noise[self.base.current_image] == UNTOUCHED), None


def greedy(env: gym.Env, seed: int) -> None:
    env.reset(seed=seed)
    for _ in range(env.budget):
        env.step(1)
    env.reset(options={"freeze": True})
    env.step(1)  # a frozen walk is free
    env.reset()
    env.step(1)


@pytest.fixture
def tiny(monkeypatch) -> CalibratedTask:
    """Sixty images, two of five labels wrong."""
    env = {"limit": 60, "noise": ("symmetric", 0.4), "pretrain_epochs": 0, "batch_size": 16, "precision": "fp32"}
    scores = [0.1 + place / 1000 for place in range(10)]
    task = CalibratedTask(
        "Tiny-v0",
        "",
        "",
        "ImageSelect-v0",
        env,
        1,
        {"retrain_steps": 2},
        _reference(*scores),
        _reference(*(score + 0.5 for score in scores)),
    )
    monkeypatch.setattr(calibrated, "TASKS", {task.id: task})
    return task


def test_the_score_of_a_callable_is_its_place_between_the_references(tiny: CalibratedTask) -> None:
    made = fer_gym.score(tiny.id, Cleaner, [0, 1])
    assert made.seeds == (0, 1)
    assert made.scores == made.drawn  # it draws nothing
    assert made.normalised.estimate == pytest.approx((np.mean(made.scores) - tiny.trivial.mean) / 0.5)
    assert made.normalised.low <= made.normalised.estimate <= made.normalised.high
    assert made.env_steps == 60
    assert made.gradient_steps == 4
    assert str(made).startswith("Tiny-v0, Cleaner: normalised ")
    assert json.loads(json.dumps(made.as_json()))["normalised"]["estimate"] == made.normalised.estimate


def test_a_frozen_walk_after_the_last_episode_counts(tiny: CalibratedTask) -> None:
    def refreshed(env: gym.Env, seed: int) -> Cleaner:
        cleaner = Cleaner(env, seed)
        env.reset(options={"freeze": True})
        for _ in range(60):
            env.step(1)
        return cleaner

    assert fer_gym.score(tiny.id, refreshed, [0]).env_steps == 2 * 60


def test_a_callable_gets_no_more_steps_than_the_budget(tiny: CalibratedTask) -> None:
    with pytest.raises(UsageError, match=r"^budget: its 60 steps are spent"):
        fer_gym.score(tiny.id, greedy, [0])


def test_an_agent_that_is_not_ours_is_scored(tiny: CalibratedTask, monkeypatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1] / "examples")
    learn = importlib.import_module("clean_loop").learn
    made, again = (fer_gym.score(tiny.id, learn, [0, 1]) for _ in range(2))
    assert made == again  # its seed decides what it does
    assert made.agent == "learn"
    assert made.env_steps == 60
    assert 0 < np.mean(made.scores) < 1


def test_an_agent_by_name_scores_as_the_oracle_that_it_is(tiny: CalibratedTask) -> None:
    oracle = fer_gym.score(tiny.id, "oracle", [0], settings={"keep_ratio": "clean"})
    assert oracle.scores == fer_gym.score(tiny.id, Cleaner, [0]).scores
    assert math.isnan(oracle.normalised.low)  # one seed gives no interval
    assert oracle.as_json()["normalised"]["low"] is None


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(UsageError, match=r"^task: 'Flips' is unknown; use 'ImageSelect-Flips-v0'"):
        scoring.score("Flips", "oracle", [0])


def test_calibration_has_seeds_of_its_own() -> None:
    suite = calibrated.calibration(TASKS[EMBEDDED[0]])
    assert suite.seeds == CALIBRATION_SEEDS
    assert not set(suite.seeds) & {*range(20), 100, 101, 102}
    assert [arm.name for arm in suite.tasks[0].arms] == ["keep all", "random", "oracle"]
