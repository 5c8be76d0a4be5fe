"""What RegTune-v0 renders: the losses, the F1 and the hyperparameters of the run so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_gym.envs.window import Window

_WIDTH = 640
_LEFT, _RIGHT = 56, 472  # of the plots: the numbers of their axes are left of them, the legends right
_SWATCHES, _WORDS, _VALUES = 480, 494, 588  # where the parts of a legend begin
_LOSS_TOP, _LOSS_BOTTOM, _F1_TOP, _F1_BOTTOM, _LANES_TOP = 32, 168, 180, 294, 306
_LANES, _LANE, _GAP = 144, 36, 6  # least height of all lanes, of one lane, and what is free below each
_CHUNK_AXIS = 30
_INSET = 4  # from the frame to the lowest and the highest value, so that a line at a bound stands clear of the frame
_MARK, _ROOMY = 2, 8  # the radius of the mark of a value, and the pixels a chunk from which on every mean is marked
_TEXT, _ROW = 12, 16
_INK, _PAPER, _PLOT, _FRAME, _GRID = (24, 24, 27), (250, 250, 249), (255, 255, 255), (140, 140, 148), (231, 229, 228)
# From the palette of Okabe and Ito, whose colours colour-blind people can distinguish.
_TRAINING, _VALIDATION, _STRENGTH = (86, 180, 233), (213, 94, 0), (0, 114, 178)

Colour = tuple[int, int, int]
Floats = NDArray[np.floating[Any]]


class RunPicture(Window):
    """Draws a run: 640 pixels wide, 480 high with up to four hyperparameters, 36 higher with each one more.

    Each hyperparameter has a lane of its own, from its lower to its upper bound. Chunk c lies between c - 1/2 and
    c + 1/2 on the axis of the chunks: its training losses are spread over that width, its means are drawn at c, its
    hyperparameters hold from one end to the other. Chunk 0 is the warm-up. The legends show the values of the last
    chunk; of its training losses, the mean.

    Args:
        names: of the h hyperparameters.
        bounds: lower and upper bound of each hyperparameter.
        chunks: the steps of an episode.
        worst_loss: the bound of the losses; greater ones are drawn at it.
        warmup: whether a run begins with chunk 0; else it begins with chunk 1.
    """

    def __init__(
        self,
        names: Sequence[str],
        bounds: Sequence[tuple[float, float]],
        chunks: int,
        worst_loss: float,
        warmup: bool,
    ) -> None:
        self._font = ImageFont.load_default(size=_TEXT)
        self._names = [self._shortened(name) for name in names]
        self._chunks = chunks
        self._worst_loss = worst_loss
        self._warmup = warmup
        lane = max(_LANE, _LANES // len(names))
        tops = range(_LANES_TOP, _LANES_TOP + len(names) * lane, lane)
        self._bottom = tops.stop
        self._loss = _Plot(_LOSS_TOP, _LOSS_BOTTOM, _loss_ticks(1.0), chunks)
        self._f1 = _Plot(_F1_TOP, _F1_BOTTOM, (0.0, 0.25, 0.5, 0.75, 1.0), chunks)
        self._lanes = [_Plot(top, top + lane - _GAP, pair, chunks) for top, pair in zip(tops, bounds, strict=True)]
        self._background = self._without_curves()
        super().__init__("RegTune-v0", self._background.size)

    def _shortened(self, name: str) -> str:
        room = _WIDTH - _WORDS - _INSET
        if self._font.getlength(name) <= room:
            return name
        while self._font.getlength(name + "…") > room:
            name = name[:-1]
        return name + "…"

    def draw(
        self,
        train_losses: Sequence[Floats],
        val_losses: Sequence[float],
        train_f1: Sequence[float],
        val_f1: Sequence[float],
        strengths: Sequence[Floats],
        diverged: bool,
    ) -> NDArray[np.uint8]:
        """The frame of the run so far.

        All lists end with the same chunk, so one that lacks the warm-up is shorter. Nothing is drawn where a value is
        NaN.

        Args:
            train_losses: of each chunk, the losses of its mini-batches, (N,).
            val_losses: of each chunk, the mean.
            train_f1: of each chunk, the mean.
            val_f1: of each chunk, the mean.
            strengths: of each chunk, the values of the hyperparameters, (h,), within their bounds.
            diverged: whether the run ended in its last chunk because its loss was not finite.

        Returns:
            uint8, (H, 640, 3); H is the same for all runs.
        """
        losses = np.minimum(np.stack(train_losses) if train_losses else np.empty((0, 1)), self._worst_loss)
        val = np.minimum(np.asarray(val_losses, np.float64), self._worst_loss)
        # The axis has a length even if all losses are zero.
        ticks = _loss_ticks(max(np.nan_to_num(each).max(initial=0.0) for each in (losses, val)) or 1.0)
        if ticks != self._loss.ticks:
            self._loss = replace(self._loss, ticks=ticks)
            self._background = self._without_curves()
        picture = self._background.copy()
        canvas = ImageDraw.Draw(picture)
        last = len(train_losses) - self._warmup
        state = f"chunk {max(last, 0)} of {self._chunks}" + ": the loss is not finite, the run is over" * diverged
        self._write(canvas, _LEFT, _LOSS_TOP // 2, state)
        if diverged:
            end = _x(last + 0.5, self._chunks)
            canvas.line((end, _LOSS_TOP, end, self._bottom - _GAP), _INK, 2)

        within = (np.arange(losses.shape[1]) + 0.5) / losses.shape[1] - 0.5
        self._loss.draw_curve(canvas, last, within, losses, _TRAINING, width=1)
        self._loss.draw_means(canvas, last, val, _VALIDATION)
        self._value(canvas, _VALUES, self._loss.row(0), losses.mean(axis=1))
        self._value(canvas, _VALUES, self._loss.row(1), val)
        for row, (f1, colour) in enumerate(((train_f1, _TRAINING), (val_f1, _VALIDATION))):
            self._f1.draw_means(canvas, last, np.asarray(f1, np.float64), colour)
            self._value(canvas, _VALUES, self._f1.row(row), f1)
        for number, lane in enumerate(self._lanes):
            values = np.array([strength[number] for strength in strengths], np.float64)
            lane.draw_curve(canvas, last, np.array([-0.5, 0.5]), np.stack([values, values], axis=1), _STRENGTH)
            self._value(canvas, _WORDS, lane.row(1), values)
        return np.array(picture)

    def _without_curves(self) -> Image.Image:
        """What all frames share while the axis of the losses is the same; text takes longer to draw than curves."""
        picture = Image.new("RGB", (_WIDTH, self._bottom + _CHUNK_AXIS), _PAPER)
        canvas = ImageDraw.Draw(picture)
        for plot in (self._loss, self._f1, *self._lanes):
            plot.draw_frame(canvas)
            for tick, y in zip(plot.ticks, plot.y(plot.ticks), strict=True):
                self._write(canvas, _LEFT - 6, y, f"{tick:.3g}", "rm")
        for chunk in _chunk_ticks(self._chunks):
            self._write(canvas, _x(chunk, self._chunks), self._bottom + 8, str(chunk), "mm")
        self._write(canvas, _WORDS, self._bottom + 8, "chunk")
        for plot, name in ((self._loss, "loss"), (self._f1, "F1")):
            self._legend(canvas, plot.row(0), f"training {name}", _TRAINING)
            self._legend(canvas, plot.row(1), f"validation {name}", _VALIDATION)
        for lane, name in zip(self._lanes, self._names, strict=True):
            self._legend(canvas, lane.row(0), name, _STRENGTH)
        if self._worst_loss <= self._loss.ticks[-1]:
            self._loss.draw_level(canvas, self._worst_loss, _FRAME)
            self._legend(canvas, self._loss.row(2), "bound", _FRAME)
            self._value(canvas, _VALUES, self._loss.row(2), [self._worst_loss])
        return picture

    def _write(self, canvas: ImageDraw.ImageDraw, x: float, y: float, text: str, anchor: str = "lm") -> None:
        canvas.text((x, y), text, _INK, self._font, anchor)

    def _legend(self, canvas: ImageDraw.ImageDraw, y: int, text: str, colour: Colour) -> None:
        canvas.rectangle((_SWATCHES, y - 1, _SWATCHES + 9, y + 1), colour)
        self._write(canvas, _WORDS, y, text)

    def _value(self, canvas: ImageDraw.ImageDraw, x: int, y: int, values: Sequence[float] | Floats) -> None:
        """Write the last value, unless there is none or it is NaN."""
        if len(values) and not math.isnan(values[-1]):
            self._write(canvas, x, y, f"{values[-1]:.3g}")


@dataclass(frozen=True)
class _Plot:
    """Curves between two rows of pixels, between the first and the last of the values `ticks`."""

    top: int
    bottom: int
    ticks: tuple[float, ...]
    chunks: int

    def y(self, values: Sequence[float] | Floats) -> Floats:
        low, high = self.ticks[0], self.ticks[-1]
        shares = (np.asarray(values, np.float64) - low) / (high - low)
        return np.rint(self.bottom - _INSET - shares * (self.bottom - self.top - 2 * _INSET))

    def row(self, number: int) -> int:
        """The y coordinate of a row of the legend."""
        return self.top + 6 + number * _ROW

    def draw_frame(self, canvas: ImageDraw.ImageDraw) -> None:
        canvas.rectangle((_LEFT, self.top, _RIGHT, self.bottom), _PLOT)
        for chunk in _chunk_ticks(self.chunks):
            x = _x(chunk, self.chunks)
            canvas.line((x, self.top, x, self.bottom), _GRID)
        for tick in self.ticks:
            self.draw_level(canvas, tick, _GRID)
        canvas.rectangle((_LEFT, self.top, _RIGHT, self.bottom), None, _FRAME)

    def draw_level(self, canvas: ImageDraw.ImageDraw, value: float, colour: Colour) -> None:
        (y,) = self.y([value])
        canvas.line((_LEFT + 1, y, _RIGHT - 1, y), colour)

    def draw_means(self, canvas: ImageDraw.ImageDraw, last: int, means: Floats, colour: Colour) -> None:
        """One value a chunk, (n,), up to the chunk `last`."""
        roomy = _x(1, self.chunks) - _x(0, self.chunks) > _ROOMY
        self.draw_curve(canvas, last, np.zeros(1), means[:, None], colour, marked=roomy)

    def draw_curve(
        self,
        canvas: ImageDraw.ImageDraw,
        last: int,
        within: Floats,
        values: Floats,
        colour: Colour,
        width: int = 2,
        marked: bool = False,
    ) -> None:
        """The values of each chunk up to `last`, (n, m), at the places (m,) `within` it, in [-1/2, 1/2]."""
        chunks = last + 1 - np.arange(len(values), 0, -1)
        points = np.stack([_x(chunks[:, None] + within, self.chunks), self.y(values)], axis=-1).reshape(-1, 2)
        there = np.flatnonzero(~np.isnan(values))
        for run in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1) if len(there) else ():
            canvas.line(points[run].ravel().tolist(), colour, width)
            # One point makes no line, and a few of a long run make one too short to be seen.
            for x, y in points[run] if marked else points[run[-1:]]:
                canvas.ellipse((x - _MARK, y - _MARK, x + _MARK, y + _MARK), colour)


def _x(places: float | Floats, chunks: int) -> Any:
    """The pixel columns of `places` on the axis of the chunks, a number or an array as `places` is."""
    return np.rint(_LEFT + _INSET + (places + 0.5) / (chunks + 1) * (_RIGHT - _LEFT - 2 * _INSET))


def _chunk_ticks(chunks: int) -> range:
    return range(0, chunks + 1, max(1, round(_step(chunks, at_most=10))))


def _loss_ticks(highest: float) -> tuple[float, ...]:
    step = _step(highest, at_most=4)
    return tuple(step * number for number in range(math.ceil(highest / step) + 1))


def _step(span: float, at_most: int) -> float:
    """The least step, 1, 2 or 5 times a power of ten, of which `at_most` cover the span."""
    power = 10.0 ** math.floor(math.log10(span / at_most))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * at_most >= span)
