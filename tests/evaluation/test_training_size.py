"""Accuracy over the number of training photos."""

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation import training_size
from tests.evaluation.planted import two_classes


def test_the_curve_finds_the_power_law_it_was_drawn_from() -> None:
    images = np.array([100, 200, 400, 800])
    rows = [
        {"fraction": size, "images": size, "fold": fold, "label": 0, "tested": 100_000}
        | {"wrong": round(100_000 * (0.05 + 2 * size**-0.5))}
        for size in images
        for fold in range(5)
    ]

    curve = training_size.fit_curve(pd.DataFrame(rows), seed=0)

    assert curve.gain[0] == pytest.approx(2 * 800**-0.5 - 2 * 1600**-0.5, abs=1e-3)
    assert curve.fitted[-1] == pytest.approx(1 - 0.05 - 2 * 1600**-0.5, abs=1e-3)


def test_more_photos_help_where_classes_overlap_and_every_photo_is_tested_at_each_size() -> None:
    points, photos = two_classes(300, apart=2)

    measured = training_size.measure(points, photos, strength=0.1, seed=0)

    assert (measured.groupby("fraction")["tested"].sum() == 300).all()
    assert (
        measured["images"].is_monotonic_increasing or measured.groupby("fold")["images"].is_monotonic_increasing.all()
    )
