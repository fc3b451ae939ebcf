"""Divides images into training, validation and test: exact, stratified and reproducible."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from dogs_vs_cats.errors import SplitError, listed
from dogs_vs_cats.images.split_sizes import (
    LISTED,
    USABLE,
    Sizes,
    check_training,
    class_counts,
    counted,
    planned,
    resolve,
)
from dogs_vs_cats.images.splits import TEST, TRAIN, UNUSED, VALIDATION

logger = logging.getLogger(__name__)


def random_split(
    labels: np.ndarray,
    keys: Sequence[str],
    groups: np.ndarray,
    sizes: Sizes,
    seed: int,
    class_names: Sequence[str],
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

    Returns:
        Name of the split of each image, shape (n,).

    Raises:
        SplitError: There are fewer images than the sizes ask for, a split would be empty, or training would lack a
            class.
    """
    counts, targets = planned(sizes, labels, class_names, USABLE)
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
    _check_sizes(split, counts, groups)
    check_training(labels[split == TRAIN], labels, class_names, USABLE)
    return split


def auto_split(
    labels: np.ndarray,
    parts: Sequence[str],
    keys: Sequence[str],
    groups: np.ndarray,
    sizes: Sizes,
    seed: int,
    class_names: Sequence[str],
) -> tuple[np.ndarray, str]:
    """Keeps a source's own training and test part where it has both, with every class in training; else mixes all.

    If all sizes are fractions, the whole test part is the test split, and validation is drawn from the training part
    as `random_split` does it, so that it keeps copies together. Otherwise this is `official_split`.

    Args:
        labels: Label of each image in file order, shape (n,).
        parts: Part of each image, `train`, `test` or empty.
        keys: As in `random_split`.
        groups: As in `random_split`.
        sizes: Wanted sizes of the three splits.
        seed: As in `random_split`.
        class_names: Names of the classes, by label.

    Returns:
        Name of the split of each image, shape (n,); and `official` or `random`.

    Raises:
        SplitError: As in `official_split` and `random_split`.
    """
    part = np.asarray(parts)
    training = np.flatnonzero(part == TRAIN)
    if lack := _lack_of_parts(labels, part, class_names):
        if part.astype(bool).any():
            logger.warning("ingestion.split is auto: the source's own parts are mixed, because %s", lack)
        return random_split(labels, keys, groups, sizes, seed, class_names), "random"
    logger.info(
        "ingestion.split is auto: the source's own training part (%s images) and test part (%s images) stay as they "
        "are; ingestion.split=random would mix them",
        f"{len(training):,}",
        f"{(part == TEST).sum():,}",
    )
    if not _are_fractions(sizes):
        return official_split(labels, parts, sizes, class_names), "official"
    split = np.where(part == TEST, TEST, UNUSED).astype(f"<U{len(VALIDATION)}")
    split[training] = random_split(
        labels[training],
        [keys[row] for row in training.tolist()],
        groups[training],
        _within_training(sizes),
        seed,
        class_names,
    )
    return split, "official"


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
        images: What messages call the images.

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


def check_split(kind: str, labels: np.ndarray, parts: Sequence[str], sizes: Sizes, class_names: Sequence[str]) -> int:
    """Refuses what the split would refuse even if every image of a source is usable.

    Args:
        kind: `random`, `official` or `auto`.
        labels: Label of each image of the source, none of which has been decoded, shape (n,).
        parts: Part of each image.
        sizes: Wanted sizes of the splits.
        class_names: Names of the classes, by label.

    Returns:
        The number of images that the splits use.

    Raises:
        SplitError: The split can't be made.
    """
    part, tested = np.asarray(parts), 0
    if kind == "auto" and not _lack_of_parts(labels, part, class_names):
        kind = "official"
        if _are_fractions(sizes):
            kind, tested, sizes = "random", int((part == TEST).sum()), _within_training(sizes)
            labels = labels[part == TRAIN]
    if kind == "official":
        return int((official_split(labels, parts, sizes, class_names, LISTED) != UNUSED).sum())
    counts, targets = planned(sizes, labels, class_names, LISTED)
    check_training(np.repeat(np.arange(len(targets)), targets[:, 0]), labels, class_names, LISTED)
    return sum(counts.values()) + tested


def _lack_of_parts(labels: np.ndarray, part: np.ndarray, class_names: Sequence[str]) -> str:
    """Why a source's own parts can't be its split; empty if they can."""
    counts = class_counts(labels[part == TRAIN], class_names)
    if lacking := [name for name, count in counts.items() if not count]:
        return f"the training part has no usable image of {listed(lacking)}"
    return "" if (part == TEST).any() else "the test part is empty"


def _are_fractions(sizes: Sizes) -> bool:
    return all(isinstance(size, float) for size in sizes.values())


def _within_training(sizes: Sizes) -> dict[str, float]:
    """The sizes, as fractions, of the splits that are drawn from a source's own training part."""
    return {TRAIN: 1 - sizes[VALIDATION], VALIDATION: sizes[VALIDATION]}


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
        need: What each split still needs of each class, shape (classes, splits); negative where it has too many.
        targets: What each split needed at first.

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


def _check_sizes(split: np.ndarray, counts: Mapping[str, int], groups: np.ndarray) -> None:
    found = {name: int((split == name).sum()) for name in counts}
    if found == counts:
        return
    group_sizes = np.unique_counts(groups).counts
    problem = (
        f"Copies of one image stay in one split, and {group_sizes[group_sizes > 1].sum():,} of the {len(groups):,} "
        f"usable images are copies, so the sizes can't be {counted(counts)}"
    )
    way_out = "set ingestion.near_duplicates to ignore"
    if empty := [name for name, count in found.items() if not count]:
        raise SplitError(f"{problem}: {listed(empty)} would be empty. Give more images, or {way_out}.")
    logger.warning("%s. They are %s; for exact sizes, %s.", problem, counted(found), way_out)
