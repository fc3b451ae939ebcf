"""The style of all figures: colour-blind-safe, readable at the size of a report.

Figures are drawn without pyplot, so that none stays open and no display is needed. Names of classes and images are
drawn as they are, never parsed as mathematics.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK = "#1f2430"
MUTED = "#667085"
GRID = "#e3e6ea"
PAPER = "#ffffff"
# Okabe and Ito's palette without its yellow, which is too light for a line on white.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "D", "^", "v", "P")

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": PAPER,
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
}
styled = mpl.rc_context(STYLE)
"""Decorates a function that draws a figure."""

DASHED = (0, (4, 3))

# Ticks as people write them: 95%, not 95.0%; 0.2, not 2 × 10⁻¹.
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.4g}%")
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def series_style(index: int) -> tuple[str, str]:
    """Returns colour and marker of the series at a position, the same in every figure."""
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]


def whole_numbers(axes: Axes, label: str) -> None:
    """Makes the horizontal axis one of whole numbers, without vertical grid lines."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=False, axis="x")


def subtitle(axes: Axes, text: str) -> None:
    """Writes a remark at the right of the title."""
    axes.set_title(text, loc="right", fontweight="normal", color=MUTED, fontsize=10)


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Draws raw pixels, uint8 of shape (height, width, 1 or 3), without axes."""
    axes.imshow(
        image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255, interpolation="nearest"
    )
    axes.set_axis_off()


def notice(text: str) -> Figure:
    """Returns a figure that only says why there is nothing to draw."""
    figure = Figure(figsize=(9, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, fontsize=12)
    return figure
