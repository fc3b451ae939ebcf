"""The findings of a comparison, in words.

All functions take the summary of a comparison (`comparison.json`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.reporting.wording import listed, p_value, percent

Summary = Mapping[str, Any]


def pair(summary: Summary, first: str, second: str) -> dict[str, Any]:
    """Returns McNemar's test of two approaches, seen from the first.

    Returns:
        `only_first_correct`, `only_second_correct`, `p_value`, `p_value_adjusted`, `significant`, `images`, and `lead`:
        by how many test images the first is ahead.
    """
    entry = next(entry for entry in summary["pairs"] if {entry["first"], entry["second"]} == {first, second})
    ours, theirs = entry["only_first_correct"], entry["only_second_correct"]
    if entry["first"] != first:
        ours, theirs = theirs, ours
    return {**entry, "only_first_correct": ours, "only_second_correct": theirs, "lead": ours - theirs}


def rivals(summary: Summary) -> list[str]:
    """Returns the names of the approaches other than the best and the baseline."""
    return [name for name in summary["approaches"] if name not in (summary["best"]["approach"], BASELINE)]


def headline(summary: Summary) -> str:
    """States in one sentence which approach is best, and whether its lead is statistically significant."""
    best = summary["best"]["approach"]
    others = {name: pair(summary, best, name) for name in rivals(summary)}
    better = [name for name, entry in others.items() if entry["lead"] < 0 and entry["significant"]]
    unsure = [name for name, entry in others.items() if not entry["significant"]]
    if not _beats_baseline(summary, best):
        return f"{best} is best, but not significantly better than always guessing one class"
    if not others:
        return f"{best} is better than always guessing one class"
    if better:
        return f"{best} has the lowest validation log loss, but {listed(better)} the better test accuracy"
    if unsure:
        return f"{best} is best, but its difference to {listed(unsure)} could be chance"
    return f"{best} is best, by more than chance explains"


def sentences(summary: Summary) -> list[str]:
    """Explains the headline: the best approach's figures, and how it stands to each of the others."""
    best = summary["best"]["approach"]
    row = summary["approaches"][best]
    images = row["test_images"]
    accuracy, low, high = (percent(row[f"test_accuracy{end}"], images) for end in ("", "_low", "_high"))
    loss = "was trained on the validation images too"
    if row["validation_log_loss"] is not None:
        loss = f"has {'the lowest' if rivals(summary) else 'a'} validation log loss of {row['validation_log_loss']:.3f}"
    text = [
        f"It {loss} and gets {accuracy} of the {images:,} test images right (95% interval {low} to {high}).",
        *(_standing(summary, best, name) for name in rivals(summary)),
    ]
    poor = [name for name in rivals(summary) if not _beats_baseline(summary, name)]
    if poor:
        verb = "is" if len(poor) == 1 else "are"
        text.append(f"{listed(poor)} {verb} not significantly better than always guessing one class.")
    return text


def closing_lines(summary: Summary, report_path: str | Path) -> list[str]:
    """Says in a few lines for the terminal what a run found, and where to read on.

    Args:
        summary: The summary of a comparison.
        report_path: Where the report lies.

    Returns:
        The lines, without line ends.
    """
    return [f"{headline(summary)}.", *sentences(summary), f"The comparison is at {report_path}"]


def _beats_baseline(summary: Summary, name: str) -> bool:
    """Tells whether an approach is significantly better than the majority-class baseline."""
    entry = pair(summary, name, BASELINE)
    return bool(entry["significant"]) and entry["lead"] > 0


def _standing(summary: Summary, best: str, other: str) -> str:
    """Says how the best approach stands to another on the test images."""
    entry = pair(summary, best, other)
    lead, test = entry["lead"], f"McNemar, adjusted {p_value(entry['p_value_adjusted'])}"
    row = summary["approaches"][other]
    accuracy = percent(row["test_accuracy"], row["test_images"])
    if lead == 0:
        return f"It is level with {other} ({accuracy}) on the test images."
    direction = "lead over" if lead > 0 else "distance behind"
    verdict = "is significant" if entry["significant"] else "is not significant"
    return f"Its {direction} {other} ({accuracy}) {verdict} ({test})."
