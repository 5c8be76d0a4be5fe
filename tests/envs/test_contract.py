"""What every environment of the package promises, run on each of them."""

import contextlib
import copy
import functools
import inspect
import itertools
import pickle
import random
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import fer_gym  # noqa: F401  (registers)
from fer_gym.data import Splits
from fer_gym.envs import ImageSelectEnv, RegTuneEnv
from fer_gym.training import Dni, Periodic


@dataclass(frozen=True)
class Case:
    """An environment to hold to the contract, and keywords to do it under."""

    id: str
    keywords: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.id} {', '.join(f'{key}={value!r}' for key, value in self.keywords.items())}"

    def make(self, splits: Splits | None = None, **more: Any) -> gym.Env[Any, Any]:
        made: gym.Env[Any, Any] = gym.make(
            f"fer_gym:{self.id}",
            dataset=splits or SPLITS,
            **{"precision": "fp32", **SMALL[self.id], **self.keywords, **more},
        )
        return made


SPLITS = tiny_data.splits(9, held_out=6, side=8)
SMALL = {
    "ImageSelect-v0": {"batch_size": 4, "pretrain_epochs": 1},
    "RegTune-v0": {"batch_size": 4, "chunk_size": 3, "val_batches": 2, "chunks": 4},
}
IMAGE_SELECT = [
    {},
    {"carry_over": False, "observe_label": True, "credit": "signed", "baseline": "marginal", "augment": {"flip": True}},
    {"reward": "f1_change", "shuffle": False, "optimizer": "sgd", "pretrain_epochs": 0},
    {"reward": "log_likelihood", "epochs_per_episode": 2, "precision": "bf16"},
]
EVERY_REGULARIZER = {
    "mixup": (0.0, 1.0),
    "dropout": (0.0, 0.8),
    "input_noise": (0.0, 0.3),
    "feature_noise": (0.0, 0.5),
    "weight_decay": (0.0, 0.1),
    "label_smoothing": (0.0, 0.3),
}
REG_TUNE: list[dict[str, Any]] = [
    {},
    {
        "regularizers": EVERY_REGULARIZER,
        "reward": "val_f1_change",
        "train_f1": "eval",
        "augment": {"flip": True, "shift": 2, "border": "reflect"},
    },
    {"network": Dni("small"), "warmup": None, "reward": "neg_val_loss", "optimizer": "sgd"},
    {
        "network": Periodic("small"),
        "reward": "val_f1",
        "precision": "bf16",
        "chunk_size": 5,
        "observe": ("progress", "strengths", "val_f1", "losses", "train_f1"),
        "val_batches": "all",
        "instances": ({"noise": ("symmetric", 0.3)}, {"limit": 8, "learning_rate": 1e-2, "batch_size": 3}, {}),
    },
]
CASES = [
    *(Case("ImageSelect-v0", keywords) for keywords in IMAGE_SELECT),
    *(Case("RegTune-v0", keywords) for keywords in REG_TUNE),
]

every_case = pytest.mark.parametrize("case", CASES, ids=str)
first_of_each = pytest.mark.parametrize("case", {case.id: case for case in reversed(CASES)}.values(), ids=str)


@pytest.fixture(autouse=True)
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


Step = tuple[Any, float, bool, bool, dict[str, Any]]


def actions_of(env: gym.Env[Any, Any], seed: int = 0) -> Iterator[Any]:
    """Actions that do not move the environment's own generators."""
    space = copy.deepcopy(env.action_space)
    space.seed(seed)
    while True:
        yield space.sample()


@first_of_each
def test_numpys_whole_numbers_are_as_good_as_pythons(case: Case) -> None:
    numbers = {name: value for name, value in SMALL[case.id].items() if type(value) is int}
    traces = []
    for kind in (int, np.int64, np.uint8):
        env = case.make(**{name: kind(value) for name, value in numbers.items()})
        traces.append([env.reset(seed=0), *play(env)])
    assert same(traces[0], traces[1])
    assert same(traces[0], traces[2])


def play(env: gym.Env[Any, Any], steps: int | None = None, seed: int = 0) -> list[Step]:
    """Step to the end of the episode, or so many steps."""
    trace: list[Step] = []
    for action in actions_of(env, seed):
        if len(trace) == steps or (trace and (trace[-1][2] or trace[-1][3])):
            return trace
        trace.append(env.step(action))
    raise AssertionError


def same(some: Any, other: Any) -> bool:
    """Whether two nested values are the same, types and bits."""
    if type(some) is not type(other):
        return False
    if isinstance(some, dict):
        return some.keys() == other.keys() and all(same(some[key], other[key]) for key in some)
    if isinstance(some, (list, tuple)):
        return len(some) == len(other) and all(map(same, some, other))
    if isinstance(some, np.ndarray):
        return some.dtype == other.dtype and np.array_equal(some, other)
    if isinstance(some, torch.Tensor):
        return some.dtype == other.dtype and torch.equal(some, other)
    return bool(some == other)


def arrays_of(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from arrays_of(part)


# -- the checkers ----------------------------------------------------------------------------------------------------


@every_case
def test_gymnasiums_checker_has_no_complaint(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(case.make().unwrapped)


@every_case
def test_stable_baselines_checker_has_no_complaint(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="We recommend you to use a symmetric and normalized Box action space")
        sb3_check_env(case.make().unwrapped)


@every_case
def test_spaces_are_finite_and_kept(case: Case) -> None:
    env = case.make()
    assert np.isfinite(env.observation_space.low).all()
    assert np.isfinite(env.observation_space.high).all()
    observation, _ = env.reset(seed=0)
    for seen in [observation, *(step[0] for step in play(env))]:
        assert seen.dtype == np.float32
        assert env.observation_space.contains(seen)


@every_case
def test_types_of_a_step(case: Case) -> None:
    env = case.make()
    env.reset(seed=0)
    for _, reward, terminated, truncated, info in play(env):
        assert type(reward) is float
        assert type(terminated) is type(truncated) is bool
        assert not truncated
        plain(info)


def plain(value: Any) -> None:
    """Infos hold Python's and NumPy's types, and no NaN."""
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for part in value.values():
            plain(part)
        return
    assert isinstance(value, (bool, int, float, str, np.ndarray)), type(value)
    if not isinstance(value, str):
        assert np.isfinite(value).all()


# -- determinism -----------------------------------------------------------------------------------------------------


@every_case
def test_two_in_lockstep_are_the_same_whatever_else_draws(case: Case) -> None:
    one, other = case.make(), case.make()
    other.reset(seed=4)
    play(other, 3)
    states = [env.reset(seed=3) for env in (one, other)]
    assert same(*states)
    for _ in range(2):
        for action in actions_of(one):
            torch.rand(2), np.random.rand(2), random.random()  # noqa: NPY002
            steps = [env.step(action) for env in (one, other)]
            assert same(*steps)
            if steps[0][2]:
                break
        assert same(*(env.reset() for env in (one, other)))  # deterministic after a seeded reset
    assert same(one.unwrapped.state_dict(), other.unwrapped.state_dict())


@first_of_each
def test_numpys_whole_numbers_do_as_pythons(case: Case) -> None:
    numbers = SMALL[case.id] | {"limit": 9, "data_seed": 1}
    traces = []
    for kind in (int, np.uint8, np.int64):
        env = case.make(**{name: kind(number) for name, number in numbers.items()})
        env.reset(seed=0)
        traces.append(play(env))
    assert same(traces[0], traces[1])
    assert same(traces[0], traces[2])


@every_case
def test_another_seed_is_another_episode(case: Case) -> None:
    env = case.make()
    first = env.reset(seed=1)[0], play(env)
    second = env.reset(seed=2)[0], play(env)
    assert not same(first, second)


@every_case
def test_global_generators_are_not_moved(case: Case) -> None:
    def state() -> Any:
        name, keys, *rest = np.random.get_state()  # noqa: NPY002
        return random.getstate(), name, keys.copy(), rest, torch.get_rng_state()

    before = state()
    env = case.make(render_mode="rgb_array")
    env.reset(seed=0)
    play(env)
    env.render()
    env.unwrapped.evaluate("val")
    env.reset()
    env.unwrapped.load_state_dict(env.unwrapped.state_dict())
    assert same(state(), before)


@contextlib.contextmanager
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": functools.partial(torch.autocast, "cpu", torch.bfloat16),
    "float64": float64_by_default,
}


@every_case
@pytest.mark.parametrize("mode", MODES)
def test_a_loop_may_run_in_any_mode_of_pytorch(case: Case, mode: str) -> None:
    plain, inside, both = case.make(), case.make(), case.make()
    expected = [plain.reset(seed=1), future(plain)]
    with MODES[mode]():
        assert same([inside.reset(seed=1), future(inside)], expected)
        both.reset(seed=1)
        state = both.unwrapped.state_dict()
    both.unwrapped.load_state_dict(state)  # and go on in another
    assert same(future(both.unwrapped), expected[1])
    assert torch.get_default_dtype() is torch.float32


# -- the state -------------------------------------------------------------------------------------------------------


def future(env: gym.Env[Any, Any]) -> list[Any]:
    """The rest of the episode, the next one, and the scores then."""
    rest = play(env, seed=1)
    return [rest, env.reset(), play(env, seed=2), env.unwrapped.evaluate("test")]


def length_of(case: Case) -> int:
    env = case.make()
    env.reset(seed=0)
    return len(play(env))


@every_case
@pytest.mark.parametrize("moment", ["start", "middle", "before the last step", "second episode"])
def test_a_state_branches_the_run(case: Case, moment: str) -> None:
    length = length_of(case)
    env = case.make()
    env.reset(seed=5)
    if moment == "second episode":
        play(env)
        env.reset()
    play(env, {"start": 0, "before the last step": length - 1}.get(moment, length // 2))
    state = env.unwrapped.state_dict()
    copied = copy.deepcopy(state)
    expected = future(env)
    assert same(state, copied), "living on changed the saved state"
    fresh, used = case.make(), case.make()
    used.reset(seed=6)
    play(used, 2)
    for other, branch in ((fresh, state), (used, copied), (env, copied)):
        other.unwrapped.load_state_dict(branch)
        unwrapped = other.unwrapped  # a fresh wrapper would ask for a reset of its own
        assert same(future(unwrapped), expected)
        assert same(unwrapped.state_dict(), env.unwrapped.state_dict())
    assert same(state, copied), "loading it tied an environment to the state"


@first_of_each
def test_a_state_after_the_end(case: Case) -> None:
    env, other = case.make(), case.make()
    env.reset(seed=0)
    play(env)
    other.unwrapped.load_state_dict(env.unwrapped.state_dict())
    with pytest.raises(ResetNeeded):
        other.unwrapped.step(env.action_space.sample())
    assert same(other.unwrapped.reset(), env.reset())


def pickled(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    return pickle.loads(pickle.dumps(env))  # type: ignore[no-any-return]


@every_case
@pytest.mark.parametrize("copy_of", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_copies_come_back_with_their_state(case: Case, copy_of: Any, wrapped: bool) -> None:
    env = case.make() if wrapped else case.make().unwrapped
    before_reset = copy_of(env)
    assert same(before_reset.reset(seed=2), env.reset(seed=2))
    play(env, 3)
    mid_walk = copy_of(env)
    for ours, theirs in ((mid_walk.spec, env.spec), (mid_walk.unwrapped.spec, env.unwrapped.spec)):
        assert (ours.id, ours.entry_point, ours.kwargs.keys()) == (theirs.id, theirs.entry_point, theirs.kwargs.keys())
    assert same(future(mid_walk), future(env))


@first_of_each
def test_a_step_or_a_state_needs_a_reset(case: Case) -> None:
    env = case.make().unwrapped
    action = env.action_space.sample()
    for call in (lambda: env.step(action), env.state_dict, lambda: env.evaluate("val")):
        with pytest.raises(ResetNeeded):
            call()
    env.reset(seed=0)
    play(env)
    for _ in range(2):
        with pytest.raises(ResetNeeded):
            env.step(action)
    env.evaluate("val")
    env.reset()
    env.step(action)


# -- memory ----------------------------------------------------------------------------------------------------------


@every_case
def test_no_two_calls_share_memory(case: Case) -> None:
    env = case.make()
    calls: list[Any] = []
    for _ in range(2):
        calls += [env.reset(), *play(env)]
    arrays = [list(arrays_of(call)) for call in calls]
    for place, one in enumerate(arrays):
        for other in arrays[place + 1 :]:
            assert not any(np.shares_memory(a, b) for a in one for b in other)


@every_case
def test_writing_into_what_it_returned_does_no_harm(case: Case) -> None:
    one, other = case.make(), case.make()
    states = [env.reset(seed=0) for env in (one, other)]
    for _ in range(2):
        for action in actions_of(one):
            for array in arrays_of(states[1]):
                array[...] = np.zeros_like(array)
            states = [env.step(action) for env in (one, other)]
            assert same(*states)
            if states[0][2]:
                break
        states = [env.reset() for env in (one, other)]


# -- the rest --------------------------------------------------------------------------------------------------------


@first_of_each
def test_the_test_split_is_never_read(case: Case) -> None:
    """Its images are another's: nothing but `evaluate("test")` may differ."""
    other = Splits(SPLITS.train, SPLITS.val, tiny_data.split(7, side=8, seed=99), SPLITS.classes)
    envs = [case.make(), case.make(other)]
    assert same(*(env.reset(seed=0) for env in envs))
    assert same(*(play(env) for env in envs))
    assert same(*(env.reset() for env in envs))
    assert same(*(env.unwrapped.evaluate("val") for env in envs))


@first_of_each
def test_unknown_options_and_splits(case: Case) -> None:
    env = case.make()
    env.reset(seed=0)
    play(env, 2)
    state = env.unwrapped.state_dict()
    with pytest.raises(ValueError, match=r"^options: 'frozen' is unknown"):
        env.reset(seed=3, options={"frozen": True})
    for split in ("train", "validation", None):
        with pytest.raises(ValueError, match=r"^split: .*'val', 'test'"):
            env.unwrapped.evaluate(split)
    assert same(env.unwrapped.state_dict(), state)


@first_of_each
def test_an_interrupted_first_reset_can_be_repeated(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_gym.training import Trainer

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    # Epochs that no other test has left in the cache.
    more = {"pretrain_epochs": 3} if case.id == "ImageSelect-v0" else {}
    env = case.make(**more).unwrapped
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            env.reset(seed=0)
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    env.reset()
    other = case.make(**more)
    assert same(env.reset(seed=0), other.reset(seed=0))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as a worker takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@first_of_each
def test_workers_that_are_spawned(case: Case, one_thread: None) -> None:
    makers = [case.make] * 2
    envs = gym.vector.AsyncVectorEnv(makers, context="spawn")
    try:
        alone = gym.vector.SyncVectorEnv(makers)
        assert same(envs.reset(seed=1)[0], alone.reset(seed=1)[0])
        envs.action_space.seed(0)
        for _ in range(length_of(case)):
            actions = envs.action_space.sample()
            theirs, ours = envs.step(actions), alone.step(actions)
            assert same(theirs[:4], ours[:4])
        assert theirs[2].all()
    finally:
        envs.close()


@first_of_each
def test_frames(case: Case) -> None:
    env = case.make(render_mode="rgb_array")
    env.reset(seed=0)
    frames = [env.render()]
    for action in actions_of(env):
        done = env.step(action)[2]
        frames.append(env.render())
        if done:
            break
    assert {(frame.dtype, frame.shape) for frame in frames} == {(np.dtype(np.uint8), frames[0].shape)}
    assert frames[0].ndim == 3
    assert frames[0].shape[2] == 3
    assert all((one != other).any() for one, other in itertools.pairwise(frames))
    frames[0][...] = 0  # a frame belongs to its receiver
    with pytest.raises(ResetNeeded):
        case.make(render_mode="rgb_array").unwrapped.render()


@first_of_each
def test_the_window_of_human(case: Case) -> None:
    env = case.make(render_mode="human")
    env.reset(seed=0)
    assert env.render() is None
    env.close()
    env.close()


@first_of_each
def test_videos(case: Case, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gym.wrappers.RecordVideo(case.make(render_mode="rgb_array"), str(tmp_path), disable_logger=True)
        env.reset(seed=0)
        play(env)
        env.close()
    (video,) = tmp_path.glob("*.mp4")
    assert video.stat().st_size > 1000


@pytest.mark.parametrize("kind", [ImageSelectEnv, RegTuneEnv])
def test_keywords_are_those_of_the_signature_whatever_a_debugger_adds(kind: type) -> None:
    def debugger(frame: Any, event: str, argument: Any) -> Any:
        frame.f_locals["__return__"] = argument  # as pdb does, in the dictionary that `locals()` returns up to 3.12
        return debugger

    before = sys.gettrace()
    sys.settrace(debugger)
    try:
        env = kind(dataset=SPLITS)
    finally:
        sys.settrace(before)
    again = pickle.loads(pickle.dumps(env))
    assert list(again._keywords) == list(env._keywords) == list(inspect.signature(kind).parameters)
