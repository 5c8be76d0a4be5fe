"""A run of `fer-gym train` that is stopped anywhere goes on to the same bits."""

import dataclasses
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from typer.testing import CliRunner

import fer_gym
from fer_gym import files
from fer_gym.cli.commands import app
from fer_gym.data import Splits
from fer_gym.envs import ImageSelectEnv
from fer_gym.envs.image_select import run as selection
from fer_gym.episodes import EpisodeLog, VectorEpisodeLog
from fer_gym.errors import UsageError
from fer_gym.train import checkpoint
from fer_gym.train import run as training
from fer_gym_agents import Reinforce, SampleCredits

ENV = {"limit": 30, "pretrain_epochs": 0, "credit": "signed"}
REINFORCE = "reinforce", {"pretrain_episodes": 1}


class CreditPpo(PPO):
    """PPO as a user's script sets it up: a callback of its own, and a schedule over the whole run."""

    def __init__(self, env, seed, episodes_per_rollout=1):
        super().__init__(
            "MlpPolicy", env, seed=seed, n_steps=episodes_per_rollout * env.get_wrapper_attr("num_images"),
            batch_size=8, learning_rate=lambda left: 0.01 * left, gamma=0.0, gae_lambda=0.0, device="cpu",
        )  # fmt: skip

    def learn(self, total_timesteps, callback=None, **keywords):
        assert callback is None
        return super().learn(total_timesteps, SampleCredits(), **keywords)


class GlobalDraws(Reinforce):
    """Draws from every global generator while it trains."""

    def train(self):
        self.drawn = [random.random(), float(np.random.rand()), torch.rand(2), int(self.action_space.sample())]  # noqa: NPY002
        super().train()


def a2c(env, seed):
    """Many rollouts an episode, and episodes that end within one."""
    return A2C("MlpPolicy", env, seed=seed, n_steps=7, device="cpu")


def dqn(env, seed):
    return DQN("MlpPolicy", env, seed=seed, buffer_size=100, learning_starts=10, device="cpu")


class Outsider:
    """Not of Stable-Baselines3; learns nothing, but walks."""

    def __init__(self, env, seed):
        self.env, self.seed = env, seed

    def learn(self, total_timesteps):
        self.env.reset(seed=self.seed)
        for _ in range(total_timesteps):
            if self.env.step(1)[2]:
                self.env.reset()

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.int64(1), None

    def save(self, path):
        path.write_text("nothing")


def arguments(agent=REINFORCE, *, episodes: int = 4, seed: int = 0, **env) -> training.Arguments:
    name, settings = agent if isinstance(agent, tuple) else (agent, {})
    name = f"{__name__}:{name.__name__}" if callable(name) else name
    return training.Arguments("ImageSelect-v0", {**ENV, **env}, name, settings, episodes, seed)


@pytest.fixture
def tiny(monkeypatch) -> None:
    """`limit` images, which are there at once."""
    monkeypatch.setattr(selection, "load", lambda dataset, root, limit, noise, data_seed: tiny_data.splits(limit))


@pytest.fixture
def stop(tiny, monkeypatch):
    """A function after which the environment raises KeyboardInterrupt in so many steps."""
    step = ImageSelectEnv.step

    def stop_after(steps: int) -> None:
        def counted(self, action):
            nonlocal steps
            steps -= 1
            if steps == 0:
                monkeypatch.setattr(ImageSelectEnv, "step", step)
                raise KeyboardInterrupt
            return step(self, action)

        monkeypatch.setattr(ImageSelectEnv, "step", counted)

    return stop_after


@pytest.fixture
def final_states(monkeypatch) -> list:
    """What the finished agents hold, wall-clock times apart."""
    states = []

    def note(agent, path):
        state = checkpoint._plain_attributes(agent)
        for clock in ("start_time", "_num_timesteps_at_start"):  # both make frames a second
            state.pop(clock)
        state["ep_info_buffer"] = [(info["r"], info["l"]) for info in agent.ep_info_buffer]
        states.append({**state, "parameters": checkpoint._packed(agent.get_parameters())})
        save(agent, path)

    save = BaseAlgorithm.save
    monkeypatch.setattr(BaseAlgorithm, "save", note)
    return states


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize(
    ("agent", "env", "stops"),
    [
        (REINFORCE, {}, (110,)),  # in the second episode: each of 30 steps, one is frozen before it and one after each
        (REINFORCE, {"carry_over": False}, (20, 110, 80)),  # before there is a checkpoint, then twice more
        (CreditPpo, {"limit": 32}, (75,)),
        ((CreditPpo, {"episodes_per_rollout": 2}), {"limit": 32}, (70,)),
        (a2c, {"reward": "f1_change"}, (50, 31)),
        ((GlobalDraws, {"pretrain_episodes": 0}), {"network": "rlps_cnn"}, (100,)),
    ],
)
def test_a_stopped_run_goes_on_to_the_same_bits(agent, env, stops, stop, final_states, tmp_path: Path):
    whole = training.run(arguments(agent, **env), tmp_path / "whole", resume=False)
    assert len(whole) >= 4
    for steps in stops:
        stop(steps)
        with pytest.raises(training.Stopped):
            training.run(arguments(agent, **env), tmp_path / "stopped", resume=True)
    again = training.run(arguments(agent, **env), tmp_path / "stopped", resume=True)
    assert again == whole
    assert same(*final_states)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped.zip", "whole.zip"]


KILLED_WHILE_WRITING = """
import os, signal, sys
from fer_gym import files
from fer_gym.cli.main import main
from fer_gym.envs.image_select import run as selection

sys.path.append(sys.argv.pop(1))
from tiny_data import splits

selection.load = lambda dataset, root, limit, noise, data_seed: splits(limit)
digest, written = files._digest, []

def dying(content):
    written.append(content)
    if len(written) == 3:  # all but the checksum is in the file
        os.kill(os.getpid(), signal.SIGKILL)
    return digest(content)

files._digest = dying
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_goes_on_to_the_same_bits(tiny, final_states, tmp_path: Path):
    command = ["train", "--episodes", "4", "--out", str(tmp_path / "killed"), "-s", "pretrain_episodes=1"]
    for key, value in ENV.items():
        command += ["-e", f"{key}={value}"]
    tests = str(Path(tiny_data.__file__).parent)
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, tests, *command], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "episode 3/4" in done.stdout
    whole_one, half_one = tmp_path.glob("killed.checkpoint/state.pt"), tmp_path.glob("killed.checkpoint/.*.part")
    assert (len(list(whole_one)), len(list(half_one))) == (1, 1)

    resumed = CliRunner().invoke(app, [*command, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    whole = CliRunner().invoke(app, [*command[:4], str(tmp_path / "whole"), *command[5:]])
    assert resumed.stdout.startswith("going on after episode 2/4\nepisode 3/4")
    rows = whole.stdout.splitlines()[:4]
    assert done.stdout.splitlines() == rows[:3]
    assert resumed.stdout.splitlines()[1:3] == rows[2:]
    assert same(*final_states)
    assert not (tmp_path / "killed.checkpoint").exists()


@pytest.fixture
def unfinished(stop, tmp_path: Path) -> Path:
    """Where the agent of a run goes that was stopped in its second episode."""
    stop(110)
    with pytest.raises(training.Stopped):
        training.run(arguments(), tmp_path / "agent", resume=False)
    return tmp_path / "agent"


def test_an_unfinished_run_is_not_overwritten(unfinished: Path):
    before = (unfinished.with_name("agent.checkpoint") / "state.pt").read_bytes()
    with pytest.raises(ValueError, match=r"agent\.checkpoint: .* add --resume"):
        training.run(arguments(), unfinished, resume=False)
    assert (unfinished.with_name("agent.checkpoint") / "state.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("others", "difference"),
    [
        (arguments(seed=1), "--seed is 1, was 0"),
        (arguments(episodes=5), "--episodes is 5, was 4"),
        (arguments(limit=31), "--env limit is 31, was 30"),
        (arguments(noise="faces"), "--env noise is 'faces', was not given"),
        (arguments(("reinforce", {})), "--set pretrain_episodes is not given, was 1"),
        (arguments("keep_all"), "--agent is 'keep_all', was 'reinforce'; --set"),
    ],
)
def test_other_arguments_are_named(unfinished: Path, others, difference):
    with pytest.raises(ValueError, match=difference):
        training.run(others, unfinished, resume=True)


def test_a_function_is_compared_by_its_name_and_not_by_its_address(stop, tmp_path: Path):
    def made():
        def reward(walk):
            return walk.probabilities[:, 0]

        return reward

    stop(110)
    with pytest.raises(training.Stopped):
        training.run(arguments(reward=made()), tmp_path / "agent", resume=False)
    assert len(training.run(arguments(reward=made()), tmp_path / "agent", resume=True)) == 4


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    path = tmp_path / "agent.checkpoint" / "state.pt"
    path.parent.mkdir()
    for content in (Bomb(), {"format": Bomb()}, {"format": 99}, []):
        file = io.BytesIO()
        torch.save(content, file)
        files.write_checked(path, file.getvalue())
        with pytest.raises(ValueError, match="not a checkpoint of this version"):
            training.run(arguments(), tmp_path / "agent", resume=True)
    path.write_bytes(b"PK, but no archive")
    with pytest.raises(ValueError, match="not a checkpoint of this version"):
        training.run(arguments(), tmp_path / "agent", resume=True)
    assert not (tmp_path / "executed").exists()


def test_no_byte_of_a_checkpoint_may_change(tiny, stop, tmp_path: Path):
    stop(110)
    with pytest.raises(training.Stopped):
        training.run(arguments(), tmp_path / "agent", resume=False)
    path = tmp_path / "agent.checkpoint" / "state.pt"
    whole = path.read_bytes()
    for position in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(UsageError, match=r"not a checkpoint of this version \(its content does not match"):
            training.run(arguments(), tmp_path / "agent", resume=True)


@pytest.mark.parametrize("forged", [None, 3, "x", [], {}, ("dict", 3), ("list", [("array", 1)]), ("tuple",)], ids=repr)
def test_a_forged_checkpoint_is_refused_whatever_is_in_it(forged, tiny, stop, tmp_path: Path):
    stop(110)
    with pytest.raises(training.Stopped):
        training.run(arguments(), tmp_path / "agent", resume=False)
    path = tmp_path / "agent.checkpoint" / "state.pt"
    content = torch.load(io.BytesIO(files.read_checked(path)), weights_only=True)
    for name in ("arguments", "rows", "parameters", "agent", "env", "generators"):
        if name in ("agent", "rows") and forged in ([], {}):
            continue  # no attribute is changed, no episode is over
        file = io.BytesIO()
        torch.save({**content, name: forged}, file)
        files.write_checked(path, file.getvalue())
        with pytest.raises(UsageError, match=r"state\.pt: (not a checkpoint|from other arguments)"):
            training.run(arguments(), tmp_path / "agent", resume=True)


def test_an_environment_that_a_module_in_the_working_directory_registers(tiny, tmp_path: Path, monkeypatch):
    (tmp_path / "envs_of_mine.py").write_text(
        "import gymnasium\n"
        "gymnasium.register('OfMine-v0', 'fer_gym.envs:ImageSelectEnv', kwargs={'limit': 30, 'pretrain_epochs': 0})\n"
    )
    monkeypatch.chdir(tmp_path)
    mine = training.Arguments("envs_of_mine:OfMine-v0", {}, "reinforce", {"pretrain_episodes": 0}, 1, 0)
    try:
        assert len(training.run(mine, tmp_path / "agent", resume=False)) == 1
        with pytest.raises(UsageError, match="environment 'nobodys:OfMine-v0': there is no module 'nobodys'"):
            training.run(dataclasses.replace(mine, env_id="nobodys:OfMine-v0"), tmp_path / "other", resume=False)
    finally:
        gym.registry.pop("OfMine-v0", None)


def test_an_agent_is_not_overwritten_unless_asked(tiny, tmp_path: Path, monkeypatch):
    out = tmp_path / "agent"
    training.run(arguments(episodes=1), out, resume=False)
    before = (tmp_path / "agent.zip").read_bytes()
    for resume in (False, True):
        with pytest.raises(UsageError, match=r"agent\.zip: already there; add --overwrite"):
            training.run(arguments(episodes=1), out, resume=resume)

    def full(agent, path):
        Path(path).write_bytes(b"the half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(BaseAlgorithm, "save", full)
        with pytest.raises(OSError, match="No space left"):
            training.run(arguments(episodes=1), out, resume=False, overwrite=True)
    assert (tmp_path / "agent.zip").read_bytes() == before
    training.run(arguments(episodes=1), out, resume=True, overwrite=True)  # the checkpoint is there still
    assert (tmp_path / "agent.zip").read_bytes() != before  # another time of saving
    assert [path.name for path in tmp_path.iterdir()] == ["agent.zip"]


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(tiny, tmp_path: Path, monkeypatch, capsys):
    out, whole, save = tmp_path / "full" / "agent", files.written_whole, BaseAlgorithm.save

    def no_room(path):
        if path.name == "state.pt":
            raise OSError(28, "No space left on device", str(path))
        return whole(path)

    def no_room_here(agent, path):
        if out.parent in Path(path).parents:
            raise RuntimeError("unexpected pos 64 vs 0")  # as PyTorch says it
        save(agent, path)

    monkeypatch.setattr(files, "written_whole", no_room)
    monkeypatch.setattr(BaseAlgorithm, "save", no_room_here)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UsageError, match=r"the agent cannot be written there .* it is in ") as error:
        training.run(arguments(episodes=2), out, resume=False)
    said = capsys.readouterr().err
    assert "after episode 1 no checkpoint was written (No space left on device: " in said
    place = Path(str(error.value).rpartition("it is in ")[2])
    assert Reinforce.load(place).num_timesteps == 60
    assert list(out.parent.iterdir()) == []


def test_an_agent_is_written_where_a_resumed_run_cleans_up(tiny, tmp_path: Path, monkeypatch):
    """A process that is killed while it saves leaves nothing beside `out` but the checkpoint's folder."""
    places, save = [], BaseAlgorithm.save

    def noted(agent, path):
        places.append(Path(path).parents[1])
        save(agent, path)

    monkeypatch.setattr(BaseAlgorithm, "save", noted)
    training.run(arguments(episodes=1), tmp_path / "agent", resume=False)
    assert places == [tmp_path / "agent.checkpoint"]


def test_two_runs_do_not_write_one_agent(tiny, tmp_path: Path):
    folder = tmp_path / "agent.checkpoint"
    folder.mkdir()
    with files.held(folder / "running"), pytest.raises(UsageError, match=r"agent\.checkpoint: another run is writing"):
        training.run(arguments(episodes=1), tmp_path / "agent", resume=True)
    # Stable-Baselines3 would write to the same file.
    with files.held(folder / "running"), pytest.raises(UsageError, match=r"agent\.checkpoint: another run is writing"):
        training.run(arguments(episodes=1), tmp_path / "agent.zip", resume=True)
    assert (folder / "running").exists()  # the other's folder is left alone
    training.run(arguments(episodes=1), tmp_path / "agent", resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["agent.zip"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("data", "the data is "),
        ("version", "the version of fer-gym is '0.0.0', was "),
        ("code", "the training code is "),
    ],
)
def test_a_run_does_not_go_on_with_other_data_or_another_version(
    changed, what, tiny, stop, tmp_path: Path, monkeypatch
):
    stop(110)
    with pytest.raises(training.Stopped):
        training.run(arguments(), tmp_path / "agent", resume=False)
    if changed == "data":
        monkeypatch.setattr(Splits, "fingerprint", lambda self: "another")
    elif changed == "version":
        monkeypatch.setattr(fer_gym, "__version__", "0.0.0")
    else:
        monkeypatch.setattr(training, "VERSION", -1)
    with pytest.raises(UsageError, match=f"from other arguments \\({what}"):
        training.run(arguments(), tmp_path / "agent", resume=True)


def test_resume_without_a_checkpoint_begins(tiny, tmp_path: Path, capsys):
    rows = training.run(arguments(episodes=1), tmp_path / "agent", resume=True)
    assert len(rows) == 1
    assert "starting from the beginning\nepisode 1/1" in capsys.readouterr().out


def test_a_run_stopped_while_the_agent_is_saved(tiny, tmp_path: Path, monkeypatch):
    def stopped(agent, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Reinforce, "save", stopped)
        with pytest.raises(training.Stopped, match="--resume"):
            training.run(arguments(episodes=2), tmp_path / "agent", resume=False)
    rows = training.run(arguments(episodes=2), tmp_path / "agent", resume=True)
    assert len(rows) == 2
    assert Reinforce.load(tmp_path / "agent").num_timesteps == 60


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        (Outsider, "Outsider is no on-policy algorithm"),
        (dqn, "DQN is no on-policy algorithm"),
    ],
)
def test_what_cannot_be_resumed_starts_anew(agent, reason, stop, tmp_path: Path):
    stop(100)
    with pytest.raises(training.Stopped, match=f"{reason} of Stable-Baselines3, so the same command starts anew"):
        training.run(arguments(agent), tmp_path / "agent", resume=False)
    assert not any(tmp_path.iterdir())
    assert len(training.run(arguments(agent), tmp_path / "agent", resume=True)) == 4


@pytest.mark.parametrize("agent", ["keep_all", "random"])
def test_agents_that_do_not_learn(agent, tiny, tmp_path: Path):
    assert training.run(arguments(agent), tmp_path / "agent", resume=False) == []
    assert [path.name for path in tmp_path.iterdir()] == ["agent"]


def test_ctrl_c_is_one_line(stop, tmp_path: Path):
    stop(110)
    command = ["train", "--out", str(tmp_path / "agent"), "-s", "pretrain_episodes=1", "-e", "limit=30"]
    result = CliRunner().invoke(app, [*command, "-e", "pretrain_epochs=0"])
    assert result.exit_code == 130
    assert result.stderr.splitlines() == [
        "fer-gym: training reinforce, episodes (10)",
        "",
        "fer-gym: stopped; go on with --resume",
    ]


# -- several environments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 4])
def test_rows_of_several_walkers(count, tmp_path):
    rows = training.run(dataclasses.replace(arguments(episodes=2), num_envs=count), tmp_path / "agent", resume=False)
    assert len(rows) == 2
    steps = -(-30 // count) * count
    assert rows[0]["env_steps"] == 2 * steps  # a frozen walk before it
    assert rows[1]["env_steps"] > rows[0]["env_steps"]
    assert [row["gradient_steps"] for row in rows] == [1, 2]
    assert all(0.0 < row["keep_ratio"] <= 1.0 for row in rows)
    assert not (tmp_path / "agent.checkpoint").exists()


def test_a_rollout_may_have_more_episodes_than_were_asked_for(tmp_path, capsys):
    env = {"limit": 30, "chunks": 2, "chunk_size": 3, "val_batches": 2, "batch_size": 4}
    asked = training.Arguments("RegTune-v0", env, "ppo", {}, episodes=3, seed=0, num_envs=2)
    training.run(asked, tmp_path / "agent", resume=False)
    lines = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("episode")]
    assert lines == ["episode 1/3", "episode 2/3", "episode 3/3", "episode 4, of the last rollout"]


def test_a_row_of_one_walker_is_the_scalar_environments():
    actions = np.random.default_rng(0).integers(0, 2, 30)
    scalar = EpisodeLog(gym.make("ImageSelect-v0", **ENV), lambda row: None)
    walkers = VectorEpisodeLog(gym.make_vec("ImageSelect-v0", num_envs=1, **ENV), lambda row: None)
    for log, wrap in ((scalar, lambda action: action), (walkers, lambda action: np.array([action]))):
        for options in ({"freeze": True}, None):
            log.reset(seed=3, options=options)
            for action in actions:
                log.step(wrap(action))
    assert len(scalar.rows) == 1
    assert walkers.rows == scalar.rows


def test_rows_of_several_children_are_the_scalar_environments():
    small = {"limit": 30, "chunks": 2, "chunk_size": 3, "val_batches": 2, "batch_size": 4}
    children = VectorEpisodeLog(gym.make_vec("RegTune-v0", num_envs=2, **small), lambda row: None)
    children.reset(seed=3)
    for _ in range(2):
        children.step(np.array([[0.1], [0.2]], np.float32))
    alone = []
    for k in range(2):
        log = EpisodeLog(gym.make("RegTune-v0", **small), alone.append)
        log.reset(seed=3 + k)
        for _ in range(2):
            log.step(np.array([0.1 * (k + 1)], np.float32))
    assert [row["gradient_steps"] for row in children.rows] == [9, 18]
    assert children.rows[1]["env_steps"] == 4
    for row, other in zip(children.rows, alone, strict=True):
        assert {**row, "env_steps": 0, "gradient_steps": 0} == {**other, "env_steps": 0, "gradient_steps": 0}


def test_a_row_of_an_episode_whose_reset_tells_the_instance_alone():
    small = {"chunks": 2, "chunk_size": 3, "val_batches": 2, "batch_size": 4, "warmup": None}
    instances = ({"limit": 30}, {"limit": 60})
    log = EpisodeLog(gym.make("RegTune-v0", instances=instances, **small), lambda row: None)
    log.reset(seed=3)
    for _ in range(2):
        log.step(np.array([0.1], np.float32))
    assert len(log.rows[0]["schedule"]) == 2
    assert log.rows[0]["val_f1_change"] == log.rows[0]["val_f1"]
    assert log.rows[0]["gradient_steps"] == 2 * 3  # a reset that trains nothing counts none
