"""Results as pictures, each a few small panels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fer_gym.benchmark.records import Record, TaskResults, value
from fer_gym.benchmark.report.drawing import (
    COLOURS,
    DASHES,
    Panel,
    Picture,
    Style,
    draw_lines,
    filled,
    mean_of,
    panel,
    styles,
)
from fer_gym.benchmark.report.statistics import interquartile_mean, rank_correlation
from fer_gym.benchmark.report.tables import MAIN_SCORE, TEST_SCORES

_DECISIONS = (("retained", Style(COLOURS[0], "", "o")), ("removed", Style(COLOURS[1], "", "s")))


def intervals(task: TaskResults) -> Picture:
    """The interquartile mean of each arm with its interval, and each seed's score."""
    style = styles(task.arms)
    arms = list(task.arms)
    panels = []
    for key in (MAIN_SCORE, "accuracy"):
        drawn = {arm: list(scores.values()) for arm in arms if (scores := task.scores(arm, "test", key))}
        if not drawn:
            continue

        def draw(axis: Axes, drawn: dict[str, list[float]] = drawn) -> None:
            for arm, values in drawn.items():
                place = arms.index(arm)
                axis.plot(values, [place + 0.22] * len(values), "|", color=style[arm].colour, alpha=0.7, markersize=6)
                interval = interquartile_mean(values)
                if interval.bounded:
                    axis.plot([interval.low, interval.high], [place, place], color=style[arm].colour, linewidth=2)
                axis.plot(interval.estimate, place, style[arm].marker, color=style[arm].colour, markersize=6)
            axis.set_yticks(range(len(arms)), arms)
            axis.set_ylim(len(arms) - 0.4, -0.6)

        words = ", ".join(f"{arm} {interquartile_mean(values)}" for arm, values in drawn.items())
        size = (4.4, 0.9 + 0.3 * len(arms))
        panels.append(panel(draw, f"test {TEST_SCORES[key]}", words, "", "", size))
    caption = (
        "Point: interquartile mean; bar: 95 % bootstrap interval; ticks below it: the seeds. Actions are as the agents "
        "draw them."
    )
    return Picture("Test scores with intervals", caption, tuple(panels))


def return_against_score(task: TaskResults) -> Picture:
    """Each arm's return and its test score; no panel under two arms that have both."""
    if task.tunes:
        returns: dict[str, Callable[[Record], float | None]] = {
            "gap return": lambda record: value(record, "scores", "gap_return"),
            "change of validation F1": lambda record: value(record, "scores", "val_f1_change"),
        }
    else:
        returns = {
            "reward of the last episode": lambda record: value(_last(record), "reward"),
            "validation macro F1 of the last episode": lambda record: value(_last(record), "validation", MAIN_SCORE),
        }
    score_name = f"test {TEST_SCORES[MAIN_SCORE]}"
    panels, sentences = [], []
    for name, of in returns.items():
        points: dict[str, NDArray[np.float64]] = {}
        for arm, by_seed in task.arms.items():
            pairs = [(of(record), value(record, "scores", "test", MAIN_SCORE)) for record in by_seed.values()]
            complete = [pair for pair in pairs if None not in pair]
            if complete:
                points[arm] = np.array(complete, dtype=np.float64)
        if len(points) < 2:
            continue
        means = {arm: pairs.mean(axis=0) for arm, pairs in points.items()}
        correlation = rank_correlation(*zip(*means.values(), strict=True))
        title = "" if correlation is None else f"rank correlation of the arms {correlation:z.2f}"
        most = max(means, key=lambda arm: means[arm][0])
        best = max(means, key=lambda arm: means[arm][1])
        sentences.append(_divergence(name, score_name, most, best, means, correlation))

        def draw(
            axis: Axes,
            points: dict[str, NDArray[np.float64]] = points,
            means: dict[str, NDArray[np.float64]] = means,
            most: str = most,
            best: str = best,
        ) -> None:
            for arm, pairs in points.items():
                look = styles(task.arms)[arm]
                axis.plot(pairs[:, 0], pairs[:, 1], look.marker, color=look.colour, alpha=0.35, markersize=4)
                axis.plot(*means[arm], look.marker, color=look.colour, markersize=9, markeredgecolor="black")
            axis.margins(0.08, 0.2)
            _point_out(axis, means[best], "best score" if most != best else "best score, highest return", above=True)
            if most != best:
                _point_out(axis, means[most], "highest return", above=False)

        words = ", ".join(f"{arm} {mean[0]:z.3f} and {mean[1]:z.3f}" for arm, mean in means.items())
        alt = f"{name} and {score_name}: {words}"
        panels.append(panel(draw, title, alt, name, score_name, (4.2, 3.1)))
    caption = (
        "Large points: an arm's mean; small ones: its seeds. Under a valid reward the score rises with the return. "
    )
    return Picture(f"Return and {score_name}", caption + " ".join(sentences), tuple(panels), _legend_of(task))


def learning_curves(task: TaskResults) -> Picture:
    """Rewards and scores of the episodes that an agent learnt from (Fig. 8a of RLPS); no panel if no agent learnt."""
    if task.tunes:
        curves: dict[str, tuple[str, ...]] = {
            "gap return": ("gap_return",),
            "change of validation F1": ("val_f1_change",),
            "validation macro F1": ("validation", MAIN_SCORE),
        }
        if not any(_is_reward(task, *keys) for keys in curves.values()):
            curves = {"return": ("reward",), **curves}
        caption = "The episodes that an agent learnt or searched with."
    else:
        # Eq. 3 of the paper is a sum, and its authors log the mean.
        curves = {
            "reward (sum over the retained)": ("reward",),
            "mean over the retained": ("mean_reward",),
            "keep ratio": ("keep_ratio",),
            "validation macro F1": ("validation", MAIN_SCORE),
        }
        caption = "The episodes that an agent learnt from."
    panels = [_learning_panel(task, name, keys) for name, keys in curves.items()]
    caption += " Thick: mean over the seeds; thin: each seed."
    return _learning_picture(task, "Learning curves", caption, panels)


def learning_costs(task: TaskResults) -> Picture:
    """The same episodes by their cost: steps of the environment, and gradient steps of its networks."""
    curves = {"return": ("reward",), "validation macro F1": ("validation", MAIN_SCORE)}
    costs = {"environment steps": "env_steps", "gradient steps": "gradient_steps"}
    panels = [_learning_panel(task, name, keys, cost, costs[cost]) for name, keys in curves.items() for cost in costs]
    caption = (
        "The episodes that an agent learnt from, each where it ended: after so many steps of the environment, those of "
        "frozen episodes included, and after so many gradient steps of the networks that it trained. "
        "Thick: mean over the seeds; thin: each seed."
    )
    return _learning_picture(task, "Learning by what it costs", caption, panels)


def _learning_panel(
    task: TaskResults, name: str, keys: tuple[str, ...], along: str = "episode", cost: str | None = None
) -> Panel | None:
    """A number of each episode, along the episodes or along their cost."""
    arrays = {}
    for arm, by_seed in task.arms.items():
        episodes = [record["episodes"] for record in by_seed.values()]
        lines = [[value(row, *keys) for row in rows] for rows in episodes]
        places = [[i if cost is None else value(row, cost) for i, row in enumerate(rows, 1)] for rows in episodes]
        if all(any(number is not None for row in each for number in row) for each in (lines, places)):
            arrays[arm] = filled(lines), filled(places)
    if not arrays:
        return None

    def draw(axis: Axes) -> None:
        for arm, (rows, places) in arrays.items():
            draw_lines(axis, rows, styles(task.arms)[arm], places=places)
        if name == "keep ratio":
            axis.set_ylim(0, 1.02)

    words = ", ".join(
        f"{arm} from {mean_of(rows)[0]:z.3f} to {mean_of(rows)[-1]:z.3f}" for arm, (rows, _) in arrays.items()
    )
    return panel(draw, name, f"{name} by {along}: {words}", along, "")


def _learning_picture(task: TaskResults, title: str, caption: str, panels: list[Panel | None]) -> Picture:
    there = tuple(panel for panel in panels if panel is not None)
    learners = [arm for arm, by_seed in task.arms.items() if any(record["episodes"] for record in by_seed.values())]
    return Picture(title, caption, there, tuple((arm, styles(task.arms)[arm]) for arm in learners))


def image_rewards(task: TaskResults) -> Picture:
    """The rewards of a hundred training images (Figs. 8b and 9b of RLPS); no panel where no record has them."""
    panels = []
    for arm, by_seed in task.arms.items():
        record = next(iter(by_seed.values()), {})
        if not record or not record["episodes"] or "sample_reward" not in record["arrays"]:
            continue
        rewards = record["arrays"]["sample_reward"]
        shown = np.linspace(0, len(rewards) - 1, min(100, len(rewards))).astype(int)
        heights = rewards[shown].astype(np.float64)
        retained = record["arrays"]["retained"][shown]

        def draw(axis: Axes, heights: NDArray[np.float64] = heights, retained: NDArray[np.bool_] = retained) -> None:
            for which, (_, look) in zip((retained, ~retained), _DECISIONS, strict=True):
                places = np.flatnonzero(which) + 1
                axis.vlines(places, 0, heights[which], color=look.colour, linewidth=1)
                axis.plot(places, heights[which], look.marker, color=look.colour, markersize=3)

        means = ", ".join(
            f"{name} {which.sum()} with a mean of {heights[which].mean():z.3f}"
            for which, name in ((retained, "retained"), (~retained, "removed"))
            if which.any()
        )
        panels.append(
            panel(draw, arm, f"{arm}, rewards of {len(shown)} images: {means}", "image", "reward", (4.2, 2.4))
        )
    caption = (
        "The rewards of a hundred training images of the first seed, evenly spaced in the training split, under the "
        "network at the end of the agent's learning."
    )
    return Picture("Rewards of 100 images", caption, tuple(panels), _DECISIONS)


def removal_curves(task: TaskResults) -> Picture | None:
    """The test score by the share of images removed, the lowest ranked first; None if the suite removes none."""
    lines: dict[str, dict[float, list[float]]] = {}
    for arm, by_seed in task.arms.items():
        for record in by_seed.values():
            for point in record.get("removal", ()):
                score = value(point, "test", MAIN_SCORE)
                if score is not None:
                    lines.setdefault(arm, {}).setdefault(point["removed"], []).append(score)
    if not lines:
        return None

    def draw(axis: Axes) -> None:
        for arm, points in lines.items():
            look = styles(task.arms)[arm]
            shares, scores = zip(*sorted((share, np.mean(scores)) for share, scores in points.items()), strict=True)
            axis.plot(shares, scores, look.marker, **look.line)

    words = "; ".join(
        f"{arm} " + ", ".join(f"{np.mean(scores):.3f} without {share:.0%}" for share, scores in sorted(points.items()))
        for arm, points in lines.items()
    )
    score_name = f"test {TEST_SCORES[MAIN_SCORE]}"
    drawn = panel(draw, "", f"{score_name}: {words}", "share removed", score_name, (4.6, 3.2))
    caption = (
        "A network trained from scratch without the images that the arm ranks lowest; means over the seeds. Ties are "
        "broken at random, so an arm that ranks nothing removes at random."
    )
    return Picture("Removal curves", caption, (drawn,), tuple((arm, styles(task.arms)[arm]) for arm in lines))


def schedules(task: TaskResults) -> Picture:
    """The strengths that each arm's first children were trained under, chunk by chunk."""
    panels = []
    looks: dict[str, Style] = {}
    for arm, by_seed in task.arms.items():
        found = [each for record in by_seed.values() if (each := _of_first_child(record, "schedule")) is not None]
        if not found:
            continue
        bounds = _regularizers(next(iter(by_seed.values())))
        shape = range(found[0].shape[1])
        numbered = [f"strength {place + 1}" for place in shape] if len(shape) > 1 else ["strength"]
        names = [name.replace("_", " ") for name in bounds] if len(bounds) == len(shape) else numbered
        rows = {name: filled([schedule[:, place].tolist() for schedule in found]) for place, name in enumerate(names)}
        for name in rows:
            looks.setdefault(name, Style(COLOURS[len(looks) % len(COLOURS)], "", ""))
        top = max([*bounds.values(), _highest(*rows.values())])

        def draw(axis: Axes, rows: dict[str, NDArray[np.float64]] = rows, top: float = top) -> None:
            for name, lines in rows.items():
                draw_lines(axis, lines, looks[name])
            axis.set_ylim(-0.03 * top, 1.05 * top)

        words = ", ".join(
            f"{name} from {mean_of(each)[0]:.3f} to {mean_of(each)[-1]:.3f}" for name, each in rows.items()
        )
        label = names[0] if len(names) == 1 else "strength"
        panels.append(panel(draw, arm, f"{arm}: {words}", "chunk", label, (2.9, 2.1)))
    caption = "The first child of each seed (thin) and their mean (thick)."
    legend = tuple(looks.items()) if len(looks) > 1 else ()
    return Picture("Hyperparameter trajectories", caption, tuple(panels), legend)


def losses(task: TaskResults) -> Picture:
    """Training and validation loss of each arm's first children, chunk by chunk (Fig. 9 of Hong)."""
    by_arm = {}
    for arm, by_seed in task.arms.items():
        both = [
            [each.tolist() for record in by_seed.values() if (each := _of_first_child(record, key)) is not None]
            for key in ("train_losses", "val_losses")
        ]
        if all(both):
            by_arm[arm] = [filled(rows) for rows in both]
    top = _highest(*(rows for both in by_arm.values() for rows in both))
    legend = (("training", Style(COLOURS[0], "", "")), ("validation", Style(COLOURS[1], DASHES[1], "")))
    panels = []
    for arm, (train, validation) in by_arm.items():

        def draw(axis: Axes, train: NDArray[np.float64] = train, validation: NDArray[np.float64] = validation) -> None:
            for rows, (_, look) in zip((train, validation), legend, strict=True):
                draw_lines(axis, rows, look)
            axis.set_ylim(0, 1.05 * top)

        ends = f"training {mean_of(train)[-1]:.3f}, validation {mean_of(validation)[-1]:.3f}"
        panels.append(panel(draw, arm, f"{arm}, losses of the last chunk: {ends}", "chunk", "loss", (2.9, 2.1)))
    caption = (
        "The first child of each seed (thin) and their mean (thick). The training loss is taken in the training "
        "forward passes, with the regulariser at work."
    )
    return Picture("Training and validation loss", caption, tuple(panels), legend)


def _is_reward(task: TaskResults, *keys: str) -> bool:
    """Whether the agents' reward was this very number: one curve then shows both."""
    rows = [row for record in task for row in record["episodes"]]
    pairs = np.array([(value(row, "reward"), value(row, *keys)) for row in rows], dtype=np.float64)
    return bool(np.isclose(pairs[:, 0], pairs[:, 1]).all()) if rows else False


def _divergence(
    name: str,
    score: str,
    most: str,
    best: str,
    means: dict[str, NDArray[np.float64]],
    correlation: float | None,
) -> str:
    if most == best:
        sentence = f"The {name} is highest for {most}, and so is the {score} ({means[most][1]:.3f})"
    else:
        sentence = (
            f"The {name} is highest for {most}, with a {score} of {means[most][1]:.3f}; "
            f"the {score} is highest for {best} ({means[best][1]:.3f})"
        )
    return sentence + ("." if correlation is None else f"; the arms' rank correlation is {correlation:z.2f}.")


def _point_out(axis: Axes, point: NDArray[np.float64], text: str, *, above: bool) -> None:
    """Write above or below a point, within the panel's width."""
    left, right = axis.get_xlim()
    place = (point[0] - left) / (right - left)
    axis.annotate(
        text,
        tuple(point),
        xytext=(0, 17 if above else -17),
        textcoords="offset points",
        ha="left" if place < 0.2 else "right" if place > 0.8 else "center",
        va="bottom" if above else "top",
        fontweight="bold",
        arrowprops={"arrowstyle": "-", "linewidth": 0.8, "shrinkB": 4},
    )


def _legend_of(task: TaskResults) -> tuple[tuple[str, Style], ...]:
    """The arms that have a record, and how they are drawn."""
    return tuple((arm, style) for arm, style in styles(task.arms).items() if task.arms[arm])


def _highest(*rows: NDArray[np.float64]) -> float:
    """The top of an axis from 0 on."""
    return max((float(number) for each in rows for number in each.flat if number > 0), default=1.0)


def _last(record: Record) -> Any:
    return record["episodes"][-1] if record["episodes"] else None


def _of_first_child(record: Record, key: str) -> NDArray[np.floating[Any]] | None:
    """A record's array for the first child, one row or number per chunk; None if the record has none."""
    of_children = record["arrays"].get(f"child_{key}")
    return None if of_children is None else of_children[0]


def _regularizers(record: Record) -> dict[str, float]:
    """The upper bounds of an arm's regularizers by name; empty for the environment's default and for objects."""
    bounds = record["settings"]["env"].get("regularizers", {})
    return {name: each[1] for name, each in bounds.items() if isinstance(each, list)}
