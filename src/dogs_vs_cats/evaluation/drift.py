"""Drift: whether new photos look like those that a model was tested on, by its answers alone.

Without labels, the accuracy on new photos is unknown. Two figures warn that it may be lower than on the test photos: a
larger share of the photos is out of the distribution of the training images (see `out_of_distribution`), and the mean
confidence is lower (Hendrycks and Gimpel 2017, *A Baseline for Detecting Misclassified and Out-of-Distribution
Examples*; Guillory et al. 2021, *Predicting with Confidence on Unseen Distributions*). The former is tested by Fisher's
exact test, the latter by Welch's t test, both one-sided, and their p-values are adjusted for two tests (Holm 1979).

The shares of the predicted classes, compared by a chi-square test, decide nothing: new photos may have another mix of
classes and look the same. As some classes are easier than others, the test photos are weighted for the mean confidence
so that their predicted classes have the shares of the new photos (direct standardisation).

All photos are assumed to be drawn independently of each other; a hundred frames of one video aren't. So there is no
verdict where the test photos come in groups. docs/inference.md gives rates of false alarms and of found drift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.significance import CONFIDENCE_LEVEL, SIGNIFICANCE_LEVEL, fraction_interval, holm

LEAST = 30
"""Fewer photos are too few to judge; docs/inference.md gives the drift that so many show."""

LEAST_OF_CLASS = 5
"""New photos of a class as which fewer test photos are classified are compared with all test photos."""

Estimates = dict[str | int, dict[str, Any] | None]

_PREFIX = "test_"


@dataclass(frozen=True)
class Sample:
    """A model's answers to some photos, as far as they show drift.

    Attributes:
        confidences: float32 (n,): probability of the predicted class, 0..1.
        predicted: int32 (n,): the predicted class.
        unfamiliar: bool (n,): whether the photo is out of the distribution of the training images; None where that
            isn't known.
        groups: Integers (n,): the group of each photo; None where photos count one by one.
    """

    confidences: NDArray[np.float32]
    predicted: NDArray[np.int32]
    unfamiliar: NDArray[np.bool_] | None
    groups: NDArray[np.integer] | None = None

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.floating],
        unfamiliar: Sequence[bool | None] | NDArray[np.bool_],
        groups: NDArray[np.integer] | None = None,
    ) -> "Sample":
        """Describes answers.

        Args:
            probabilities: That of every class, (n, classes).
            unfamiliar: For each photo, see above; None where that isn't known.
            groups: See above.
        """
        predicted = probabilities.argmax(axis=1).astype(np.int32)
        known = all(flag is not None for flag in unfamiliar)
        flags = np.array(unfamiliar, bool) if known else None
        return cls(probabilities.max(axis=1).astype(np.float32), predicted, flags, groups)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Sample":
        """Reads what `arrays` returned."""
        names = {name: f"{_PREFIX}{name}" for name in cls.__dataclass_fields__}
        return cls(**{name: arrays[stored] for name, stored in names.items() if stored in arrays})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Returns the attributes by the names under which they are stored beside a model's distribution."""
        return {f"{_PREFIX}{name}": values for name, values in vars(self).items() if values is not None}

    def __len__(self) -> int:
        return len(self.confidences)


def compare(new: Sample, test: Sample | None, class_names: Sequence[str]) -> dict[str, Any]:
    """Compares answers to new photos with those to test photos.

    Args:
        new: The answers to new photos.
        test: Those of the same model to its test photos; None where they aren't known.
        class_names: The classes, in the order of their labels.

    Returns:
        Ready for JSON:

        * `photos` and `test_photos`: how many
        * `test_groups`: in how many groups the test photos come; None where they count one by one
        * `drift`: whether the new photos look otherwise; None where either are fewer than `LEAST`, or the test photos
          come in groups
        * `out_of_distribution` (a share), `confidence` (its mean) and `classes` (the predicted share of each, by
          name): `value`, `low` and `high`, the ends of its 95 % interval (Wilson's of a share, Student's of the mean);
          likewise `test`, None without a verdict, and for the confidence with the predicted classes' shares of the new
          photos. None for fewer than `LEAST` new photos, and the first where it isn't known which photos are unfamiliar
        * `p_values` of the three: of the first two adjusted for two tests; None where there is no test
    """
    groups = None if test is None or test.groups is None else len(np.unique(test.groups))
    counts = {"photos": len(new), "test_photos": 0 if test is None else len(test), "test_groups": groups}
    untested = {"drift": None, "p_values": None}
    if len(new) < LEAST:
        return {**counts, **untested, "out_of_distribution": None, "confidence": None, "classes": None}
    known = test if test is not None and len(test) >= LEAST and groups is None else None
    found = {**counts, **untested, **_figures(new, known, class_names)}
    if known is None:
        return found
    p_values = _p_values(new, known)
    deciding = (p_values["out_of_distribution"], p_values["confidence"])
    drift = any(p_value is not None and p_value < SIGNIFICANCE_LEVEL for p_value in deciding)
    return {**found, "drift": drift, "p_values": p_values}


def _figures(new: Sample, test: Sample | None, class_names: Sequence[str]) -> dict[str, Any]:
    found = _estimates(new, class_names)
    of_test: Estimates = dict.fromkeys(found) if test is None else _estimates(test, class_names, _weights(test, new))
    beside = {name: it and {**it, "test": of_test[name]} for name, it in found.items()}
    unfamiliar, confidence, *shares = beside.values()
    classes = dict(zip(class_names, shares, strict=True))
    return {"out_of_distribution": unfamiliar, "confidence": confidence, "classes": classes}


def _estimates(sample: Sample, class_names: Sequence[str], weights: NDArray[np.float64] | None = None) -> Estimates:
    """The figures of one sample; the shares of the classes by their labels."""
    return {
        "out_of_distribution": None if sample.unfamiliar is None else _share(sample.unfamiliar),
        "confidence": _mean(*_moments(sample, weights)),
        **{label: _share(sample.predicted == label) for label in range(len(class_names))},
    }


def _share(flags: NDArray[np.bool_]) -> dict[str, float]:
    share = float(flags.mean())
    low, high = fraction_interval(share, len(flags))
    return {"value": share, "low": low, "high": high}


def _mean(mean: float, deviation: float, count: float) -> dict[str, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(count - 1, 0.5 + 0.5 * CONFIDENCE_LEVEL)) * deviation / count**0.5
    return {"value": mean, "low": max(mean - half, 0.0), "high": min(mean + half, 1.0)}


def _p_values(new: Sample, test: Sample) -> dict[str, float | None]:
    from scipy.stats import chi2_contingency, fisher_exact, ttest_ind_from_stats

    moments = (*_moments(new), *_moments(test, _weights(test, new)))
    found = {"confidence": float(ttest_ind_from_stats(*moments, equal_var=False, alternative="less").pvalue)}
    if new.unfamiliar is not None and test.unfamiliar is not None:
        flagged = [[flags.sum(), (~flags).sum()] for flags in (new.unfamiliar, test.unfamiliar)]
        found["out_of_distribution"] = float(fisher_exact(flagged, alternative="greater").pvalue)
    adjusted = dict(zip(found, holm([*found.values()]), strict=True))
    predicted = np.array(_counts(new, test))
    mix = chi2_contingency(predicted[:, predicted.any(axis=0)], correction=False)
    return {"out_of_distribution": None, **adjusted, "classes": float(mix.pvalue)}


def _counts(*samples: Sample) -> list[NDArray[np.intp]]:
    """How many photos of each sample are classified as each class."""
    classes = 1 + max(sample.predicted.max() for sample in samples)
    return [np.bincount(sample.predicted, minlength=classes) for sample in samples]


def _weights(test: Sample, new: Sample) -> NDArray[np.float64]:
    """Weights of the test photos, 1 in total, that give their predicted classes the shares of the new photos."""
    there, here = _counts(test, new)
    enough = there >= LEAST_OF_CLASS
    of_class = np.where(enough, here, 0) / np.maximum(there, 1)
    weights: NDArray[np.float64] = of_class[test.predicted] + here[~enough].sum() / len(test)
    return weights / len(new)


def _moments(sample: Sample, weights: NDArray[np.float64] | None = None) -> tuple[float, float, float]:
    """Mean and standard deviation of the confidences, and their effective number (Kish 1965); by default unweighted."""
    values = sample.confidences.astype(np.float64)
    parts = np.full(len(values), 1 / len(values)) if weights is None else weights
    mean, count = parts @ values, 1 / (parts @ parts)
    deviation = np.sqrt(parts @ (values - mean) ** 2 * count / (count - 1))
    # float32 knows no smaller deviation.
    return float(mean), max(float(deviation), float(np.finfo(np.float32).eps)), float(count)
