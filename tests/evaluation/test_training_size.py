"""Accuracy over the number of training photos."""

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation import training_size
from dogs_vs_cats.evaluation.cross_validation import REPEATS, divide
from dogs_vs_cats.evaluation.training_size import Curve
from tests.evaluation.planted import two_classes

SIZES = np.array([40, 80, 160, 280, 400])


def errors_at(images: np.ndarray | float) -> np.ndarray | float:
    return 0.05 + 2 * images**-0.5


def fitted(measured: pd.DataFrame) -> Curve:
    curve = training_size.fit_curve(measured, seed=0)
    assert curve
    return curve


def drawn_errors(photos: int, seed: int, folds: int = 5) -> pd.DataFrame:
    """Errors in a cross-validation of so many photos; each is misclassified up to a number of training photos."""
    hardness = np.random.default_rng([seed, 1]).random(photos)
    table = pd.DataFrame({"label": 0, "split": "train", "group": np.arange(photos)})
    rows = []
    for fold in divide(table, folds, seed):
        tested = hardness[fold.splits == "test"]
        of_fold = {"repeat": fold.repeat, "fold": fold.number, "label": 0, "tested": len(tested)}
        rows += [
            {**of_fold, "fraction": size, "images": size, "wrong": (tested < errors_at(size)).sum()} for size in SIZES
        ]
    return pd.DataFrame(rows)


def test_the_curve_finds_the_power_law_it_was_drawn_from() -> None:
    curve = fitted(drawn_errors(100_000, seed=0))

    assert curve.gain[0] == pytest.approx(errors_at(400) - errors_at(800), abs=3e-3)
    assert curve.fitted[-1] == pytest.approx(1 - errors_at(800), abs=3e-3)


@pytest.mark.parametrize("folds", [2, 5])
def test_band_and_interval_cover_what_they_promise(folds: int) -> None:
    curves = [fitted(drawn_errors(500, seed, folds)) for seed in range(60)]

    truth, gain = 1 - errors_at(800), errors_at(400) - errors_at(800)
    assert np.mean([curve.low[-1] <= truth <= curve.high[-1] for curve in curves]) >= 0.92
    assert np.mean([curve.gain[1] <= gain <= curve.gain[2] for curve in curves]) >= 0.92


def test_every_photo_is_tested_at_each_size_in_every_repeat() -> None:
    points, photos = two_classes(300, apart=2)

    measured = training_size.measure(points, photos, strength=0.1, seed=0)

    assert (measured.groupby(["repeat", "fraction"])["tested"].sum() == 300).all()
    assert measured["repeat"].nunique() == REPEATS
    assert measured.groupby("fraction")["images"].mean().is_monotonic_increasing


def test_samples_are_whole_groups() -> None:
    points, photos = two_classes(400)
    photos["group"] = photos.index // 2 % 20 + 20 * photos["label"]  # of ten photos, as of a patient

    measured = training_size.measure(points, photos, strength=0.1, seed=0)

    assert set(measured["images"] % 10) == {0}
    assert measured.groupby("fraction")["images"].mean().is_monotonic_increasing


def test_a_class_with_one_group_is_not_tested() -> None:
    points, photos = two_classes(300)
    photos.loc[0, "label"] = 2

    measured = training_size.measure(points, photos, strength=0.1, seed=0)

    assert measured.groupby(["repeat", "fraction", "label"])["tested"].sum()[1, 1.0].tolist() == [149, 150, 0]
    assert measured["fold"].max() == 5


def test_there_is_no_curve_of_three_groups() -> None:
    points, photos = two_classes(60)
    photos["group"] = photos.index // 20

    assert training_size.fit_curve(training_size.measure(points, photos, strength=0.1, seed=0), seed=0) is None
