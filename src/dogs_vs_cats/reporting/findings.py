"""The findings of a comparison, in words.

All functions take the summary of a comparison (`comparison.json`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dogs_vs_cats.errors import plural
from dogs_vs_cats.evaluation import criteria
from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.evaluation.significance import SIGNIFICANCE_LEVEL, holm
from dogs_vs_cats.parameters.comparison import Metric
from dogs_vs_cats.parameters.training import EVEN
from dogs_vs_cats.reporting.wording import count, joined, p_value, percent

Summary = Mapping[str, Any]

ENDS = ("", "_low", "_high")

DIVERGED = 1.25
"""From this multiple of the baseline's log loss on, on its own training images, an approach is confidently wrong."""


def metric_of(summary: Summary) -> Metric:
    """Returns the metric by which the best approach was chosen."""
    metric: Metric = summary["best"]["metric"]
    return metric


def by_metric(summary: Summary) -> str:
    """Names the metric by which the best approach was chosen."""
    return f"validation {criteria.WORDS[metric_of(summary)]}"


def is_chosen(summary: Summary) -> bool:
    """Tells whether validation images chose the best approach: not where all were trained on these too."""
    return summary["best"][f"validation_{metric_of(summary)}"] is not None


def judges_classes(summary: Summary) -> bool:
    """Tells whether accuracies are to be shown class by class: the classes are uneven, or it was asked for."""
    counts = pd.DataFrame(summary["data"]["images"]).sum(axis="columns")
    return metric_of(summary) == "balanced_accuracy" or bool(counts.max() > EVEN * counts.min())


def pair(summary: Summary, first: str, second: str) -> dict[str, Any] | None:
    """Returns McNemar's test of two approaches, seen from the first.

    Returns:
        None where the two were evaluated on different images; otherwise
        `only_first_correct`, `only_second_correct`, `p_value`, `p_value_adjusted`, `significant`, `images`, and `lead`:
        by how many test images the first is ahead.
    """
    pairs = (entry for entry in summary["pairs"] if {entry["first"], entry["second"]} == {first, second})
    if (entry := next(pairs, None)) is None:
        return None
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
    others = {name: entry for name in rivals(summary) if (entry := pair(summary, best, name))}
    untested = [name for name in rivals(summary) if name not in others]
    better = _better_on_test(summary)
    unsure = [name for name, entry in others.items() if not entry["significant"]]
    if rivals(summary) and not is_chosen(summary):
        return f"{best} comes first, but without validation images no approach is chosen as the best"
    if better:
        verb = plural(len(better), "has", "have")
        return f"{best} has {_best_figure(summary)}, but {joined(better)} {verb} the better test accuracy"
    if not _beats_baseline(summary, best):
        return f"{best} is best, but not significantly better than always guessing one class"
    if not rivals(summary):
        return f"{best} is better than always guessing one class"
    if unsure and metric_of(summary) == "balanced_accuracy":
        # The test is about all images alike.
        return (
            f"{best} is best by {by_metric(summary)}; its difference from {joined(unsure)} in accuracy could be chance"
        )
    if unsure:
        return f"{best} is best, but its difference from {joined(unsure)} could be chance"
    if untested:
        return f"{best} is best by {by_metric(summary)}; its difference from {joined(untested)} isn't tested"
    return f"{best} is significantly better than {joined(rivals(summary))}"


def _better_on_test(summary: Summary) -> list[str]:
    """Names the approaches with a significantly higher test accuracy than the best by the validation images."""
    best = summary["best"]["approach"]
    entries = {name: pair(summary, best, name) for name in rivals(summary)}
    return [name for name, entry in entries.items() if entry and entry["lead"] < 0 and entry["significant"]]


def sentences(summary: Summary) -> list[str]:
    """Explains the headline: the best approach's figures, and how it stands to each of the others."""
    best = summary["best"]["approach"]
    row = summary["approaches"][best]
    right, *how = _tested(row)
    text = [
        f"It {_validated(summary)} and {right}",
        *how,
        *_over_seeds(row),
        *_over_classes(summary, best),
        *(_standing(summary, best, name) for name in rivals(summary)),
    ]
    text += corrections(summary)
    judged = [best, *rivals(summary)] if _better_on_test(summary) else rivals(summary)  # else the headline says it
    poor = [name for name in judged if not _beats_baseline(summary, name)]
    if poor:
        verb = plural(len(poor), "is", "are")
        text.append(f"{joined(poor)} {verb} not significantly better than always guessing one class.")
    return text + failures(summary)


def failures(summary: Summary) -> list[str]:
    """Names the approaches whose training has diverged, and what to try: a sentence or two for each.

    Their balanced accuracy on their own training images isn't significantly above chance, and their log loss on these
    is well above the baseline's, which states the fractions of the classes. A training that was only too short stays
    near the baseline's log loss.
    """
    baseline = summary["approaches"][BASELINE]
    return [
        _failure(name, row, baseline)
        for name, row in summary["approaches"].items()
        if name != BASELINE
        and row["train_balanced_accuracy_low"] <= baseline["train_balanced_accuracy"]
        and row["train_log_loss"] >= DIVERGED * baseline["train_log_loss"]
    ]


def _failure(name: str, row: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    accuracy = percent(row["train_accuracy"], row["train_images"])
    loss, reference = (f"{figures['train_log_loss']:.2f}" for figures in (row, baseline))
    text = (
        f"{name} has diverged: it classifies {accuracy} of its own training images correctly, and its log loss on "
        f"them, {loss}, is above that of always guessing, {reference}."
    )
    settings = row["trained_with"]
    rate = "fine_tuning_learning_rate" if settings.get("unfreeze_from") else "learning_rate"
    if rate == "learning_rate" and settings.get("head") == "linear":  # which is fitted without one
        return text
    return (
        f"{text} A learning rate that is too high is the usual cause: try a tenth of it, "
        f"{name}.{rate}={settings[rate] / 10:g}."
    )


def corrections(summary: Summary) -> Iterator[str]:
    """Says how many corrections there were, and what they have changed where that was measured."""
    rows = {name: row for name, row in summary["approaches"].items() if "corrections" in row}
    if not rows:
        return
    relabelled, left_out = (next(iter(rows.values()))["corrections"][name] for name in ("relabelled", "left_out"))
    yield f"Corrections: {count(relabelled)} relabelled, {count(left_out)} left out."
    before = {
        name: row["corrections"]["given_labels"] for name, row in rows.items() if "given_labels" in row["corrections"]
    }
    adjusted = holm([effect["p_value"] for effect in before.values()])
    for (name, effect), adjusted_p in zip(before.items(), adjusted, strict=True):
        row = rows[name]
        then, now = (percent(accuracy, row["test_images"]) for accuracy in (effect["accuracy"], row["test_accuracy"]))
        yield (
            f"Trained without corrections, {name} classifies {then} instead of {now} of the same images correctly, by "
            f"the corrected labels; the difference {'is' if adjusted_p < SIGNIFICANCE_LEVEL else 'is not'} significant "
            f"(adjusted {p_value(adjusted_p)})."
        )


def _tested(row: Mapping[str, Any]) -> Iterator[str]:
    """Says how many images an approach gets right, and how they were predicted; `row` is its row in the summary."""
    images, how = row["test_images"], row.get("cross_validation")
    accuracy, low, high = (percent(row[f"test_accuracy{end}"], images) for end in ENDS)
    which = f"all {images:,} images" if how else f"the {images:,} test images"
    which += f" of {row['test_groups']:,} groups" if "test_groups" in row else ""
    yield f"classifies {accuracy} of {which} correctly (95% interval {low} to {high})."
    if how:
        times = f"{how['folds']}-fold cross-validation, repeated {how['repeats']} times"
        yield f"Each image was predicted by models trained without it ({times})."


def _over_seeds(row: Mapping[str, Any]) -> Iterator[str]:
    """States the mean test accuracy of several seeds with its interval; `row` as in `_tested`."""
    seeds = row.get("seeds")
    if seeds and "test_accuracy" in seeds["mean_low"]:  # a cross-validation has no test images of its own
        images = row["test_images"]
        mean, low, high = (percent(seeds[f"mean{end}"]["test_accuracy"], images) for end in ENDS)
        which = ", each with its own split" if seeds["redrawn"] else " on one split"
        scope = "" if seeds["redrawn"] else ", for the randomness of training only"
        yield f"With {len(seeds['seeds'])} seeds{which}, the mean is {mean} (95% interval {low} to {high}{scope})."


def _best_figure(summary: Summary) -> str:
    superlative = "lowest" if criteria.is_lower_better(metric_of(summary)) else "highest"
    return f"the {superlative} {by_metric(summary)}"


def _validated(summary: Summary) -> str:
    """Says how good the best approach is by the metric that it was chosen by."""
    metric = metric_of(summary)
    row = summary["approaches"][summary["best"]["approach"]]
    value, images = row.get(f"validation_{metric}"), row["validation_images"]
    if value is None:
        return "was trained on the validation images too" if not images else f"has no {by_metric(summary)}"
    figure = percent(value, images) if metric.endswith("accuracy") else f"{value:.3f}"
    return f"has {_best_figure(summary)} ({figure})" if rivals(summary) else f"has a {by_metric(summary)} of {figure}"


def _over_classes(summary: Summary, name: str) -> Iterator[str]:
    """States the balanced accuracy, where the classes are judged one by one."""
    row = summary["approaches"][name]
    if judges_classes(summary) and row.get("test_balanced_accuracy") is not None:
        value, low, high = (percent(row[f"test_balanced_accuracy{end}"], row["test_images"]) for end in ENDS)
        yield f"Its balanced accuracy, the mean over the classes, is {value} (95% interval {low} to {high})."


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
    """Tells whether an approach is significantly better than the majority-class baseline.

    By the balanced accuracy, it is better where the interval lies above the baseline's, one over the number of classes.
    On uneven classes, a fair classifier need not beat the accuracy of the baseline.
    """
    low = summary["approaches"][name].get("test_balanced_accuracy_low")
    if metric_of(summary) == "balanced_accuracy" and low is not None:
        return bool(low > summary["approaches"][BASELINE]["test_balanced_accuracy"])
    entry = pair(summary, name, BASELINE)
    return entry is not None and bool(entry["significant"]) and entry["lead"] > 0


def _standing(summary: Summary, best: str, other: str) -> str:
    """Says how the best approach stands to another on the test images."""
    row = summary["approaches"][other]
    accuracy = percent(row["test_accuracy"], row["test_images"])
    if (entry := pair(summary, best, other)) is None:
        return (
            f"Its difference from {other} ({accuracy} of {row['test_images']:,} images) isn't tested: one of the two "
            "was cross-validated on all images, the other evaluated on the test images only."
        )
    name = "randomisation test over groups" if "groups" in entry else "McNemar"
    lead, test = entry["lead"], f"{name}, adjusted {p_value(entry['p_value_adjusted'])}"
    verdict = "is significant" if entry["significant"] else "is not significant"
    if row.get("cross_validation"):
        # The accuracies are means over the repeats, and the test is about the first.
        ours, theirs = (f"{entry[f'only_{side}_correct']:,}" for side in ("first", "second"))
        return (
            f"In the first repeat, it alone classifies {ours} images correctly, and {other} alone {theirs}. "
            f"The difference {verdict} ({test}; approximate, because the folds share training images)."
        )
    if lead == 0:
        return f"It is level with {other} ({accuracy}) on the test images."
    if lead < 0:
        return f"It trails {other} ({accuracy}); the difference {verdict} ({test})."
    return f"Its lead over {other} ({accuracy}) {verdict} ({test})."
