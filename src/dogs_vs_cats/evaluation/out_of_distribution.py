"""Flags images that are unlike all training images: neither class, a drawing, noise, a blank.

An image is described by the model's last feature map (its base's output, where it has one), averaged over its places:
by these features, and by their direction and length separately, because other images often have usual features in
unusual proportions.
Around the mean of each class the training images are assumed to be normally distributed, all classes alike (Lee et al.
2018, *A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks*), with a variance
of their own along the main directions and one common variance in all others (Tipping and Bishop 1999, *Probabilistic
Principal Component Analysis*). An image farther from every class than nearly all validation images is flagged. The flag
is a hint, not a proof; docs/inference.md gives its error rates.

The fit reads the features in parts. scikit-learn's `PCA` gives the same distances, but holds the descriptions of all
images in memory, as float64.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.storage.arrays import row_parts

DIRECTIONS = 64
"""Main directions at most; there are fewer where there are few features or few images."""

FLAGGED = 0.01
"""Fraction of the validation images that are flagged, although the model was trained for such images."""

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Distribution:
    """Where a model's training images lie, in the space of their descriptions (2 x features + 1 numbers).

    Attributes:
        spread: float32 (numbers,): standard deviation of each number, by which it is divided.
        means: float32 (classes, numbers).
        directions: float32 (directions, numbers), orthonormal.
        variances: float32 (directions,).
        remaining_variance: float32 (1,): that of each other direction.
        threshold: float32 (1,): distance above which an image is flagged.
    """

    spread: NDArray[np.float32]
    means: NDArray[np.float32]
    directions: NDArray[np.float32]
    variances: NDArray[np.float32]
    remaining_variance: NDArray[np.float32]
    threshold: NDArray[np.float32]

    @property
    def features(self) -> int:
        """Number of features that describe an image."""
        return len(self.spread) // 2

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Returns the attributes by their names."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Distribution":
        """Reads what `arrays` returned, which may be stored among others."""
        return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mahalanobis distance to the nearest class, relative to what is usual for so many numbers.

        Args:
            features: Shape (n, features).

        Returns:
            Shape (n,); about 1 for images like those of the training.
        """
        from scipy.spatial.distance import cdist

        means = self.means.astype(np.float64)
        along_means, scale = means @ self.directions.T, np.sqrt(self.variances)
        found = [np.empty(0)]
        for part in row_parts(features, _ROWS_AT_ONCE):
            points = _described(part) / self.spread
            along = points @ self.directions.T
            rest = np.maximum(cdist(points, means, "sqeuclidean") - cdist(along, along_means, "sqeuclidean"), 0)
            squared = cdist(along / scale, along_means / scale, "sqeuclidean") + rest / self.remaining_variance
            found.append(np.sqrt(squared.min(axis=1) / points.shape[1]))
        return np.concatenate(found)


def fit(features: NDArray[np.float32], labels: NDArray[np.integer], validation: NDArray[np.float32]) -> Distribution:
    """Describes where training images lie.

    Args:
        features: Of the training images, (n, features), at least 4 of them and one of each class.
        labels: Their classes, (n,).
        validation: Features of images that weren't trained on; they give the threshold. Where there are none, the
            training images give it, which is then too low.
    """
    from scipy.sparse.linalg import eigsh

    size = 2 * features.shape[1] + 1
    classes, index = np.unique(labels, return_inverse=True)
    sums, squares = np.zeros((len(classes), size)), np.zeros(size)
    for part, members in zip(row_parts(features, _ROWS_AT_ONCE), row_parts(index, _ROWS_AT_ONCE), strict=True):
        points = _described(part)
        belongs = members == np.arange(len(classes))[:, np.newaxis]
        sums += belongs.astype(np.float64) @ points
        squares += (points**2).sum(axis=0)
    spread = np.sqrt(np.maximum(squares / len(features) - (sums.sum(axis=0) / len(features)) ** 2, 0))
    # A feature that hardly ever fired in the training would otherwise decide everything when it does.
    spread = np.maximum(spread, 1e-3 * spread.mean() + 1e-9)

    means = sums / np.bincount(index)[:, np.newaxis] / spread
    covariance = np.zeros((size, size))
    for part, members in zip(row_parts(features, _ROWS_AT_ONCE), row_parts(index, _ROWS_AT_ONCE), strict=True):
        away = _described(part) / spread - means[members]
        covariance += away.T @ away / len(features)

    count = max(1, min(DIRECTIONS, size // 2, len(features) // 4))
    # Lanczos iteration needs a start, and the same one gives the same result.
    variances, directions = eigsh(covariance, k=count, v0=np.ones(size))
    floor = max(float(np.trace(covariance)) / size * 1e-4, 1e-12)
    rest = max(float(np.trace(covariance) - variances.sum()) / (size - count), floor)
    found = Distribution(
        spread=spread.astype(np.float32),
        means=means.astype(np.float32),
        directions=directions.T.astype(np.float32),
        variances=np.maximum(variances, floor).astype(np.float32),
        remaining_variance=np.array([rest], np.float32),
        threshold=np.zeros(1, np.float32),
    )
    known = validation if len(validation) else features
    limit = np.quantile(found.distances(known), 1 - FLAGGED, method="higher")
    return replace(found, threshold=np.array([limit], np.float32))


def with_features(model: Model) -> Model:
    """Returns a model that returns its features beside its answer.

    Args:
        model: Images in, probabilities out.

    Returns:
        A model with the same weights; of its output, (n, probabilities + features), the first columns are what
        `model` returns. A model without feature maps is described by what its last layer takes.
    """
    # Not at the top: distances are computed from features, without Keras.
    import keras

    from dogs_vs_cats.models.flip_averaging import join_views, views_of

    if views := views_of(model):
        # The features are those of the image itself, which is taken anyway.
        features, answer = views
        image, probability, described = _with_description(features, is_whole=False)
        both_ways = join_views(keras.Model(image, [probability, described]), answer, model.name)
        image, (probability, described) = both_ways.inputs[0], both_ways.outputs
    else:
        image, probability, described = _with_description(model)
    both = keras.layers.Concatenate(dtype="float32", name="answer_and_features")([probability, described])
    return keras.Model(image, both, name=model.name)


def _with_description(model: Model, is_whole: bool = True) -> tuple[Any, Any, Any]:
    """Returns the input of a model, its output, and the features that describe an image.

    Args:
        model: Images in.
        is_whole: Whether it ends in probabilities; else it ends before the layer that returns them.
    """
    import keras

    from dogs_vs_cats.models.frozen_base import features_in, find_base
    from dogs_vs_cats.models.graph import dissect

    base = find_base(model)
    if base is not None:
        image, output, described = model.inputs[0], model.outputs[0], features_in(model, base)
    else:
        parts = dissect(model)
        image, output = parts.image, parts.probability
        described = parts.feature_map
        if described is None:
            described = parts.last.given if is_whole else output
    if len(described.shape) == 4:
        described = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features_of_image")(described)
    return image, output, described


def _described(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features, their direction, and the logarithm of their length: float64 (n, 2 x features + 1)."""
    values = features.astype(np.float64)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.concatenate([values, values / (length + 1e-6), np.log(length + 1e-3)], axis=1)
