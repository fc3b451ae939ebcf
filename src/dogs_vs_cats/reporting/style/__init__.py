"""The style of all figures, from `figures.mplstyle`, and the elements they share.

Figures are drawn without pyplot, so that none stays open and no display is needed.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

Parameters = ParamSpec("Parameters")
Drawing = Callable[Concatenate[Figure, Parameters], None]

STYLE = mpl.rc_params_from_file(Path(__file__).with_name("figures.mplstyle"), use_default_template=False)

INK: str = STYLE["text.color"]
MUTED: str = STYLE["axes.labelcolor"]
PAPER = "#ffffff"
SERIES: list[str] = STYLE["axes.prop_cycle"].by_key()["color"]
MARKERS = {"o": "●", "s": "■", "D": "◆", "^": "▲", "v": "▼", "P": "✚"}
"""Markers of the series, and the same signs as characters for the pages."""

DASHED = (0, (4, 3))


def figure(width: float, height: float) -> Callable[[Drawing[Parameters]], Callable[Parameters, Figure]]:
    """Decorates a function that draws on an empty figure, its first argument: it then returns the styled figure.

    Args:
        width: Width of the figure, in inches. The function may change the size.
        height: Its height, likewise.
    """

    def decorate(draw: Drawing[Parameters]) -> Callable[Parameters, Figure]:
        @wraps(draw)
        def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
            with mpl.rc_context(STYLE):
                empty = Figure(figsize=(width, height))
                draw(empty, *args, **kwargs)
            return empty

        return drawn

    return decorate


def series_style(index: int) -> tuple[str, str]:
    """Returns colour and marker of the series at a position, the same in every figure."""
    return SERIES[index % len(SERIES)], list(MARKERS)[index % len(MARKERS)]


def percentages(*axes: Axis) -> None:
    """Writes the ticks of axes as percentages, as people write them: 95%, not 95.0%."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")


def whole_numbers(axes: Axes, label: str) -> None:
    """Makes the horizontal axis one of whole numbers, without vertical grid lines."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=False, axis="x")


def subtitle(axes: Axes, text: str) -> None:
    """Writes a remark at the right of the title."""
    axes.set_title(text, loc="right", fontweight="normal", color=MUTED, fontsize=10)


def panels(figure: FigureBase, lines: int, columns: int, width_ratios: Sequence[float] | None = None) -> np.ndarray:
    """Returns panels without axes for images, shape (lines, columns)."""
    made: np.ndarray = figure.subplots(lines, columns, squeeze=False, width_ratios=width_ratios)
    for panel in made.ravel():
        panel.set_axis_off()
    return made


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Draws raw pixels, uint8 of shape (height, width, 1 or 3), without axes."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()


def show_answer(axes: Axes, image: np.ndarray, answer: str, truth: str | None, wrong: bool) -> None:
    """Draws an image below a model's answer, orange where it is wrong, and below the true class where it is known."""
    show_image(axes, image)
    axes.set_title(answer, color=SERIES[1] if wrong else INK, fontsize=10, pad=16)
    if truth is not None:
        axes.text(0, 1.03, f"is {truth}", transform=axes.transAxes, fontsize=9)


def notice(figure: Figure, text: str) -> None:
    """Makes a figure that only says why there is nothing to draw."""
    figure.set_size_inches(9, 1.2)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, fontsize=12)
