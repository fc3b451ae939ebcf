"""The figure that compares the accuracies of all approaches."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.reporting.style import INK, MUTED, PAPER, PERCENT, series_style, styled
from dogs_vs_cats.reporting.wording import percent

HELD_OUT = ("validation", "test")

Row = Mapping[str, Any]


@styled
def accuracy_dots(approaches: Mapping[str, Row]) -> Figure:
    """Draws the accuracies of all approaches with their 95 % intervals, and the lecture's figures.

    Args:
        approaches: For each approach, in the order of drawing, `validation_accuracy` and `test_accuracy`, each also
            with `_low` and `_high`, and `lecture_validation_accuracy` and `lecture_test_accuracy` or None; 0..1.

    Returns:
        A figure with one line of dots per approach. A baseline far below all else (ten balanced classes: 10 %) is
        written at the left edge instead, since the dots of the approaches would coincide otherwise.
    """
    figure = Figure(figsize=(10.5, 0.9 + 0.78 * len(approaches)))
    axes = figure.subplots()
    left, right = _accuracy_range(approaches)
    trained = [name for name in approaches if name != BASELINE]
    for line, (name, row) in enumerate(approaches.items()):
        colour, marker = (MUTED, "o") if name == BASELINE else series_style(trained.index(name))
        text = percent(row["test_accuracy"], row["test_images"])
        if row["test_accuracy"] < left:
            axes.annotate(f"◂ {text}", (0.005, line), xycoords=("axes fraction", "data"), va="center", color=MUTED,
                          fontweight="bold")  # fmt: skip
            continue
        _draw_accuracy(axes, row, "test", line - 0.14, color=colour, marker=marker, markersize=8)
        _draw_accuracy(axes, row, "validation", line + 0.14, color=colour, marker=marker, markersize=6.5,
                       markerfacecolor=PAPER)  # fmt: skip
        rightmost = max(row["test_accuracy_high"], row["lecture_test_accuracy"] or 0.0)
        axes.annotate(text, (rightmost, line - 0.14), xytext=(8, 0), textcoords="offset points", va="center",
                      fontweight="bold")  # fmt: skip
    axes.set_yticks(range(len(approaches)), list(approaches))
    axes.tick_params(axis="y", labelcolor=INK, labelsize=10.5)
    axes.set_ylim(len(approaches) - 0.5, -0.5)
    axes.set_xlim(left, right)
    axes.set_xticks([tick for tick in axes.get_xticks() if left <= tick <= min(right, 1 + 1e-9)])
    axes.xaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("accuracy, with its 95% interval")
    axes.plot([], [], "o", color=MUTED, markersize=8, label="test")
    axes.plot([], [], "o", color=MUTED, markerfacecolor=PAPER, markersize=6.5, label="validation")
    if any(row[f"lecture_{split}_accuracy"] is not None for row in approaches.values() for split in HELD_OUT):
        axes.plot([], [], "x", color=INK, markeredgewidth=1.8, label="the lecture")
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _draw_accuracy(axes: Axes, row: Row, split: str, height: float, **dot: Any) -> None:
    """Draws a dot on its interval, and a cross where the lecture has a figure."""
    low, high = row[f"{split}_accuracy_low"], row[f"{split}_accuracy_high"]
    if low is None:
        return
    width = 2.4 if split == "test" else 1.4
    axes.plot([low, high], [height, height], color=dot["color"], linewidth=width, alpha=0.55)
    axes.plot(row[f"{split}_accuracy"], height, markeredgewidth=1.6, **dot)
    if row[f"lecture_{split}_accuracy"] is not None:
        axes.plot(row[f"lecture_{split}_accuracy"], height, marker="x", color=INK, markersize=7, markeredgewidth=1.8,
                  zorder=3)  # fmt: skip


def _accuracy_range(approaches: Mapping[str, Row]) -> tuple[float, float]:
    """Returns the ends of an axis that shows every accuracy, except a baseline that is far off."""
    shown = [
        value
        for name, row in approaches.items()
        if name != BASELINE
        for split in HELD_OUT
        for end in (f"{split}_accuracy_low", f"{split}_accuracy_high", f"lecture_{split}_accuracy")
        if (value := row[end]) is not None
    ]
    low, high = min(shown), max(shown)
    if BASELINE in approaches:
        floor = min(approaches[BASELINE][f"{split}_accuracy_low"] for split in HELD_OUT)
        if low - floor < 4 * max(high - low, 0.1):
            low = min(low, floor)
    span = max(high - low, 0.01)
    # The numbers stand at the right of their dots.
    return low - 0.05 * span, high + 0.14 * span
