"""The model card of a run: the best approach's model, as Hugging Face and its users expect it to be described."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.parameters.backbone import HUB
from dogs_vs_cats.parameters.base import written
from dogs_vs_cats.reporting import data_quality_findings, findings, provenance
from dogs_vs_cats.reporting.html import environment
from dogs_vs_cats.reporting.results import ApproachResult
from dogs_vs_cats.reporting.settings import ABSENT, flattened
from dogs_vs_cats.reporting.wording import publishable, whole_command, without_folders

METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "roc_auc": "ROC AUC",
    "log_loss": "Log loss",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "expected_calibration_error": "Expected calibration error",
}
"""The metrics of the head, by their identifiers on Hugging Face where there are any."""

_MARKUP = re.compile(r"([\\`*_\[\]<>|#])")


def render(
    summary: dict[str, Any],
    ingestion_record: dict[str, Any],
    run_record: dict[str, Any],
    manifest: dict[str, Any],
    data_quality_summary: dict[str, Any],
    *results: ApproachResult,
) -> str:
    """Writes the model card of the best approach.

    Args:
        summary: The content of `comparison.json`.
        ingestion_record: The parameters of the ingestion; may be empty.
        run_record: `experiment` and `command` of the run, as far as they are known.
        manifest: The manifest of the experiment, see `dogs_vs_cats.provenance.manifest`; may be empty.
        data_quality_summary: Result of the pipeline `data_quality`; left out unless it is about the same images and
            models.
        *results: The approaches.

    Returns:
        Markdown with a YAML head, whose `model-index` has the test metrics with their 95 % intervals.
    """
    result = next(result for result in results if result.name == summary["best"]["approach"])
    examined = data_quality_summary.get("subject") == data_quality_findings.subject(it.model_info for it in results)
    row = summary["approaches"][result.name]
    base = without_folders(row["backbone"] or "")
    hashes = {name: md5 for run in manifest.get("runs", ()) for name, md5 in run["results"].items()}
    experiment, source = run_record.get("experiment", "unknown"), _source(ingestion_record)
    templates = environment("dogs_vs_cats.reporting")
    templates.filters["plain"] = plain
    head = _head(result, f"{experiment}-{result.name}", source, hashes.get("manifest"))
    return templates.get_template("model_card.md.jinja").render(
        head=yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip(),
        summary=summary,
        result=result,
        row=row,
        baseline=BASELINE,
        splits=SPLITS,
        experiment=experiment,
        base=base,
        hub=base.startswith(HUB),
        command=publishable(whole_command(run_record.get("command", ""))),
        source=source,
        ingestion=_stated(flattened(ingestion_record.get("parameters", {}))),
        hashes=hashes,
        findings=[f"{findings.headline(summary)}.", *findings.sentences(summary)],
        weak_spots=[it for it in data_quality_summary["slices"] if it["approach"] == result.name] if examined else None,
        settings=_stated(result.settings["trained"].to_dict()),
        provenance=list(provenance.lines(manifest)),
    )


def plain(text: Any) -> str:
    """Writes a name in Markdown so that none of its characters is markup."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def _stated(values: Mapping[Any, str]) -> dict[str, str]:
    """Leaves out parameters without a value, and the folders of this machine."""
    unset = {written(None), written([]), "", ABSENT}
    return {name: without_folders(value) for name, value in values.items() if value not in unset}


def _source(ingestion_record: Mapping[str, Any]) -> str:
    """Names the source of the images without the folders of this machine."""
    source = str(ingestion_record.get("parameters", {}).get("source", "unknown"))
    return source if source.startswith("keras:") else PurePosixPath(source.partition("?")[0]).name


def _head(result: ApproachResult, name: str, source: str, revision: str | None) -> dict[str, Any]:
    """The metadata of the card; see `huggingface_hub.ModelCardData`."""
    crossed = "cross_validation" in result.metrics
    dataset = {"type": source, "name": source, "split": "k-fold" if crossed else "test"}
    return {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "keras"],
        "metrics": [metric for metric in METRICS if result.metrics["test"].get(metric) is not None],
        "model-index": [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "image-classification", "name": "Image classification"},
                        "dataset": dataset | ({"revision": revision} if revision else {}),
                        "metrics": list(_head_metrics(result.metrics["test"])),
                    }
                ],
            }
        ],
    }


def _head_metrics(test: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for metric, title in METRICS.items():
        if test.get(metric) is None:
            continue
        entry = {"type": metric, "value": test[metric], "name": title}
        if test.get(f"{metric}_low") is not None:
            interval = [test[f"{metric}_low"], test[f"{metric}_high"]]
            entry["args"] = {"images": test["images"], "confidence_interval_95": interval}
        yield entry
