"""Figures of a search, in the style of all others."""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dogs_vs_cats.reporting.figures import MUTED, PERCENT, SERIES, STYLE

_styled = mpl.rc_context(STYLE)


@_styled
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
        axes.plot(
            pruned,
            [0.02] * len(pruned),
            "|",
            transform=axes.get_xaxis_transform(),
            color=MUTED,
            markersize=12,
            label="stopped early",
        )
    axes.set_title("Validation log loss of the trials")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=False, axis="x")
    axes.legend()
    return figure


@_styled
def importance(shares: Mapping[str, float]) -> Figure:
    """Draws how much of the differences between trials each parameter explains.

    Args:
        shares: 0..1 by parameter, most important first; none where there were too few trials to tell.

    Returns:
        A figure of one panel.
    """
    figure = Figure(figsize=(10.5, 1.3 + 0.4 * max(len(shares), 1)))
    axes = figure.subplots()
    axes.set_title("Share of the differences that each parameter explains")
    if not shares:
        axes.text(0.5, 0.5, "too few finished trials to tell", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return figure
    axes.barh(list(shares), list(shares.values()), color=SERIES[0], height=0.6)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="y")
    return figure
