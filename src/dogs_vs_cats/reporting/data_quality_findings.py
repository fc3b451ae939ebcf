"""The five things that matter about the data, in words.

All functions take the summary of `data_quality.summarise`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dogs_vs_cats.errors import listed
from dogs_vs_cats.reporting.wording import percent, signed

Summary = Mapping[str, Any]


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
        f"About {wrong:,} of {photos:,} labels look wrong" if wrong else f"Hardly a label of {photos:,} looks wrong"
    )
    if not gain:
        return labels
    helps = gain["low"] > 0 and gain["gain"] >= 0.0005
    more = f"would add about {100 * gain['gain']:.1f} points" if helps else "would hardly help"
    return f"{labels}, and twice as many photos {more}"


def line(summary: Summary) -> str:
    """Sums up the five things in one line, for a page or a terminal."""
    return "; ".join(f"{it.figure} {it.subject}" for it in statements(summary))


def _labels(summary: Summary) -> Statement:
    labels, photos = summary["labels"], summary["photos"]
    confused = [f"about {it['photos']:,} labelled {it['given']} that are {it['true']}" for it in labels["confused"][:2]]
    parts = f": {' and '.join(confused)}" if confused else ""
    sentence = (
        f"An estimate ({100 * labels['rate']:.2g}%{parts}). {labels['listed']:,} photos look like another class than "
        "their label; the least plausible come first."
    )
    if labels["not_judged"]:
        sentence += f" Classes with a single photo or group can't be judged: {listed(list(labels['not_judged']))}."
    return Statement("labels", f"≈ {labels['wrong']:,}", f"wrong labels of {photos:,}", sentence)


def _copies(summary: Summary) -> Statement:
    contradictions, crossing = summary["contradictions"], summary["across_splits"]
    across = f"{crossing:,} photos have copies in another split" if crossing else "No photo has a copy in another split"
    one = "One of the labels must be wrong. " if contradictions else "No two copies of a photo have different labels. "
    subject = f"photo{'s' if contradictions != 1 else ''} with contradictory copies"
    return Statement("copies", f"{contradictions:,}", subject, f"{one}{across}.")


def _junk(summary: Summary) -> Statement:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary["junk"].items())
    total = sum(summary["junk"].values())
    sentence = f"{kinds or 'None is blank, dark, blurred or tiny'}. {summary['unlike']:,} are unlike all others."
    return Statement("junk", f"{total:,}", f"useless photo{'s' if total != 1 else ''}", sentence)


def _slices(summary: Summary) -> Statement:
    worse = summary["slices"]
    if not worse:
        sentence = "No class, light, sharpness, size or shape is recognised significantly worse than the rest."
        return Statement("slices", "0", "weak spots", sentence)
    first = worse[0]
    accuracy = percent(first["accuracy"], first["images"])
    sentence = (
        f"{first['approach']} recognises only {accuracy} of the {first['images']:,} test photos with "
        f"{first['subject']} {first['slice']}."
    )
    return Statement("slices", f"{len(worse):,}", "weak spots" if len(worse) > 1 else "weak spot", sentence)


def _more(summary: Summary) -> Statement:
    gain, now = summary["gain"], summary["training_photos"]
    if not gain:
        return Statement("more", "?", "points with twice the photos", "There are too few groups of photos to say.")
    points = {name: signed(100 * value, ".1f") for name, value in gain.items()}
    sentence = (
        f"What {2 * now:,} instead of {now:,} training photos would add to the accuracy of a linear classifier "
        f"(95% interval {points['low']} to {points['high']})."
    )
    return Statement("more", points["gain"], "points with twice the photos", sentence)
