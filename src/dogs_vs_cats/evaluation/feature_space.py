"""Photos as points: features reduced to few numbers, and the neighbours of a photo."""

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 256
"""Principal components at most. With so many of 1,280 features, planted label errors of 5,000 photos were found as well
as with all of them (docs/data_quality.md), in a fraction of the time."""


def reduced(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Projects features on their first principal components.

    Args:
        features: Shape (n, features).

    Returns:
        float32 (n, components): `DIMENSIONS` of them, or as many as there are.
    """
    from sklearn.decomposition import PCA

    components = min(DIMENSIONS, *features.shape)
    points: NDArray[np.float32] = PCA(components, svd_solver="covariance_eigh").fit_transform(features)
    return points


def nearest(
    points: NDArray[np.float32],
    queries: NDArray[np.integer],
    candidates: NDArray[np.integer],
    groups: NDArray[np.integer],
    count: int,
) -> list[NDArray[np.integer]]:
    """Finds the nearest neighbours by cosine similarity.

    Args:
        points: Centred points, shape (n, components).
        queries: Rows whose neighbours are wanted, shape (q,).
        candidates: Rows among which they are looked for, shape (c,).
        groups: The group of each point, shape (n,). A query is no neighbour of its own group.
        count: How many are wanted.

    Returns:
        For each query at most `count` rows, nearest first.
    """
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    found = []
    for query in queries:
        others = candidates[groups[candidates] != groups[query]]
        found.append(others[np.argsort(-(unit[others] @ unit[query]), kind="stable")[:count]])
    return found
