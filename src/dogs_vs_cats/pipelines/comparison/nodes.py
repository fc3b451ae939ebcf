"""What the comparison computes from the results of the approaches."""

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation import metrics as evaluation
from dogs_vs_cats.evaluation.metrics import BASELINE, SPLITS
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.comparison import ComparisonParameters, LectureFigures
from dogs_vs_cats.reporting.results import ApproachResult
from dogs_vs_cats.reporting.settings import Setting, flattened

logger = logging.getLogger(__name__)

TABLE_COLUMNS = [
    "approach",
    "backbone",
    "parameters",
    "trainable_parameters",
    "epochs",
    "train_seconds",
    "seconds_per_epoch",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "test_roc_auc",
    "test_log_loss",
    "lecture_validation_accuracy",
    "lecture_test_accuracy",
]


EXPLANATION = {
    "explanation_filters": "The filters of its first layer",
    "explanation_feature_maps": "What its layers make of one picture",
    "explanation_pooling": "One map before and after pooling",
    "explanation_grad_cam": "Where it looks",
}
"""Pictures of an approach's inside, by the name of their dataset, and what they show."""


def compare_settings(
    model_info: dict[str, Any],
    settings: dict[str, Any],
    augmentation: AugmentationParameters,
    backbone: BackboneParameters,
    seed: int,
) -> list[Setting]:
    """Sets what a model was trained with beside the present configuration, and warns where the two differ.

    Args:
        model_info: Says what the model was trained with.
        settings: The approach's present parameters; the others are present ones too.
        augmentation: Counts where the model was trained with augmentation.
        backbone: Counts where the model has a base.
        seed: The project's seed.

    Returns:
        The parameters of the training that decide its result; those of `compute` don't.
    """
    made_with = model_info["made_with"]
    trained = {**made_with["parameters"], "seed": model_info["seed"]}
    today = {**settings, "seed": (settings.get("seeds") or [seed])[0]}
    if trained.get("augment"):
        trained["augmentation"], today["augmentation"] = made_with["augmentation"], augmentation.model_dump(mode="json")
    if base := model_info.get("backbone_made_with"):
        present = backbone.model_dump(mode="json")
        trained["backbone"] = {name: base[name] for name in present if name in base}
        today["backbone"] = {name: present[name] for name in present if name in base}
    then, now = dict(flattened(trained)), dict(flattened(today))
    found = [Setting(name, then.get(name, ""), now.get(name, "")) for name in {**then, **now}]
    if changed := [str(setting) for setting in found if setting.differs]:
        logger.warning(
            "%s was trained with other parameters than the present ones (%s); the comparison shows the former. "
            "To train it with the present ones, run its pipeline, %s, before the comparison",
            model_info["approach"],
            "; ".join(changed),
            model_info["approach"],
        )
    return found


def collect_result(
    model_info: dict[str, Any],
    settings: list[Setting],
    metrics: dict[str, Any],
    history: pd.DataFrame,
    predictions: pd.DataFrame,
    timings: dict[str, float],
    mistakes: bytes,
    explanation_record: dict[str, Any],
    layers: pd.DataFrame | None,
    *explanation: bytes,
) -> ApproachResult:
    """Bundles what one approach left behind.

    Pictures and layers of an earlier model are left out; so are all where there are none.
    """
    made_with = model_info["made_with"]
    is_of_this_model = bool(explanation_record) and explanation_record["made_with"] == made_with
    preprocessing = model_info.get("preprocessing")
    return ApproachResult(
        name=model_info["approach"],
        settings=settings,
        trained_with=made_with["parameters"] | ({"preprocessing": preprocessing} if preprocessing else {}),
        metrics=metrics,
        history=history,
        predictions=predictions,
        timings=timings,
        mistakes=mistakes,
        explanation=dict(zip(EXPLANATION.values(), explanation, strict=True)) if is_of_this_model else {},
        layers=layers if is_of_this_model else None,
    )


def summarise(
    parameters: ComparisonParameters,
    manifest: pd.DataFrame,
    class_names: list[str],
    rejected_images: pd.DataFrame,
    ingestion_record: dict[str, Any],
    *results: ApproachResult,
) -> dict[str, Any]:
    """Compares the approaches with each other and with the majority-class baseline.

    Args:
        parameters: The lecture's figures.
        manifest: The images, with `label` and `split`.
        class_names: The classes, in the order of their labels.
        rejected_images: The images that were not usable.
        ingestion_record: Says where the images came from.
        *results: The approaches.

    Returns:
        The same for the same results on any day and machine, ready for JSON:

        * `best`: the approach with the lowest validation log loss; one that was trained on the validation images has
          none, and is the best only where it is the first of approaches that were all trained so
        * `approaches`: for each, the baseline last: the columns of the table but its seconds, 95 % intervals,
          `seeds` with mean and standard deviation where there are several, `trained_with`
        * `pairs`: McNemar's test on the test images, for each pair
        * `data`: classes, images by split and class, number of rejected images; `source`, which is `sample`,
          `keras:NAME` or `files`; `test_images`, a digest of the test images' pixels (or files) and labels
    """
    baseline = evaluation.majority_baseline(manifest, class_names)
    baseline_metrics = {
        "backbone": None,
        "parameters": 0,
        "trainable_parameters": 0,
        "epochs": 0,
        **evaluation.classification_metrics(baseline, class_names),
    }
    lecture = parameters.lecture or {}
    rows = {
        result.name: _summary_row(result.metrics, result.trained_with, lecture.get(result.name, LectureFigures()))
        for result in results
    }
    best = min(rows, key=lambda name: _or_infinite(rows[name]["validation_log_loss"]))
    rows[BASELINE] = _summary_row(baseline_metrics, {}, LectureFigures())
    predictions = {result.name: result.predictions for result in results} | {BASELINE: baseline}
    return {
        "best": {
            "approach": best,
            **{
                name: rows[best][name]
                for name in ("validation_log_loss", "test_accuracy", "test_accuracy_low", "test_accuracy_high")
            },
        },
        "approaches": rows,
        "pairs": evaluation.mcnemar_pairs(predictions),
        "data": {
            "classes": list(class_names),
            "images": {
                split: {
                    name: int(((manifest["split"] == split) & (manifest["label"] == label)).sum())
                    for label, name in enumerate(class_names)
                }
                for split in SPLITS
            },
            "rejected": len(rejected_images),
            "source": _kind_of_source(ingestion_record),
            "test_images": _digest(manifest[manifest["split"] == "test"]),
        },
    }


def _or_infinite(loss: float | None) -> float:
    """Puts a loss that isn't known behind all others."""
    return math.inf if loss is None else loss


def _kind_of_source(ingestion_record: Mapping[str, Any]) -> str:
    """Says where images come from in words that are the same on every machine: the place of files is left out."""
    source = ingestion_record["parameters"]["source"]
    return source if source == "sample" or source.startswith("keras:") else "files"


def _digest(images: pd.DataFrame) -> str:
    """SHA-256 over the digest and the label of each image, in their order."""
    digest = hashlib.sha256()
    for row in images[["sha256", "label"]].itertuples(index=False):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _summary_row(
    metrics: Mapping[str, Any], trained_with: Mapping[str, Any], lecture: LectureFigures
) -> dict[str, Any]:
    """Returns what the summary says of one approach."""
    row = {name: metrics[name] for name in ("backbone", "parameters", "trainable_parameters", "epochs")}
    for split in SPLITS:
        for name in ("images", "accuracy", "accuracy_low", "accuracy_high", "roc_auc", "log_loss"):
            row[f"{split}_{name}"] = metrics.get(split, {}).get(name)
    row["lecture_validation_accuracy"] = lecture.validation_accuracy
    row["lecture_test_accuracy"] = lecture.test_accuracy
    seeds = metrics.get("seeds") or {}
    if len(seeds.get("seeds", ())) > 1:
        row["seeds"] = {name: seeds[name] for name in ("seeds", "mean", "std")}
    row["trained_with"] = dict(trained_with)
    return row


def tabulate(summary: dict[str, Any], *results: ApproachResult) -> pd.DataFrame:
    """Lays the comparison out as a table.

    Args:
        summary: What `summarise` returned.
        *results: The approaches, for the seconds they took.

    Returns:
        One row per approach and one for the majority-class baseline; the columns of `TABLE_COLUMNS`. What is not
        known is empty.
    """
    seconds = {result.name: result.timings for result in results}
    rows = [{"approach": name, **row, **seconds.get(name, {})} for name, row in summary["approaches"].items()]
    return pd.DataFrame(rows).reindex(columns=TABLE_COLUMNS)


def report(
    parameters: ComparisonParameters,
    summary: dict[str, Any],
    table: pd.DataFrame,
    rejected_images: pd.DataFrame,
    ingestion_record: dict[str, Any],
    run_record: dict[str, Any],
    tracking_links: dict[str, str],
    *results: ApproachResult,
) -> str:
    """Writes the report.

    Args:
        parameters: The lecture's figures.
        summary: What `summarise` returned.
        table: What `tabulate` returned.
        rejected_images: `path` and `reason` of the images that were not usable.
        ingestion_record: The parameters the images were ingested with.
        run_record: `experiment` and `command` of the run, as far as they are known.
        tracking_links: For each approach the address of its tracked run, as far as there is one.
        *results: The approaches.

    Returns:
        A self-contained HTML page.
    """
    from dogs_vs_cats.reporting import rendering

    return rendering.render(
        summary=summary,
        table=table,
        results=results,
        lecture=parameters.lecture or {},
        rejected_images=rejected_images,
        ingestion_record=ingestion_record,
        run_record=run_record,
        tracking_links=tracking_links,
    )
