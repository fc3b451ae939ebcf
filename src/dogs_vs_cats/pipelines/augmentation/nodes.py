"""A picture of what augmentation does."""

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure
from dogs_vs_cats.parameters.augmentation import AugmentationParameters

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
    from dogs_vs_cats.images.augmentation.generator import create_generator
    from dogs_vs_cats.images.batches import RowBatches

    rows = _first_of_each_class(manifest, ORIGINALS)
    labels = manifest["label"].to_numpy()
    versions = RowBatches(
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

    from dogs_vs_cats.reporting.style import INK, MUTED, STYLE

    mosaic, columns, rows = _mosaic(lines)
    with mpl.rc_context(STYLE):
        figure = mpl_figure.Figure(figsize=(1.5 * len(names), 1.5 * len(lines) + 0.3))
        axes = figure.subplots()
        axes.imshow(mosaic[..., 0] if mosaic.shape[-1] == 1 else mosaic, cmap="gray", vmin=0, vmax=255)
        axes.set_xticks(columns, names, color=INK, fontsize=11, fontweight="bold")
        axes.xaxis.tick_top()
        labels = ["original", *(f"version {version}" for version in range(1, len(lines)))]
        axes.set_yticks(rows, labels, rotation="vertical", va="center")
        axes.tick_params(axis="y", labelcolor=MUTED)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    return figure


def _mosaic(lines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Puts pictures into one, with white between them: drawn one by one, they take twice as long.

    Args:
        lines: For each line uint8 or float32 pictures of one size, (n, side, side, 1 or 3), 0..255.

    Returns:
        uint8 picture; where the middles of its columns and of its lines are.
    """
    pictures = np.clip(np.stack(lines), 0, 255).astype(np.uint8)
    side = pictures.shape[2]
    gap = max(1, side // 16)
    framed = np.pad(pictures, [(0, 0), (0, 0), (0, gap), (0, gap), (0, 0)], constant_values=255)
    height, width, step, _, channels = framed.shape
    mosaic = framed.transpose(0, 2, 1, 3, 4).reshape(height * step, width * step, channels)[:-gap, :-gap]
    middles = np.arange(max(height, width)) * step + (side - 1) / 2
    return mosaic, middles[:width], middles[:height]
