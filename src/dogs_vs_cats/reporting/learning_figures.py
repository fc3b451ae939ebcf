"""Figures of training: accuracy and loss over the epochs, of one approach and of all."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from dogs_vs_cats.reporting.style import (
    DASHED,
    MUTED,
    PERCENT,
    PLAIN,
    SERIES,
    series_style,
    styled,
    whole_numbers,
)

MOST_MARKERS = 20
"""Over more epochs a marker on each would hide the line."""

PANELS = (("accuracy", "Accuracy"), ("loss", "Loss"))
TRAINING_LINE: dict[str, Any] = {"linestyle": (0, (3, 2)), "linewidth": 1.2}


def has_validation(history: pd.DataFrame) -> bool:
    """Tells whether a training had images to validate on; a training on all images has none."""
    return bool(history["val_loss"].notna().any())


@styled
def learning_curves(history: pd.DataFrame) -> Figure:
    """Draws accuracy and loss on training and validation images over the epochs.

    Args:
        history: Columns `seed`, `epoch` (from 1), `phase`, `loss`, `accuracy`, `val_loss`, `val_accuracy`. Several
            seeds become their mean, with a band of one standard deviation.

    Returns:
        A figure of two panels.
    """
    figure = Figure(figsize=(10.5, 3.7))
    seeds = history["seed"].nunique()
    for axes, (column, title) in zip(figure.subplots(1, 2), PANELS, strict=True):
        _draw_curve(axes, history, column, color=SERIES[0], label="training", marker="o")
        if has_validation(history):
            _draw_curve(axes, history, f"val_{column}", color=SERIES[1], label="validation", marker="s")
        _finish_panel(axes, title, history["epoch"].max())
        _mark_fine_tuning(axes, history)
    figure.axes[0].legend(loc="best")
    notes = [f"mean ± standard deviation of {seeds} seeds"] if seeds > 1 else []
    if not has_validation(history):
        notes.append("trained on the validation images too: no validation")
    if notes:
        figure.suptitle("; ".join(notes), fontsize=10, color=MUTED)
    return figure


@styled
def comparison_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the learning curves of all approaches into one figure.

    Args:
        histories: The history of each approach, as in `learning_curves`.

    Returns:
        A figure of two panels, accuracy and loss (logarithmic where the losses differ much); solid lines are
        validation, dashed ones training.
    """
    figure = Figure(figsize=(10.5, 4.4))
    panels = figure.subplots(1, 2)
    longest = max(history["epoch"].max() for history in histories.values())
    for axes, (column, title) in zip(panels, PANELS, strict=True):
        for index, (approach, history) in enumerate(histories.items()):
            colour, marker = series_style(index)
            training = {"color": colour, "marker": marker, "markersize": 3, **TRAINING_LINE}
            if has_validation(history):
                _draw_curve(axes, history, column, label="_training", alpha=0.6, **training)
                _draw_curve(axes, history, f"val_{column}", label=approach, color=colour, marker=marker)
            else:
                _draw_curve(axes, history, column, label=f"{approach} (training only)", **training)
        _finish_panel(axes, title, longest)
    _use_logarithm_if_useful(panels[1], histories)
    if any(map(has_validation, histories.values())):
        panels[0].plot([], [], color=MUTED, label="validation")
    panels[0].plot([], [], color=MUTED, label="training", **TRAINING_LINE)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6))
    return figure


def _draw_curve(axes: Axes, history: pd.DataFrame, column: str, **style: Any) -> None:
    """Draws one quantity over the epochs: the mean of the seeds, with a band of one standard deviation."""
    by_epoch = history.groupby("epoch")[column]
    mean, deviation = by_epoch.mean(), by_epoch.std()
    if len(mean) > MOST_MARKERS:
        style["marker"] = None
    axes.plot(mean.index, mean, clip_on=False, **style)
    if deviation.notna().any():  # of a single seed it is NaN
        axes.fill_between(mean.index, mean - deviation, mean + deviation, color=style["color"], alpha=0.15, linewidth=0)


def _finish_panel(axes: Axes, title: str, epochs: int) -> None:
    axes.set_title(title)
    whole_numbers(axes, "epoch")
    # Very few epochs need room at both sides.
    axes.set_xlim(0.5, epochs + 0.5) if epochs <= 5 else axes.set_xlim(1, epochs)
    if title == "Accuracy":
        axes.yaxis.set_major_formatter(PERCENT)
    else:
        axes.set_ylabel("cross-entropy")


def _mark_fine_tuning(axes: Axes, history: pd.DataFrame) -> None:
    fine_tuning = history.loc[history["phase"] == "fine_tuning", "epoch"]
    if fine_tuning.empty:
        return
    beginning = fine_tuning.min() - 0.5
    axes.axvline(beginning, color=MUTED, linewidth=1, linestyle=DASHED)
    axes.annotate(
        "fine-tuning",
        (beginning, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        color=MUTED,
    )


def _use_logarithm_if_useful(axes: Axes, histories: Mapping[str, pd.DataFrame]) -> None:
    losses = pd.concat([history[["loss", "val_loss"]].stack() for history in histories.values()])
    if losses.min() > 0 and losses.max() > 5 * losses.min():
        axes.set_yscale("log")
        axes.set_ylabel("cross-entropy (logarithmic)")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(PLAIN)
        axes.yaxis.set_minor_locator(NullLocator())
