"""Figures of the page about the data."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dogs_vs_cats.evaluation.training_size import Curve
from dogs_vs_cats.reporting import style
from dogs_vs_cats.reporting.style import INK, MUTED, SERIES


@style.figure(10.5, 4)
def training_size(figure: Figure, curve: Curve) -> None:
    """Draws accuracy over the number of training photos, with the fitted curve and its band.

    Args:
        figure: The figure.
        curve: The curve, which goes on to twice the photos.
    """
    axes = figure.subplots()
    measured = curve.grid <= curve.images[-1]
    beyond = np.flatnonzero(measured)[-1]
    axes.fill_between(curve.grid, curve.low, curve.high, color=SERIES[0], alpha=0.15, linewidth=0)
    axes.plot(curve.grid[: beyond + 1], curve.fitted[: beyond + 1], color=SERIES[0], label="fitted")
    axes.plot(curve.grid[beyond:], curve.fitted[beyond:], color=SERIES[0], linestyle=style.DASHED, label="expected")
    axes.plot(curve.images, curve.accuracy, "o", color=INK, label="measured")
    axes.set_xscale("log")
    ticks = [*curve.images, 2 * curve.images[-1]]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set(xlabel="training photos", title="Accuracy over the number of training photos")
    style.percentages(axes.yaxis)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower right")


@style.figure(10.5, 4)
def slice_accuracies(figure: Figure, slices: pd.DataFrame) -> None:
    """Draws the accuracy of one approach in each slice with its interval, orange where it is significantly worse.

    Args:
        figure: The figure.
        slices: Rows of `slices.compare`.
    """
    figure.set_size_inches(10.5, 1.1 + 0.3 * len(slices))
    axes = figure.subplots()
    places = np.arange(len(slices))
    colours = [SERIES[1] if worse else SERIES[0] for worse in slices["worse"]]
    axes.hlines(places, slices["low"], slices["high"], colors=colours, linewidth=2)
    axes.scatter(slices["accuracy"], places, color=colours, zorder=3)
    axes.set_yticks(places, [f"{row.subject}: {row.slice}" for row in slices.itertuples()])
    for place, images in zip(places, slices["images"], strict=True):
        axes.annotate(f"{images:,}", (1.01, place), xycoords=axes.get_yaxis_transform(), va="center", color=MUTED)
    axes.invert_yaxis()
    style.percentages(axes.xaxis)
    style.subtitle(axes, "photos")
    axes.grid(visible=False, axis="y")
