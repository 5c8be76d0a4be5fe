"""Faces drawn with Pillow, moved by facial action units.

A face is drawn in its own frame: x to the right, y down, the origin between eyes and nose, the crown at
y = -1 and the chin near y = 1. Action units (FACS: AU1 raises the inner brows, AU12 pulls the lip corners,
...) move brows, lids, nose and lips in that frame. A pose carries the face onto a canvas of twice the size,
which is halved, lit, blurred and noised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

#: The action units drawn here, by FACS number.
ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}

SIDE = 48
CANVAS = 2 * SIDE

#: Where the eyes are in the face's frame.
EYE_Y = -0.1

#: -1 to 1 across the picture.
RAMP = np.linspace(-1.0, 1.0, SIDE, dtype=np.float32)

#: (n, 2), and one coordinate of a curve, (9,).
Points = NDArray[np.float64]
Curve = NDArray[np.float64]
Activity = dict[int, float]

#: -1 to 1 along a lid, a lip or a wrinkle, and how far a curve bulges there.
ALONG = np.linspace(-1.0, 1.0, 9)
BULGE = 1.0 - ALONG**2
ANGLES = np.linspace(0.0, 2.0 * math.pi, 28, endpoint=False)
CIRCLE: Points = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


@dataclass(frozen=True)
class Identity:
    """What a person looks like at rest. Lengths in the face's frame, greys 0 to 255."""

    skin: float
    hair: float
    width: float
    taper: float
    chin: float
    long_hair: bool
    bald: bool
    hairline: float
    parting: float
    eye_x: float
    eye_width: float
    eye_opening: float
    iris: float
    brow_y: float
    brow_tilt: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    mouth_curve: float
    lip_thickness: float
    lip_tone: float
    bearded: bool
    glasses: bool


def draw_identity(rng: np.random.Generator) -> Identity:
    """A random person."""
    skin = rng.uniform(110, 225)
    return Identity(
        skin=skin,
        hair=rng.uniform(10, 0.65 * skin),
        width=rng.uniform(0.7, 0.86),
        taper=rng.uniform(0.1, 0.35),
        chin=rng.uniform(0.95, 1.12),
        long_hair=rng.random() < 0.4,
        bald=rng.random() < 0.12,
        hairline=rng.uniform(-0.85, -0.66),
        parting=rng.uniform(-0.6, 0.6),
        eye_x=rng.uniform(0.32, 0.38),
        eye_width=rng.uniform(0.18, 0.23),
        eye_opening=rng.uniform(0.08, 0.105),
        iris=rng.uniform(10, 70),
        brow_y=rng.uniform(-0.38, -0.32),
        brow_tilt=rng.normal(0.0, 0.015),
        brow_thickness=rng.uniform(0.05, 0.085),
        nose_length=rng.uniform(0.24, 0.34),
        nose_width=rng.uniform(0.1, 0.15),
        mouth_y=rng.uniform(0.53, 0.59),
        mouth_width=rng.uniform(0.28, 0.35),
        mouth_curve=rng.normal(0.0, 0.015),
        lip_thickness=rng.uniform(0.06, 0.1),
        lip_tone=rng.uniform(0.5, 0.75),
        bearded=rng.random() < 0.1,
        glasses=rng.random() < 0.15,
    )


@dataclass(frozen=True)
class Pose:
    """Where the face is on the canvas (in its pixels) and how it is turned (roll in radians)."""

    x: float
    y: float
    scale: float
    roll: float
    yaw: float
    pitch: float

    def project(self, points: Points) -> Points:
        """Canvas coordinates, (n, 2), of points of the face's frame, (n, 2)."""
        x, y = points[:, 0], points[:, 1]
        # The front of the head bulges towards the camera, so turning moves it against the outline.
        x = x + self.yaw * np.maximum(0.0, 1.0 - x * x)
        y = y + self.pitch * np.maximum(0.0, 1.0 - y * y)
        cosine, sine = self.scale * math.cos(self.roll), self.scale * math.sin(self.roll)
        return np.stack([self.x + cosine * x - sine * y, self.y + sine * x + cosine * y], axis=1)


def draw_pose(rng: np.random.Generator) -> Pose:
    """A random pose: near the middle, nearly upright, slightly turned."""
    return Pose(
        x=CANVAS / 2 + rng.normal(0.0, 2.0),
        y=CANVAS / 2 + rng.normal(0.0, 2.0),
        scale=CANVAS / 2 * rng.uniform(0.86, 1.0),
        roll=rng.normal(0.0, 0.08),
        yaw=rng.normal(0.0, 0.06),
        pitch=rng.normal(0.0, 0.02),
    )


class Pen:
    """Keeps shapes given in the face's frame, to be drawn in their order."""

    def __init__(self) -> None:
        self.shapes: list[tuple[Points, float, float]] = []

    def fill(self, points: Points, grey: float) -> None:
        """Fill the polygon of the points, (n, 2)."""
        self.shapes.append((points, grey, 0.0))

    def stroke(self, points: Points, grey: float, width: float) -> None:
        """Draw a line of the width along the points, (n, 2)."""
        self.shapes.append((points, grey, width))

    def draw(self, canvas: Image.Image, pose: Pose) -> None:
        """Put the shapes on the canvas."""
        # One projection of all the points is many times faster than one for each shape.
        flat = pose.project(np.concatenate([points for points, _, _ in self.shapes])).ravel().tolist()
        draw = ImageDraw.Draw(canvas)
        end = 0
        for points, grey, width in self.shapes:
            start, end = end, end + points.size
            if width:
                draw.line(flat[start:end], fill=int(grey), width=max(1, round(width * pose.scale)))
            else:
                draw.polygon(flat[start:end], fill=int(grey))


def curve(x: float | Curve, y: float | Curve) -> Points:
    """Points (9, 2) from their coordinates, each (9,) or a number."""
    points = np.empty((len(ALONG), 2))
    points[:, 0], points[:, 1] = x, y
    return points


def closed(upper: Points, lower: Points) -> Points:
    """The outline between two curves that run the same way."""
    return np.concatenate([upper, lower[::-1]])


class Face:
    """A person with an expression, ready to be drawn."""

    def __init__(self, pen: Pen, person: Identity, left: Activity, right: Activity) -> None:
        self.pen = pen
        self.person = person
        self.sides = ((-1.0, left), (1.0, right))
        self.both = {unit: (left[unit] + right[unit]) / 2 for unit in ACTION_UNITS}

    def draw(self) -> None:
        """Draw everything, from back to front."""
        self.draw_head()
        self.draw_nose()
        for side, activity in self.sides:
            self.draw_eye(side, activity)
            self.draw_brow(side, activity)
            self.draw_cheek(side, activity)
        self.draw_frown()
        self.draw_mouth()
        if self.person.glasses:
            self.draw_glasses()

    def draw_head(self) -> None:
        """Hair behind the head, neck, the head, beard and hair on top of it."""
        person, pen = self.person, self.pen
        if person.long_hair:
            pen.fill(CIRCLE * (person.width + 0.12, 1.3) + (0.0, 0.25), person.hair)
        pen.fill(np.array([[-0.4, 0.5], [0.4, 0.5], [0.5, 1.6], [-0.5, 1.6]]), 0.75 * person.skin)
        outline = CIRCLE.copy()
        below = np.maximum(0.0, outline[:, 1])
        outline[:, 0] *= person.width * (1.0 - person.taper * below**2)
        outline[:, 1] += below * (person.chin - 1.0 + 0.06 * self.both[26])
        pen.fill(outline, person.skin)
        if person.bearded:
            jaw = outline[outline[:, 1] > 0.1]
            cheeks = np.array([[-0.5, 0.4], [0.0, 0.36], [0.5, 0.4]])
            pen.fill(np.concatenate([jaw, cheeks]), 0.7 * person.skin + 0.25 * person.hair)
        if not person.bald:
            top = outline[outline[:, 1] < -0.35] * 1.06
            fringe = curve(0.72 * person.width * ALONG[::-1], person.hairline - 0.12 * BULGE)
            fringe[:, 1] += 0.12 * np.abs(fringe[:, 0] - person.parting)
            pen.fill(np.concatenate([top, fringe]), person.hair)

    def draw_eye(self, side: float, activity: Activity) -> None:
        """White, iris and lids, opened by AU5 and narrowed by AU6, AU7, AU9 and AU43."""
        person, pen = self.person, self.pen
        squint = 0.35 * activity[6] + 0.4 * activity[7] + 0.2 * activity[9]
        above = person.eye_opening * max(0.08, 1.0 + 1.0 * activity[5] - squint - 0.8 * activity[43])
        below = person.eye_opening * max(0.08, 0.8 + 0.2 * activity[5] - squint)
        x = side * person.eye_x + person.eye_width * ALONG
        # AU1 lifts the inner half of the upper lid, AU4 lowers it.
        slant = 0.4 * (activity[1] - activity[4]) * -side * ALONG
        upper = curve(x, EYE_Y - above * BULGE * (1.0 + slant))
        lower = curve(x, EYE_Y + below * BULGE)
        pen.fill(closed(upper, lower), min(250.0, person.skin + 60))
        iris = 0.08 * CIRCLE + (side * person.eye_x, EYE_Y)
        lids = 1.0 - ((iris[:, 0] - side * person.eye_x) / person.eye_width) ** 2
        iris[:, 1] = np.clip(iris[:, 1], EYE_Y - above * lids, EYE_Y + below * lids)
        pen.fill(iris, person.iris)
        pen.stroke(upper, 0.35 * person.skin, 0.035)
        pen.stroke(lower, 0.7 * person.skin, 0.02)

    def draw_brow(self, side: float, activity: Activity) -> None:
        """A tapered bow: AU1 and AU2 raise its ends, AU4 lowers it and draws it inwards."""
        person = self.person
        lowered = 0.14 * activity[4] + 0.06 * activity[9]
        inner = person.brow_y + person.brow_tilt - 0.18 * activity[1] + lowered
        outer = person.brow_y - person.brow_tilt - 0.18 * activity[2] + 0.2 * lowered
        outwards = (ALONG + 1.0) / 2
        x = side * (0.16 - 0.06 * activity[4] + 0.38 * outwards)
        y = inner + (outer - inner) * outwards - 0.05 * BULGE
        thickness = person.brow_thickness * (1.0 - 0.5 * outwards)
        outline = closed(curve(x, y - thickness), curve(x, y + thickness))
        self.pen.fill(outline, min(person.hair, 0.55 * person.skin))

    def draw_cheek(self, side: float, activity: Activity) -> None:
        """The fold from nose to lip corner (AU9, AU10, AU12), the bag and crow's feet of AU6."""
        person = self.person
        x = side * (person.nose_width + 0.1 + (0.1 + 0.06 * activity[12]) * (ALONG + 1.0 + 0.5 * BULGE))
        y = person.nose_length - 0.08 * activity[9] + 0.13 * (ALONG + 1.0)
        self.wrinkle(x, y, 0.2 + max(activity[9], activity[10], activity[12]))
        bag = side * person.eye_x + person.eye_width * ALONG
        self.wrinkle(bag, EYE_Y + 0.06 + 0.07 * BULGE, activity[6])
        crow = side * (person.eye_x + person.eye_width + 0.03 + 0.05 * (ALONG + 1.0))
        for rise in (-0.05, 0.05):
            self.wrinkle(crow, EYE_Y + rise * (1.5 + ALONG), activity[6])

    def draw_frown(self) -> None:
        """Creases of the forehead (AU1, AU2), between the brows (AU4) and on the root of the nose (AU9)."""
        for height in (0.17, 0.27):
            crease = self.person.brow_y - height - 0.03 * BULGE
            self.wrinkle(0.35 * ALONG, crease, (self.both[1] + self.both[2]) / 2)
        for side in (-0.05, 0.05):
            self.wrinkle(side, self.person.brow_y + 0.09 * ALONG, self.both[4])
        for height in (-0.1, -0.02):
            self.wrinkle(0.09 * ALONG, height - 0.03 * BULGE, self.both[9])

    def wrinkle(self, x: float | Curve, y: float | Curve, depth: float) -> None:
        """A crease as dark as it is deep, 0 to 1."""
        if depth > 0.1:
            self.pen.stroke(curve(x, y), self.person.skin * (1.0 - 0.5 * min(1.0, depth)), 0.03)

    def draw_nose(self) -> None:
        """Its shaded side and its base, drawn up by AU9 and AU10."""
        person, pen = self.person, self.pen
        base = person.nose_length - 0.07 * self.both[9] - 0.02 * self.both[10]
        wing = person.nose_width * (1.0 + 0.2 * self.both[9])
        pen.fill(np.array([[0.03, EYE_Y], [wing, base], [0.0, base]]), 0.88 * person.skin)
        pen.stroke(curve(wing * ALONG, base - 0.05 * ALONG**2), 0.55 * person.skin, 0.03)

    def draw_mouth(self) -> None:
        """Lips, the gap between them with teeth, and the chin.

        The corners go with AU12 and AU20 (outwards), AU12 (up), AU15 and AU20 (down); AU25 and AU26 open the
        gap, AU10 lifts the upper lip, AU16 lowers and AU17 pushes up the lower one; AU23 makes both thin and
        the mouth narrow.
        """
        person, pen, both = self.person, self.pen, self.both
        # Jaw drop pulls the corners in, which makes the gap round.
        wider = 0.13 * both[12] + 0.14 * both[20] - 0.08 * both[23] - 0.08 * both[26]
        half = max(0.12, person.mouth_width + wider)
        left, right = (0.15 * activity[15] + 0.05 * activity[20] - 0.17 * activity[12] for _, activity in self.sides)
        rest = person.mouth_y + person.mouth_curve + 0.04 * both[26]
        corners = rest + (left * (1.0 - ALONG) + right * (1.0 + ALONG)) / 2
        middle = person.mouth_y - 0.03 * both[17] - 0.03 * both[10]
        gap = max(0.0, 0.12 * both[25] + 0.26 * both[26])
        top = middle - 0.35 * gap - 0.06 * both[10]
        bottom = max(top, middle + 0.65 * gap + 0.06 * both[16] - 0.03 * both[17])
        # A dropped jaw rounds the parabola of a closed mouth into a half ellipse.
        bow = BULGE ** (1.0 - 0.5 * min(1.0, both[26]))
        x = half * ALONG
        upper, lower = curve(x, corners + (top - corners) * bow), curve(x, corners + (bottom - corners) * bow)
        lip = person.lip_thickness * max(0.25, 1.0 - 0.7 * both[23])
        over, under = curve(0.0, -lip * BULGE), curve(0.0, 1.2 * lip * BULGE)
        pen.fill(closed(upper + over, lower + under), person.lip_tone * person.skin)
        if bottom - top > 0.03:
            pen.fill(closed(upper, lower), 0.25 * person.skin)
            # Teeth show where the lips are drawn off them, and less the more the jaw drops.
            bared = max(0.15, 0.6 - 0.4 * both[26])
            pen.fill(closed(upper, upper + bared * (lower - upper)), min(245.0, person.skin + 70))
        pen.stroke(lower if bottom - top <= 0.03 else upper, 0.35 * person.skin, 0.025)
        self.wrinkle(0.18 * ALONG, bottom + 0.24 - 0.05 * BULGE, both[17])

    def draw_glasses(self) -> None:
        """Two rims and the bridge."""
        person, pen = self.person, self.pen
        rim = np.concatenate([CIRCLE, CIRCLE[:1]]) * (0.23, 0.19)
        for side, _ in self.sides:
            pen.stroke(rim + np.array([side * person.eye_x, EYE_Y + 0.01]), person.iris, 0.035)
        pen.stroke(np.array([[0.23 - person.eye_x, EYE_Y], [person.eye_x - 0.23, EYE_Y]]), person.iris, 0.035)


def draw_background(rng: np.random.Generator) -> Image.Image:
    """The canvas with something out of focus on it: a smooth random texture and a few blocks."""
    base, contrast = rng.uniform(30, 225), rng.uniform(10, 50)
    texture = np.clip(rng.normal(base, contrast, (5, 5)), 0, 255).astype(np.uint8)
    canvas = Image.fromarray(texture).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(0, 4)):
        x, y = rng.uniform(0, CANVAS, 2)
        width, height = rng.uniform(8, 50, 2)
        draw.rectangle((x, y, x + width, y + height), fill=int(rng.integers(0, 256)))
    return canvas


def occlude(pen: Pen, rng: np.random.Generator) -> None:
    """Put something in front of one face in eight: an ellipse (a hand, a microphone) anywhere on it."""
    if rng.random() < 0.12:
        centre, size = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.15, 0.45, 2)
        pen.fill(CIRCLE * size + centre, rng.uniform(0, 255))


def photograph(canvas: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture of the canvas at half its size, uint8 (48, 48), with blur, light from a side and noise."""
    small = canvas.reduce(2)
    if rng.random() < 0.3:
        small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 0.9)))
    grey = np.asarray(small, np.float32)
    direction, strength = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.0, 0.4)
    light = 1.0 + strength * (math.cos(direction) * RAMP + math.sin(direction) * RAMP[:, None])
    contrast, exposure, noise = rng.uniform(0.6, 1.1), rng.uniform(90, 150), rng.uniform(2, 8)
    lit = (grey * light - 128.0) * contrast + exposure
    return np.clip(lit + noise * rng.standard_normal((SIDE, SIDE), np.float32), 0, 255).astype(np.uint8)
