"""A linear head: logistic regression on features, solved to its optimum instead of trained in epochs.

A penalty keeps the weights small. Its strength is chosen by log loss on the validation images. Where there are fewer
than `VALIDATION_SUFFICES`, whose log loss would depend on chance more than on the penalty, it is chosen by
cross-validation on the training images.

Features are centred and divided by one number for all. A standard deviation of its own for each feature would make the
features that hardly vary as loud as the others, which costs accuracy where there are few images: docs/networks.md has
the figures.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

logger = logging.getLogger(__name__)

ClassWeights = Mapping[int, float] | None
"""Weight of each class's images in every loss; None weighs all images alike."""

STRENGTHS: tuple[float, ...] = tuple(10.0 ** (exponent / 2) for exponent in range(-12, 3))
"""Values of scikit-learn's `C` that are tried, from the strongest penalty to the weakest.

`C` is the variance of the normal distribution that the weights are assumed to come from. It multiplies the sum of the
losses, not their mean, so a value that was chosen on some of the images suits all of them.
"""

VALIDATION_SUFFICES = 200
"""So many validation images choose the penalty by themselves."""

FOLDS = 5

MOST_ROWS = 20_000
"""The penalty is chosen on at most so many training images. The head is then fitted to all."""

_WITHOUT_A_CHOICE = 1e-3
_LEAST_PROBABILITY = 1e-7
_TOLERANCE = 1e-5  # of the gradient of the mean loss
_MOST_ITERATIONS = 500


class Rows(NamedTuple):
    """Features of images and their classes.

    Attributes:
        features: float32 (n, features).
        labels: int (n,).
        groups: int (n,); copies of a photo have the same number. None: there are no copies.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.integer]
    groups: NDArray[np.integer] | None = None

    def take(self, rows: NDArray[np.integer] | slice) -> "Rows":
        """Some of the rows, without their groups."""
        return Rows(self.features[rows], self.labels[rows])


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier of features as they are: centre and scale are part of its weights.

    Attributes:
        kernel: float32 (features, outputs); two classes have one output, the logit of class 1, others one each.
        bias: float32 (outputs,).
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]

    def log_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logarithms of the probabilities of every class, shape (n, classes)."""
        from scipy.special import log_softmax

        logits = (np.asarray(features) @ self.kernel + self.bias).astype(np.float64)
        if logits.shape[1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        logarithms: NDArray[np.float64] = log_softmax(logits, axis=1)
        return logarithms

    def log_loss_and_accuracy(self, rows: Rows, weights: ClassWeights = None) -> tuple[float, float]:
        """Mean log loss, each image with the weight of its class, and the fraction of right answers."""
        logarithms = self.log_probabilities(rows.features)
        losses = -logarithms[np.arange(len(logarithms)), rows.labels]
        is_right = logarithms.argmax(axis=1) == rows.labels
        return float((losses * _of_each(rows.labels, weights)).mean()), float(is_right.mean())


def fit(training: Rows, validation: Rows, weights: ClassWeights = None) -> LinearHead:
    """Fits a linear head. Equal inputs give equal heads; another number of threads changes their last digits.

    Args:
        training: Rows of at least two classes; their labels are 0, 1, … without gaps.
        validation: Rows that choose the penalty; they may be few or none.
        weights: Of the classes.

    Returns:
        The head for the chosen penalty.
    """
    rows, mean, scale = _standardised(training)
    strength = _choose(rows, validation._replace(features=(validation.features - mean) / scale), weights)
    return _solution(rows, strength, weights, mean, scale)


def choose_strength(rows: Rows) -> float:
    """Chooses the penalty for several heads that are each fitted to a part of the same rows.

    Args:
        rows: Rows of at least two classes; their labels are 0, 1, … without gaps.

    Returns:
        One of `STRENGTHS`, by cross-validation.
    """
    return _choose(_standardised(rows)[0], rows.take(slice(0)), None)


def fit_with(rows: Rows, strength: float) -> LinearHead:
    """Fits a linear head with a penalty that is known.

    Args:
        rows: As for `fit`.
        strength: The penalty, see `STRENGTHS`.
    """
    scaled, mean, scale = _standardised(rows)
    return _solution(scaled, strength, None, mean, scale)


def _standardised(rows: Rows) -> tuple[Rows, NDArray[np.float32], np.float32]:
    """Centres a copy of features and divides it by one number for all; returns the means and that number too."""
    features = np.array(rows.features, np.float32)  # the one copy, as all features may take gigabytes
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    features -= mean
    variances = np.einsum("ij,ij->j", features, features) / len(features)
    scale = np.float32(np.sqrt(variances.mean(dtype=np.float64)) or 1)
    features /= scale
    return rows._replace(features=features), mean, scale


def _solution(
    rows: Rows, strength: float, weights: ClassWeights, mean: NDArray[np.float32], scale: np.float32
) -> LinearHead:
    """Fits a head to standardised rows, and makes the standardisation part of its weights."""
    estimator = _estimator(weights).set_params(C=strength)
    _solve(estimator, rows)
    kernel = estimator.coef_.T.astype(np.float64) / scale
    bias = estimator.intercept_ - mean @ kernel
    return LinearHead(kernel.astype(np.float32), bias.astype(np.float32))


def _choose(training: Rows, validation: Rows, weights: ClassWeights) -> float:
    """Chooses the strength of the penalty with the lowest log loss on images that weren't fitted to."""
    splits, judges = _splits(training, validation)
    if not splits:
        logger.info("Linear head: C=%g, the default for too few images to choose from", _WITHOUT_A_CHOICE)
        return _WITHOUT_A_CHOICE
    estimators = [_estimator(weights) for _ in splits]
    losses: list[float] = []
    for strength in STRENGTHS:
        total, images = 0.0, 0
        for estimator, split in zip(estimators, splits, strict=True):
            _solve(estimator.set_params(C=strength), training.take(split.fitted))
            judged = split.judging.take(split.judged)
            total, images = total + _loss(estimator, judged, weights), images + len(judged.labels)
        losses.append(total / images)
        if len(losses) - np.argmin(losses) > 2:  # past the minimum, and weaker penalties take longest
            break
    best = int(np.argmin(losses))
    logger.info("Linear head: C=%g has the lowest log loss, %.4f, on %s", STRENGTHS[best], losses[best], judges)
    return STRENGTHS[best]


class _Split(NamedTuple):
    """Numbers of the training rows that are fitted to, and of the rows that judge: copies of all would be large."""

    fitted: NDArray[np.integer]
    judging: Rows
    judged: NDArray[np.integer] | slice


def _splits(training: Rows, validation: Rows) -> tuple[list[_Split], str]:
    """Rows to fit to and to judge by, and words for the latter; none where there are too few."""
    some = np.sort(np.argsort(training.labels, kind="stable")[:: -(-len(training.labels) // MOST_ROWS)])
    labels, groups = training.labels[some], some if training.groups is None else training.groups[some]
    classes = range(int(training.labels.max()) + 1)
    smallest = min(len(np.unique(groups[labels == label])) for label in classes)
    if len(validation.labels) >= VALIDATION_SUFFICES or (smallest < 2 and len(validation.labels)):
        return [_Split(some, validation, slice(None))], f"{len(validation.labels)} validation images"
    if smallest < 2:
        return [], ""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    # The splitter that knows groups goes through them one by one.
    single = len(np.unique(groups)) == len(groups)
    folds = (StratifiedKFold if single else StratifiedGroupKFold)(min(FOLDS, smallest), shuffle=True, random_state=0)
    parts = folds.split(labels, labels, None if single else groups)
    # All groups of a class may be in the same fold.
    splits = [
        _Split(some[fitted], training, some[judged])
        for fitted, judged in parts
        if len(np.unique(labels[fitted])) == len(classes)
    ]
    return splits, f"{len(some)} training images, by {len(splits)}-fold cross-validation"


def _estimator(weights: ClassWeights) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    # Each penalty starts from the solution for the one before.
    class_weight = None if weights is None else dict(weights)
    return LogisticRegression(class_weight=class_weight, tol=_TOLERANCE, max_iter=_MOST_ITERATIONS, warm_start=True)


def _solve(estimator: "LogisticRegression", rows: Rows) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # For the weakest penalties on separable images; they aren't chosen.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Many classes of one or two images each look like a regression to scikit-learn.
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        estimator.fit(rows.features, rows.labels)


def _loss(estimator: "LogisticRegression", rows: Rows, weights: ClassWeights) -> float:
    """Sum of the log losses of rows, also of classes that a sample for the choice has no image of."""
    stated = np.full(len(rows.labels), _LEAST_PROBABILITY)
    columns = {label: column for column, label in enumerate(estimator.classes_.tolist())}
    known = np.isin(rows.labels, estimator.classes_)
    probabilities = estimator.predict_proba(rows.features)
    stated[known] = probabilities[known, [columns[label] for label in rows.labels[known].tolist()]]
    return float((-np.log(np.maximum(stated, _LEAST_PROBABILITY)) * _of_each(rows.labels, weights)).sum())


def _of_each(labels: Sequence[int] | NDArray[np.integer], weights: ClassWeights) -> NDArray[np.float64]:
    return np.array([1.0 if weights is None else weights[int(label)] for label in labels])
