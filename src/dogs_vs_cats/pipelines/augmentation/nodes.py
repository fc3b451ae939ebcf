"""A picture of what augmentation does."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dogs_vs_cats.lazy_types import Figure
from dogs_vs_cats.parameters.augmentation import AugmentationParameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORIGINALS = 6
VERSIONS = 4


def preview(images: np.ndarray, manifest: pd.DataFrame, augmentation: AugmentationParameters, seed: int) -> Figure:
    """Draws training images above augmented versions of themselves.

    Args:
        images: uint8 memory map, (n, height, width, 1 or 3), 0..255, a row for each row of the manifest. Only the
            images shown are read.
        manifest: Columns `split`, `label` and `class_name`; only rows of the split `train` are shown.
        augmentation: The transforms. They are drawn on the host, whatever the engine: the distribution is the same.
        seed: Seed of the transforms.

    Returns:
        A figure with the first training images, taking turns through the classes, on top.
    """
    from dogs_vs_cats.augmentation import create_generator
    from dogs_vs_cats.batches import ImageBatches

    rows = _first_of_each_class(manifest, ORIGINALS)
    labels = manifest["label"].to_numpy()
    versions = ImageBatches(
        images, rows, labels, batch_size=len(rows), seed=seed, augmenter=create_generator(augmentation)
    )
    lines = [images[rows], *(versions.batch(version, 0)[0] for version in range(VERSIONS))]
    return _draw(lines, manifest["class_name"].to_numpy()[rows])


def _first_of_each_class(manifest: pd.DataFrame, count: int) -> np.ndarray:
    """Rows of training images: the first of each class, then the second of each, and so on."""
    training = manifest.reset_index(drop=True).query("split == 'train'")
    turn = training.groupby("label").cumcount().rename("turn")
    return pd.concat([turn, training["label"]], axis=1).sort_values(["turn", "label"]).index.to_numpy()[:count]


def _draw(lines: list[np.ndarray], names: np.ndarray) -> Figure:
    """Draws originals, titled with their names, above their versions."""
    import matplotlib as mpl
    from matplotlib import figure as mpl_figure

    from dogs_vs_cats.figures import MUTED, STYLE

    with mpl.rc_context(STYLE):
        figure = mpl_figure.Figure(figsize=(1.5 * len(names), 1.5 * len(lines) + 0.3))
        panels = figure.subplots(len(lines), len(names), squeeze=False)
        for line, (pictures, row_of_panels) in enumerate(zip(lines, panels, strict=True)):
            for panel, picture in zip(row_of_panels, pictures, strict=True):
                _show(panel, picture)
            row_of_panels[0].set_ylabel("original" if line == 0 else f"version {line}", color=MUTED)
        for panel, name in zip(panels[0], names, strict=True):
            panel.set_title(name)
    return figure


def _show(panel: "Axes", picture: np.ndarray) -> None:
    """Draws one image, grey or RGB, without axes but with room for a label."""
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    if pixels.shape[-1] == 1:
        panel.imshow(pixels[..., 0], cmap="gray", vmin=0, vmax=255)
    else:
        panel.imshow(pixels)
    panel.grid(visible=False)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
