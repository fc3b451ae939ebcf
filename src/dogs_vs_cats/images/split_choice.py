"""Chooses how a source is divided: at random, by its own training and test part, or both."""

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import listed
from dogs_vs_cats.images.split_sizes import FOUND, USABLE, Sizes, check_training, class_counts, counted, planned
from dogs_vs_cats.images.splits import SPLITS, TEST, TRAIN, UNUSED, VALIDATION
from dogs_vs_cats.images.splitting import COPIES, GROUPS, official_split, random_split

logger = logging.getLogger(__name__)


def divide(
    images: pd.DataFrame, class_names: Sequence[str], kind: str, sizes: Sizes, seed: int
) -> tuple[np.ndarray, str]:
    """Divides the usable images of a source.

    Args:
        images: A row for each image, in file order: its label, its part (`train`, `test` or empty), its sha256, and its
            group, which is the same for images that belong to the same split.
        class_names: Names of the classes, by label.
        kind: `random`, `official` or `auto`, as `IngestionParameters` describes them.
        sizes: Wanted sizes of the three splits.
        seed: Another seed draws another split.

    Returns:
        Name of the split of each image, shape (n,); and `random` or `official`, also for `auto`.

    Raises:
        SplitError: As in `official_split` and `random_split`.
    """
    labels, parts = images["label"].to_numpy(dtype=np.int64), images["part"].tolist()
    plan = _plan(kind, labels, parts, sizes, class_names)
    if plan.drawn is None:
        split = official_split(labels, parts, sizes, class_names)
    else:
        split = np.full(len(labels), UNUSED, dtype=f"<U{len(VALIDATION)}")
        split[plan.tested] = TEST
        rows = images.iloc[plan.drawn]
        split[plan.drawn] = random_split(
            labels[plan.drawn],
            rows["sha256"].tolist(),
            rows["group"].to_numpy(),
            plan.sizes,
            seed,
            class_names,
            plan.name_of(USABLE),
            GROUPS if "group_name" in images else COPIES,
        )
    if kind == "auto":
        _report(plan, split, np.asarray(parts))
    return split, plan.kind


def check_split(kind: str, labels: np.ndarray, parts: Sequence[str], sizes: Sizes, class_names: Sequence[str]) -> int:
    """Refuses what `divide` would refuse even if every image of a source is usable.

    Args:
        kind: As in `divide`.
        labels: Label of each image of the source, none of which has been decoded, shape (n,).
        parts: Part of each image.
        sizes: Wanted sizes of the splits.
        class_names: Names of the classes, by label.

    Returns:
        The number of images that the splits use.

    Raises:
        SplitError: The split can't be made.
    """
    plan = _plan(kind, labels, parts, sizes, class_names)
    if plan.drawn is None:
        return int((official_split(labels, parts, sizes, class_names, FOUND) != UNUSED).sum())
    drawn, images = labels[plan.drawn], plan.name_of(FOUND)
    counts, targets = planned(plan.sizes, drawn, class_names, images)
    check_training(np.repeat(np.arange(len(targets)), targets[:, 0]), drawn, class_names, images)
    return sum(counts.values()) + len(plan.tested)


class _Plan(NamedTuple):
    """The meaning of `ingestion.split` and of the sizes for a source.

    Attributes:
        kind: `random` or `official`.
        drawn: Rows of the images that are divided at random, int; None for `official_split`.
        sizes: The sizes of the splits that these are divided into.
        tested: Rows of a test part that stays whole, int.
        lack: Why `auto` can't use the source's own parts; empty where it does.
    """

    kind: str
    drawn: np.ndarray | None
    sizes: Sizes
    tested: np.ndarray = np.empty(0, int)
    lack: str = ""

    def name_of(self, images: str) -> str:
        """Words of messages for the images that are divided."""
        return images if TEST in self.sizes else f"{images} in the {TRAIN} part"


def _plan(kind: str, labels: np.ndarray, parts: Sequence[str], sizes: Sizes, class_names: Sequence[str]) -> _Plan:
    """Decides what is drawn from where.

    `auto` keeps a source's own parts where it has both, with every class in training. If `test_size` is a fraction, the
    whole test part is the test split, and the others are drawn from the training part as `random_split` does it, which
    keeps copies together. If `test_size` is a count, `auto` is `official`.
    """
    part, lack = np.asarray(parts), ""
    if kind == "auto":
        lack = _lack_of_parts(labels, part, class_names)
        if not lack and isinstance(sizes[TEST], float):
            training, test = (np.flatnonzero(part == name) for name in (TRAIN, TEST))
            return _Plan("official", training, _within_training(sizes), test)
        kind = "random" if lack else "official"
    return _Plan(kind, np.arange(len(labels)) if kind == "random" else None, sizes, lack=lack)


def _lack_of_parts(labels: np.ndarray, part: np.ndarray, class_names: Sequence[str]) -> str:
    """Why a source's own parts can't be its split; empty if they can."""
    counts = class_counts(labels[part == TRAIN], class_names)
    if lacking := [name for name, count in counts.items() if not count]:
        return f"the training part has no usable image of {listed(lacking)}"
    return "" if (part == TEST).any() else "the test part is empty"


def _within_training(sizes: Sizes) -> Sizes:
    """The sizes of the splits that are drawn from a training part: all of it, if they are meant to use all images."""
    uses_all = math.isclose(sum(sizes.values()), 1)
    return {TRAIN: 1 - sizes[VALIDATION] if uses_all else sizes[TRAIN], VALIDATION: sizes[VALIDATION]}


def _report(plan: _Plan, split: np.ndarray, part: np.ndarray) -> None:
    """Logs what `auto` has done with a source's own parts."""
    if plan.kind == "official":
        whole = "; it stays whole, whatever ingestion.test_size is" if len(plan.tested) else ""
        logger.info(
            "ingestion.split is auto: the source's own parts aren't mixed (ingestion.split=random would mix them). "
            "Training part: %s. Test part: %s%s.",
            *(_shares(split[part == TRAIN]), _shares(split[part == TEST]), whole),
        )
    elif plan.lack and part.astype(bool).any():
        logger.warning("ingestion.split is auto: the source's own parts are mixed, because %s", plan.lack)


def _shares(split: np.ndarray) -> str:
    """The number of images in each split, and unused, for messages."""
    return counted({name: count for name in (*SPLITS, UNUSED) if (count := int((split == name).sum()))})
