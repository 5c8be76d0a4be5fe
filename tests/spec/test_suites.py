"""The suites by name: every arm can be built, and what needs files is left out without them."""

import json
from dataclasses import replace

import gymnasium as gym
import pytest
import tiny_data
import tiny_walks
from typer.testing import CliRunner

from fer_gym import agents
from fer_gym.benchmark.run import trial as trials
from fer_gym.benchmark.spec.suites import SUITES
from fer_gym.benchmark.spec.tasks import TUNING_SEEDS, Arm, SelectionTask, Suite, Trial
from fer_gym.cli.commands import app
from fer_gym.tasks import CURRENT as CALIBRATED

TASKS = {f"{suite.name}: {task.name}": task for suite in SUITES.values() for task in suite.tasks}
ARMS = {f"{task.env_id}: {arm.name}, {dict(arm.settings)}": (task, arm) for task in TASKS.values() for arm in task.arms}


@pytest.mark.parametrize(("task", "arm"), ARMS.values(), ids=ARMS)
def test_every_arm_can_be_built(task, arm: Arm):
    settings = dict(arm.settings)
    if isinstance(task, SelectionTask):
        env = tiny_walks.walk(**{key: value for key, value in arm.env.items() if key != "network"})
        if arm.keep_ratio_of:
            settings["keep_ratio"] = 0.5
    else:
        sizes = {"chunks": 2, "chunk_size": 2, "val_batches": 2, "batch_size": 4}
        env = gym.make("RegTune-v0", dataset=tiny_data.splits(30), **{**arm.env, **sizes})
    agents.make(arm.agent, env, 0, settings)


@pytest.mark.parametrize(("task", "arm"), ARMS.values(), ids=ARMS)
def test_an_arms_settings_are_json_values(task, arm: Arm):
    # Otherwise the runner would take its own records for another suite's.
    settings = trials.described(Trial(task, arm, 0), dict(arm.settings))
    assert json.loads(json.dumps(settings)) == settings


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_an_arms_name_is_its_own_and_what_it_follows_comes_before(task):
    names = [arm.name for arm in task.arms]
    assert len(set(names)) == len(names)
    for place, arm in enumerate(task.arms):
        assert arm.keep_ratio_of in (None, *names[:place])


def test_no_suite_reports_on_tuning_seeds():
    for suite in SUITES.values():
        assert not set(suite.seeds) & set(TUNING_SEEDS)


def test_what_needs_files_is_left_out_and_named():
    standard = SUITES["standard"]
    embedded, left_out = standard.without_files()
    assert left_out == [task.id for task in CALIBRATED.values() if task.env.get("dataset") == "fer2013"]
    assert [task.name for task in embedded.tasks] == [task for task in CALIBRATED if task not in left_out]
    assert (embedded.name, embedded.seeds) == (standard.name, standard.seeds)
    only = SUITES["rlps-table5"]
    assert only.without_files() == (only, [])  # the loader then says what it needs


def test_in_a_calibrated_task_rankings_keep_as_many_as_the_oracle():
    for task in SUITES["standard"].tasks:
        for arm in task.arms:
            assert arm.keep_ratio_of is None
            if arm.agent in ("cleanlab", "oracle", "aum"):
                assert arm.settings["keep_ratio"] == CALIBRATED[task.name].reference.settings["keep_ratio"]


def test_an_arm_has_the_same_settings_in_every_calibrated_task():
    seen: dict[tuple[str, str], dict[str, object]] = {}
    for suite in ("standard", "rl"):
        for task in SUITES[suite].tasks:
            for arm in task.arms:
                settings = {name: value for name, value in arm.settings.items() if name != "keep_ratio"}
                assert seen.setdefault((task.env_id, arm.name), settings) == settings
    assert seen["ImageSelect-v0", "AUM"] == {"epochs": 24}


@pytest.mark.parametrize(
    ("given", "seeds"), [("7", (7,)), ("0,1", (0, 1)), ("tuning", TUNING_SEEDS), (None, SUITES["quick"].seeds)]
)
def test_seeds_of_the_command_line(given, seeds, monkeypatch, tmp_path):
    seen: list[Suite] = []

    def run(suite, *_, **__):
        seen.append(suite)
        return [], {}

    monkeypatch.setattr("fer_gym.benchmark.run.runner.run", run)
    result = CliRunner().invoke(app, ["benchmark", *(["--seeds", given] if given else [])])
    assert result.exit_code == 0, result.output
    assert seen[0].seeds == seeds


def test_seeds_that_are_none():
    result = CliRunner().invoke(app, ["benchmark", "--seeds", "one"])
    assert result.exit_code == 2
    assert "seeds: 'one' is not allowed; use whole numbers such as 0,1,2, or 'tuning'" in result.stderr


def test_some_tasks_and_arms_alone():
    suite = SUITES["rlps-table5"]
    task = suite.tasks[0]
    alone = suite.restricted([task.name], ["random"])
    assert [arm.name for arm in alone.tasks[0].arms] == ["REINFORCE", "random"]  # the one that it follows comes along
    assert alone.seeds == suite.seeds
    assert suite.restricted(None, None) == suite
    first, second = Arm("c", "random"), Arm("b", "random", keep_ratio_of="c")
    chain = Suite(
        "own", (replace(task, arms=(first, second, Arm("None", "random"), Arm("a", "x", keep_ratio_of="b"))),), (0,)
    )
    assert [arm.name for arm in chain.restricted(None, ["a"]).tasks[0].arms] == ["c", "b", "a"]
    with pytest.raises(ValueError, match=r"^arm: PPO: of none of these tasks: ImageSelect-Flips-v1$"):
        SUITES["quick"].restricted(["ImageSelect-Flips-v1"], ["PPO"])
    with pytest.raises(ValueError, match=r"^arm: 'PPO 2' is unknown; use "):
        suite.restricted(None, ["PPO 2"])
    with pytest.raises(ValueError, match=r"^task: 'walk' is unknown; use "):
        suite.restricted(["walk"], None)
