"""Draws the documentation's pictures from the package's own code: `python docs/make_figures.py`."""

from pathlib import Path

import gymnasium as gym
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_gym.benchmark import records
from fer_gym.benchmark.report import summary
from fer_gym.benchmark.report.drawing import COLOURS, panel
from fer_gym.benchmark.report.statistics import normalised
from fer_gym.benchmark.spec.arms import RL_SELECTORS
from fer_gym.data import DRAWN
from fer_gym.data.contact_sheet import contact_sheet
from fer_gym.data.noise import half_face, none_face
from fer_gym.data.synthetic import CLASSES, draw_picture
from fer_gym.tasks import CURRENT, TASKS
from fer_gym_agents import Reinforce

SIDE, GAP, MARGIN, LINE = 120, 12, 16, 18
INK, FRAME = "#222222", "#d55e00"


def face_cuts() -> Image.Image:
    """Two embedded faces, a row each: whole, both halves, and two of the corners, with the cut marked."""
    rows = [draw_picture(name, np.random.default_rng(seed)) for name, seed in (("happy", 3), ("surprise", 8))]
    titles = ("full face", "half face: left", "half face: right", "none face: top left", "none face: bottom right")
    font = ImageFont.load_default(LINE - 6)
    width = 2 * MARGIN + len(titles) * (SIDE + GAP) - GAP
    picture = Image.new("RGB", (width, MARGIN + LINE + len(rows) * (SIDE + GAP) - GAP + MARGIN), "white")
    pen = ImageDraw.Draw(picture)
    for column, title in enumerate(titles):
        pen.text((MARGIN + column * (SIDE + GAP), MARGIN), title, fill=INK, font=font, anchor="lt")
    for row, face in enumerate(rows):
        image = face[None]
        cuts = (
            image,
            half_face(image, right=False),
            half_face(image, right=True),
            none_face(image, bottom=False, right=False),
            none_face(image, bottom=True, right=True),
        )
        top = MARGIN + LINE + row * (SIDE + GAP)
        for column, cut in enumerate(cuts):
            picture.paste(enlarged(cut), (MARGIN + column * (SIDE + GAP), top))
        # Where the cuts are taken from: the middle line, and the two corner squares.
        left, quarter = MARGIN, SIDE // 4
        pen.line((left + SIDE // 2, top, left + SIDE // 2, top + SIDE - 1), fill=FRAME)
        pen.rectangle((left, top, left + quarter - 1, top + quarter - 1), outline=FRAME)
        pen.rectangle((left + SIDE - quarter, top + SIDE - quarter, left + SIDE - 1, top + SIDE - 1), outline=FRAME)
    return picture


def expressions() -> Image.Image:
    """A row of embedded faces for each expression."""
    columns, side = 8, 48
    font = ImageFont.load_default(LINE - 5)
    first = MARGIN + 72
    picture = Image.new("RGB", (first + columns * (side + 4) + MARGIN, 2 * MARGIN + len(CLASSES) * (side + 4)), "white")
    pen = ImageDraw.Draw(picture)
    for row, name in enumerate(CLASSES):
        top = MARGIN + row * (side + 4)
        pen.text((MARGIN, top + side // 2), name, fill=INK, font=font, anchor="lm")
        for column in range(columns):
            face = draw_picture(name, np.random.default_rng([row, column]))
            picture.paste(enlarged(face[None], side), (first + column * (side + 4), top))
    # All is grey, and few greys make a small file.
    return picture.convert("L").quantize(32)


def walk() -> list[Image.Image]:
    """A walk of REINFORCE after its training in a calibrated task, in steps of a few images."""
    name = "ImageSelect-Junk-v1"
    env = gym.make(f"fer_gym:{name}", render_mode="rgb_array", device="cpu")
    agent = Reinforce(env, seed=0)
    agent.learn(TASKS[name].episodes * env.get_wrapper_attr("num_images"))
    observation, _ = env.reset(seed=0)
    # Greys, and the colours of retained and removed: few, for a small file.
    palette = Image.new("P", (1, 1))
    palette.putpalette([*np.repeat(np.linspace(0, 250, 21, dtype=int), 3).tolist(), 22, 128, 61, 185, 28, 28])
    frames, over = [], False
    while not over:
        for _ in range(150):
            observation, _, over, _, _ = env.step(int(agent.predict(observation, deterministic=True)[0]))
            if over:
                break
        frame = Image.fromarray(env.render()).resize((480, 270), Image.Resampling.LANCZOS)
        frames.append(frame.quantize(palette=palette, dither=Image.Dither.NONE))
    return frames


def run() -> Image.Image:
    """The last frame of an episode of RegTune-v0 on the embedded faces: more and more dropout, some noise."""
    env = gym.make(
        "fer_gym:RegTune-v0",
        limit=1000,
        regularizers={"dropout": (0.0, 0.8), "input_noise": (0.0, 0.1)},
        chunks=20,
        chunk_size=20,
        val_batches=10,
        batch_size=32,
        precision="fp32",
        device="cpu",
        render_mode="rgb_array",
    )
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for rate in np.linspace(0.0, 0.8, 20):
        env.step(np.array([rate, rng.uniform(0.0, 0.1)], np.float32))
    # Few colours: 64 of them make a third of the file.
    return Image.fromarray(env.render()).quantize(64)


def task(name: str) -> Image.Image:
    """What is hard about a calibrated task: its training images, or a run in which nothing is regularised."""
    env = gym.make(f"fer_gym:{name}", render_mode="rgb_array", precision="fp32", device="cpu")
    if TASKS[name].env_id == "ImageSelect-v0":
        splits = env.unwrapped.splits
        return contact_sheet(splits.train, splits.classes, per_class=8).quantize(64)
    env.reset(seed=0)
    for _ in range(env.get_wrapper_attr("chunks")):
        env.step(env.action_space.low)
    return Image.fromarray(env.render()).quantize(64)


def scores(name: str) -> bytes:
    """Every agent's normalised score in a calibrated task, from the committed records: an SVG."""
    known, places = TASKS[name], {}
    for suite in ("rl", "standard"):
        for of in records.read_folder(Path(__file__).parent / "results" / suite).tasks:
            for arm in of.arms if of.name == name else ():
                if found := list(summary.scores(of, arm).values()):
                    places[arm] = normalised(found, known.trivial.scores, known.reference.scores)
    arms = sorted(places, key=lambda arm: places[arm].estimate)

    def draw(axis: Axes) -> None:
        for row, arm in enumerate(arms):
            place = places[arm]
            colour = COLOURS[0] if arm in {each.name for each in RL_SELECTORS} else "#999999"
            axis.barh(row, place.estimate, color=colour, height=0.6)
            axis.plot([place.low, place.high], [row, row], color="black", linewidth=1)
        axis.set_yticks(range(len(arms)), arms)
        axis.set_xlim(0, 1)

    return panel(draw, name, "", f"0: {known.trivial.name}, 1: {known.reference.name}", "", (6.0, 3.0)).svg


def enlarged(image: NDArray[np.uint8], side: int = SIDE) -> Image.Image:
    """A grey image, uint8 (1, H, W), as a picture of `side` pixels."""
    return Image.fromarray(image[0]).resize((side, side), Image.Resampling.NEAREST)


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent / "images"
    folder.mkdir(exist_ok=True)
    for draw in (face_cuts, expressions, run):
        draw().save(folder / f"{draw.__name__}.png", optimize=True)
    first, *rest = walk()
    first.save(folder / "walk.gif", save_all=True, append_images=rest, duration=400, loop=0, optimize=True)
    (folder / "flips.svg").write_bytes(scores("ImageSelect-Flips-v1"))
    (folder / "tasks").mkdir(exist_ok=True)
    for name, calibrated in CURRENT.items():
        if calibrated.env.get("dataset", DRAWN[0]) in DRAWN:  # the pictures of others are not ours to show
            task(name).save(folder / "tasks" / f"{name}.png", optimize=True)
