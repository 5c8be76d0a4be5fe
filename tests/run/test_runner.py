import functools
import json
import os
import re
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import small_records
import tiny_data
import torch
from PIL import Image

from fer_gym import DatasetError, files
from fer_gym.benchmark import records
from fer_gym.benchmark.run import image_select, launchers, provenance, runner
from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite, Trial
from fer_gym.errors import UsageError
from fer_gym.training.generators import global_generators_restored
from fer_gym_agents import Reinforce

ARMS = (Arm("keep all", "keep_all"), Arm("learner", "reinforce"), Arm("random", "random", keep_ratio_of="learner"))
SUITE = Suite("test", (SelectionTask("walk", ARMS, {"noise": "faces"}, episodes=1, retrain_epochs=1),), seeds=(0, 1))

SIDE_BY_SIDE = functools.partial(launchers.side_by_side, workers=2)


def _scores(accuracy: float, keep_ratio: float) -> dict:
    test = dict.fromkeys(("accuracy", "average_accuracy", "macro_f1", "macro_f1_of_means"), accuracy)
    return {"keep_ratio": keep_ratio, "test": test}


def _of_tiny_faces(arms: tuple[Arm, ...], seeds: tuple[int, ...]) -> Suite:
    """A suite of one walk of 30 images."""
    env = {"dataset": tiny_data.splits(30), "pretrain_epochs": 0, "precision": "fp32"}
    return Suite("test", (SelectionTask("walk", arms, env, 1, 1),), seeds)


@pytest.fixture
def trials(monkeypatch) -> list:
    """Trials that cost nothing: what was run, with which settings."""
    ran = []

    def run(trial, settings, root, note, save_to):
        arm, seed = trial.arm, trial.seed
        ran.append((arm.name, seed, settings))
        note({"reward": 1.0, "mean_reward": 0.1, "keep_ratio": 0.5, "validation": {"accuracy": 0.5}})
        keep_ratio = {"keep all": 1.0, "learner": 0.6 + seed / 10}.get(arm.name, settings.get("keep_ratio"))
        accuracy = {"keep all": 0.5, "learner": 0.6 + seed / 10, "random": 0.4}[arm.name]
        about = {"data": "unknown", "machine": small_records.ABOUT["machine"]}
        return {**about, "episodes": [], "scores": _scores(accuracy, keep_ratio), "arrays": {"retained": np.ones(3)}}

    monkeypatch.setattr(image_select, "run", run)
    return ran


def test_every_trial_has_a_record(trials, tmp_path: Path):
    done, failed = runner.run(SUITE, tmp_path, None, resume=False)
    assert failed == {}
    assert [(r["arm"], r["seed"]) for r in done] == [
        (arm, seed) for seed in (0, 1) for arm in ("keep all", "learner", "random")
    ]
    assert len(list((tmp_path / "records").glob("*.json"))) == 6
    assert ("random", 1, {"keep_ratio": 0.7}) in trials  # the learner's ratio of the same seed


def test_only_a_data_set_in_files_is_given_the_root(tmp_path: Path):
    walk = replace(SUITE.tasks[0], env={"limit": 60})
    env = Trial(walk, ARMS[0], 0).make_env(str(tmp_path))
    assert env.unwrapped.splits.classes  # drawn, without a look at the folder
    with pytest.raises(DatasetError, match=re.escape(str(tmp_path))):
        Trial(replace(walk, env={"dataset": "folder"}), ARMS[0], 0).make_env(str(tmp_path))


def test_a_setting_that_json_does_not_have_is_compared(trials, tmp_path: Path):
    endless = replace(SUITE.tasks[0], arms=(Arm("learner", "reinforce", {"max_grad_norm": float("inf")}),))
    suite = Suite("test", (endless,), (0, 1))
    assert runner.run(suite, tmp_path, None, resume=False)[1] == {}
    assert runner.run(suite, tmp_path, None, resume=True)[1] == {}
    assert len(trials) == 2
    other = replace(endless, arms=(Arm("learner", "reinforce", {"max_grad_norm": 1.0}),))
    with pytest.raises(UsageError, match=r"a record of settings .*'inf'"):
        runner.run(replace(suite, tasks=(other,)), tmp_path, None, resume=True)


def test_resume_runs_only_what_is_missing(trials, tmp_path: Path):
    whole, _ = runner.run(SUITE, tmp_path, None, resume=False)
    records.path_of(tmp_path, "walk", "random", 1).unlink()
    trials.clear()
    again, _ = runner.run(SUITE, tmp_path, None, resume=True)
    assert trials == [("random", 1, {"keep_ratio": 0.7})]
    assert [small_records.comparable(r) for r in again] == [small_records.comparable(r) for r in whole]


def test_a_stopped_run_keeps_what_was_finished(trials, tmp_path: Path, monkeypatch):
    write = records.write

    def stop_at_third(path, record):
        if record["arm"] == "random":
            raise KeyboardInterrupt
        write(path, record)

    monkeypatch.setattr(records, "write", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        runner.run(SUITE, tmp_path, None, resume=False)
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == [
        "walk__keep-all__0.json",
        "walk__keep-all__0.npz",
        "walk__learner__0.json",
        "walk__learner__0.npz",
    ]


def test_what_a_killed_run_left_half_written_is_removed(trials, tmp_path: Path):
    class Killed(BaseException):
        pass

    def killed(source, target):
        os.link(source, f"{source}.kept")
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", killed)
        for place in (tmp_path / "report.html", tmp_path / "records/walk__keep-all__0.json"):
            with pytest.raises(Killed), files.written_whole(place):
                pass
    for left in tmp_path.rglob("*.kept"):
        left.rename(left.with_suffix(""))
    (tmp_path / "agents/.walk__learner__0.agent-7-abc.part").mkdir(parents=True)  # a `scratch_folder`
    assert len(list(tmp_path.rglob(".*.part"))) == 3
    runner.run(SUITE, tmp_path, None, resume=True)
    assert not list(tmp_path.rglob(".*.part"))


def test_two_runs_do_not_write_one_folder(trials, tmp_path: Path):
    runner.run(SUITE, tmp_path, None, resume=False)
    with (
        files.held(tmp_path / ".running"),
        pytest.raises(UsageError, match="another run is writing here; choose another --out"),
    ):
        runner.run(SUITE, tmp_path, None, resume=True)


def test_records_are_not_overwritten(trials, tmp_path: Path):
    runner.run(SUITE, tmp_path, None, resume=False)
    with pytest.raises(ValueError, match="--resume"):
        runner.run(SUITE, tmp_path, None, resume=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"format": 1}', "format 3"), (None, "of suite 'other'")],
)
def test_foreign_records_are_named_and_kept(trials, tmp_path: Path, content, message):
    path = records.path_of(tmp_path, "walk", "keep all", 0)
    path.parent.mkdir()
    other = small_records.selection("keep all", 0, 0.5, suite="other", task="walk")
    text = json.dumps({"format": 3, **other, "arrays": []}) if content is None else content
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        runner.run(SUITE, tmp_path, None, resume=True)
    assert str(path) in str(caught.value)
    assert path.read_text() == text


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 3, "suite": "test"}'])
def test_a_file_that_is_no_record_costs_its_own_trial(trials, tmp_path: Path, content: str):
    path = records.path_of(tmp_path, "walk", "learner", 0)
    path.parent.mkdir()
    path.write_text(content)
    done, failed = runner.run(SUITE, tmp_path, None, resume=True)
    assert [(r["arm"], r["seed"]) for r in done] == [("keep all", 0), ("keep all", 1), ("learner", 1), ("random", 1)]
    assert failed["walk, learner, seed 0"].startswith(f"{path}: not a record")
    assert failed["walk, random, seed 0"] == "it needs the keep ratio of learner, which failed"
    assert path.read_text() == content


def test_a_record_of_other_settings_is_not_mixed_in(trials, tmp_path: Path):
    runner.run(SUITE, tmp_path, None, resume=False)
    longer = replace(SUITE, tasks=(replace(SUITE.tasks[0], episodes=2),))
    with pytest.raises(
        ValueError, match=r"keep-all__0.json: a record of settings .*'episodes': 1.* not .*'episodes': 2"
    ):
        runner.run(longer, tmp_path, None, resume=True)


def test_a_record_tells_what_else_was_to_run(trials, tmp_path: Path):
    runner.run(SUITE, tmp_path, None, resume=False)
    records.path_of(tmp_path, "walk", "random", 1).unlink()
    (walk,) = records.read_folder(tmp_path).tasks
    assert list(walk.arms) == ["keep all", "learner", "random"]
    assert walk.missing == ["walk, random, seed 1"]


def test_another_suites_records_are_not_added_to(trials, tmp_path: Path):
    runner.run(SUITE, tmp_path, None, resume=False)
    other = replace(SUITE, name="other", tasks=(replace(SUITE.tasks[0], name="stroll"),))
    with pytest.raises(ValueError, match="of suite 'test', not 'other'; use another --out"):
        runner.run(other, tmp_path, None, resume=True)
    assert len(list((tmp_path / "records").glob("*.json"))) == 6


def test_a_trial_that_fails_costs_itself_and_its_followers(trials, tmp_path: Path, monkeypatch):
    run = image_select.run

    def fail(trial, *args):
        if (trial.arm.name, trial.seed) == ("learner", 0):
            raise RuntimeError("a bug\nof the agent")
        return run(trial, *args)

    monkeypatch.setattr(image_select, "run", fail)
    done, failed = runner.run(SUITE, tmp_path, None, resume=False)
    assert [(r["arm"], r["seed"]) for r in done] == [("keep all", 0), ("keep all", 1), ("learner", 1), ("random", 1)]
    log = tmp_path / "records" / "walk__learner__0.log"
    assert failed == {
        "walk, learner, seed 0": f"RuntimeError: a bug (traceback: {log})",
        "walk, random, seed 0": "it needs the keep ratio of learner, which failed",
    }
    assert 'raise RuntimeError("a bug\\nof the agent")' in log.read_text()
    assert list(log.parent.glob("*.log")) == [log]
    monkeypatch.setattr(image_select, "run", run)
    done, failed = runner.run(SUITE, tmp_path, None, resume=True)
    assert len(done) == 6
    assert failed == {}
    assert not log.exists()


@pytest.mark.parametrize("launch", [launchers.in_turn, SIDE_BY_SIDE], ids=["in turn", "side by side"])
def test_only_a_bug_leaves_a_traceback(launch, tmp_path: Path):
    arms = (Arm("bug", "hanging:Buggy"), Arm("mistake", "no_such_module:Agent"))
    suite = _of_tiny_faces(arms, seeds=(0,))
    _, failed = runner.run(suite, tmp_path, None, resume=False, launch=launch)
    (log,) = (tmp_path / "records").glob("*.log")
    assert failed["walk, bug, seed 0"] == f"IndexError: list index out of range (traceback: {log})"
    assert "in learn\n    return [][total_timesteps]" in log.read_text()
    assert failed["walk, mistake, seed 0"].startswith("agent: 'no_such_module:Agent' cannot be loaded (")


def test_side_by_side_is_the_same(tmp_path: Path):
    env = {"limit": 30, "pretrain_epochs": 0, "precision": "fp32"}
    arms = (Arm("one", "random", {"keep_ratio": 0.5}), Arm("other", "random", keep_ratio_of="one"))
    broken = Arm("broken", "no_such_module:Agent")
    task = SelectionTask("walk", (*arms, broken), {"dataset": tiny_data.splits(30), **env}, 1, 1)
    suite = Suite("test", (task,), seeds=(0, 1))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone, failed_alone = runner.run(suite, tmp_path / "alone", None, resume=False)
    finally:
        torch.set_num_threads(threads)
    beside, failed = runner.run(suite, tmp_path / "beside", None, resume=False, launch=SIDE_BY_SIDE)
    assert [small_records.comparable(r) for r in beside] == [small_records.comparable(r) for r in alone]
    assert failed == failed_alone
    assert [(r["arm"], r["seed"]) for r in beside] == [("one", 0), ("other", 0), ("one", 1), ("other", 1)]
    assert all("'no_such_module:Agent' cannot be loaded" in reason for reason in failed.values())


@pytest.mark.parametrize("launch", [launchers.in_turn, SIDE_BY_SIDE], ids=["in turn", "side by side"])
def test_an_agent_that_hangs_or_errs_costs_its_own_trial(launch, tmp_path: Path):
    arms = tuple(Arm(name, f"hanging:{name}") for name in ("Asleep", "Busy", "WrongAction"))
    hang, err = (_of_tiny_faces(some, seeds=(0,)) for some in (arms[:2], arms[2:]))
    done, failed = runner.run(hang, tmp_path, None, resume=False, launch=launch, minutes=0.02)
    assert done == []
    logs = {name: tmp_path / "records" / f"walk__{name}__0.log" for name in ("Asleep", "Busy")}
    assert failed == {
        f"walk, {name}, seed 0": f"TimeoutError: it took longer than 0.02 minutes (traceback: {log})"
        for name, log in logs.items()
    }
    assert "in expire" in logs["Asleep"].read_text()
    done, failed = runner.run(err, tmp_path, None, resume=False, launch=launch)
    assert done == []
    assert "'retain'" in failed["walk, WrongAction, seed 0"]


@pytest.mark.parametrize("launch", [launchers.in_turn, SIDE_BY_SIDE], ids=["in turn", "side by side"])
def test_an_agent_that_exits_costs_its_own_trial(launch, tmp_path: Path):
    arms = (Arm("leaving", "hanging:Leaving"), Arm("all", "keep_all"))
    suite = _of_tiny_faces(arms, seeds=(0,))
    done, failed = runner.run(suite, tmp_path, None, resume=False, launch=launch)
    assert [record["arm"] for record in done] == ["all"]
    assert failed["walk, leaving, seed 0"].startswith("SystemExit: enough (traceback: ")


@pytest.mark.parametrize("launch", [launchers.in_turn, SIDE_BY_SIDE], ids=["in turn", "side by side"])
def test_a_message_that_cannot_be_written_costs_its_own_trial(launch, tmp_path: Path):
    arms = (Arm("surrogate", "hanging:Surrogate"), Arm("mute", "hanging:Mute"), Arm("all", "keep_all"))
    done, failed = runner.run(_of_tiny_faces(arms, seeds=(0,)), tmp_path, None, resume=False, launch=launch)
    assert [record["arm"] for record in done] == ["all"]
    assert failed["walk, surrogate, seed 0"].startswith("ValueError: a name of bytes: \udcff (traceback: ")
    assert failed["walk, mute, seed 0"].startswith("NoMessage: it has no message (traceback: ")
    assert r"a name of bytes: \udcff" in (tmp_path / "records" / "walk__surrogate__0.log").read_text()


def test_a_killed_process_costs_its_own_trial(tmp_path: Path):
    arms = (Arm("killed", "hanging:Killed"), Arm("one", "random", {"keep_ratio": 0.5}), Arm("all", "keep_all"))
    suite = _of_tiny_faces(arms, seeds=(0, 1))
    done, failed = runner.run(suite, tmp_path, None, resume=False, launch=SIDE_BY_SIDE)
    assert [(r["arm"], r["seed"]) for r in done] == [("one", 0), ("all", 0), ("one", 1), ("all", 1)]
    killed = "its process was killed, as the system does when memory runs out"
    assert failed == {"walk, killed, seed 0": killed, "walk, killed, seed 1": killed}


@pytest.mark.parametrize(("given", "absolute"), [("~/faces", "{home}/faces"), ("faces", "{here}/faces"), (None, None)])
def test_a_trial_has_the_absolute_root(given, absolute, monkeypatch, tmp_path: Path):
    roots = set()

    def run(trial, settings, root, note, save_to):
        roots.add(root)
        raise UsageError("enough")

    monkeypatch.setattr(image_select, "run", run)
    runner.run(SUITE, tmp_path, given, resume=False)
    assert roots == {absolute and absolute.format(home=Path.home(), here=Path.cwd())}


def test_tasks_end_in_their_order(trials, tmp_path: Path):
    began = []

    class Now(Future):
        def __init__(self, call, trial, settings, note):
            super().__init__()
            began.append((trial.arm.name, trial.seed))
            self.set_result(call(trial, settings, note=note))

    def launch(run_trial, missing, done, say):
        return launchers._as_they_end(run_trial, [Now, Now], missing, done, say, ())

    runner.run(SUITE, tmp_path, None, resume=False, launch=launch)
    order = [(arm, seed) for seed in (0, 1) for arm in ("keep all", "learner", "random")]
    assert began == order  # one that follows is not left for the end


def test_under_one_seed_the_first_arms_start_last():
    (walk,) = SUITE.tasks
    tasks = walk, replace(walk, name="another walk")
    one, two = (Suite("test", tasks, seeds).trials for seeds in ((7,), (7, 8)))
    assert launchers.start_order(two) == two
    assert [(trial.task.name, trial.arm.name) for trial in launchers.start_order(one)] == [
        ("walk", "learner"),
        ("walk", "random"),
        ("another walk", "learner"),
        ("another walk", "random"),
        ("walk", "keep all"),
        ("another walk", "keep all"),
    ]


def test_records_of_other_data_are_not_added_to(tmp_path: Path):
    for name, grey in (("mine", 0), ("others", 90)):
        for split in ("train", "val", "test"):
            for label in range(2):
                folder = tmp_path / name / split / f"class {label}"
                folder.mkdir(parents=True)
                for number in range(4):
                    Image.new("L", (24, 24), grey + 40 * label + number).save(folder / f"{number}.png")
    env = {"dataset": "folder", "pretrain_epochs": 0, "precision": "fp32", "batch_size": 4}
    suite = Suite("test", (SelectionTask("walk", (ARMS[0],), env, 1, 1),), seeds=(0, 1))
    first = replace(suite, seeds=(0,))
    (record,), _ = runner.run(first, tmp_path / "out", str(tmp_path / "mine"), resume=False)
    with pytest.raises(ValueError, match=rf"keep all, seed 0: its record is of data {record['data']}, .* --root has"):
        runner.run(suite, tmp_path / "out", str(tmp_path / "others"), resume=True)
    done, _ = runner.run(suite, tmp_path / "out", str(tmp_path / "mine"), resume=True)
    assert [r["data"] for r in done] == [record["data"]] * 2  # no noise, so no seed decides it


@pytest.mark.parametrize(
    ("replaced", "ours", "what"),
    [("version", lambda name: "99.0", "fer-gym"), ("VERSION", 99.0, "training code")],
)
def test_records_of_another_version_are_not_added_to(replaced, ours, what, trials, tmp_path: Path, monkeypatch):
    runner.run(SUITE, tmp_path, None, resume=False)
    monkeypatch.setattr(provenance, replaced, ours)
    with pytest.raises(UsageError, match=rf"a record of {what} \S+, not 99.0; use that version, or another --out"):
        runner.run(SUITE, tmp_path, None, resume=True)


def test_a_record_is_enough_to_have_the_agent_again(tmp_path: Path):
    splits = tiny_data.splits(30)
    walk = {"dataset": splits, "pretrain_epochs": 0, "precision": "fp32"}
    run = {"dataset": splits, "chunks": 3, "chunk_size": 2, "val_batches": 2, "batch_size": 4, "precision": "fp32"}
    learner = Arm("learner", "reinforce", {"pretrain_episodes": 0})
    tuners = (Arm("ppo", "ppo"), Arm("best", "best_static", {"strengths": (0.1, 0.5)}))
    tasks = (SelectionTask("walk", (learner,), walk, 1, 1), RegTuneTask("run", tuners, run, 2, 1))
    done, failed = runner.run(Suite("test", tasks, seeds=(3,)), tmp_path, None, resume=False)
    assert failed == {}
    for record in done:
        path = records.path_of(tmp_path, record["task"], record["arm"], 3)
        if record["task"] == "walk":
            env = gym.make("ImageSelect-v0", **walk)
            agent = records.load_agent(path, env)
            assert isinstance(agent, Reinforce)
            continue
        env = gym.make("RegTune-v0", **run, data_seed=3)
        agent = records.load_agent(path, env)
        # The agent again, the same child again, the same draws: the same strengths.
        child = 1_000_000 + 3
        with global_generators_restored(child):
            observation, _ = env.reset(seed=child)
            state, schedule, over = None, [], False
            while not over:
                action, state = agent.predict(observation, state=state)
                observation, _, over, _, info = env.step(action)
                schedule.append(list(info["hyperparameters"].values()))
        assert schedule == record["arrays"]["child_schedule"][0].tolist()
        assert (len(np.unique(schedule)) == 1) == (record["arm"] == "best")


def test_a_record_without_its_agent_says_so(trials, tmp_path: Path):
    runner.run(SUITE, tmp_path, None, resume=False)
    path = records.path_of(tmp_path, "walk", "learner", 0)
    with pytest.raises(ValueError, match=r"learner__0\.json: the record has no saved agent"):
        records.load_agent(path, gym.Env())
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "saved_agent": {"class": "nowhere:Agent", "file": "x"}}))
    with pytest.raises(ValueError, match="the agent's class 'nowhere:Agent' cannot be found"):
        records.load_agent(path, gym.Env())


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"launcher: 'ray' needs pip install 'fer-gym\[ray\]'"):
        runner.run(SUITE, tmp_path, None, resume=False, launch=launchers.on_ray)
