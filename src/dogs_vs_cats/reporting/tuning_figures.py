"""Figures of a search for better parameters."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from dogs_vs_cats.reporting import style
from dogs_vs_cats.reporting.style import MUTED, SERIES


@style.figure(10.5, 3.7)
def search_history(figure: Figure, trials: pd.DataFrame) -> None:
    """Draws the validation log loss of every trial, and the best so far.

    Args:
        figure: The figure.
        trials: Columns `trial`, `outcome` and `val_loss`; pruned trials, which have none, are ticks at the bottom.
    """
    axes = figure.subplots()
    finished = trials[trials["outcome"] == "finished"]
    pruned = trials.loc[trials["outcome"] == "pruned", "trial"]
    best = trials["val_loss"].cummin().ffill()
    axes.step(trials["trial"], best, where="post", color=SERIES[1], label="best so far")
    axes.plot(finished["trial"], finished["val_loss"], "o", color=SERIES[0], label="finished")
    if len(pruned):
        bottom = axes.get_xaxis_transform()
        axes.plot(
            pruned, [0.02] * len(pruned), "|", transform=bottom, color=MUTED, markersize=12, label="stopped early"
        )
    axes.set_title("Validation log loss of the trials")
    style.whole_numbers(axes, "trial")
    axes.legend()


@style.figure(10.5, 1.7)
def importance(figure: Figure, fractions: Mapping[str, float]) -> None:
    """Draws how much of the differences between trials each parameter explains.

    Args:
        figure: The figure.
        fractions: 0..1 by parameter, most important first; none where there were too few trials to tell.
    """
    if not fractions:
        style.notice(figure, "There are too few finished trials to tell which parameters matter.")
        return
    figure.set_size_inches(10.5, 1.3 + 0.4 * len(fractions))
    axes = figure.subplots()
    axes.barh(list(fractions), list(fractions.values()), color=SERIES[0], height=0.6)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title="Fraction of the differences that each parameter explains")
    style.percentages(axes.xaxis)
    axes.grid(visible=False, axis="y")
