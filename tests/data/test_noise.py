import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_gym.data import Split, Splits, load, noise

CLASSES = 5


def split_of(count: int, channels: int = 1, size: int = 8, seed: int = 0) -> Split:
    """Images that all differ, and cannot be written to, as those of the cache."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, channels, size, size), np.uint8)
    labels = rng.integers(0, CLASSES, count)
    pixels.flags.writeable = labels.flags.writeable = False
    return Split(pixels, labels)


def apply(split: Split, asked: object, seed: int = 0) -> Split:
    return noise.apply(split, asked, CLASSES, np.random.default_rng(seed))


def resized(part: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BILINEAR))


def cut(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """A box (left, top, right, bottom) of a one-channel image, cut out and resized by Pillow alone."""
    picture = Image.fromarray(image[0])
    return np.asarray(picture.crop(box).resize(picture.size, Image.Resampling.BILINEAR))[None]


def test_half_face_by_hand() -> None:
    # Doubled, a new pixel lies a quarter off an old one's centre: 3/4 of it and 1/4 of the next.
    image = np.array([[[0, 80, 100, 200]]], np.uint8)
    assert noise.half_face(image, right=False).tolist() == [[[0, 20, 60, 80]]]
    assert noise.half_face(image, right=True).tolist() == [[[100, 125, 175, 200]]]
    assert noise.half_face(image[:, :, ::3], right=False).tolist() == [[[0, 0]]]


def test_none_face_by_hand() -> None:
    # An 8x8 image whose corner squares, two pixels wide, are of one grey each.
    image = np.full((1, 8, 8), 255, np.uint8)
    image[0, :2, :2], image[0, :2, 6:], image[0, 6:, :2], image[0, 6:, 6:] = 1, 2, 3, 4
    for grey, (bottom, right) in enumerate([(False, False), (False, True), (True, False), (True, True)], start=1):
        assert (noise.none_face(image, bottom, right) == grey).all()
        assert (noise.none_face(image[:, ::2, ::2], bottom, right) == grey).all()  # one pixel


def test_cuts_are_pillow_crops() -> None:
    image = split_of(1, size=48).pixels[0]
    np.testing.assert_array_equal(noise.half_face(image, False), cut(image, (0, 0, 24, 48)))
    np.testing.assert_array_equal(noise.half_face(image, True), cut(image, (24, 0, 48, 48)))
    np.testing.assert_array_equal(noise.none_face(image, False, False), cut(image, (0, 0, 12, 12)))
    np.testing.assert_array_equal(noise.none_face(image, False, True), cut(image, (36, 0, 48, 12)))
    np.testing.assert_array_equal(noise.none_face(image, True, False), cut(image, (0, 36, 12, 48)))
    np.testing.assert_array_equal(noise.none_face(image, True, True), cut(image, (36, 36, 48, 48)))


def test_colour_is_cut_channel_by_channel() -> None:
    image = split_of(1, channels=3, size=12).pixels[0]
    for whole, plane in ((noise.half_face(image, True), 0), (noise.none_face(image, True, False), 2)):
        assert whole.shape == image.shape
        part = image[plane, :, 6:] if plane == 0 else image[plane, 9:, :3]
        np.testing.assert_array_equal(whole[plane], resized(part, 12, 12))


@given(
    count=st.integers(1, 60),
    parts=st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)).filter(any),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_faces(count: int, parts: tuple[int, int, int], seed: int) -> None:
    fractions = tuple(part / sum(parts) for part in parts)
    split = split_of(count)
    before = split.pixels.copy()
    noisy = apply(split, ("faces", fractions), seed)
    assert noisy.noise is not None
    counts = np.bincount(noisy.noise, minlength=3)
    assert len(counts) == 3
    for share, part in zip(counts, parts, strict=True):
        # Rounded up or down, and exact where it can be.
        assert part * count // sum(parts) <= share <= -(-part * count // sum(parts))
    np.testing.assert_array_equal(split.pixels, before)
    np.testing.assert_array_equal(noisy.labels, split.labels)
    np.testing.assert_array_equal(noisy.clean_labels, split.labels)
    for image, old, code in zip(noisy.pixels, split.pixels, noisy.noise, strict=True):
        could_be = {
            0: [old],
            1: [noise.half_face(old, right) for right in (False, True)],
            2: [noise.none_face(old, bottom, right) for bottom in (False, True) for right in (False, True)],
        }[int(code)]
        assert any(np.array_equal(image, cut) for cut in could_be)
    again = apply(split, ("faces", fractions), seed)
    np.testing.assert_array_equal(again.pixels, noisy.pixels)
    np.testing.assert_array_equal(again.noise, noisy.noise)


def test_every_half_and_corner_is_drawn_about_equally() -> None:
    size, count = 8, 4000
    # Only its column and row say where a pixel is from.
    image = np.zeros((1, size, size), np.uint8)
    image[0, :, size // 2 :] += 100
    image[0, size // 2 :] += 50
    split = Split(np.repeat(image[None], count, 0), np.zeros(count, np.int64))
    noisy = apply(split, ("faces", (0, 0.5, 0.5)))
    corners = noisy.pixels[:, 0, 0, 0]
    halves = np.bincount(corners[noisy.noise == 1] // 50, minlength=4)
    nones = np.bincount(corners[noisy.noise == 2] // 50, minlength=4)
    # Left 0 and right 2; five standard deviations of a coin and of two.
    assert np.abs(halves[[0, 2]] - 1000).max() < 5 * math.sqrt(2000 / 4)
    assert np.abs(nones - 500).max() < 5 * math.sqrt(2000 * 3 / 16)


@given(
    kind=st.sampled_from(["symmetric", "pair"]),
    count=st.integers(1, 80),
    rate=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_flips(kind: str, count: int, rate: float, seed: int) -> None:
    split = split_of(count)
    noisy = apply(split, (kind, rate), seed)
    assert noisy.noise is not None
    flipped = noisy.noise == 3
    assert flipped.sum() == round(rate * count)
    np.testing.assert_array_equal(flipped, noisy.labels != split.labels)
    np.testing.assert_array_equal(noisy.clean_labels, split.labels)
    assert noisy.pixels is split.pixels
    assert set(noisy.noise.tolist()) <= {0, 3}
    assert noisy.labels.min() >= 0
    assert noisy.labels.max() < CLASSES
    if kind == "pair":
        np.testing.assert_array_equal(noisy.labels[flipped], (split.labels[flipped] + 1) % CLASSES)
    np.testing.assert_array_equal(apply(split, (kind, rate), seed).labels, noisy.labels)


def test_symmetric_flips_reach_every_other_class_equally() -> None:
    count = 8000
    split = Split(np.zeros((count, 1, 1, 1), np.uint8), np.full(count, 2))
    reached = np.bincount(apply(split, ("symmetric", 1)).labels, minlength=CLASSES)
    assert reached[2] == 0
    assert np.abs(np.delete(reached, 2) - count / 4).max() < 5 * math.sqrt(count * 3 / 16)


def test_flips_per_class() -> None:
    labels = np.repeat(np.arange(CLASSES), [40, 30, 20, 10, 1])
    split = Split(np.zeros((len(labels), 1, 1, 1), np.uint8), labels)
    noisy = apply(split, ("per_class", (0.5, 0, 0.25, 1, 0)))
    assert noisy.noise is not None
    flipped = noisy.noise == 3
    assert np.bincount(labels[flipped], minlength=CLASSES).tolist() == [20, 0, 5, 10, 0]
    np.testing.assert_array_equal(flipped, noisy.labels != labels)
    np.testing.assert_array_equal(noisy.clean_labels, labels)


def test_duplicates() -> None:
    split = split_of(100, size=12)
    noisy = apply(split, ("duplicates", (0.6, 0.1)))
    assert noisy.noise is not None
    copies = noisy.noise == 5
    assert copies.sum() == 60
    np.testing.assert_array_equal(noisy.pixels[~copies], split.pixels[~copies])
    np.testing.assert_array_equal(noisy.labels[~copies], split.labels[~copies])
    np.testing.assert_array_equal(noisy.clean_labels, noisy.labels)
    found = [origin_of(noisy.pixels[index, 0], split.pixels[:, 0]) for index in np.flatnonzero(copies)]
    sources, rows, columns, lights = (np.array(each) for each in zip(*found, strict=True))
    assert not copies[sources].any()
    np.testing.assert_array_equal(noisy.labels[copies], split.labels[sources])
    assert len(set(sources)) == 10
    assert set(rows) == set(columns) == {-1, 0, 1}
    assert min(lights) < -4
    assert max(lights) > 4


def origin_of(copy: np.ndarray, images: np.ndarray) -> tuple[int, int, int, int]:
    """The only image that a copy can be of, the rows and columns that it is moved by, and how much lighter it is."""
    places = np.arange(len(copy))
    found = []
    for row, column in itertools.product((-1, 0, 1), repeat=2):
        # What leaves the picture is lost; the edge is repeated where nothing comes in.
        moved = images[:, np.clip(places - row, 0, len(copy) - 1)][:, :, np.clip(places - column, 0, len(copy) - 1)]
        for light in range(-8, 9):
            same = (np.clip(moved.astype(int) + light, 0, 255) == copy).all(axis=(1, 2))
            found += [(int(image), row, column, light) for image in np.flatnonzero(same)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("asked", "copies"), [((0.5, 1e-3), 5), ((0.8, 1e-3), 8), ((1.0, 1e-10), 9)])
def test_one_image_at_least_is_a_source(asked: tuple[float, float], copies: int) -> None:
    split = split_of(10, size=12)
    noisy = apply(split, ("duplicates", asked))
    assert noisy.noise is not None
    assert (noisy.noise == 5).sum() == copies
    assert len({origin_of(noisy.pixels[index, 0], split.pixels[:, 0])[0] for index in np.flatnonzero(noisy.noise)}) == 1


def test_labels_of_two_classes_are_flipped_and_of_one_refused() -> None:
    two = Split(split_of(10).pixels, np.arange(10) % 2)
    flipped = noise.apply(two, ("symmetric", 1.0), 2, np.random.default_rng(0))
    np.testing.assert_array_equal(flipped.labels, 1 - two.labels)
    with pytest.raises(ValueError, match=r"noise: 'pair' is not allowed for a single class"):
        noise.apply(two, ("pair", 0.5), 1, np.random.default_rng(0))


@pytest.mark.parametrize("asked", ["faces", ("symmetric", 0.4), ("pair", 0.4), ("duplicates", (0.4, 0.1))])
def test_another_seed_is_another_draw(asked: object) -> None:
    split = split_of(40)
    one, other = apply(split, asked, 0), apply(split, asked, 1)
    assert not np.array_equal(one.noise, other.noise)


def test_none_and_defaults() -> None:
    split = split_of(8)
    assert apply(split, None) is split
    np.testing.assert_array_equal(apply(split, "faces").noise, apply(split, ("faces", (0.5, 0.25, 0.25))).noise)
    assert np.bincount(apply(split, "faces").noise).tolist() == [4, 2, 2]
    assert np.bincount(apply(split, ("faces", [0.2, 0.3, 0.5])).noise).tolist() == [2, 2, 4]
    assert np.bincount(apply(split, ("faces", [0.3333333, 0.3333333, 0.3333333])).noise).tolist() == [3, 3, 2]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("half", 'use None, "faces"'),
        ("symmetric", '("symmetric", rate)'),
        (("faces", (0.5, 0.25)), "three fractions"),
        (("faces", (0.5, 0.25, 0.3)), "sum to 1.05"),
        (("faces", (1.5, -0.25, -0.25)), "rates in [0, 1]"),
        (("faces", 0.5), "three fractions"),
        (("faces", ("a", "b", "c")), "rates in [0, 1]"),
        (("symmetric", 1.1), "rates in [0, 1]"),
        (("symmetric", -0.1), "rates in [0, 1]"),
        (("symmetric", math.nan), "rates in [0, 1]"),
        (("symmetric", True), "rates in [0, 1]"),
        (("symmetric", None), "allowed"),
        (("pair", (0.1, 0.2)), '("pair", rate)'),
        (("per_class", None), "allowed"),
        (("per_class", (0.1, 0.2)), "use 7 rates"),
        (("duplicates", 0.5), "(share, sources)"),
        (("duplicates", (0.8, 0.3)), "both together at most 1"),
        (("duplicates", (0.8, 0.0)), "more than 0 and"),
        (("ferplus", 0.5), "allowed"),
        (("swap", 0.5), "allowed"),
        (("pair", 0.1, 0.2), "allowed"),
        (0.5, "allowed"),
        ({"faces": 1}, "allowed"),
    ],
)
def test_what_is_not_allowed(asked: object, said: str) -> None:
    with pytest.raises(ValueError, match=r"noise: .* is not allowed") as error:
        load("synthetic", noise=asked)
    assert said in str(error.value)
    assert f"noise: {asked!r} is not allowed" in str(error.value)


def test_ferplus_needs_votes() -> None:
    with pytest.raises(ValueError, match="use it for 'fer2013', which FER\\+ has votes on"):
        apply(split_of(3), "ferplus")
    with pytest.raises(ValueError, match="use it for 'fer2013', which FER\\+ has votes on"):
        load("synthetic", noise="ferplus")
    marked = Split(split_of(3).pixels, np.arange(3), np.arange(3), np.array([0, 4, 0], np.int8))
    assert apply(marked, "ferplus") is marked
    assert isinstance(load(Splits(marked, marked, marked, ("a", "b", "c")), noise="ferplus"), Splits)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("none", None),
        ("faces", ("faces", (0.5, 0.25, 0.25))),
        ("faces:.5,.3,.2", ("faces", (0.5, 0.3, 0.2))),
        ("symmetric:0.2", ("symmetric", (0.2,))),
        ("pair:1", ("pair", (1.0,))),
        ("per_class:.5,0,1", ("per_class", (0.5, 0.0, 1.0))),
        ("duplicates:.75,.05", ("duplicates", (0.75, 0.05))),
        ("ferplus", ("ferplus", ())),
    ],
)
def test_parse(text: str, meant: object) -> None:
    assert noise.parse(text) == meant
    assert noise.check(noise.parse(text)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none:1",
        "face",
        "faces:",
        "faces:.5,.5",
        "faces:1,1,1",
        "symmetric",
        "pair:x",
        "pair:2",
        "ferplus:1",
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="is not allowed; use none, faces, faces:FULL,HALF,NONE") as error:
        noise.parse(text)
    assert repr(text) in str(error.value)
