"""Measures of photos, and the unusable ones among them."""

import cv2
import numpy as np
import pytest

from dogs_vs_cats.evaluation import image_quality
from tests.evaluation.planted import two_classes, with_ordinary_measures


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("contrast", 0, "blank"),
        ("brightness", 5, "dark"),
        ("brightness", 250, "overexposed"),
        ("sharpness", 0.01, "blurred"),
        ("short_side", 20, "tiny"),
        ("elongation", 6, "extreme shape"),
        ("distance", 3, "unlike the others"),
    ],
)
def test_planted_junk_is_found(column: str, value: float, kind: str) -> None:
    photos = with_ordinary_measures(two_classes()[1])
    photos.loc[7, column] = value

    junk = image_quality.find_junk(photos)

    assert junk["kind"].to_dict() == {7: kind}


def test_a_source_that_is_dark_as_a_whole_is_no_junk() -> None:
    photos = with_ordinary_measures(two_classes()[1])

    assert image_quality.find_junk(photos.assign(brightness=photos["brightness"] / 10)).empty


def test_a_blurred_photo_is_less_sharp_and_a_faint_one_is_not() -> None:
    sharp = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 4), np.uint8)
    faint = (sharp // 4).astype(np.uint8)

    measured = [image_quality.measure(pixels).sharpness for pixels in (sharp, blurred, faint)]

    assert measured[1] < 0.2 * measured[0]
    assert measured[2] == pytest.approx(measured[0], rel=0.05)


def test_a_photo_far_from_all_others_has_the_largest_distance() -> None:
    points, photos = two_classes()
    points[5] = 30 * np.array([1, -1] * 4, np.float32)

    assert image_quality.distances(points, photos["label"].to_numpy(), seed=0).argmax() == 5
