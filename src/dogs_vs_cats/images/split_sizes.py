"""The sizes of splits: fractions as counts, the images of each class in each split, and what can't be."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dogs_vs_cats.errors import SplitError, listed

Sizes = Mapping[str, int | float]
"""Wanted size of each split, training first: a count, or a fraction of the images there are."""

USABLE, FOUND = "usable images", "images"
"""Words of messages for images that have been decoded, and for those that are only known by their names."""


def planned(
    sizes: Sizes, labels: np.ndarray, class_names: Sequence[str], images: str
) -> tuple[dict[str, int], np.ndarray]:
    """Divides the images into splits by their numbers alone.

    Returns:
        The size of each split; and the images of each class in each split and unused, int (classes, splits + 1).

    Raises:
        SplitError: There are fewer images than the sizes ask for, or a split would be empty.
    """
    counts = resolve(sizes, labels, class_names, images)
    class_counts = np.bincount(labels, minlength=len(class_names))
    return counts, _targets(class_counts, np.array([*counts.values(), len(labels) - sum(counts.values())]))


def resolve(sizes: Sizes, labels: np.ndarray, class_names: Sequence[str], what: str) -> dict[str, int]:
    """Turns fractions into counts that together are the rounded sum of the fractions (largest remainders)."""
    exact = {name: size * len(labels) if isinstance(size, float) else size for name, size in sizes.items()}
    counts = {name: math.floor(size) for name, size in exact.items()}
    missing = round(sum(exact.values())) - sum(counts.values())
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[:missing]:
        counts[name] += 1
    for name, count in counts.items():
        if count < 1:
            raise SplitError(
                f"ingestion.{name}_size is {sizes[name]} of {len(labels):,} {what}, which rounds to 0. Set at least "
                f"{_least_fraction(len(labels))}, or add images."
            )
    if sum(counts.values()) > len(labels):
        raise SplitError(
            f"The split asks for {sum(counts.values()):,} images ({counted(counts)}), but the source has "
            f"{len(labels):,} {what} ({counted(class_counts(labels, class_names))}). Lower "
            f"{', '.join(f'ingestion.{name}_size' for name in counts)}, or add images."
        )
    return counts


def _least_fraction(images: int) -> float:
    """The fraction that one image is, rounded up to two or three digits."""
    scale: int = 10 ** (len(str(images)) + 1)
    return math.ceil(scale / max(images, 1)) / scale


def _targets(class_counts: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Divides each class by the sizes of the splits, rounded up or down so that the sums stay exact.

    Args:
        class_counts: Images of each class, shape (classes,).
        wanted: Images in each split, shape (splits,), with the same sum.

    Returns:
        int array of shape (classes, splits).
    """
    exact = np.outer(class_counts, wanted) / wanted.sum()
    # A whole number must not be missed by a rounding error.
    targets: np.ndarray = np.floor(exact + 1e-9).astype(int)
    remainders = exact - targets
    missing = wanted - targets.sum(axis=0)
    # Classes with the fewest splits to choose from come first.
    for label in np.argsort((remainders > 1e-9).sum(axis=1), kind="stable"):
        for _ in range(class_counts[label] - targets[label].sum()):
            rest = remainders[label]
            at = max(range(len(wanted)), key=lambda at: (rest[at] > 1e-9 and missing[at] > 0, missing[at], rest[at]))
            targets[label, at] += 1
            missing[at] -= 1
            rest[at] = 0
    return targets


def check_training(training: np.ndarray, labels: np.ndarray, class_names: Sequence[str], images: str) -> None:
    """Refuses training images, by their labels, that lack a class; `labels` are those of all `images`."""
    trained = class_counts(training, class_names)
    if lacking := [name for name, count in trained.items() if count == 0]:
        raise SplitError(
            f"The {len(training):,} training images would have none of {listed(lacking)} (the {images} are "
            f"{counted(class_counts(labels, class_names))}). Raise ingestion.train_size and lower "
            "ingestion.validation_size, add images, or leave classes out of ingestion.classes."
        )


def check_folds(folds: int, counts: Mapping[str, int], images: str = FOUND) -> None:
    """Refuses more folds than a class has images.

    Args:
        folds: Number of folds of a cross-validation.
        counts: Number of images in use of each class.
        images: Their name in the message.

    Raises:
        SplitError: A class has fewer images than there are to be folds.
    """
    smallest = min(counts, key=lambda name: counts[name])
    if folds > (most := counts[smallest]):
        smaller = {1: "", 2: "2, or to "}.get(most, f"{most} or less, or to ")
        raise SplitError(
            f"ingestion.folds is {folds}, but class {smallest} has only {most} "
            f"{images if most > 1 else images.removesuffix('s')}, and each fold needs one. Set it to {smaller}null to "
            "turn off cross-validation."
        )


def class_counts(labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
    """The number of images of each class, by its name."""
    counts = np.bincount(labels, minlength=len(class_names)).tolist()
    return dict(zip(class_names, counts, strict=True))


def counted(counts: Mapping[str, int]) -> str:
    """Numbers of images by class or split, for messages."""
    return listed([f"{count:,} {name}" for name, count in counts.items()])
