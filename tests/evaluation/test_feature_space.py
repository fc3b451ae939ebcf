"""The nearest neighbours of a photo by its features."""

import numpy as np

from dogs_vs_cats.evaluation import feature_space
from tests.evaluation.planted import two_classes


def test_the_nearest_neighbour_is_alike_but_not_of_the_same_group() -> None:
    points, _ = two_classes(50)
    points[9], points[10] = points[3] * 1.01, points[3]
    groups = np.arange(50)
    groups[10] = 3

    (found,) = feature_space.nearest(points, np.array([3]), np.arange(50), groups, 2)

    assert found[0] == 9
    assert not set(found) & {3, 10}


def test_a_photo_whose_whole_split_is_of_its_group_has_no_neighbours() -> None:
    points, _ = two_classes(50)

    (found,) = feature_space.nearest(points, np.array([3]), np.array([3, 10]), np.zeros(50, int), 2)

    assert len(found) == 0
