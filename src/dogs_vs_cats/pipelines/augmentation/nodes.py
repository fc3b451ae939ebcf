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
    from dogs_vs_cats.reporting import augmentation_figures

    rows = _first_of_each_class(manifest, ORIGINALS)
    labels = manifest["label"].to_numpy()
    versions = RowBatches(
        images, rows, labels, batch_size=len(rows), seed=seed, augmenter=create_generator(augmentation)
    )
    lines = [images[rows], *(versions.batch(version, 0)[0] for version in range(VERSIONS))]
    return augmentation_figures.preview(lines, manifest["class_name"].iloc[rows].tolist())


def _first_of_each_class(manifest: pd.DataFrame, count: int) -> np.ndarray:
    """Rows of training images: the first of each class, then the second of each, and so on."""
    training = manifest.reset_index(drop=True).query("split == 'train'")
    turns = training.assign(turn=training.groupby("label").cumcount())
    return turns.sort_values(["turn", "label"]).index.to_numpy()[:count]
