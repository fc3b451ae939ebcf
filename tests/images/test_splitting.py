"""How images are divided into training, validation and test."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from dogs_vs_cats.errors import SplitError
from dogs_vs_cats.images.splitting import official_split, random_split

SPLITS = ("train", "validation", "test")
WORST = 4
"""Images by which greedy placing misses sizes more than the best split does, with many groups and few single images."""


def draw(labels: np.ndarray, sizes: Mapping[str, float], seed: int = 0, groups: np.ndarray | None = None) -> np.ndarray:
    keys = [f"image {row}" for row in range(len(labels))]
    names = [f"class {label}" for label in range(labels.max() + 1)]
    alone = np.arange(len(labels))
    return random_split(labels, keys, alone if groups is None else groups, sizes, seed, names)


@st.composite
def data_sets(data: st.DrawFn) -> tuple[np.ndarray, dict[str, int]]:
    """Labels in any order, and sizes that fit."""
    counts = data(st.lists(st.integers(4, 40), min_size=2, max_size=5))
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = labels[np.random.default_rng(data(st.integers(0, 99))).permutation(len(labels))]
    train = data(st.integers(len(labels) // 3, len(labels) - 2))
    validation = data(st.integers(1, len(labels) - train - 1))
    test = data(st.integers(1, len(labels) - train - validation))
    return labels, {"train": train, "validation": validation, "test": test}


@settings(max_examples=80)
@given(data_sets(), st.integers(0, 2**31 - 1))
def test_sizes_are_exact_and_classes_have_their_share(data: tuple[np.ndarray, dict[str, int]], seed: int) -> None:
    labels, sizes = data
    split = draw(labels, sizes, seed)
    for name, size in sizes.items():
        assert (split == name).sum() == size
        for label in range(labels.max() + 1):
            share = size * (labels == label).mean()
            assert abs(((split == name) & (labels == label)).sum() - share) < 1
    assert set(split) <= {*SPLITS, "unused"}


@settings(max_examples=40)
@given(data_sets(), st.integers(0, 999), st.randoms(use_true_random=False))
def test_a_split_depends_on_seed_and_content_not_on_the_order(
    data: tuple[np.ndarray, dict[str, int]], seed: int, random: Any
) -> None:
    labels, sizes = data
    split = draw(labels, sizes, seed)
    np.testing.assert_array_equal(split, draw(labels, sizes, seed))
    order = list(range(len(labels)))
    random.shuffle(order)
    names = [f"class {label}" for label in range(labels.max() + 1)]
    shuffled = random_split(labels[order], [f"image {row}" for row in order], np.arange(len(order)), sizes, seed, names)
    np.testing.assert_array_equal(shuffled, split[order])


def test_another_seed_draws_another_split() -> None:
    labels = np.arange(100) % 2
    sizes = {"train": 50, "validation": 25, "test": 25}
    assert (draw(labels, sizes, 0) != draw(labels, sizes, 1)).sum() > 30


def test_one_image_more_hardly_changes_a_split() -> None:
    labels = np.arange(200) % 2
    sizes = {"train": 100, "validation": 40, "test": 40}
    assert (draw(np.append(labels, 0), sizes)[:200] != draw(labels, sizes)).sum() < 10


@st.composite
def grouped_data_sets(data: st.DrawFn) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Labels, groups of up to six images, and sizes that leave at most one image unused."""
    group_sizes = data(st.lists(st.integers(1, 6), min_size=4, max_size=14))
    groups = np.repeat(np.arange(len(group_sizes)), group_sizes)
    labels = np.array(data(st.lists(st.integers(0, 1), min_size=len(groups), max_size=len(groups))))
    assume(len(set(labels)) == 2)
    train = data(st.integers(1, len(groups) - 2))
    validation = data(st.integers(1, len(groups) - train - 1))
    test = len(groups) - train - validation - data(st.integers(0, 1))
    assume(test > 0)
    return labels, groups, {"train": train, "validation": validation, "test": test}


def nearest(groups: np.ndarray, sizes: Mapping[str, float]) -> int:
    """By how many images the best possible split misses the sizes: an integer program, as the oracle."""
    amounts = np.unique_counts(groups).counts
    count, names = len(amounts), len(sizes)
    in_split = np.kron(np.eye(names), amounts)
    slack = np.hstack([np.eye(names), -np.eye(names)])
    once = np.hstack([np.tile(np.eye(count), names), np.zeros((count, 2 * names))])
    wanted = list(sizes.values())
    found = milp(
        np.repeat([0, 1], [count * names, 2 * names]),
        integrality=np.ones(count * names + 2 * names),
        bounds=Bounds(0, np.repeat([1, np.inf], [count * names, 2 * names])),
        constraints=[
            LinearConstraint(np.hstack([in_split, slack]), wanted, wanted),
            LinearConstraint(once, 0, 1),
            LinearConstraint(np.hstack([in_split, 0 * slack]), 1, np.inf),
        ],
    )
    return round(found.fun)


@settings(max_examples=100)
@given(grouped_data_sets())
def test_groups_stay_together_and_sizes_are_near_the_best_possible_ones(
    data: tuple[np.ndarray, np.ndarray, dict[str, float]],
) -> None:
    labels, groups, sizes = data
    try:
        split = draw(labels, sizes, groups=groups)
    except SplitError:  # a split would be empty, or training would lack a class
        return
    for group in set(groups):
        assert len(set(split[groups == group])) == 1
    missed = sum(abs((split == name).sum() - size) for name, size in sizes.items())
    assert missed <= nearest(groups, sizes) + WORST


@settings(max_examples=60)
@given(grouped_data_sets(), st.integers(0, 999))
def test_sizes_are_exact_where_there_are_enough_single_images(
    data: tuple[np.ndarray, np.ndarray, dict[str, float]], seed: int
) -> None:
    labels, groups, sizes = data
    singles = 4 * np.unique_counts(groups).counts.max()
    labels = np.append(labels, np.arange(singles) % 2)
    groups = np.append(groups, 100 + np.arange(singles))
    sizes["train"] += singles
    split = draw(labels, sizes, seed, groups)
    assert {name: (split == name).sum() for name in SPLITS} == sizes


def test_few_groups_among_many_images_change_no_share() -> None:
    labels = np.arange(1000) % 2
    groups = np.arange(1000)
    groups[[10, 20, 31, 502, 504]] = [8, 8, 8, 501, 501]  # across classes, too
    sizes = {"train": 600, "validation": 200, "test": 200}
    split = draw(labels, sizes, groups=groups)
    for name, size in sizes.items():
        assert [((split == name) & (labels == label)).sum() for label in (0, 1)] == [size // 2] * 2
    assert len(set(split[[8, 10, 20, 31]])) == len(set(split[[501, 502, 504]])) == 1


def test_impossible_sizes_become_the_nearest_ones_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    groups = np.array([0] * 8 + [8, 9])
    sizes = {"train": 6, "validation": 2, "test": 2}
    split = draw(np.arange(10) % 2, sizes, groups=groups)
    assert Counter(split) == {"train": 8, "validation": 1, "test": 1}
    assert caplog.messages == [
        "Copies of one image stay in one split, and 8 of the 10 usable images are copies, so the sizes "
        "can't be 6 train, 2 validation, 2 test. They are 8 train, 1 validation, 1 test; for exact sizes, set "
        "ingestion.near_duplicates to ignore."
    ]


def test_a_split_that_would_be_empty_is_refused() -> None:
    with pytest.raises(SplitError, match=r"6 of the 6 .* 1 validation.* would be empty\. Give more images, or set"):
        draw(np.arange(6) % 2, {"train": 4, "validation": 1, "test": 1}, groups=np.array([0] * 3 + [1] * 3))


def test_asking_for_more_than_there_are_says_how_many_there_are() -> None:
    labels = np.array([0] * 30 + [1] * 20)
    with pytest.raises(SplitError) as caught:
        draw(labels, {"train": 60, "validation": 10, "test": 5})
    assert caught.value.message == (
        "The split asks for 75 images (60 train, 10 validation, 5 test), but the source has 50 usable images "
        "(30 class 0, 20 class 1). Lower ingestion.train_size, ingestion.validation_size, "
        "ingestion.test_size, or add images."
    )


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ((0.7, 0.2, 0.1), (35, 10, 5)),
        ((0.29, 0.01, 0.7), (14, 1, 35)),
        ((1 / 3, 1 / 3, 1 / 3), (17, 17, 16)),
        ((10, 0.2, 0.1), (10, 10, 5)),
    ],
)
def test_fractions(sizes: tuple[float, ...], counts: tuple[int, ...]) -> None:
    split = draw(np.arange(50) % 2, dict(zip(SPLITS, sizes, strict=True)))
    assert tuple((split == name).sum() for name in SPLITS) == counts


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0.9, 0.2, 0.1), "asks for 60 images"),
        (
            (0.5, 0.001, 0.1),
            r"ingestion\.validation_size is 0\.001 of 50 usable images, which rounds to 0\. Set at least 0\.02, or",
        ),
    ],
)
def test_fractions_that_do_not_work(sizes: tuple[float, ...], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        draw(np.arange(50) % 2, dict(zip(SPLITS, sizes, strict=True)))


def test_training_needs_every_class() -> None:
    with pytest.raises(
        SplitError, match=r"The 3 training images would have none of class 1 \(the usable images are 48"
    ):
        draw(np.array([0] * 48 + [1] * 2), {"train": 3, "validation": 5, "test": 5})


def test_training_gets_every_class_where_groups_allow_it() -> None:
    # Without class 0 in training the classes' shares would be a little closer to what they should be.
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 2, 0, 2, 3, 3, 3, 2, 1, 2, 2, 1])
    groups = np.array([5, 3, 2, 2, 0, 3, 2, 5, 1, 1, 3, 1, 2, 2, 4, 1, 5, 2, 4, 5])
    split = draw(labels, {"train": 10, "validation": 5, "test": 5}, groups=groups)
    assert set(labels[split == "train"]) == {0, 1, 2, 3}


def test_a_message_about_many_classes_stays_short() -> None:
    with pytest.raises(
        SplitError, match=r"none of class 0, .* and 795 more \(the usable images are 1 class 0, .* more\)"
    ) as caught:
        draw(np.arange(1000), {"train": 200, "validation": 400, "test": 400})
    assert len(caught.value.message) < 400


def test_official_split_of_folders_takes_of_each_class() -> None:
    labels = np.array([0] * 10 + [1] * 20 + [0] * 5 + [1] * 5)
    parts = ["train"] * 30 + ["test"] * 10
    split = official_split(labels, parts, {"train": 15, "validation": 6, "test": 4}, ["cat", "dog"])
    assert split[:10].tolist() == ["train"] * 5 + ["unused"] * 3 + ["validation"] * 2
    assert split[10:30].tolist() == ["train"] * 10 + ["unused"] * 6 + ["validation"] * 4
    assert split[30:].tolist() == ["test"] * 2 + ["unused"] * 3 + ["test"] * 2 + ["unused"] * 3


@pytest.mark.parametrize(
    ("parts", "sizes", "message"),
    [
        (["train"] * 20, (5, 5, 5), r"no usable images in a test part.*Set ingestion\.split to random"),
        ([""] * 20, (5, 5, 5), "no usable images in a train part"),
        (["train"] * 10 + ["test"] * 10, (8, 5, 5), r"asks for 13 images .* has 10 usable images in its train part"),
        (["train"] * 10 + ["test"] * 10, (5, 5, 11), r"asks for 11 images .* has 10 usable images in its test part"),
    ],
)
def test_official_splits_that_do_not_work(parts: list[str], sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        official_split(np.arange(20) % 2, parts, dict(zip(SPLITS, sizes, strict=True)), ["cat", "dog"])
