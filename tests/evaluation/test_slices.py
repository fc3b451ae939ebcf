"""Accuracy in parts of the test photos: their names, intervals and tests."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation import slices
from tests.evaluation.planted import CLASSES, two_classes, with_ordinary_measures


def test_a_weak_slice_is_found_and_the_others_are_not() -> None:
    _, photos = two_classes()
    photos = with_ordinary_measures(photos).assign(width=300, height=200)
    right = pd.Series(np.random.default_rng(0).random(400) < 0.95, photos.index)
    right &= photos["brightness"].rank() > 40

    found = slices.compare(slices.slices_of(photos, CLASSES), {"one": right.to_frame("right")})

    worse = found[found["worse"]]
    assert worse["subject"].tolist() == ["brightness"]
    assert (worse["low"] < worse["accuracy"]).all()
    assert (worse["accuracy"] < worse["high"]).all()
    assert set(found["subject"]) == {"class", "brightness", "sharpness", "shorter side"}


@pytest.mark.parametrize(
    ("column", "values", "names"),
    [
        ("short_side", [2448, 3018, 3020, 4000], ["2,448", "3,018", "3,020", "4,000"]),
        ("short_side", [1500, 1500, 3020, 3020], ["1,500", "3,020"]),
        ("brightness", [127.1, 127.9, 128.1, 128.9], ["127.1", "127.9", "128.1", "128.9"]),
        ("brightness", [127.9, 128.1, 128.41, 128.44], ["127.90", "128.10", "128.41", "128.44"]),
        ("brightness", range(100, 140), ["100 to 109", "110 to 119", "120 to 129", "130 to 139"]),
        ("sharpness", [0.2, 0.3, 0.4, 0.5], ["0.20", "0.30", "0.40", "0.50"]),
    ],
)
def test_quarters_have_names_of_their_own_that_people_can_read(
    column: str, values: Sequence[float], names: list[str]
) -> None:
    """Phone photos have 3,000 pixels, and a source may be of one brightness."""
    photos = with_ordinary_measures(two_classes(40)[1]).assign(
        width=4000, height=3000, **{column: np.repeat(values, 40 // len(values))}
    )

    found = slices.slices_of(photos, CLASSES)[slices.MEASURES[column][0]]

    assert found.cat.categories.tolist() == names
    assert found.map(names.index).is_monotonic_increasing


def test_photos_of_one_patient_are_no_weak_spot() -> None:
    """The photos of a group are right or wrong together, so that the interval and the test count groups."""
    photos = with_ordinary_measures(two_classes()[1]).assign(width=300, height=200)
    bright, patients = np.arange(400) >= 300, np.arange(400) // 25
    photos["brightness"] = np.where(bright, 200, 100) + np.arange(400) / 400
    right = pd.DataFrame({"right": patients != 14}, photos.index)
    parts = slices.slices_of(photos, CLASSES)[["brightness"]]

    alone, grouped = (slices.compare(parts, {"one": table}) for table in (right, right.assign(group=patients)))

    assert alone["worse"].tolist() == [False, False, False, True]
    assert not grouped["worse"].any()
    assert alone["low"].iloc[-1] > 0.6
    assert grouped["low"].iloc[-1] < 0.3


def test_answers_belong_to_their_photos_and_know_their_groups() -> None:
    photos = pd.DataFrame({"path": ["a", "b", "c"]}, [5, 6, 7])
    tested = {"path": ["c", "a"], "label": [0, 1], "predicted": [1, 1], "split": "test", "group": [3, 4]}

    found = slices.answers_of(photos, pd.DataFrame(tested))

    assert found.to_dict("index") == {5: {"right": True, "group": 4}, 7: {"right": False, "group": 3}}
