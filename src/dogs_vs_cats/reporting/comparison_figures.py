"""The figure that compares the accuracies of all approaches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.reporting import style
from dogs_vs_cats.reporting.style import INK, MUTED, PAPER
from dogs_vs_cats.reporting.wording import percent

Row = Mapping[str, Any]

LINES: dict[str, dict[str, Any]] = {
    "test": {"markersize": 8, "linewidth": 2.4},
    "validation": {"markersize": 6.5, "linewidth": 1.4, "markerfacecolor": PAPER},
}
LECTURE: dict[str, Any] = {"color": INK, "markersize": 7, "markeredgewidth": 1.8}


@style.figure(10.5, 3)
def accuracy_dots(figure: Figure, approaches: Mapping[str, Row]) -> None:
    """Draws the accuracies of all approaches with their 95 % intervals, and the lecture's figures.

    A baseline far below all else (ten balanced classes: 10 %) is written at the left edge instead, since the dots of
    the approaches would coincide otherwise.

    Args:
        figure: The figure.
        approaches: For each approach, in the order of drawing, `validation_accuracy` and `test_accuracy`, each also
            with `_low` and `_high`, and `lecture_validation_accuracy` and `lecture_test_accuracy` or None; 0..1.
    """
    figure.set_size_inches(10.5, 0.9 + 0.78 * len(approaches))
    axes = figure.subplots()
    left, right = _accuracy_range(approaches)
    for line, (name, row) in enumerate(approaches.items()):
        colour, marker = (MUTED, "o") if name == BASELINE else style.series_style(line)
        accuracy = row["test_accuracy"]
        text = percent(accuracy, row["test_images"])
        if accuracy < left:
            place = axes.get_yaxis_transform()
            axes.text(0.005, line, f"◂ {text}", transform=place, va="center", color=MUTED, fontweight="bold")
            continue
        for split, height in (("test", line - 0.14), ("validation", line + 0.14)):
            _draw_accuracy(axes, row, split, height, color=colour, marker=marker)
        end = (max(row["test_accuracy_high"], row["lecture_test_accuracy"] or 0.0), line - 0.14)
        axes.annotate(text, end, xytext=(8, 0), textcoords="offset points", va="center", fontweight="bold")
    axes.set_yticks(range(len(approaches)), list(approaches))
    axes.tick_params(axis="y", labelcolor=INK, labelsize=10.5)
    axes.set(xlim=(left, right), ylim=(len(approaches) - 0.5, -0.5), xlabel="accuracy, with its 95% interval")
    axes.set_xticks([tick for tick in axes.get_xticks() if left <= tick <= min(right, 1 + 1e-9)])
    style.percentages(axes.xaxis)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    for split, dot in LINES.items():
        axes.plot([], [], color=MUTED, marker="o", label=split, **{**dot, "linewidth": 0})
    if any(row[f"lecture_{split}_accuracy"] is not None for row in approaches.values() for split in LINES):
        axes.plot([], [], "x", label="the lecture", **LECTURE)
    figure.legend(loc="outside upper right", ncols=3)


def _draw_accuracy(axes: Axes, row: Row, split: str, height: float, **dot: Any) -> None:
    """Draws a dot on its interval, and a cross where the lecture has a figure."""
    low, high = row[f"{split}_accuracy_low"], row[f"{split}_accuracy_high"]
    if low is None:
        return
    line = LINES[split]
    axes.plot([low, high], [height, height], color=dot["color"], linewidth=line["linewidth"], alpha=0.55)
    axes.plot(row[f"{split}_accuracy"], height, markeredgewidth=1.6, **dot, **line)
    if row[f"lecture_{split}_accuracy"] is not None:
        axes.plot(row[f"lecture_{split}_accuracy"], height, "x", zorder=3, **LECTURE)


def _accuracy_range(approaches: Mapping[str, Row]) -> tuple[float, float]:
    """Returns the ends of an axis that shows every accuracy, except a baseline that is far off."""
    columns = [f"{split}_accuracy_{end}" for split in LINES for end in ("low", "high")]
    columns += [f"lecture_{split}_accuracy" for split in LINES]
    values = np.array([[row[column] for column in columns] for row in approaches.values()], dtype=float)
    shown = values[[name != BASELINE for name in approaches]]
    low, high, lowest = np.nanmin(shown), np.nanmax(shown), np.nanmin(values)
    if low - lowest < 4 * max(high - low, 0.1):
        low = lowest
    span = max(high - low, 0.01)
    # The numbers stand at the right of their dots.
    return low - 0.05 * span, high + 0.14 * span
