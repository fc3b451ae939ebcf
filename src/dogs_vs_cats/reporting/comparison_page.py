"""The comparison as one HTML page that needs nothing else: images and styles are inside, and there is no script."""

from collections.abc import Hashable, Iterator, Mapping, Set
from functools import partial
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.metrics import MATRIX_CLASSES
from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.parameters.comparison import ComparisonParameters, LectureFigures
from dogs_vs_cats.reporting import data_quality_findings, drift_findings, findings
from dogs_vs_cats.reporting.html import environment
from dogs_vs_cats.reporting.provenance import lines as provenance_lines
from dogs_vs_cats.reporting.results import ApproachResult, OnRequest
from dogs_vs_cats.reporting.settings import differences, flattened
from dogs_vs_cats.reporting.wording import duration, percent, signed, whole_command

EXPORT_COLUMNS = (
    "file",
    "refused",
    "images",
    "largest_difference",
    "changed_answers",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "keras_accuracy",
    "megabytes",
    "milliseconds",
    "keras_milliseconds",
)
"""Of an export's table; where the runtimes of all its files failed, it lacks some."""


def render(
    parameters: ComparisonParameters,
    summary: dict[str, Any],
    rejected_images: pd.DataFrame,
    ingestion_record: dict[str, Any],
    run_record: dict[str, Any],
    provenance: dict[str, Any],
    tracking_links: dict[str, str],
    on_request: OnRequest,
    *results: ApproachResult,
) -> str:
    """Writes the page of a comparison.

    Args:
        parameters: The lecture's figures.
        summary: The content of `comparison.json`.
        rejected_images: `path` and `reason` of the images that were not usable.
        ingestion_record: The parameters of the ingestion; may be empty.
        run_record: `experiment` and `command` of the run, as far as they are known.
        provenance: The manifest of the experiment; may be empty.
        tracking_links: Web addresses of the approaches' tracked runs; others than http(s) are left out.
        on_request: Further results; each is left out unless it is about the same images and models.
        *results: The approaches, in the order of the summary.

    Returns:
        A self-contained HTML page. All names are escaped.
    """
    # Not at the top: the pipelines import this module, and Matplotlib takes a second.
    from dogs_vs_cats.reporting.comparison_figures import accuracy_dots
    from dogs_vs_cats.reporting.inline_svg import THEMED, inline_svg
    from dogs_vs_cats.reporting.learning_figures import comparison_curves, has_validation
    from dogs_vs_cats.reporting.style import MARKERS, series_style

    rows, classes = summary["approaches"], summary["data"]["classes"]
    data_quality, inferred = on_request.data_quality_summary, on_request.inference_summary
    models = {result.model_md5 for result in results}
    looked_at = data_quality.get("subject") == data_quality_findings.subject(it.model_info for it in results)
    dots = "Test and validation accuracy of every approach with its 95% interval; the numbers are in the table below"
    curves = "Accuracy and loss of every approach on training and validation images over the epochs"
    styles = {result.name: series_style(index) for index, result in enumerate(results)}
    template = environment("dogs_vs_cats.reporting").get_template("comparison.html.jinja")
    return template.render(
        summary=summary,
        results=results,
        runs=list(zip(provenance_lines(provenance), map(flattened, provenance.get("runs", ())), strict=True)),
        experiment=run_record.get("experiment"),
        command=whole_command(run_record.get("command", "")),
        headline=findings.headline(summary),
        by_metric=findings.by_metric(summary),
        chosen=findings.is_chosen(summary),
        crossed=next((row["cross_validation"] for row in rows.values() if "cross_validation" in row), None),
        seeds_drawn={row["seeds"]["redrawn"] for row in rows.values() if "seeds" in row},
        grouped=any("test_groups" in row for row in rows.values()),
        judges_classes=findings.judges_classes(summary),
        finding=" ".join(findings.sentences(summary)),
        data_quality=data_quality_findings.line(data_quality) if looked_at else None,
        baseline=BASELINE,
        marks={name: (THEMED[colour], MARKERS[marker]) for name, (colour, marker) in styles.items()},
        links={name: link for name, link in tracking_links.items() if link.startswith(("http://", "https://"))},
        changed={result.name: differences(result.settings) for result in results},
        dots=inline_svg(accuracy_dots(rows), "dots", dots),
        curves=inline_svg(comparison_curves({result.name: result.history for result in results}), "curves", curves),
        timings={result.name: result.timings for result in results},
        lecture={
            result.name: list(_lecture_lines(figures, rows[result.name], result.timings))
            for result in results
            if (figures := (parameters.lecture or {}).get(result.name)) is not None
        },
        has_validation=has_validation,
        pair=partial(findings.pair, summary),
        splits=SPLITS,
        classes=classes if len(classes) <= MATRIX_CLASSES else [],
        exported=_exported(on_request.export_table, models),
        inferred=inferred if inferred.get("model_md5") in models else None,
        drift_figures=drift_findings.figures,
        rejected=rejected_images.to_dict("records"),
        ingestion=flattened(ingestion_record),
    )


def _exported(table: pd.DataFrame | None, models: Set[str]) -> list[dict[Hashable, Any]]:
    """The rows of the last export about models of the comparison; a missing value is None."""
    if table is None:
        return []
    rows = table[table["model_md5"].isin(models)].reindex(columns=EXPORT_COLUMNS).astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


def _lecture_lines(
    lecture: LectureFigures, row: Mapping[str, Any], timings: Mapping[str, float]
) -> Iterator[tuple[str, str, str, str]]:
    """Yields the lecture's figures of one approach beside ours: subject, lecture, ours, difference."""
    for name in ("parameters", "trainable_parameters", "epochs"):
        theirs, ours = getattr(lecture, name), row[name]
        if theirs is not None:
            note = "the same" if theirs == ours else signed(ours - theirs, ",")
            yield name.replace("_", " ").capitalize(), f"{theirs:,}", f"{ours:,}", note
    for split, title in zip(SPLITS, ("Training accuracy", "Validation accuracy", "Test accuracy"), strict=True):
        theirs, ours = getattr(lecture, f"{split}_accuracy"), row[f"{split}_accuracy"]
        if theirs is None or ours is None:
            continue
        note = f"{signed(100 * (ours - theirs), '.1f')} points"
        if split != "train":
            inside = row[f"{split}_accuracy_low"] <= theirs <= row[f"{split}_accuracy_high"]
            note += f", the lecture's {'within' if inside else 'outside'} our interval"
        yield title, f"{100 * theirs:.4g}%", percent(ours, row[f"{split}_images"]), note
    if lecture.seconds_per_epoch is not None:
        ours = duration(timings.get("seconds_per_epoch"))
        yield "Time per epoch", duration(lecture.seconds_per_epoch), ours, "another machine"
