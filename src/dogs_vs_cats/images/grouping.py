"""Groups of images that stay in one split and one fold: those that `ingestion.group` gives, and copies of one image."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import SplitError
from dogs_vs_cats.images.near_duplicates import join
from dogs_vs_cats.images.sources.base import Source
from dogs_vs_cats.images.split_sizes import check_folds
from dogs_vs_cats.images.splits import SPLITS, UNUSED
from dogs_vs_cats.parameters.ingestion import IngestionParameters

logger = logging.getLogger(__name__)


def with_groups(images: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Joins groups that have a name with groups of copies.

    Args:
        images: Columns `path` and `group`, which is the same number for copies of one image.
        names: The group of each image that has one, by its path.

    Returns:
        The images with `group`, the same number for images that belong together in either way, and two more columns:
        `copies`, the former group, and `group_name`, empty where there is none.
    """
    texts = images["path"].map(names).fillna("")
    named = np.flatnonzero(texts != "")
    codes, _ = pd.factorize(texts.iloc[named])
    _, first = np.unique(codes, return_index=True)
    copies = images["group"].to_numpy()
    return images.assign(group=join(copies, named[first][codes], named), copies=copies, group_name=texts)


def check_groups(ingestion: IngestionParameters, source: Source) -> None:
    """Refuses groups that are too few to be divided.

    Args:
        ingestion: Uses `group` and `folds`.
        source: An open source.

    Raises:
        SplitError: There are fewer groups than splits, or a class has fewer groups than there are to be folds.
    """
    if ingestion.group is None:
        return
    rows = [(entry.label, source.groups.get(entry.path) or ("", entry.path)) for entry in source.entries()]
    groups = {group for _, group in rows}
    if len(groups) < len(SPLITS):
        raise SplitError(
            f"ingestion.group is {ingestion.group}, which divides the {len(rows):,} images into only {len(groups)} "
            f"{'groups' if len(groups) > 1 else 'group'}, and each of {', '.join(SPLITS)} needs one. Set another one, "
            "or null."
        )
    if isinstance(ingestion.folds, int):
        counts = pd.DataFrame(rows, columns=["label", "group"]).groupby("label")["group"].nunique()
        names = [source.class_names[label] for label in counts.index]
        check_folds(ingestion.folds, dict(zip(names, counts.tolist(), strict=True)), "groups")


def across_splits(images: pd.DataFrame, column: str) -> int:
    """Counts the groups in a column whose images in use are in several of the column `split`."""
    used = images[images["split"] != UNUSED]
    return int((used.groupby(column)["split"].nunique() > 1).sum())


def summary(manifest: pd.DataFrame) -> dict[str, Any]:
    """Counts the groups that have a name.

    Args:
        manifest: Columns `split`, `group` and `group_name`.

    Returns:
        `groups`; `images`, how many are in one; and `groups_across_splits`, by the joined groups.
    """
    named = manifest[manifest["group_name"] != ""]
    if across := across_splits(manifest[manifest["group"].isin(named["group"])], "group"):
        logger.warning(
            "The source's official parts divide groups (%d), so results are too optimistic; ingestion.split: "
            "random would keep groups together",
            across,
        )
    return {"groups": named["group_name"].nunique(), "images": len(named), "groups_across_splits": across}
