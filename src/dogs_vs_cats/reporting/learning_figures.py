"""Figures of training: accuracy and loss over the epochs, of one approach and of all."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from dogs_vs_cats.reporting import style
from dogs_vs_cats.reporting.style import DASHED, MUTED, SERIES

MOST_MARKERS = 20
"""Over more epochs a marker on each would hide the line."""

TRAINING_LINE: dict[str, Any] = {"linestyle": (0, (3, 2)), "linewidth": 1.2}


def has_validation(history: pd.DataFrame) -> bool:
    """Tells whether a training had images to validate on; a training on all images has none."""
    return bool(history["val_loss"].notna().any())


@style.figure(10.5, 3.7)
def learning_curves(figure: Figure, history: pd.DataFrame) -> None:
    """Draws accuracy and loss on training and validation images over the epochs.

    Args:
        figure: The figure.
        history: Columns `seed`, `epoch` (from 1), `phase`, `loss`, `accuracy`, `val_loss`, `val_accuracy`. Several
            seeds become their mean, with a band of one standard deviation.
    """
    history = _of_all_seeds(history)
    for column, axes in _panels(figure, history["epoch"].max()).items():
        _draw_curve(axes, history, column, color=SERIES[0], label="training", marker="o")
        if has_validation(history):
            _draw_curve(axes, history, f"val_{column}", color=SERIES[1], label="validation", marker="s")
        fine_tuning = history.loc[history["phase"] == "fine_tuning", "epoch"]
        if len(fine_tuning):
            beginning = fine_tuning.min() - 0.5
            axes.axvline(beginning, color=MUTED, linewidth=1, linestyle=DASHED)
            place = axes.get_xaxis_transform()
            axes.text(beginning, 0.99, " fine-tuning", transform=place, va="top", fontsize=8.5, color=MUTED)
    _end_at_one(figure.axes[0])
    figure.axes[0].legend(loc="best")
    seeds = history["seed"].nunique()
    notes = [f"mean ± standard deviation of {seeds} seeds"] if seeds > 1 else []
    if not has_validation(history):
        notes.append("trained on the validation images too: no validation")
    figure.suptitle("; ".join(notes), fontsize=10, color=MUTED)


@style.figure(10.5, 4.4)
def comparison_curves(figure: Figure, histories: Mapping[str, pd.DataFrame]) -> None:
    """Draws the learning curves of all approaches into one figure.

    The loss is logarithmic where the losses differ much. Solid lines are validation, dashed ones training.

    Args:
        figure: The figure.
        histories: The history of each approach, as in `learning_curves`.
    """
    histories = {approach: _of_all_seeds(history) for approach, history in histories.items()}
    panels = _panels(figure, max(history["epoch"].max() for history in histories.values()))
    for column, axes in panels.items():
        for index, (approach, history) in enumerate(histories.items()):
            colour, marker = style.series_style(index)
            training = {"color": colour, "marker": marker, "markersize": 3, **TRAINING_LINE}
            if has_validation(history):
                _draw_curve(axes, history, column, label="_training", alpha=0.6, **training)
                _draw_curve(axes, history, f"val_{column}", label=approach, color=colour, marker=marker)
            else:
                _draw_curve(axes, history, column, label=f"{approach} (training only)", **training)
    _end_at_one(panels["accuracy"])
    _use_logarithm_if_useful(panels["loss"], histories)
    if any(map(has_validation, histories.values())):
        panels["accuracy"].plot([], [], color=MUTED, label="validation")
    panels["accuracy"].plot([], [], color=MUTED, label="training", **TRAINING_LINE)
    handles, labels = panels["accuracy"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6))


def _of_all_seeds(history: pd.DataFrame) -> pd.DataFrame:
    """Leaves out the epochs that some seeds, stopped early, didn't reach: their mean is not that of all seeds."""
    reached: pd.DataFrame = history[history["epoch"] <= history.groupby("seed")["epoch"].max().min()]
    return reached


def _panels(figure: Figure, epochs: int) -> dict[str, Axes]:
    """Returns panels for the accuracy and the loss, by their columns in a history."""
    accuracy, loss = figure.subplots(1, 2)
    # Very few epochs need room at both sides.
    ends = (0.5, epochs + 0.5) if epochs <= 5 else (1, epochs)
    for axes, title in ((accuracy, "Accuracy"), (loss, "Loss")):
        style.whole_numbers(axes, "epoch")
        axes.set(title=title, xlim=ends)
    style.percentages(accuracy.yaxis)
    loss.set_ylabel("cross-entropy")
    return {"accuracy": accuracy, "loss": loss}


def _draw_curve(axes: Axes, history: pd.DataFrame, column: str, **line: Any) -> None:
    """Draws the mean of all seeds, with a band of one standard deviation."""
    by_epoch = history.groupby("epoch")[column]
    mean, deviation = by_epoch.mean(), by_epoch.std()
    if len(mean) > MOST_MARKERS:
        line["marker"] = None
    axes.plot(mean.index, mean, clip_on=False, **line)
    if deviation.notna().any():  # of a single seed it is NaN
        axes.fill_between(mean.index, mean - deviation, mean + deviation, color=line["color"], alpha=0.15, linewidth=0)


def _end_at_one(axes: Axes) -> None:
    """Ends the axis of accuracies at 1 where all of them are 1; Matplotlib puts a single value into the middle."""
    low, high = axes.get_ylim()
    if high > 1 and low + high >= 2:
        axes.set_ylim(top=1)


def _use_logarithm_if_useful(axes: Axes, histories: Mapping[str, pd.DataFrame]) -> None:
    losses = pd.concat([history[["loss", "val_loss"]].stack() for history in histories.values()])
    if losses.min() > 0 and losses.max() > 5 * losses.min():
        axes.set(yscale="log", ylabel="cross-entropy (logarithmic)")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")  # 0.2, not 2 × 10⁻¹
        axes.yaxis.set_minor_locator(NullLocator())
