"""The five things that matter about the data, in words, and what they are about."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dogs_vs_cats.errors import listed, plural, quantity
from dogs_vs_cats.reporting.wording import percent, signed

Summary = Mapping[str, Any]


def subject(models: Iterable[Mapping[str, Any]]) -> str:
    """Identifies what findings are about: images with their labels and splits, and models that were trained on them.

    Args:
        models: Facts about the trained model of each approach.

    Returns:
        A SHA-256, which another base, other labels or other training parameters change.
    """
    made = [[model["approach"], model["seed"], model["made_with"]] for model in models]
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Statement:
    """One of the five things that matter.

    Attributes:
        anchor: Its section of the page.
        figure: The number, as written.
        subject: Follows the number.
        sentence: Explains it.
    """

    anchor: str
    figure: str
    subject: str
    sentence: str


def statements(summary: Summary) -> list[Statement]:
    """Says what matters: labels, copies, junk, weak spots, and whether more photos would help."""
    return [_labels(summary), _copies(summary), _junk(summary), _slices(summary), _more(summary)]


def headline(summary: Summary) -> str:
    """Says in one sentence whether the labels or the number of photos need attention."""
    wrong, photos, gain = summary["labels"]["wrong"], summary["photos"], summary["gain"]
    labels = (
        f"{_about(summary).capitalize()} {wrong:,} of {photos:,} labels {plural(wrong, 'looks', 'look')} wrong"
        if wrong
        else f"Almost all of the {photos:,} labels look right"
    )
    if not gain:
        return labels
    helps = gain["low"] >= 0.0005  # else the page shows an interval from 0.0
    more = f"would add about {100 * gain['gain']:.1f} points" if helps else "would hardly help"
    return f"{labels}, and twice as many photos {more}"


def line(summary: Summary) -> str:
    """Sums up the five things in one line, for a page or a terminal."""
    return "; ".join(f"{it.figure} {it.subject}" for it in statements(summary))


def _labels(summary: Summary) -> Statement:
    labels, photos = summary["labels"], summary["photos"]
    about = _about(summary)
    confused = [
        f"{about} {it['photos']:,} labelled {it['given']} that are {it['true']}" for it in labels["confused"][:2]
    ]
    parts = f", {' and '.join(confused)}" if confused else ""
    sentence = (
        f"Estimate: {100 * labels['rate']:.2g}%{parts}. Photos that look like another class: {labels['listed']:,}."
    )
    if labels["at_most"]:
        agreement = percent(labels["accuracy"], photos)
        sentence += f" The estimate is too high: the base's features predict only {agreement} of the labels."
    if labels["not_judged"]:
        sentence += f" Classes with a single photo or group can't be judged: {listed(list(labels['not_judged']))}."
    figure = f"{'≤' if labels['at_most'] else '≈'} {labels['wrong']:,}"
    return Statement("labels", figure, f"{plural(labels['wrong'], 'wrong label')} of {photos:,}", sentence)


def _copies(summary: Summary) -> Statement:
    contradictions, crossing = summary["contradictions"], summary["across_splits"]
    labels = (
        "At least one label in each is wrong." if contradictions else "No two copies of a photo have different labels."
    )
    across = (
        f"Copies of a photo are in different splits: {quantity(crossing, 'group')}."
        if crossing
        else "No photo has a copy in another split."
    )
    return Statement(
        "copies",
        f"{contradictions:,}",
        f"{plural(contradictions, 'group')} of contradictory copies",
        f"{labels} {across}",
    )


def _junk(summary: Summary) -> Statement:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary["junk"].items())
    total = sum(summary["junk"].values())
    unlike = quantity(summary["unlike"], "photo")
    sentence = f"{kinds or 'No photo is blank, dark, blurred or tiny'}. Unlike all others: {unlike}."
    return Statement("junk", f"{total:,}", plural(total, "unusable photo"), sentence)


def _slices(summary: Summary) -> Statement:
    worse = summary["slices"]
    # One part of the photos may be hard for several approaches.
    count = len({(it["subject"], it["slice"]) for it in worse})
    sentence = "No class, light, sharpness, size or shape has a significantly lower accuracy than the rest."
    if worse:
        first = worse[0]
        accuracy, where = percent(first["accuracy"], first["images"]), f"{first['subject']}: {first['slice']}"
        sentence = f"{first['approach']} classifies {accuracy} of {first['images']:,} test photos correctly ({where})."
    return Statement("slices", f"{count:,}", plural(count, "weak spot"), sentence)


def _more(summary: Summary) -> Statement:
    gain, now = summary["gain"], summary["training_photos"]
    if not gain:
        return Statement("more", "?", "points with twice the photos", "Too few groups of photos to estimate it.")
    points = {name: signed(round(100 * value, 1) + 0.0, ".1f") for name, value in gain.items()}
    sentence = (
        f"Expected gain in accuracy of a linear classifier with {2 * now:,} instead of {now:,} training photos (95% "
        f"interval {points['low']} to {points['high']})."
    )
    return Statement("more", points["gain"], "points with twice the photos", sentence)


def _about(summary: Summary) -> str:
    return "at most" if summary["labels"]["at_most"] else "about"
