"""The comparison as one HTML page that needs nothing else: images and styles are inside, and there is no script."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.metrics import MATRIX_CLASSES
from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.parameters.comparison import LectureFigures
from dogs_vs_cats.reporting import findings, wording
from dogs_vs_cats.reporting.comparison_figures import accuracy_dots
from dogs_vs_cats.reporting.html import data_uri, environment
from dogs_vs_cats.reporting.inline_svg import inline_svg, mark
from dogs_vs_cats.reporting.learning_figures import comparison_curves, has_validation
from dogs_vs_cats.reporting.results import ApproachResult
from dogs_vs_cats.reporting.settings import flattened
from dogs_vs_cats.reporting.style import MUTED, series_style

REJECTED_SHOWN = 8
LAYERS_UNFOLDED = 25
"""Tables of more layers are folded."""

FILTERS = {
    "count": wording.count,
    "data_uri": data_uri,
    "decimal": wording.decimal,
    "duration": wording.duration,
    "mebibytes": wording.mebibytes,
    "p_value": wording.p_value,
    "percent": wording.percent,
    "points": wording.points,
}


def render(
    summary: Mapping[str, Any],
    results: Sequence[ApproachResult],
    lecture: Mapping[str, LectureFigures],
    rejected_images: pd.DataFrame,
    ingestion_record: Mapping[str, Any],
    run_record: Mapping[str, Any],
    tracking_links: Mapping[str, str],
) -> str:
    """Writes the page of a comparison.

    Args:
        summary: The content of `comparison.json`.
        results: The approaches, in the order of the summary.
        lecture: The lecture's figures by approach; may be empty.
        rejected_images: `path` and `reason` of the images that were not usable.
        ingestion_record: The parameters of the ingestion; may be empty.
        run_record: `experiment` and `command` of the run, as far as they are known.
        tracking_links: Web addresses of the approaches' tracked runs; others than http(s) are left out.

    Returns:
        A self-contained HTML page. All names are escaped.
    """
    rows, classes = summary["approaches"], summary["data"]["classes"]
    pages = environment("dogs_vs_cats.reporting")
    pages.filters |= FILTERS
    return pages.get_template("comparison.html.jinja").render(
        summary=summary,
        experiment=run_record.get("experiment"),
        command=run_record.get("command"),
        headline=findings.headline(summary),
        # A p-value stays on one line.
        finding=re.sub(
            r"\bp ([<=]) ", "p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", " ".join(findings.sentences(summary))
        ),
        baseline=BASELINE,
        marks={result.name: mark(*series_style(index)) for index, result in enumerate(results)}
        | {BASELINE: mark(MUTED, "o")},
        links={name: link for name, link in tracking_links.items() if link.startswith(("http://", "https://"))},
        changed={result.name: "; ".join(str(each) for each in result.settings if each.differs) for result in results},
        dots=inline_svg(
            accuracy_dots(rows),
            "dots",
            "Test and validation accuracy of every approach with its 95% interval; the numbers are in the table below",
        ),
        curves=inline_svg(
            comparison_curves({result.name: result.history for result in results}),
            "curves",
            "Accuracy and loss of every approach on training and validation images over the epochs",
        ),
        timings={result.name: result.timings for result in results},
        lecture={
            result.name: list(_lecture_lines(result, figures, rows[result.name]))
            for result in results
            if (figures := lecture.get(result.name)) is not None
        },
        results=results,
        scores={result.name: _scores(result.metrics, len(classes)) for result in results},
        has_validation=has_validation,
        layers_unfolded=LAYERS_UNFOLDED,
        pair=partial(findings.pair, summary),
        splits=SPLITS,
        classes=classes if len(classes) <= MATRIX_CLASSES else [],
        rejected=rejected_images.to_dict("records"),
        rejected_shown=REJECTED_SHOWN,
        ingestion=list(flattened(ingestion_record)),
        seeds_note="; ".join(
            f"{name}: {', '.join(map(str, row['seeds']['seeds']))}" for name, row in rows.items() if "seeds" in row
        ),
    )


def _lecture_lines(
    result: ApproachResult, lecture: LectureFigures, row: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    """Yields the lecture's figures of one approach beside ours: subject, lecture, ours, difference."""
    for name in ("parameters", "trainable_parameters", "epochs"):
        theirs, ours = getattr(lecture, name), row[name]
        if theirs is not None:
            note = "the same" if theirs == ours else wording.signed(ours - theirs, ",")
            yield name.replace("_", " ").capitalize(), f"{theirs:,}", f"{ours:,}", note
    for split in SPLITS:
        theirs, ours = getattr(lecture, f"{split}_accuracy"), row[f"{split}_accuracy"]
        if theirs is None or ours is None:
            continue
        note = f"{wording.signed(100 * (ours - theirs), '.1f')} points"
        if split != "train":
            inside = row[f"{split}_accuracy_low"] <= theirs <= row[f"{split}_accuracy_high"]
            note += f", the lecture's {'within' if inside else 'outside'} our interval"
        name = "Training" if split == "train" else split.capitalize()
        yield f"{name} accuracy", f"{100 * theirs:.4g}%", wording.percent(ours, row[f"{split}_images"]), note
    if lecture.seconds_per_epoch is not None:
        ours = wording.duration(result.timings.get("seconds_per_epoch"))
        yield "Time per epoch", wording.duration(lecture.seconds_per_epoch), ours, "another machine"


def _scores(metrics: Mapping[str, Any], classes: int) -> dict[str, str]:
    """Writes the metrics of one approach on the test images."""
    test, mean = metrics["test"], "" if classes == 2 else " (mean)"
    names = {
        "Log loss": "log_loss",
        "ROC AUC": "roc_auc",
        f"Precision{mean}": "precision",
        f"Recall{mean}": "recall",
        f"F1{mean}": "f1",
    }
    texts = {title: wording.decimal(test[name]) for title, name in names.items()}
    return {**texts, "Calibration error": _calibration_text(metrics)}


def _calibration_text(metrics: Mapping[str, Any]) -> str:
    """Writes the calibration error, and how a temperature has changed or would change it."""
    error = wording.decimal(metrics["test"]["expected_calibration_error"])
    calibration = metrics.get("calibration", {})
    if "expected_calibration_error_after" not in calibration.get("test", {}):
        return error
    before, after = (
        wording.decimal(calibration["test"][f"expected_calibration_error_{when}"]) for when in ("before", "after")
    )
    temperature = f"temperature {calibration['temperature']:.2f}"
    return (
        f"{before} → {after} by {temperature}" if calibration["in_model"] else f"{error} ({after} with {temperature})"
    )
