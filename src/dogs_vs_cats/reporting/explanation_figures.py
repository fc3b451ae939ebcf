"""Pictures of what is inside a model, in the style of `figures`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dogs_vs_cats.reporting.figures import INK, MUTED, SERIES, STYLE

if TYPE_CHECKING:
    # They import Keras, which drawing doesn't need.
    from dogs_vs_cats.explanation.inspection import FirstLayer, Pooled, Stage

FILTERS_SHOWN = 48
MAPS_SHOWN = 12

_styled = mpl.rc_context(STYLE)


@dataclass(frozen=True)
class Look:
    """One picture with the places that its answer comes from.

    Attributes:
        image: uint8, (height, width, 1 or 3), 0..255.
        heat: float32, (height, width), 0..1.
        said: Name of the predicted class.
        confidence: Its probability, 0..1.
        truth: Name of the true class; None where it isn't known.
        path: Which picture it is.
    """

    image: np.ndarray
    heat: np.ndarray
    said: str
    confidence: float
    truth: str | None
    path: str


@_styled
def first_filters(first: "FirstLayer") -> Figure:
    """Draws the filters of the first layer, at most `FILTERS_SHOWN` of them.

    Filters over three channels are drawn in colour, each stretched to the full range; others in grey, where middle
    grey is 0, white positive and black negative.
    """
    weights = first.weights[:FILTERS_SHOWN]
    columns = min(12, len(weights))
    lines = -(-len(weights) // columns)
    figure = Figure(figsize=(0.8 * max(columns, 6), 0.85 * lines + 0.6))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for number, (panel, kernel) in enumerate(zip(panels, weights, strict=False)):
        if kernel.shape[-1] == 3:
            panel.imshow((kernel - kernel.min()) / max(float(np.ptp(kernel)), 1e-12))
        else:
            _show_signed(panel, kernel.mean(axis=-1))
        panel.set_title(str(number), fontsize=7, color=MUTED, loc="center", pad=2, fontweight="normal")
    height, width, channels = first.weights.shape[1:]
    kind = "filters" if first.is_convolution else "units, each as large as the image"
    shown = "" if len(weights) == len(first.weights) else f", the first {len(weights)}"
    _heading(figure, f"{first.name}: {len(first.weights)} {kind} of {height}×{width}×{channels}{shown}")
    return figure


@_styled
def feature_maps(image: np.ndarray, stages: "Sequence[Stage]", path: str) -> Figure:
    """Draws a picture and, in a row for each stage, the first `MAPS_SHOWN` maps that are made of it.

    Args:
        image: uint8, (height, width, 1 or 3), 0..255.
        stages: What convolutions and poolings make of it, in their order; may be empty.
        path: Which picture it is.

    Returns:
        A figure; each map is stretched to the full range, bright is strong.
    """
    if not stages:
        return _notice("This model has no convolutions: it makes no maps of a picture.")
    columns = min(MAPS_SHOWN, max(stage.maps.shape[-1] for stage in stages))
    figure = Figure(figsize=(1.7 + 0.85 * columns, 0.95 * len(stages) + 0.5))
    panels = figure.subplots(len(stages), columns + 2, squeeze=False, width_ratios=[1.4, 0.9, *[1] * columns])
    for panel in panels.ravel():
        panel.set_axis_off()
    show_picture(panels[0, 1], image)
    for line, stage in zip(panels, stages, strict=True):
        height, width, maps = stage.maps.shape
        text = f"{stage.name}\n{height}×{width}×{maps}"
        line[0].text(0, 0.5, text, transform=line[0].transAxes, va="center", fontsize=8, color=INK)
        for number in range(min(columns, maps)):
            line[number + 2].imshow(stage.maps[..., number], cmap="gray", interpolation="nearest")
    _heading(figure, f"What the layers make of {path}; the first {columns} maps of each")
    return figure


@_styled
def pooling(pooled: "Pooled | None") -> Figure:
    """Draws one map before and after its pooling, in the same colours and at the same size."""
    if pooled is None:
        return _notice("This model has no pooling layers.")
    figure = Figure(figsize=(7.6, 4.1))
    low, high = float(pooled.before.min()), float(pooled.before.max())
    pairs = (("before", pooled.before), ("after", pooled.after))
    for panel, (when, values) in zip(figure.subplots(1, 2), pairs, strict=True):
        panel.imshow(values, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        panel.set_title(f"{when}: {values.shape[0]}×{values.shape[1]}")
        panel.set_axis_off()
    kept = pooled.after.size / pooled.before.size
    _heading(
        figure,
        f"{pooled.name}, windows of {pooled.window}×{pooled.window}, map {pooled.number}: {kept:.0%} of the values",
    )
    return figure


@_styled
def grad_cam(looks: "Sequence[tuple[str, Sequence[Look]]]") -> Figure:
    """Draws pictures with the places that speak for the answer.

    Args:
        looks: Rows, each with its title and its pictures; empty for a model without convolutions.

    Returns:
        A figure in which each picture stands twice: as it is, and with heat on it.
    """
    rows = [(title, pictures) for title, pictures in looks if pictures]
    if not rows:
        return _notice("This model has no convolutions: Grad-CAM can't show where it looks.")
    columns = max(3, *(len(pictures) for _, pictures in rows))
    figure = Figure(figsize=(1.95 * columns, 4.5 * len(rows)))
    for band, (title, pictures) in zip(figure.subfigures(len(rows), 1, squeeze=False).ravel(), rows, strict=True):
        band.suptitle(title, fontsize=11, fontweight="bold", x=0.02, ha="left")
        panels = band.subplots(2, columns, squeeze=False)
        for panel in panels.ravel():
            panel.set_axis_off()
        for number, look in enumerate(pictures):
            wrong = look.truth is not None and look.truth != look.said
            show_picture(panels[0, number], look.image)
            said = f"{look.said} {look.confidence:.0%}"
            is_ = "" if look.truth is None else f"is {look.truth}"
            panels[0, number].set_title(said, fontsize=9.5, color=SERIES[1] if wrong else INK, pad=14)
            panels[0, number].text(0, 1.02, is_, transform=panels[0, number].transAxes, fontsize=8, color=MUTED)
            show_picture(panels[1, number], look.image)
            panels[1, number].imshow(look.heat, cmap="inferno", alpha=0.75 * look.heat, vmin=0, vmax=1)
            panels[1, number].set_title(look.path[-22:], fontsize=6.5, color=MUTED, fontweight="normal", pad=3)
    return figure


def show_picture(panel: Axes, image: np.ndarray) -> None:
    """Draws raw pixels, uint8 of shape (height, width, 1 or 3), without axes."""
    if image.shape[-1] == 1:
        panel.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        panel.imshow(image, interpolation="nearest")
    panel.set_axis_off()


def _show_signed(panel: Axes, values: np.ndarray) -> None:
    limit = max(float(np.abs(values).max()), 1e-12)
    panel.imshow(values, cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")


def _heading(figure: Any, text: str) -> None:
    figure.suptitle(text, fontsize=10, color=MUTED)


def _notice(text: str) -> Figure:
    figure = Figure(figsize=(9, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, fontsize=12)
    return figure
