"""Figures of the inside of a model: filters, feature maps, pooling and Grad-CAM."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from dogs_vs_cats.reporting import style
from dogs_vs_cats.reporting.style import MUTED
from dogs_vs_cats.reporting.wording import answer

FILTERS_SHOWN = 48
MAPS_SHOWN = 12


class Explained(NamedTuple):
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


@style.figure(9.6, 4)
def first_filters(figure: Figure, name: str, filters: np.ndarray) -> None:
    """Draws the filters of the first layer, at most `FILTERS_SHOWN` of them.

    Filters over three channels are drawn in colour, each stretched to the full range; others in grey, where middle
    grey is 0, white positive and black negative.

    Args:
        figure: The figure.
        name: The layer.
        filters: float32, (filters, height, width, channels); may be empty.
    """
    if not len(filters):
        style.notice(figure, "This model begins with neither a convolution nor a dense layer, so it has no filters.")
        return
    shown = filters[:FILTERS_SHOWN]
    columns = min(12, len(shown))
    lines = -(-len(shown) // columns)
    figure.set_size_inches(0.8 * max(columns, 6), 0.85 * lines + 0.6)
    for number, (panel, kernel) in enumerate(zip(style.panels(figure, lines, columns).flat, shown, strict=False)):
        if kernel.shape[-1] == 3:
            panel.imshow((kernel - kernel.min()) / max(float(np.ptp(kernel)), 1e-12))
        else:
            panel.imshow(kernel.mean(axis=-1), cmap="gray", norm=CenteredNorm(), interpolation="nearest")
        panel.set_title(str(number), fontsize=7, color=MUTED, loc="center", pad=2, fontweight="normal")
    height, width, channels = filters.shape[1:]
    rest = "" if len(shown) == len(filters) else f", the first {len(shown)}"
    _heading(figure, f"{name}: {len(filters)} filters of {height}×{width}×{channels}{rest}")


@style.figure(12, 4)
def feature_maps(figure: Figure, image: np.ndarray, stages: Sequence[tuple[str, np.ndarray]], path: str) -> None:
    """Draws an image and, in a row for each stage, the first `MAPS_SHOWN` of its feature maps.

    Each map is stretched to the full range; bright is strong.

    Args:
        figure: The figure.
        image: uint8, (height, width, 1 or 3), 0..255.
        stages: Name and output, float32 (height, width, maps), of each convolution and pooling; may be empty.
        path: Path of the image.
    """
    if not stages:
        style.notice(figure, "This model has no convolutions, so it has no feature maps.")
        return
    columns = min(MAPS_SHOWN, max(maps.shape[-1] for _, maps in stages))
    figure.set_size_inches(1.7 + 0.85 * columns, 0.95 * len(stages) + 0.5)
    panels = style.panels(figure, len(stages), columns + 2, width_ratios=[1.4, 0.9, *[1] * columns])
    style.show_image(panels[0, 1], image)
    for (name, maps), (label, _, *places) in zip(stages, panels, strict=True):
        shape = "×".join(map(str, maps.shape))
        label.text(0, 0.5, f"{name}\n{shape}", transform=label.transAxes, va="center", fontsize=8)
        for place, values in zip(places, np.moveaxis(maps, -1, 0), strict=False):
            _show_values(place, values)
    _heading(figure, f"Feature maps of {path}; the first {columns} of each layer")


@style.figure(7.6, 4.1)
def pooling(figure: Figure, pooled: tuple[str, np.ndarray, np.ndarray] | None) -> None:
    """Draws one map before and after its pooling, in the same colours and at the same size.

    Args:
        figure: The figure.
        pooled: A caption, and the map before and after, each (height, width); None for a model without pooling.
    """
    if pooled is None:
        style.notice(figure, "This model has no pooling layers.")
        return
    caption, before, after = pooled
    for panel, when, values in zip(style.panels(figure, 1, 2).flat, ("before", "after"), (before, after), strict=True):
        _show_values(panel, values, before.min(), before.max())
        panel.set_title(f"{when}: {values.shape[0]}×{values.shape[1]}")
    _heading(figure, f"{caption}: {after.size / before.size:.0%} of the values")


@style.figure(6, 4.5)
def grad_cam(figure: Figure, rows: Mapping[str, Sequence[Explained]]) -> None:
    """Draws images with the regions that support the predicted class, each as it is and under its heat map.

    Args:
        figure: The figure.
        rows: Images by the title of their row; empty for a model without convolutions.
    """
    rows = {title: images for title, images in rows.items() if images}
    if not rows:
        style.notice(figure, "This model has no convolutions, so Grad-CAM has no regions to show.")
        return
    columns = max(3, *map(len, rows.values()))
    figure.set_size_inches(1.95 * columns, 4.5 * len(rows))
    for band, (title, images) in zip(figure.subfigures(len(rows), 1, squeeze=False).flat, rows.items(), strict=True):
        band.suptitle(title, fontsize=11, fontweight="bold", x=0.02, ha="left")
        for (above, below), explained in zip(style.panels(band, 2, columns).T, images, strict=False):
            wrong = explained.truth not in (None, explained.predicted)
            given = answer(explained.predicted, explained.confidence)
            style.show_answer(above, explained.image, given, explained.truth, wrong)
            style.show_image(below, explained.image)
            below.imshow(explained.heat, cmap="inferno", alpha=0.75 * explained.heat, vmin=0, vmax=1)
            below.set_title(explained.path[-22:], fontsize=6.5, color=MUTED, fontweight="normal", pad=3)


def _show_values(panel: Axes, values: np.ndarray, low: float | None = None, high: float | None = None) -> None:
    panel.imshow(values, cmap="gray", vmin=low, vmax=high, interpolation="nearest")


def _heading(figure: Figure, text: str) -> None:
    figure.suptitle(text, fontsize=10, color=MUTED)
