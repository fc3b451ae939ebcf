"""Copies of a photo: found, and listed as issues."""

import numpy as np
import pandas as pd

from dogs_vs_cats.evaluation import copies, image_quality, label_errors
from dogs_vs_cats.evaluation.label_issues import list_issues
from tests.evaluation.planted import CLASSES, two_classes, with_ordinary_measures


def test_contradictory_copies_are_found_and_listed_first() -> None:
    points, photos = two_classes(200)
    copied = photos.iloc[:30].assign(
        path=[f"copy{number}.jpg" for number in range(30)], label=lambda it: 1 - it["label"]
    )
    photos = pd.concat([photos, copied], ignore_index=True)
    probability = label_errors.out_of_fold(np.vstack([points, points[:30]]), photos, 0.01, seed=0)

    found = copies.compare(photos, probability)
    errors = label_errors.judge(probability, photos)
    issues = list_issues(
        photos, photos, errors, found, image_quality.find_junk(with_ordinary_measures(photos)), CLASSES
    )

    assert set(found["copies"]) == set(range(30))
    assert found["contradicts"].all()
    assert not found["crosses"].any()
    assert (issues["kind"][:30] == "contradiction").all()
    assert issues["path"][:30].str.startswith("copy").mean() >= 0.9
    assert not issues["path"].duplicated().any()
