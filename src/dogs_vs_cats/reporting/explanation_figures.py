"""Figures of the inside of a model: filters, feature maps, pooling and Grad-CAM."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from dogs_vs_cats.reporting.style import INK, MUTED, SERIES, notice, show_image, styled
from dogs_vs_cats.reporting.wording import certainty

if TYPE_CHECKING:
    # They import Keras, which drawing doesn't need.
    from dogs_vs_cats.explanation.inspection import FirstLayer, Pooled, Stage

FILTERS_SHOWN = 48
MAPS_SHOWN = 12


@dataclass(frozen=True)
class Explained:
    """An image and the Grad-CAM heat map of the model's answer.

    Attributes:
        image: uint8, (height, width, 1 or 3), 0..255.
        heat: float32, (height, width), 0..1.
        predicted: Name of the predicted class.
        confidence: Its probability, 0..1.
        truth: Name of the true class; None where it isn't known.
        path: Path of the image.
    """

    image: np.ndarray
    heat: np.ndarray
    predicted: str
    confidence: float
    truth: str | None
    path: str


@styled
def first_filters(first: "FirstLayer") -> Figure:
    """Draws the filters of the first layer, at most `FILTERS_SHOWN` of them.

    Filters over three channels are drawn in colour, each stretched to the full range; others in grey, where middle
    grey is 0, white positive and black negative.
    """
    weights = first.weights[:FILTERS_SHOWN]
    columns = min(12, len(weights))
    lines = -(-len(weights) // columns)
    figure = Figure(figsize=(0.8 * max(columns, 6), 0.85 * lines + 0.6))
    panels = _panels(figure, lines, columns).ravel()
    for number, (panel, kernel) in enumerate(zip(panels, weights, strict=False)):
        if kernel.shape[-1] == 3:
            panel.imshow((kernel - kernel.min()) / max(float(np.ptp(kernel)), 1e-12))
        else:
            values = kernel.mean(axis=-1)
            limit = max(float(np.abs(values).max()), 1e-12)
            _show_values(panel, values, -limit, limit)
        panel.set_title(str(number), fontsize=7, color=MUTED, loc="center", pad=2, fontweight="normal")
    height, width, channels = first.weights.shape[1:]
    kind = "filters" if first.is_convolution else "units, each as large as the image"
    shown = "" if len(weights) == len(first.weights) else f", the first {len(weights)}"
    _heading(figure, f"{first.name}: {len(first.weights)} {kind} of {height}×{width}×{channels}{shown}")
    return figure


@styled
def feature_maps(image: np.ndarray, stages: "Sequence[Stage]", path: str) -> Figure:
    """Draws an image and, in a row for each stage, the first `MAPS_SHOWN` of its feature maps.

    Args:
        image: uint8, (height, width, 1 or 3), 0..255.
        stages: The outputs of convolutions and poolings, in their order; may be empty.
        path: Path of the image.

    Returns:
        A figure; each map is stretched to the full range, bright is strong.
    """
    if not stages:
        return notice("This model has no convolutions, so it has no feature maps.")
    columns = min(MAPS_SHOWN, max(stage.maps.shape[-1] for stage in stages))
    figure = Figure(figsize=(1.7 + 0.85 * columns, 0.95 * len(stages) + 0.5))
    panels = _panels(figure, len(stages), columns + 2, width_ratios=[1.4, 0.9, *[1] * columns])
    show_image(panels[0, 1], image)
    for line, stage in zip(panels, stages, strict=True):
        height, width, maps = stage.maps.shape
        text = f"{stage.name}\n{height}×{width}×{maps}"
        line[0].text(0, 0.5, text, transform=line[0].transAxes, va="center", fontsize=8, color=INK)
        for number in range(min(columns, maps)):
            _show_values(line[number + 2], stage.maps[..., number])
    _heading(figure, f"Feature maps of {path}; the first {columns} of each layer")
    return figure


@styled
def pooling(pooled: "Pooled | None") -> Figure:
    """Draws one map before and after its pooling, in the same colours and at the same size."""
    if pooled is None:
        return notice("This model has no pooling layers.")
    figure = Figure(figsize=(7.6, 4.1))
    low, high = float(pooled.before.min()), float(pooled.before.max())
    pairs = (("before", pooled.before), ("after", pooled.after))
    for panel, (when, values) in zip(_panels(figure, 1, 2).ravel(), pairs, strict=True):
        _show_values(panel, values, low, high)
        panel.set_title(f"{when}: {values.shape[0]}×{values.shape[1]}")
    fraction = pooled.after.size / pooled.before.size
    windows = f"windows of {pooled.window}×{pooled.window}"
    _heading(figure, f"{pooled.name}, {windows}, map {pooled.number}: {fraction:.0%} of the values")
    return figure


@styled
def grad_cam(rows: Sequence[tuple[str, Sequence[Explained]]]) -> Figure:
    """Draws images with the regions that support the predicted class.

    Args:
        rows: Each with its title and its images; empty for a model without convolutions.

    Returns:
        A figure in which each image stands twice: as it is, and under its heat map.
    """
    rows = [(title, images) for title, images in rows if images]
    if not rows:
        return notice("This model has no convolutions, so Grad-CAM has no regions to show.")
    columns = max(3, *(len(images) for _, images in rows))
    figure = Figure(figsize=(1.95 * columns, 4.5 * len(rows)))
    for band, (title, images) in zip(figure.subfigures(len(rows), 1, squeeze=False).ravel(), rows, strict=True):
        band.suptitle(title, fontsize=11, fontweight="bold", x=0.02, ha="left")
        for (above, below), explained in zip(_panels(band, 2, columns).T, images, strict=False):
            wrong = explained.truth not in (None, explained.predicted)
            said = f"{explained.predicted} {certainty(explained.confidence)}"
            truth = "" if explained.truth is None else f"is {explained.truth}"
            show_image(above, explained.image)
            above.set_title(said, fontsize=9.5, color=SERIES[1] if wrong else INK, pad=14)
            above.text(0, 1.02, truth, transform=above.transAxes, fontsize=8, color=MUTED)
            show_image(below, explained.image)
            below.imshow(explained.heat, cmap="inferno", alpha=0.75 * explained.heat, vmin=0, vmax=1)
            below.set_title(explained.path[-22:], fontsize=6.5, color=MUTED, fontweight="normal", pad=3)
    return figure


def _panels(figure: FigureBase, lines: int, columns: int, width_ratios: Sequence[float] | None = None) -> np.ndarray:
    """Makes panels without axes, shape (lines, columns)."""
    panels: np.ndarray = figure.subplots(lines, columns, squeeze=False, width_ratios=width_ratios)
    for panel in panels.ravel():
        panel.set_axis_off()
    return panels


def _show_values(panel: Axes, values: np.ndarray, low: float | None = None, high: float | None = None) -> None:
    panel.imshow(values, cmap="gray", vmin=low, vmax=high, interpolation="nearest")


def _heading(figure: Figure, text: str) -> None:
    figure.suptitle(text, fontsize=10, color=MUTED)
