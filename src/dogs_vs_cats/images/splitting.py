"""The two ways to divide images into training, validation and test; both are stratified and reproducible."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dogs_vs_cats.errors import SplitError, listed
from dogs_vs_cats.images.split_sizes import (
    USABLE,
    Sizes,
    check_training,
    counted,
    planned,
    resolve,
)
from dogs_vs_cats.images.splits import TEST, TRAIN, UNUSED, VALIDATION

logger = logging.getLogger(__name__)


class Together(NamedTuple):
    """Words for messages: why images stay together, and how to divide them anyway."""

    rule: str
    are: str
    way_out: str


COPIES = Together("Copies of one image stay", "are copies", "set ingestion.near_duplicates to ignore")
GROUPS = Together(
    "Images of one group (ingestion.group) stay", "are in groups of several", "set ingestion.group to null"
)


def random_split(
    labels: np.ndarray,
    keys: Sequence[str],
    groups: np.ndarray,
    sizes: Sizes,
    seed: int,
    class_names: Sequence[str],
    images: str = USABLE,
    together: Together = COPIES,
) -> np.ndarray:
    """Draws a stratified split of exact sizes that keeps groups together.

    Groups are placed first, the largest ones before all others, each in the split that needs most images of its
    classes. Single images then fill the splits up. Without groups, the number of images of a class in a split is its
    exact fraction rounded up or down. Which images these are depends on the seed and on their content, not on their
    order or names.

    The sizes are exact if there are at least four times as many single images as images in the largest group. Where
    groups are too large for the sizes, a warning names the sizes that the split has instead.

    Args:
        labels: Label of each image, shape (n,).
        keys: A different text for each image that stands for its content.
        groups: Images with the same number belong to the same split, shape (n,).
        sizes: Wanted sizes; the remaining images are `unused`.
        seed: Another seed draws another split.
        class_names: Names of the classes, by label.
        images: The name of the images in messages.
        together: The messages' term for images of one group.

    Returns:
        Name of the split of each image, shape (n,).

    Raises:
        SplitError: There are fewer images than the sizes ask for, a split would be empty, or training would lack a
            class.
    """
    counts, targets = planned(sizes, labels, class_names, images)
    need = targets.copy()
    members: dict[int, list[int]] = defaultdict(list)
    for row in sorted(range(len(keys)), key=lambda row: hashlib.blake2b(f"{seed} {keys[row]}".encode()).digest()):
        members[groups[row]].append(row)
    place = np.empty(len(labels), int)
    for rows in sorted((rows for rows in members.values() if len(rows) > 1), key=len, reverse=True):
        place[rows] = _place(np.bincount(labels[rows], minlength=len(need)), need, targets)
    singles = np.array([rows[0] for rows in members.values() if len(rows) == 1], int)
    for label in range(len(need)):
        of_class = singles[labels[singles] == label]
        one = np.eye(1, len(need), label, dtype=int)[0]
        place[of_class] = sorted(_place(one, need, targets) for _ in of_class)
    split = np.array([*counts, UNUSED])[place]
    _check_sizes(split, counts, groups, together)
    check_training(labels[split == TRAIN], labels, class_names, images)
    return split


def official_split(
    labels: np.ndarray, parts: Sequence[str], sizes: Sizes, class_names: Sequence[str], images: str = USABLE
) -> np.ndarray:
    """Uses a source's own training and test part.

    Training is the beginning of the training part, validation the end of it, test the beginning of the test part.
    Where a part lies class after class, as folders do, "beginning" and "end" are taken of each class alike.

    Args:
        labels: Label of each image in file order, shape (n,).
        parts: Part of each image, `train` or `test`.
        sizes: Wanted sizes, or fractions of the part concerned; the images left over are `unused`.
        class_names: Names of the classes, by label.
        images: The name of the images in messages.

    Returns:
        Name of the split of each image, shape (n,).

    Raises:
        SplitError: The source has no such parts, or one of them has fewer images than asked for.
    """
    part = np.asarray(parts)
    for name in (TRAIN, TEST):
        if not (part == name).any():
            raise SplitError(
                f"ingestion.split is official, but the source has no {images} in a {name} part of its own. "
                "Set ingestion.split to random."
            )
    split = np.full(len(labels), UNUSED, dtype=f"<U{len(VALIDATION)}")
    for name, wanted in ((TRAIN, (TRAIN, VALIDATION)), (TEST, (TEST,))):
        rows = np.flatnonzero(part == name)
        what = f"{images} in its {name} part"
        counts = resolve({key: sizes[key] for key in wanted}, labels[rows], class_names, what)
        rows = _by_turns(rows, labels[rows])
        split[rows[: counts[name]]] = name
        if VALIDATION in counts:
            split[rows[len(rows) - counts[VALIDATION] :]] = VALIDATION
    check_training(labels[split == TRAIN], labels, class_names, images)
    return split


def _by_turns(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Reorders rows that lie class after class so that any beginning and any end is stratified."""
    if (np.diff(labels) < 0).any():
        return rows
    sizes = np.bincount(labels)
    rank = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[labels]
    return rows[np.argsort((rank + 0.5) / sizes[labels], kind="stable")]


def _place(images: np.ndarray, need: np.ndarray, targets: np.ndarray) -> int:
    """Chooses a split for some images, and takes them off what it needs.

    Args:
        images: How many of each class, shape (classes,).
        need: Images that each split still needs of each class, shape (classes, splits); negative where it has too many.
        targets: Images that each split needed at first, shape (classes, splits).

    Returns:
        Index of the split that the images overfill least. Of several, training comes first if it still lacks a class
        that it should have, and then the split that needs the images most.
    """
    room = need.sum(axis=0)
    lacking = (images > 0) & (targets[:, 0] > 0) & (need[:, 0] == targets[:, 0])
    overfull = np.minimum(room - images.sum(), 0)
    wanted = images @ need
    at = max(range(len(room)), key=lambda at: (overfull[at], at == 0 and lacking.any(), wanted[at], room[at]))
    need[:, at] -= images
    return at


def _check_sizes(split: np.ndarray, counts: Mapping[str, int], groups: np.ndarray, together: Together) -> None:
    found = {name: int((split == name).sum()) for name in counts}
    if found == counts:
        return
    group_sizes = np.unique_counts(groups).counts
    problem = (
        f"{together.rule} in one split, and {group_sizes[group_sizes > 1].sum():,} of the {len(groups):,} usable "
        f"images {together.are}, so the sizes can't be {counted(counts)}"
    )
    if empty := [name for name, count in found.items() if not count]:
        raise SplitError(f"{problem}: {listed(empty)} would be empty. Give more images, or {together.way_out}.")
    exact = "" if together is GROUPS else f"; for exact sizes, {together.way_out}"
    logger.warning("%s. They are %s%s.", problem, counted(found), exact)
