"""Figures of a search for better parameters."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from dogs_vs_cats.reporting.style import MUTED, PERCENT, SERIES, styled, whole_numbers


@styled
def search_history(trials: pd.DataFrame) -> Figure:
    """Draws the validation log loss of every trial, and the best so far.

    Args:
        trials: Columns `trial`, `outcome` and `val_loss`; pruned trials, which have none, are ticks at the bottom.

    Returns:
        A figure of one panel.
    """
    figure = Figure(figsize=(10.5, 3.7))
    axes = figure.subplots()
    finished = trials[trials["outcome"] == "finished"]
    pruned = trials.loc[trials["outcome"] == "pruned", "trial"]
    best = trials["val_loss"].cummin().ffill()
    axes.step(trials["trial"], best, where="post", color=SERIES[1], label="best so far")
    axes.plot(finished["trial"], finished["val_loss"], "o", color=SERIES[0], label="finished")
    if len(pruned):
        at_the_bottom = axes.get_xaxis_transform()
        axes.plot(pruned, [0.02] * len(pruned), "|", transform=at_the_bottom, color=MUTED, markersize=12,
                  label="stopped early")  # fmt: skip
    axes.set_title("Validation log loss of the trials")
    whole_numbers(axes, "trial")
    axes.legend()
    return figure


@styled
def importance(fractions: Mapping[str, float]) -> Figure:
    """Draws how much of the differences between trials each parameter explains.

    Args:
        fractions: 0..1 by parameter, most important first; none where there were too few trials to tell.

    Returns:
        A figure of one panel.
    """
    figure = Figure(figsize=(10.5, 1.3 + 0.4 * max(len(fractions), 1)))
    axes = figure.subplots()
    axes.set_title("Fraction of the differences that each parameter explains")
    if not fractions:
        axes.text(0.5, 0.5, "too few finished trials to tell", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return figure
    axes.barh(list(fractions), list(fractions.values()), color=SERIES[0], height=0.6)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="y")
    return figure
