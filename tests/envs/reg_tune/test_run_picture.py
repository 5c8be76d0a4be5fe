"""The picture of a run: every curve lies where its numbers say, and no run breaks it."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from fer_gym.envs.reg_tune import picture as run_picture
from fer_gym.envs.reg_tune.picture import RunPicture

WORST = 10 * math.log(7)
PLOTS = slice(run_picture._LEFT, run_picture._RIGHT)
FOUR = {
    "input_noise": (0.0, 0.3),
    "feature_noise": (0.0, 1.0),
    "label_smoothing": (0.05, 0.2),
    "a_regulariser_of_my_own_with_a_long_name": (1e-5, 1e-4),
}
ONE = {"dropout": (0.0, 0.8)}
TWELVE = {f"number {i}": (0.0, 1.0) for i in range(12)}
Run = dict[str, Any]


def picture(chunks: int = 40, bounds: dict[str, tuple[float, float]] = ONE, warmup: bool = True) -> RunPicture:
    return RunPicture(list(bounds), list(bounds.values()), chunks, WORST, warmup)


def run(count: int, bounds: dict[str, tuple[float, float]] = ONE, size: int = 20, **changes: Any) -> Run:
    """A run of `count` chunks, its lists replaced by `changes`."""
    generator = np.random.default_rng(0)
    low, high = np.array(list(bounds.values())).T
    f1 = np.linspace(0.05, 0.9, count)
    return {
        "train_losses": list(generator.uniform(0.3, 1.9, (count, size)).astype(np.float32)),
        "val_losses": list(generator.uniform(0.5, 1.5, count)),
        "train_f1": list(f1),
        "val_f1": list(0.8 * f1),
        "strengths": list(generator.uniform(low, high, (count, len(bounds))).astype(np.float32)),
        "diverged": False,
        **changes,
    }


NOTHING = run(0)


def rows(frame: np.ndarray, colour: tuple[int, int, int], top: int, bottom: int) -> np.ndarray:
    """The rows of the plot between `top` and `bottom` that have pixels of `colour`."""
    return top + np.flatnonzero((frame[top:bottom, PLOTS] == colour).all(-1).any(1))


def columns(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The columns of the plots that have pixels of `colour`."""
    return PLOTS.start + np.flatnonzero((frame[:, PLOTS] == colour).all(-1).any(0))


def middle(frame: np.ndarray, colour: tuple[int, int, int], top: int, bottom: int) -> float:
    """The height of the only, level line of `colour`; its marks and its width are the same above and below."""
    found = rows(frame, colour, top, bottom)
    assert 1 <= len(found) <= 6
    return float(found.mean())


def losses_at(frame: np.ndarray, colour: tuple[int, int, int]) -> float:
    return middle(frame, colour, run_picture._LOSS_TOP, run_picture._LOSS_BOTTOM)


def f1_at(frame: np.ndarray, colour: tuple[int, int, int]) -> float:
    return middle(frame, colour, run_picture._F1_TOP, run_picture._F1_BOTTOM)


CASES = {
    "nothing": (picture(), NOTHING),
    "nothing, no warm-up": (picture(warmup=False), NOTHING),
    "warm-up alone": (picture(), run(1, val_losses=[], val_f1=[])),
    "one chunk of one": (picture(1, warmup=False), run(1)),
    "one chunk of 500": (picture(500), run(2)),
    "40 chunks": (picture(), run(41)),
    "40 chunks, four strengths": (picture(bounds=FOUR), run(41, FOUR)),
    "500 chunks": (picture(500), run(501)),
    "500 chunks, four strengths": (picture(500, FOUR), run(501, FOUR)),
    "chunks of one loss": (picture(), run(41, size=1)),
    "twelve strengths": (picture(bounds=TWELVE), run(20, TWELVE)),
    "blown up": (picture(), run(3, train_losses=[np.full(20, WORST)] * 3, val_losses=[WORST] * 3)),
    "zeros": (picture(), run(9, train_losses=[np.zeros(20)] * 9, val_losses=[0.0] * 9, train_f1=[0.0] * 9)),
    "tiny": (picture(), run(9, train_losses=[np.full(20, 1e-7)] * 9, val_losses=[1e-7] * 9)),
    "diverged": (picture(), run(9, train_losses=[np.full(20, np.inf)] * 9, val_losses=[math.nan] * 9, diverged=True)),
    "diverged at once": (picture(), run(0, diverged=True)),
    "unknown": (picture(), run(2, train_losses=[np.full(20, np.nan)] * 2, val_losses=[math.nan] * 2)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES)
def test_every_run_has_a_clean_frame(case: str) -> None:
    drawn, given = CASES[case]
    frame = drawn.draw(**given)
    assert frame.dtype == np.uint8
    # Video encoders want even sides.
    assert frame.shape == (768 if case.startswith("twelve") else 480, 640, 3)
    assert np.array_equal(drawn.draw(**given), frame)
    # Nothing is cut off at the sides, and no curve leaves the plots.
    edge = np.concatenate([frame[:2], frame[-2:], frame[:, :2].swapaxes(0, 1), frame[:, -2:].swapaxes(0, 1)], axis=1)
    assert (edge == run_picture._PAPER).all()
    for colour in (run_picture._TRAINING, run_picture._VALIDATION, run_picture._STRENGTH):
        found = np.argwhere((frame == colour).all(-1))[:, 1]
        assert ((found > PLOTS.start) & (found != PLOTS.stop)).all()
        assert (found[found > PLOTS.stop] >= run_picture._SWATCHES).all()


@pytest.mark.parametrize("changed", ["train_losses", "val_losses", "train_f1", "val_f1", "strengths", "diverged"])
def test_every_list_is_drawn(changed: str) -> None:
    given = run(5)
    other = given | {changed: True if changed == "diverged" else [0.5 * value for value in given[changed]]}
    assert not np.array_equal(picture().draw(**given), picture().draw(**other))


def test_every_chunk_is_another_picture() -> None:
    same = {"val_losses": [], "train_f1": [], "val_f1": []}
    frames = [
        picture(500).draw(**run(n, train_losses=[np.ones(2)] * n, strengths=[np.zeros(1)] * n, **same))
        for n in range(5)
    ]
    assert all(not np.array_equal(one, other) for one, other in itertools.combinations(frames, 2))


def test_a_frame_depends_on_its_run_alone() -> None:
    drawn, runs = picture(), [run(3), run(2, val_losses=[WORST, 9.0]), NOTHING, run(3)]
    frames = [drawn.draw(**given) for given in runs]
    assert all(np.array_equal(frame, picture().draw(**given)) for frame, given in zip(frames, runs, strict=True))
    frames[0][...] = 0  # a frame belongs to its receiver
    assert np.array_equal(drawn.draw(**run(3)), frames[3])


@pytest.mark.parametrize("count", [1, 9, 41])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("bounds", [ONE, FOUR], ids=len)
def test_a_constant_strength(bounds: dict[str, tuple[float, float]], share: float, count: int) -> None:
    low, high = np.array(list(bounds.values())).T
    drawn = picture(bounds=bounds)
    frame = drawn.draw(**run(count, bounds, strengths=[low + share * (high - low)] * count))
    for lane in drawn._lanes:
        top, bottom = lane.top + run_picture._INSET, lane.bottom - run_picture._INSET
        expected = bottom - share * (bottom - top)
        assert middle(frame, run_picture._STRENGTH, lane.top, lane.bottom) == pytest.approx(expected, abs=1.0)


def test_a_level_f1() -> None:
    heights = [
        [f1_at(frame, run_picture._TRAINING), f1_at(frame, run_picture._VALIDATION)]
        for frame in (picture().draw(**run(9, train_f1=[1 - f1] * 9, val_f1=[f1] * 9)) for f1 in (0.0, 0.25, 1.0))
    ]
    top, bottom = run_picture._F1_TOP + run_picture._INSET, run_picture._F1_BOTTOM - run_picture._INSET
    quarter = (bottom - top) / 4
    expected = [[top, bottom], [top + quarter, bottom - quarter], [bottom, top]]
    np.testing.assert_allclose(heights, expected, atol=1.0)


@pytest.mark.parametrize(("loss", "highest"), [(3.0, 3.0), (1.1, 1.5), (0.02, 0.02), (0.0, 1.0), (15.5, 20.0)])
def test_a_level_loss(loss: float, highest: float) -> None:
    frame = picture().draw(**run(9, train_losses=[np.full(20, loss)] * 9, val_losses=[loss / 2] * 9))
    top, bottom = run_picture._LOSS_TOP + run_picture._INSET, run_picture._LOSS_BOTTOM - run_picture._INSET
    pixels = (bottom - top) / highest
    if loss:  # else the one line hides the other
        assert losses_at(frame, run_picture._TRAINING) == pytest.approx(bottom - loss * pixels, abs=1.0)
    assert losses_at(frame, run_picture._VALIDATION) == pytest.approx(bottom - loss / 2 * pixels, abs=1.0)


def test_the_losses_of_a_chunk_follow_each_other() -> None:
    """A rise within one chunk is a rise from left to right."""
    frame = picture(1, warmup=False).draw(**run(1, train_losses=[np.linspace(0, 4, 20)], val_losses=[]))
    plot = frame[run_picture._LOSS_TOP : run_picture._LOSS_BOTTOM, PLOTS]
    places = np.argwhere((plot == run_picture._TRAINING).all(-1))
    assert np.corrcoef(places.T)[0, 1] < -0.99
    assert columns(frame, run_picture._TRAINING)[0] > (PLOTS.start + PLOTS.stop) / 2


def test_losses_beyond_the_bound_are_at_it() -> None:
    beyond = run(3, train_losses=[np.ones(4), np.ones(4), np.array([1, 99, np.inf, WORST])], val_losses=[1.0, np.inf])
    at_it = run(3, train_losses=[np.ones(4), np.ones(4), np.array([1, *[WORST] * 3])], val_losses=[1.0, WORST])
    assert np.array_equal(picture().draw(**beyond), picture().draw(**at_it))


def test_lists_end_together_and_nan_is_a_gap() -> None:
    nan = math.nan
    shorter = run(3, val_losses=[1.0, 0.5], val_f1=[0.5])
    filled = run(3, val_losses=[nan, 1.0, 0.5], val_f1=[nan, nan, 0.5])
    assert np.array_equal(picture().draw(**shorter), picture().draw(**filled))
    gap = picture().draw(**run(20, val_losses=[*[1.0] * 8, *[nan] * 4, *[1.0] * 8], val_f1=[]))
    widest = np.diff(columns(gap, run_picture._VALIDATION)).max()
    assert widest == pytest.approx(5 * (PLOTS.stop - PLOTS.start) / 41, abs=6)


@pytest.mark.parametrize("chunks", [1, 40, 500])
def test_the_place_of_a_chunk(chunks: int) -> None:
    """Chunk 0 is at the left, the last one at the right, whether or not there is a warm-up."""
    alone = {"train_losses": [np.full(20, np.nan)], "val_losses": [], "train_f1": [], "val_f1": []}
    width = (PLOTS.stop - PLOTS.start - 2 * run_picture._INSET) / (chunks + 1)
    for chunk, warmup in ((0, True), (1, False)):
        found = columns(picture(chunks, warmup=warmup).draw(**run(1, **alone)), run_picture._STRENGTH)
        left = PLOTS.start + run_picture._INSET + chunk * width
        assert found[0] == pytest.approx(left, abs=3)
        assert found[-1] == pytest.approx(left + width, abs=3)
    for count, warmup in ((chunks + 1, True), (chunks, False)):
        every = run(count)
        found = columns(picture(chunks, warmup=warmup).draw(**every), run_picture._STRENGTH)
        assert found[-1] == pytest.approx(PLOTS.stop - run_picture._INSET, abs=3)


def test_means_lie_in_the_middle_of_their_chunk() -> None:
    frame = picture(9, warmup=False).draw(**run(1, val_f1=[], val_losses=[1.0]))
    means, strengths = (columns(frame, colour) for colour in (run_picture._VALIDATION, run_picture._STRENGTH))
    assert means.mean() == pytest.approx((strengths[0] + strengths[-1]) / 2, abs=2)


def test_a_diverged_run_ends_with_a_line() -> None:
    frame = picture().draw(**run(9, diverged=True))
    column = frame[:, columns(frame, run_picture._STRENGTH)[-1] - run_picture._MARK]
    assert ((column == run_picture._INK).all(-1)).mean() > 0.7


def test_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    drawn = picture(bounds=FOUR)
    drawn.close()
    drawn.show(drawn.draw(**run(2, FOUR)), 1000)
    drawn.close()
    drawn.close()
