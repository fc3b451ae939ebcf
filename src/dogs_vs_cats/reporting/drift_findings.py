"""Drift in words: one sentence about the photos of an inference, from what `evaluation.drift` found."""

from collections.abc import Iterator, Mapping
from typing import Any

from dogs_vs_cats.errors import plural, quantity
from dogs_vs_cats.evaluation.drift import LEAST
from dogs_vs_cats.evaluation.significance import SIGNIFICANCE_LEVEL
from dogs_vs_cats.reporting.wording import count, interval, percent

Drift = Mapping[str, Any]

LISTED = 5
"""Number of classes whose shares are listed; `inference.json` has all of them."""


def verdict(drift: Drift) -> str:
    """Says in one sentence whether a difference between new photos and the test photos was found."""
    photos = drift["photos"]
    if photos < LEAST:
        there_are = f"there {plural(photos, 'is', 'are')} {photos}"
        return f"It takes {LEAST} photos to say whether they look like the training photos; {there_are}."
    if drift["drift"] is None:
        return f"These {count(photos)} photos can't be compared with the test photos: {_obstacle(drift)}."
    if drift["drift"]:
        return f"These {count(photos)} photos don't look like the training photos: {'; '.join(_reasons(drift))}."
    subject = "these" if drift["p_values"]["out_of_distribution"] is not None else "the confidence of these"
    return f"No difference from the test photos was found in {subject} {count(photos)} photos{_mix(drift)}."


def with_interval(estimate: Mapping[str, float], photos: int) -> str:
    """Writes a share with its interval, such as 31.0% (25.5–37.1)."""
    return f"{percent(estimate['value'], photos)} ({interval(estimate['low'], estimate['high'], photos)})"


def figures(drift: Drift) -> list[tuple[str, str, str]]:
    """Lists the figures: subject, that of the new photos, and that of the test photos, each with its interval.

    Of the classes, the `LISTED` most frequent ones are listed, the most frequent first.
    """
    shares = sorted((drift["classes"] or {}).items(), key=lambda item: -item[1]["value"])[:LISTED]
    found = {
        "Out of distribution": drift["out_of_distribution"],
        "Mean confidence": drift["confidence"],
        **{f"Predicted as {name}": share for name, share in shares},
    }
    photos, tested = drift["photos"], drift["test_photos"]
    return [
        (subject, with_interval(it, photos), "unknown" if it["test"] is None else with_interval(it["test"], tested))
        for subject, it in found.items()
        if it is not None
    ]


def _obstacle(drift: Drift) -> str:
    if not drift["test_photos"]:
        return "the model has no stored answers to test photos. Train it again to store them"
    if drift["test_groups"] is not None:
        return "the model's test photos come in groups, but the comparison needs independent photos"
    return f"the model has {quantity(drift['test_photos'], 'test photo')}; {LEAST} are needed"


def _reasons(drift: Drift) -> Iterator[str]:
    sentences = {
        "out_of_distribution": "{} are unlike any training photo; {} of the test photos are",
        "confidence": "the mean confidence is {}; for test photos of the same predicted classes it is {}",
    }
    for name, sentence in sentences.items():
        if (p_value := drift["p_values"][name]) is not None and p_value < SIGNIFICANCE_LEVEL:
            yield sentence.format(*_beside(drift[name], drift))


def _mix(drift: Drift) -> str:
    """Names the class whose share is larger than expected by most, if the shares differ."""
    if drift["p_values"]["classes"] >= SIGNIFICANCE_LEVEL:
        return ""
    shares = drift["classes"]
    name = max(shares, key=lambda name: shares[name]["value"] - shares[name]["test"]["value"])
    new, test = _beside(shares[name], drift)
    mix = f"{new} are classified as {name}; {test} of the test photos are"
    return f", except in their mix of classes, which alone is not drift: {mix}"


def _beside(figure: Mapping[str, Any], drift: Drift) -> tuple[str, str]:
    return with_interval(figure, drift["photos"]), percent(figure["test"]["value"], drift["test_photos"])
