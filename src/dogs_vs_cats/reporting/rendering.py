"""The report as one HTML file that needs nothing else: pictures and styles are inside, and there is no script."""

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from dogs_vs_cats.evaluation.metrics import BASELINE, MATRIX_CLASSES, SPLITS, accuracy_digits
from dogs_vs_cats.parameters.comparison import LectureFigures
from dogs_vs_cats.reporting import figures, findings
from dogs_vs_cats.reporting.findings import p_text, percent
from dogs_vs_cats.reporting.html import data_uri, environment
from dogs_vs_cats.reporting.settings import flattened

if TYPE_CHECKING:
    from dogs_vs_cats.reporting.results import ApproachResult

UNKNOWN = "–"
REJECTED_SHOWN = 8
LAYERS_UNFOLDED = 25
"""Tables of more layers are folded."""

# The page redefines these colours where it is dark, and the drawings follow.
_THEMED = {
    figures.INK: "var(--ink)",
    figures.MUTED: "var(--muted)",
    figures.GRID: "var(--grid)",
    figures.PAPER: "var(--paper)",
    **{colour: f"var(--series-{index})" for index, colour in enumerate(figures.SERIES)},
}
_MARKER_PATHS = {
    "o": "M6 1a5 5 0 1 1 0 10a5 5 0 1 1 0-10z",
    "s": "M1.5 1.5h9v9h-9z",
    "D": "M6 .5 11.5 6 6 11.5.5 6z",
    "^": "M6 1 11.5 10.5H.5z",
    "v": "M6 11 11.5 1.5H.5z",
    "P": "M4 1h4v3h3v4H8v3H4V8H1V4h3z",
}


def render(
    *,
    summary: Mapping[str, Any],
    table: pd.DataFrame,
    results: Sequence["ApproachResult"],
    lecture: Mapping[str, LectureFigures],
    rejected_images: pd.DataFrame,
    ingestion_record: Mapping[str, Any],
    run_record: Mapping[str, Any],
    tracking_links: Mapping[str, str],
) -> str:
    """Writes the report of a comparison.

    Args:
        summary: The content of `comparison.json`.
        table: The content of `comparison.csv`.
        results: The approaches, in the order of the summary.
        lecture: The lecture's figures by approach; may be empty.
        rejected_images: `path` and `reason` of the images that were not usable.
        ingestion_record: What the images were ingested with; may be empty.
        run_record: `experiment` and `command` of the run, as far as they are known.
        tracking_links: Web addresses of the approaches' tracked runs; others than http(s) are left out.

    Returns:
        A self-contained HTML page. All names are escaped.
    """
    class_names = summary["data"]["classes"]
    links = {name: link for name, link in tracking_links.items() if link.startswith(("http://", "https://"))}
    marks = {result.name: _mark(index) for index, result in enumerate(results)} | {BASELINE: _baseline_mark()}
    template = environment("dogs_vs_cats.reporting").get_template("comparison.html.jinja")
    return template.render(
        experiment=run_record.get("experiment"),
        command=run_record.get("command"),
        headline=findings.headline(summary),
        # A p-value stays on one line.
        finding=re.sub(
            r"\bp ([<=]) ", "p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", " ".join(findings.sentences(summary))
        ),
        best=summary["best"]["approach"],
        baseline=BASELINE,
        marks=marks,
        links=links,
        changed=[result.name for result in results if any(setting.differs for setting in result.settings)],
        dots=_svg(
            figures.accuracy_dots(summary["approaches"]),
            "dots",
            "Test and validation accuracy of every approach with its 95% interval; the numbers are in the table below",
        ),
        curves=_svg(
            figures.comparison_curves({result.name: result.history for result in results}),
            "curves",
            "Accuracy and loss of every approach on training and validation images over the epochs",
        ),
        rows=[_table_row(row, summary["approaches"][row["approach"]]) for row in table.to_dict("records")],
        lecture=[
            _lecture_block(result, figures_of, summary["approaches"][result.name])
            for result in results
            if (figures_of := lecture.get(result.name)) is not None
        ],
        approaches=[_approach_section(result, class_names) for result in results],
        matrix=_pair_matrix(summary),
        names=list(summary["approaches"]),
        pairs=len(summary["pairs"]),
        data=_data_section(summary, rejected_images, ingestion_record),
        seeds_note=_seeds_note(summary),
    )


def _svg(figure: Figure, prefix: str, description: str) -> str:
    """Draws a figure as inline SVG that follows the page's colours.

    Args:
        figure: The figure.
        prefix: Distinguishes the drawing's inner names from those of the other drawings.
        description: What a screen reader says.

    Returns:
        An `svg` element without width and height: it fills its container.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": prefix}):
        figure.savefig(
            buffer,
            format="svg",
            facecolor="none",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = buffer.getvalue()
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"\b(id=\"|xlink:href=\"#|url\(#)", rf"\g<1>{prefix}-", text)
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    view_box = re.search(r'viewBox="[^"]*"', text)
    body = text[text.index(">") + 1 :]
    return f'<svg {view_box[0] if view_box else ""} role="img" aria-label="{escape(description)}">{body}'


def _mark(index: int) -> str:
    """Returns the sign of the approach at a position, as in the figures."""
    colour, marker = figures.series_style(index)
    return (
        f'<svg class="mark" viewBox="0 0 12 12" aria-hidden="true">'
        f'<path d="{_MARKER_PATHS[marker]}" style="fill:{_THEMED[colour]}"/></svg>'
    )


def _baseline_mark() -> str:
    """Returns the sign of the baseline."""
    return (
        f'<svg class="mark" viewBox="0 0 12 12" aria-hidden="true">'
        f'<path d="{_MARKER_PATHS["o"]}" style="fill:var(--muted)"/></svg>'
    )


def _known(value: Any) -> bool:
    """Tells whether a cell of a table holds anything."""
    return value is not None and not pd.isna(value)


def _count(value: Any) -> str:
    """Writes a whole number with thousands separated."""
    return f"{int(value):,}" if _known(value) else UNKNOWN


def _duration(seconds: Any) -> str:
    """Writes a duration in the unit that suits it."""
    if not _known(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _decimal(value: Any, digits: int = 3) -> str:
    """Writes a number with a fixed number of decimals."""
    return f"{value:.{digits}f}" if _known(value) else UNKNOWN


def _signed(value: float, form: str) -> str:
    """Writes a difference with its sign."""
    sign = "+" if value > 0 else ""
    return f"{sign}{value:{form}}".replace("-", "−")


def _table_row(row: Mapping[Any, Any], summary_row: Mapping[str, Any]) -> dict[str, Any]:
    """Writes one row of the comparison's table as text."""
    return {
        "name": row["approach"],
        "backbone": row["backbone"] if _known(row["backbone"]) and row["backbone"] else UNKNOWN,
        "parameters": _count(row["parameters"]),
        "trainable": _count(row["trainable_parameters"]),
        "epochs": _count(row["epochs"]),
        "seconds": _duration(row["train_seconds"]),
        "seconds_per_epoch": _duration(row["seconds_per_epoch"]),
        "accuracies": [_accuracy_cell(summary_row, split) for split in SPLITS],
        "auc": _decimal(row["test_roc_auc"]),
        "validation_log_loss": _decimal(summary_row["validation_log_loss"]),
        "log_loss": _decimal(row["test_log_loss"]),
    }


def _accuracy_cell(row: Mapping[str, Any], split: str) -> dict[str, str | None]:
    """Writes an accuracy, its interval, and what it was on average over several seeds."""
    seeds = row.get("seeds")
    name = f"{split}_accuracy"
    if row[name] is None:
        return {"split": split, "value": UNKNOWN, "interval": "trained on", "over_seeds": None}
    images = row[f"{split}_images"]
    low, high = (percent(row[f"{split}_accuracy_{end}"], images) for end in ("low", "high"))
    return {
        "split": split,
        "value": percent(row[name], images),
        "interval": f"{low.rstrip('%')}–{high.rstrip('%')}",
        "over_seeds": f"{100 * seeds['mean'][name]:.1f} ± {100 * seeds['std'][name]:.1f}" if seeds else None,
    }


def _seeds_note(summary: Mapping[str, Any]) -> str | None:
    """Names the seeds of the approaches that were trained several times."""
    notes = [
        f"{name}: {', '.join(map(str, row['seeds']['seeds']))}"
        for name, row in summary["approaches"].items()
        if "seeds" in row
    ]
    return "; ".join(notes) or None


def _lecture_block(result: "ApproachResult", lecture: LectureFigures, summary_row: Mapping[str, Any]) -> dict[str, Any]:
    """Sets the lecture's figures of one approach beside ours."""
    lines = []
    for label, name in (
        ("Parameters", "parameters"),
        ("Trainable parameters", "trainable_parameters"),
        ("Epochs", "epochs"),
    ):
        theirs, ours = getattr(lecture, name), summary_row[name]
        if theirs is not None:
            note = "the same" if theirs == ours else _signed(ours - theirs, ",")
            lines.append({"what": label, "lecture": f"{theirs:,}", "ours": f"{ours:,}", "note": note})
    for split in SPLITS:
        theirs, ours = getattr(lecture, f"{split}_accuracy"), summary_row[f"{split}_accuracy"]
        if theirs is None or ours is None:
            continue
        note = f"{_signed(100 * (ours - theirs), '.1f')} points"
        if split != "train":
            inside = summary_row[f"{split}_accuracy_low"] <= theirs <= summary_row[f"{split}_accuracy_high"]
            note += f", the lecture's {'within' if inside else 'outside'} our interval"
        lines.append(
            {
                "what": {"train": "Training", "validation": "Validation", "test": "Test"}[split] + " accuracy",
                "lecture": f"{100 * theirs:.4g}%",
                "ours": percent(ours, summary_row[f"{split}_images"]),
                "note": note,
            }
        )
    if lecture.seconds_per_epoch is not None:
        lines.append(
            {
                "what": "Time per epoch",
                "lecture": _duration(lecture.seconds_per_epoch),
                "ours": _duration(result.timings.get("seconds_per_epoch")),
                "note": "another machine",
            }
        )
    return {"name": result.name, "lines": lines}


def _approach_section(result: "ApproachResult", class_names: Sequence[str]) -> dict[str, Any]:
    """Draws the figures of one approach."""
    name, predictions = result.name, result.predictions
    test = result.metrics["test"]
    mistakes = int((predictions["label"] != predictions["predicted"])[predictions["split"] == "test"].sum())
    averaged = "{}" if len(class_names) == 2 else "{} (mean)"
    scores = [
        ("Log loss", _decimal(test["log_loss"])),
        ("ROC AUC", _decimal(test["roc_auc"])),
        (averaged.format("Precision"), _decimal(test["precision"])),
        (averaged.format("Recall"), _decimal(test["recall"])),
        (averaged.format("F1"), _decimal(test["f1"])),
        ("Calibration error", _calibration_text(result.metrics)),
    ]
    return {
        "name": name,
        "accuracy": percent(test["accuracy"], test["images"]),
        "images": f"{test['images']:,}",
        "mistakes": f"{mistakes:,}",
        "scores": scores,
        "has_validation": figures.has_validation(result.history),
        "learning_curves": _svg(
            figures.learning_curves(result.history), f"{name}-learning", f"Learning curves of {name}"
        ),
        "square_figures": [
            _svg(
                figures.confusion_matrix(predictions, class_names),
                f"{name}-confusion",
                _confusion_text(name, test),
            ),
            _svg(figures.roc_curve(predictions, class_names), f"{name}-roc", f"ROC curve of {name} on the test images"),
            _svg(
                figures.calibration_curve(predictions, class_names, calibration=result.metrics.get("calibration")),
                f"{name}-calibration",
                f"Calibration of {name} on the test images",
            ),
        ],
        "gallery": data_uri(result.mistakes),
        "inside": [(title, data_uri(picture)) for title, picture in result.explanation.items()],
        "layers": _layers(result),
        "settings": [(each.name, each.trained, each.today if each.differs else None) for each in result.settings],
        "changed": "; ".join(str(setting) for setting in result.settings if setting.differs),
    }


def _confusion_text(name: str, test: Mapping[str, Any]) -> str:
    """Describes the figure of the confusion matrix to a screen reader."""
    if "confusion_matrix" in test:
        return f"Confusion matrix of {name} on the test images: {test['confusion_matrix']}"
    pairs = (f"{pair['true']} taken for {pair['predicted']}, {pair['images']}" for pair in test["confused_pairs"])
    return f"Most confused pairs of {name} on the test images: {'; '.join(pairs)}"


def _calibration_text(metrics: Mapping[str, Any]) -> str:
    """Writes the calibration error, and what a temperature has made or would make of it."""
    error = _decimal(metrics["test"]["expected_calibration_error"])
    calibration = metrics.get("calibration", {})
    if "expected_calibration_error_after" not in calibration.get("test", {}):
        return error
    before, after = (
        _decimal(calibration["test"][f"expected_calibration_error_{when}"]) for when in ("before", "after")
    )
    temperature = f"temperature {calibration['temperature']:.2f}"
    return (
        f"{before} → {after} by {temperature}" if calibration["in_model"] else f"{error} ({after} with {temperature})"
    )


def _layers(result: "ApproachResult") -> dict[str, Any] | None:
    """Writes the table of an approach's layers, with their sums; None where there is none."""
    if result.layers is None:
        return None
    counts, trainable, mebibytes = (result.layers[name] for name in ("parameters", "trainable", "mebibytes"))
    return {
        "is_long": len(result.layers) > LAYERS_UNFOLDED,
        "batch_size": result.trained_with["batch_size"],
        "rows": [
            {
                "name": row["layer"],
                "type": row["type"],
                "output": row["output"],
                "parameters": _count(row["parameters"]),
                "trainable": _count(row["trainable"]),
                "receptive_field": _count(row["receptive_field"]),
                "mebibytes": _mebibytes(row["mebibytes"]),
            }
            for row in result.layers.to_dict("records")
        ],
        "parameters": _count(counts.sum()),
        "trainable": _count(trainable.sum()),
        "mebibytes": _mebibytes(mebibytes.sum()),
    }


def _mebibytes(number: float) -> str:
    """Writes an amount of memory, so that what is little isn't taken for nothing."""
    return f"{number:,.2f}" if number >= 0.005 else "< 0.01"


def _pair_matrix(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lays McNemar's tests out as a square: each approach against each other."""
    names = list(summary["approaches"])
    lines = []
    for first in names:
        cells: list[dict[str, Any] | None] = []
        for second in names:
            if first == second:
                cells.append(None)
                continue
            entry = findings.pair(summary, first, second)
            lead = entry["only_first_correct"] - entry["only_second_correct"]
            outcome = "ahead" if lead > 0 else "behind"
            cells.append(
                {
                    "points": _signed(100 * lead / entry["images"], f".{accuracy_digits(entry['images'])}f"),
                    "p": p_text(entry["p_value"]),
                    "adjusted": p_text(entry["p_value_adjusted"]),
                    "counts": f"{entry['only_first_correct']:,} : {entry['only_second_correct']:,}",
                    "kind": outcome if entry["significant"] else "unsure",
                }
            )
        lines.append({"name": first, "cells": cells})
    return lines


def _data_section(
    summary: Mapping[str, Any], rejected_images: pd.DataFrame, ingestion_record: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes where the images came from and how they were split."""
    counts, classes = summary["data"]["images"], summary["data"]["classes"]
    listed = classes if len(classes) <= MATRIX_CLASSES else []
    return {
        "classes": listed,
        "unlisted": 0 if listed else len(classes),
        "splits": [
            {
                "name": split,
                "counts": [f"{counts[split][name]:,}" for name in listed],
                "sum": f"{sum(counts[split].values()):,}",
            }
            for split in SPLITS
        ],
        "rejected": len(rejected_images),
        "rejected_rows": rejected_images.head(REJECTED_SHOWN)[["path", "reason"]].to_dict("records"),
        "rejected_more": max(0, len(rejected_images) - REJECTED_SHOWN),
        "record": [(name, value, None) for name, value in flattened(ingestion_record)],
    }
