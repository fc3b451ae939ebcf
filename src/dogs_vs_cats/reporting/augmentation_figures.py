"""The figure of augmentation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dogs_vs_cats.reporting import style
from dogs_vs_cats.reporting.style import INK, MUTED


@style.figure(9, 7.8)
def preview(figure: Figure, lines: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """Draws images above augmented versions of themselves.

    Args:
        figure: The figure.
        lines: The originals, then each set of versions: (n, height, width, 1 or 3), 0..255.
        names: Class of each image.
    """
    figure.set_size_inches(1.5 * len(names), 1.5 * len(lines) + 0.3)
    grid = figure.subplots(len(lines), len(names), squeeze=False)
    for axes, image in zip(grid.flat, np.concatenate(lines), strict=True):
        axes.imshow(np.clip(image, 0, 255).astype(np.uint8), cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name, loc="center", color=INK, fontsize=11, fontweight="bold")
    for number, axes in enumerate(grid[:, 0]):
        axes.set_ylabel(f"version {number}" if number else "original", color=MUTED)
