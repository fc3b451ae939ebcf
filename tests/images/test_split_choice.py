"""The meaning of `ingestion.split` and the sizes for sources with and without parts of their own."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.errors import SplitError
from dogs_vs_cats.images.split_choice import check_split, divide
from dogs_vs_cats.images.splitting import official_split

SPLITS = ("train", "validation", "test")
NAMES = ["cat", "dog"]
LABELS = np.array([0] * 40 + [1] * 80 + [0] * 5 + [1] * 5)
PARTS = ["train"] * 120 + ["test"] * 10
"""One part after the other, and one class after the other in each."""


def split_by_itself(
    sizes: tuple[float, ...], labels: np.ndarray = LABELS, parts: list[str] = PARTS, names: list[str] = NAMES
) -> tuple[np.ndarray, str]:
    """Divides images, of which the first two are copies, and checks the number that was announced."""
    rows = range(len(labels))
    images = pd.DataFrame({"label": labels, "part": parts, "sha256": map(str, rows), "group": [0, 0, *rows[2:]]})
    wanted = dict(zip(SPLITS, sizes, strict=True))
    split, used = divide(images, names, "auto", wanted, 0)
    assert check_split("auto", labels, parts, wanted, names) == (split != "unused").sum()
    return split, used


def test_auto_keeps_the_parts_of_the_source(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    split, used = split_by_itself((0.6, 0.1, 0.3))
    assert used == "official"
    assert set(split[120:]) == {"test"}
    assert Counter(split[:40]) == {"train": 36, "validation": 4}
    assert Counter(split[40:120]) == {"train": 72, "validation": 8}
    assert split[0] == split[1]
    assert "Training part: 108 train, 12 validation. Test part: 10 test; it stays whole, whatever" in caplog.text


@pytest.mark.parametrize(
    ("sizes", "of_cats", "of_dogs"),
    [
        ((0.1, 0.1, 0.3), (4, 4, 32), (8, 8, 64)),
        ((0.9, 0.1, 0.3), (36, 4, 0), (72, 8, 0)),
        ((30, 0.1, 0.3), (10, 4, 26), (20, 8, 52)),
    ],
)
def test_the_size_of_training_counts_within_the_training_part(
    sizes: tuple[float, ...], of_cats: tuple[int, ...], of_dogs: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    split, used = split_by_itself(sizes)
    assert used == "official"
    assert set(split[120:]) == {"test"}
    kinds = ("train", "validation", "unused")
    for rows, counts in ((split[:40], of_cats), (split[40:120], of_dogs)):
        assert tuple((rows == kind).sum() for kind in kinds) == counts
    unused = of_cats[2] + of_dogs[2]
    assert (f", {unused} unused. Test part" in caplog.text) == bool(unused)


def test_auto_with_counts_is_official() -> None:
    counts = {"train": 60, "validation": 30, "test": 8}
    split, used = split_by_itself(tuple(counts.values()))
    assert used == "official"
    np.testing.assert_array_equal(split, official_split(LABELS, PARTS, counts, NAMES))


def test_the_advice_for_a_class_that_training_lacks_works() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2] + [0, 1, 2])
    parts, names = ["train"] * 21 + ["test"] * 3, ["cat", "dog", "fox"]
    message = (
        r"The 18 training images would have none of fox \(the usable images in the train part are 10 cat, 10 dog, "
        r"1 fox\)\. Raise ingestion\.train_size and lower ingestion\.validation_size, add images, or"
    )
    with pytest.raises(SplitError, match=message):
        split_by_itself((0.7, 0.15, 0.15), labels, parts, names)
    with pytest.raises(SplitError, match="none of fox"):
        check_split("auto", labels, parts, dict(zip(SPLITS, (0.7, 0.15, 0.15), strict=True)), names)
    split, _ = split_by_itself((0.9, 0.05, 0.15), labels, parts, names)
    assert set(labels[split == "train"]) == {0, 1, 2}


def test_more_than_the_training_part_is_refused() -> None:
    with pytest.raises(SplitError, match=r"asks for 142 images .* has 120 usable images in the train part"):
        split_by_itself((130, 0.1, 0.3))
    with pytest.raises(SplitError, match=r"asks for 142 images .* has 120 images in the train part"):
        check_split("auto", LABELS, PARTS, dict(zip(SPLITS, (130, 0.1, 0.3), strict=True)), NAMES)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([""] * 40, ""),
        (["train"] * 20 + ["test"] * 20, "mixed, because the training part has no usable image of dog"),
        (["train"] * 40, "mixed, because the test part is empty"),
    ],
)
def test_auto_mixes_where_the_parts_do_not_do(parts: list[str], message: str, caplog: pytest.LogCaptureFixture) -> None:
    labels = np.array([0] * 20 + [1] * 20)
    split, used = split_by_itself((0.6, 0.2, 0.2), labels, parts)
    assert used == "random"
    assert Counter(zip(labels.tolist(), split.tolist(), strict=True)) == {
        (label, name): count for label in (0, 1) for name, count in zip(SPLITS, (12, 4, 4), strict=True)
    }
    assert message in caplog.text
    assert bool(caplog.text) == bool(message)
