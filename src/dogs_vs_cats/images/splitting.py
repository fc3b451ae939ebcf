"""Divides images into training, validation and test: exact, stratified, and the same for the same images and seed."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dogs_vs_cats.errors import SplitError
from dogs_vs_cats.images.sources.names import listed

if TYPE_CHECKING:
    from scipy.sparse import coo_array

TRAIN, VALIDATION, TEST, UNUSED = "train", "validation", "test", "unused"
SPLITS = (TRAIN, VALIDATION, TEST)

Sizes = Mapping[str, int | float]
"""Wanted size of each of `SPLITS`: a count, or a fraction of the images there are."""


def random_split(
    labels: np.ndarray,
    keys: Sequence[str],
    groups: np.ndarray,
    sizes: Sizes,
    seed: int,
    class_names: Sequence[str],
) -> np.ndarray:
    """Draws a split with exact sizes, in which every class has its share.

    A split's number of images of a class is its exact share rounded up or down, unless groups don't allow that; then
    it is as close as they allow. Which images these are depends on the seed and on their content, not on their order
    or names.

    Args:
        labels: Label of each image, shape (n,).
        keys: A different text for each image that stands for its content.
        groups: Images with the same number come into the same split, shape (n,).
        sizes: Wanted sizes; the images left over are `unused`.
        seed: Another seed draws another split.
        class_names: Names of the classes, by label.

    Returns:
        Name of the split of each image, shape (n,).

    Raises:
        SplitError: There are fewer images than asked for, or groups don't allow the sizes; the message names those
            that are possible. Or training would lack a class.
    """
    counts = _resolve(sizes, len(labels), "the usable images")
    _check_enough(counts, labels, class_names, "usable images")
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups.tolist()):
        members[group].append(row)
    # Groups with the same number of images of each class are interchangeable: they are of one kind.
    kinds: dict[tuple[tuple[int, int], ...], list[list[int]]] = defaultdict(list)
    for rows in members.values():
        kinds[tuple(sorted(Counter(labels[rows].tolist()).items()))].append(rows)
    ordered_kinds = sorted(kinds)
    deal = _deal(ordered_kinds, [len(kinds[kind]) for kind in ordered_kinds], counts, len(labels))
    split = np.full(len(labels), UNUSED, dtype=f"<U{len(VALIDATION)}")
    for kind, shares in zip(ordered_kinds, deal, strict=True):
        drawn = sorted(kinds[kind], key=lambda rows: _lot(seed, min(keys[row] for row in rows)))
        begin = 0
        for name, share in zip(SPLITS, shares, strict=False):
            for rows in drawn[begin : begin + share]:
                split[rows] = name
            begin += share
    _check_training(split, labels, class_names)
    return split


def official_split(labels: np.ndarray, parts: Sequence[str], sizes: Sizes, class_names: Sequence[str]) -> np.ndarray:
    """Keeps a source's own training and test part.

    Training is the beginning of the training part, validation the end of it, test the beginning of the test part.
    Where a part lies class after class, as folders do, "beginning" and "end" are taken of each class alike.

    Args:
        labels: Label of each image in file order, shape (n,).
        parts: Part of each image, `train` or `test`.
        sizes: Wanted sizes, or fractions of the part concerned; the images left over are `unused`.
        class_names: Names of the classes, by label.

    Returns:
        Name of the split of each image, shape (n,).

    Raises:
        SplitError: The source has no such parts, or one of them has fewer images than asked for.
    """
    part = np.asarray(parts)
    for name in (TRAIN, TEST):
        if not (part == name).any():
            raise SplitError(
                f"ingestion.split is official, but the source has no usable image in a {name} part of its own. "
                "Set ingestion.split to random."
            )
    split = np.full(len(labels), UNUSED, dtype=f"<U{len(VALIDATION)}")
    for name, wanted in ((TRAIN, (TRAIN, VALIDATION)), (TEST, (TEST,))):
        rows = np.flatnonzero(part == name)
        counts = _resolve({key: sizes[key] for key in wanted}, len(rows), f"the {name} part")
        _check_enough(counts, labels[rows], class_names, f"usable images in its {name} part")
        rows = _by_turns(rows, labels[rows])
        split[rows[: counts[name]]] = name
        if VALIDATION in counts:
            split[rows[len(rows) - counts[VALIDATION] :]] = VALIDATION
    _check_training(split, labels, class_names)
    return split


def _resolve(sizes: Sizes, available: int, of_what: str) -> dict[str, int]:
    """Turns fractions into counts that together are the rounded sum of the fractions (largest remainders)."""
    fractions = {name: size for name, size in sizes.items() if isinstance(size, float)}
    exact = {name: size * available for name, size in fractions.items()}
    counts = {name: math.floor(exact[name]) if name in exact else int(size) for name, size in sizes.items()}
    missing = round(sum(exact.values())) - sum(counts[name] for name in exact)
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[:missing]:
        counts[name] += 1
    for name, count in counts.items():
        if count < 1:
            raise SplitError(
                f"ingestion.{name}_size is {sizes[name]} of {of_what}; these are {available:,}, so that would be none."
            )
    return counts


def _check_enough(counts: Mapping[str, int], labels: np.ndarray, class_names: Sequence[str], what: str) -> None:
    wanted = sum(counts.values())
    if wanted <= len(labels):
        return
    per_class = np.bincount(labels, minlength=len(class_names))
    there = _counted(class_names, per_class)
    raise SplitError(
        f"The split asks for {wanted:,} images ({_list(counts)}), but the source has {len(labels):,} {what} ({there}). "
        f"Ask for fewer by {', '.join(f'ingestion.{name}_size' for name in counts)}, or give more images."
    )


def _check_training(split: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    trained = np.bincount(labels[split == TRAIN], minlength=len(class_names))
    if lacking := [name for name, count in zip(class_names, trained, strict=True) if count == 0]:
        usable = np.bincount(labels, minlength=len(class_names))
        there = _counted(class_names, usable)
        raise SplitError(
            f"The {trained.sum():,} training images would have none of {listed(lacking)} (usable are {there}). "
            "Raise ingestion.train_size, or leave classes out by ingestion.classes."
        )


def _by_turns(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Reorders rows that lie class after class so that any beginning and any end has its share of each class."""
    if (np.diff(labels) < 0).any():
        return rows
    sizes = np.bincount(labels)
    rank = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[labels]
    return rows[np.argsort((rank + 0.5) / sizes[labels], kind="stable")]


def _lot(seed: int, key: str) -> bytes:
    return hashlib.blake2b(f"{seed} {key}".encode()).digest()


def _counted(class_names: Sequence[str], counts: np.ndarray) -> str:
    return listed([f"{count:,} {name}" for name, count in zip(class_names, counts, strict=True)])


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _deal(
    kinds: Sequence[tuple[tuple[int, int], ...]], amounts: Sequence[int], counts: Mapping[str, int], images: int
) -> np.ndarray:
    """Says how many groups of each kind come into each split.

    Args:
        kinds: For each kind its (label, images) pairs.
        amounts: How many groups there are of each kind.
        counts: Images of each of `SPLITS`.
        images: Images there are.

    Returns:
        int array of shape (kinds, splits), `unused` being the last split.
    """
    amount = np.array(amounts)
    sizes = np.array([sum(count for _, count in kind) for kind in kinds])
    wanted = np.array([*(counts[name] for name in SPLITS), images - sum(counts.values())])
    for evenly, complete in ((True, False), (False, True), (False, False)):
        deal = _exact(kinds, amount, sizes, wanted, evenly, complete)
        if deal is not None:
            return deal
    in_groups, groups = int(sizes[sizes > 1] @ amount[sizes > 1]), int(amount[sizes > 1].sum())
    reason = (
        f"Copies of one photo are kept in one split, and {in_groups:,} of the {images:,} usable images are copies, in "
        f"{groups:,} {'group' if groups == 1 else 'groups'}; so the sizes can't be {_list(counts)}."
    )
    way_out = "or set ingestion.near_duplicates to ignore."
    nearest = _nearest(amount, sizes, wanted)
    if nearest is None:
        raise SplitError(f"{reason} They can't be divided into three splits at all: give more images, {way_out}")
    possible = dict(zip(SPLITS, (sizes @ nearest).tolist(), strict=False))
    raise SplitError(f"{reason} The nearest possible sizes are {_list(possible)}. Ask for these, {way_out}")


def _exact(
    kinds: Sequence[tuple[tuple[int, int], ...]],
    amount: np.ndarray,
    sizes: np.ndarray,
    wanted: np.ndarray,
    evenly: bool,
    complete: bool,
) -> np.ndarray | None:
    """Finds how many groups of each kind come into each split so that the splits have the wanted sizes.

    This is controlled rounding, a small integer programme for x[kind, split]. Without groups it always has an even
    solution, in which every class deviates by less than one image from its share.

    Args:
        kinds: For each kind its (label, images) pairs.
        amount: How many groups there are of each kind.
        sizes: Images in a group of each kind.
        wanted: Images in each split.
        evenly: Whether each kind and each class has to get its share, rounded up or down, in each split. Else classes
            deviate from that as little as possible.
        complete: Whether training has to get an image of each class that is due one, however much others deviate.

    Returns:
        int array of shape (kinds, splits); None if there is no solution.
    """
    kind_low, kind_high = _rounded(amount, wanted)
    if (kind_low == kind_high).all():
        return kind_low.astype(int)

    from scipy.sparse import coo_array, eye_array, kron

    splits = eye_array(len(wanted))
    pairs = [(label, row, count) for row, kind in enumerate(kinds) for label, count in kind]
    labels, rows, members = (np.array(column) for column in zip(*pairs, strict=True))
    _, classes = np.unique(labels, return_inverse=True)
    in_class = coo_array((members, (classes, rows)), shape=(classes.max() + 1, len(kinds)))
    class_low, class_high = _rounded(in_class @ amount, wanted)
    if not evenly:
        kind_low, kind_high = np.zeros(kind_low.shape), np.full(kind_high.shape, np.inf)
    hard: list[Rows] = [
        (kron(eye_array(len(kinds)), np.ones((1, len(wanted)))), amount, amount),
        (kron(sizes[np.newaxis, :], splits), wanted, wanted),
    ]
    if complete:
        of_training = kron(in_class, splits).tocsr()[:: len(wanted)]
        hard.append((of_training, np.minimum(class_low[:, 0], 1), np.full(len(class_low), np.inf)))
    return _solve(
        (kind_low, kind_high),
        hard,
        (kron(in_class, splits), class_low.ravel(), class_high.ravel()),
        strict=evenly,
    )


def _nearest(amount: np.ndarray, sizes: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Like `_exact`, but for sizes as near as possible to the wanted ones, none of them nothing."""
    from scipy.sparse import eye_array, kron

    shape = (len(sizes), len(wanted))
    of_named = kron(sizes[np.newaxis, :], eye_array(len(wanted))).tocsr()[: len(SPLITS)]
    return _solve(
        (np.zeros(shape), np.full(shape, np.inf)),
        [
            (kron(eye_array(len(sizes)), np.ones((1, len(wanted)))), amount, amount),
            (of_named, np.ones(len(SPLITS)), np.full(len(SPLITS), np.inf)),
        ],
        (of_named, wanted[: len(SPLITS)], wanted[: len(SPLITS)]),
        strict=False,
    )


def _rounded(amount: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of each amount in each split, rounded down and up."""
    share = np.outer(amount, wanted) / wanted.sum()
    # A share that is a whole number must not be missed by a rounding error.
    return np.floor(share + 1e-9), np.ceil(share - 1e-9)


Rows = tuple["coo_array", np.ndarray, np.ndarray]
"""Linear conditions: matrix, lower and upper bounds of its product with x."""


def _solve(bounds: tuple[np.ndarray, np.ndarray], hard: Sequence[Rows], soft: Rows, strict: bool) -> np.ndarray | None:
    """Finds whole numbers within bounds that meet the hard conditions, and the soft ones as closely as possible.

    Args:
        bounds: Bounds of x, each of shape (kinds, splits).
        hard: Conditions that x has to meet.
        soft: Conditions that x may miss; the sum of what is missing is as small as possible.
        strict: Whether the soft conditions are hard, too.

    Returns:
        x, int array of shape (kinds, splits); None if there is none.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, eye_array, hstack

    low, high = bounds
    matrix, soft_low, soft_high = soft
    missing = len(soft_low)
    padded = [(hstack([rows, csr_array((rows.shape[0], missing))]).tocsr(), least, most) for rows, least, most in hard]
    padded.append((hstack([matrix, eye_array(missing)]).tocsr(), soft_low, np.full(missing, np.inf)))
    padded.append((hstack([matrix, -eye_array(missing)]).tocsr(), np.full(missing, -np.inf), soft_high))
    result = milp(
        np.concatenate([np.zeros(low.size), np.ones(missing)]),
        integrality=np.repeat([1, 0], [low.size, missing]),
        bounds=Bounds(
            np.concatenate([low.ravel(), np.zeros(missing)]),
            np.concatenate([high.ravel(), np.full(missing, 0 if strict else np.inf)]),
        ),
        constraints=[LinearConstraint(*rows) for rows in padded],
        # Even thousands of groups take seconds; the limit is for data made to be hard.
        options={"time_limit": 60.0},
    )
    return None if result.x is None else np.rint(result.x[: low.size]).astype(int).reshape(low.shape)
