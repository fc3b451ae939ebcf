"""Comparing the approaches on the same images: a summary and a table."""

import hashlib
import json
import logging
from collections.abc import Mapping, Set
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation import criteria
from dogs_vs_cats.evaluation.cross_validation import EvaluatedBy, evaluated_by
from dogs_vs_cats.evaluation.metrics import SEED_STATISTICS, classification_metrics
from dogs_vs_cats.evaluation.predictions import BASELINE, majority_baseline
from dogs_vs_cats.evaluation.significance import mcnemar_pairs
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.comparison import ComparisonParameters, LectureFigures
from dogs_vs_cats.reporting import findings
from dogs_vs_cats.reporting.results import ApproachResult
from dogs_vs_cats.reporting.settings import compare, differences

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
    "test_accuracy_low",
    "test_accuracy_high",
    "test_balanced_accuracy",
    "test_roc_auc",
    "test_log_loss",
    "evaluated_by",
    "seeds",
    "test_accuracy_mean",
    "test_accuracy_std",
    "test_accuracy_mean_low",
    "test_accuracy_mean_high",
    "lecture_validation_accuracy",
    "lecture_test_accuracy",
]

ROW_METRICS = [
    "images",
    *(f"{name}{end}" for name in ("accuracy", "balanced_accuracy") for end in ("", "_low", "_high")),
    "roc_auc",
    "log_loss",
]
"""Metrics of every split in the summary of a comparison."""


def compare_settings(
    model_info: dict[str, Any],
    settings: dict[str, Any],
    augmentation: AugmentationParameters,
    backbone: BackboneParameters,
    seed: int,
) -> pd.DataFrame:
    """Sets the parameters of a training beside the present configuration, and warns where the two differ.

    Args:
        model_info: Names the parameters of the training.
        settings: The approach's present parameters; the others are present ones too.
        augmentation: Counts where the model was trained with augmentation.
        backbone: Counts where the model has a base.
        seed: The project's seed.

    Returns:
        The parameters that decide the result of the training; those of `compute` don't.
    """
    made_with, base = model_info["made_with"], model_info["backbone_made_with"]
    trained = {**made_with["parameters"], "seed": model_info["seed"]}
    today = {**settings, "seed": (settings.get("seeds") or [seed])[0]}
    if trained.get("augment"):
        trained["augmentation"], today["augmentation"] = made_with["augmentation"], augmentation.model_dump(mode="json")
    if base:
        present = backbone.model_dump(mode="json")
        shared = [name for name in present if name in base]
        trained["backbone"], today["backbone"] = ({name: of[name] for name in shared} for of in (base, present))
    compared = compare(trained, today)
    if changed := differences(compared):
        logger.warning(
            "Parameters of %s have changed since its training (%s). The comparison shows the model as it was trained. "
            "To train it again, run its pipeline before the comparison",
            model_info["approach"],
            changed,
        )
    return compared


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
        parameters: The metric that chooses the best approach, and the lecture's figures.
        manifest: The images, with `label` and `split`.
        class_names: The classes, in the order of their labels.
        rejected_images: The images that were not usable.
        ingestion_record: Says where the images came from.
        *results: The approaches.

    Returns:
        The same for the same results on any day and machine, ready for JSON:

        * `best`: the approach that is best by `metric` on the validation images, which is the log loss where none has
          the metric of the parameters; the first, without a figure, where all were trained on the validation images too
        * `approaches`: for each, the baseline last: the columns of the table but its seconds, 95 % intervals, numbers
          of images and, where these come in groups, of groups, `seeds` where there are several, with mean, its interval
          and standard deviation, `corrections` where there are any, `cross_validation` with folds and repeats where
          there was one, `trained_with`
        * `pairs`: McNemar's test (of images in groups, a randomisation test over the groups) for each pair that
          was evaluated on the same images, the test images alone or all in use; the baseline was on both
        * `data`: classes, images by split and class, number of rejected images; `source`, which is `sample`,
          `keras:NAME` or `files`; `test_images`, a digest of the test images' pixels (or files) and labels
    """
    ways = {result.name: evaluated_by(result.metrics) for result in results}
    baselines = _baselines(manifest, class_names, set(ways.values()))
    untrained = {"backbone": None, "parameters": 0, "trainable_parameters": 0, "epochs": 0}
    lecture = parameters.lecture or {}
    rows = {
        result.name: _summary_row(result.metrics, result.trained_with, lecture.get(result.name, LectureFigures()))
        for result in results
    }
    validated = {result.name: result.metrics.get("validation", {}) for result in results}
    best = min(validated, key=lambda name: criteria.rank(parameters.metric, validated[name]))
    metric = parameters.metric if validated[best].get(parameters.metric) is not None else criteria.DEFAULT
    way, baseline = next(iter(baselines.items()))
    measured = classification_metrics(baseline, class_names)
    rows[BASELINE] = _summary_row({**untrained, **measured}, {}, LectureFigures()) | {"evaluated_by": way}
    shown = dict.fromkeys(f"validation_{name}" for name in (criteria.DEFAULT, metric))
    shown |= dict.fromkeys(f"test_accuracy{end}" for end in ("", "_low", "_high"))
    summary = {
        "best": {"approach": best, "metric": metric, **{name: rows[best][name] for name in shown}},
        "approaches": rows,
        "pairs": mcnemar_pairs(
            *(
                {result.name: result.predictions for result in results if ways[result.name] == way} | {BASELINE: table}
                for way, table in baselines.items()
            )
        ),
        "data": _images_compared(manifest, class_names, len(rejected_images), ingestion_record),
    }
    for failure in findings.failures(summary):
        logger.warning(failure)
    return summary


def _images_compared(
    manifest: pd.DataFrame, class_names: list[str], rejected: int, ingestion_record: Mapping[str, Any]
) -> dict[str, Any]:
    """Describes the images that the approaches are compared on."""
    source = ingestion_record["parameters"]["source"]
    counts = pd.crosstab(manifest["split"], manifest["label"]).reindex(SPLITS, fill_value=0)
    counts = counts.reindex(columns=range(len(class_names)), fill_value=0).set_axis(class_names, axis="columns")
    tested = manifest.loc[manifest["split"] == "test", ["sha256", "label"]].itertuples(index=False)
    return {
        "classes": list(class_names),
        "images": counts.to_dict("index"),
        "rejected": rejected,
        # The same on every machine: the place of files is left out.
        "source": source if source == "sample" or source.startswith("keras:") else "files",
        "test_images": hashlib.sha256("".join(map(json.dumps, tested)).encode()).hexdigest(),
    }


def _baselines(
    manifest: pd.DataFrame, class_names: list[str], ways: Set[EvaluatedBy]
) -> dict[EvaluatedBy, pd.DataFrame]:
    """Predicts the most frequent class, in each of the ways in which the approaches were evaluated."""
    baseline = majority_baseline(manifest, class_names)
    trained = baseline[baseline["split"] != "test"]
    tables: dict[EvaluatedBy, pd.DataFrame] = {
        "test": baseline,
        "k-fold": pd.concat([trained, baseline.assign(split="test")], ignore_index=True),
    }
    return {way: table for way, table in tables.items() if way in ways}


def _summary_row(
    metrics: Mapping[str, Any], trained_with: Mapping[str, Any], lecture: LectureFigures
) -> dict[str, Any]:
    """Returns the row of one approach in the summary."""
    row = {name: metrics[name] for name in ("backbone", "parameters", "trainable_parameters", "epochs")}
    for split in SPLITS:
        for name in ROW_METRICS:
            row[f"{split}_{name}"] = metrics.get(split, {}).get(name)
        if "groups" in metrics.get(split, {}):
            row[f"{split}_groups"] = metrics[split]["groups"]
    row["evaluated_by"] = evaluated_by(metrics)
    if "cross_validation" in metrics:
        row["cross_validation"] = {name: metrics["cross_validation"][name] for name in ("folds", "repeats")}
    if "corrections" in metrics:
        row["corrections"] = metrics["corrections"]
    row["lecture_validation_accuracy"] = lecture.validation_accuracy
    row["lecture_test_accuracy"] = lecture.test_accuracy
    seeds = metrics.get("seeds") or {}
    if len(seeds.get("seeds", ())) > 1:
        row["seeds"] = {name: seeds[name] for name in ("seeds", "redrawn", *SEED_STATISTICS)}
    row["trained_with"] = dict(trained_with)
    return row


def tabulate(summary: dict[str, Any], *results: ApproachResult) -> pd.DataFrame:
    """Lays the comparison out as a table.

    Args:
        summary: The result of `summarise`.
        *results: The approaches, for the seconds they took.

    Returns:
        One row per approach and one for the majority-class baseline; the columns of `TABLE_COLUMNS`. Unknown values are
        empty. `seeds` is the number of seeds.
    """
    seconds = {result.name: result.timings for result in results}
    rows = [
        {"approach": name, **row, **_seed_columns(row), **seconds.get(name, {})}
        for name, row in summary["approaches"].items()
    ]
    return pd.DataFrame(rows).reindex(columns=TABLE_COLUMNS)


def _seed_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns of a row about several seeds."""
    if "seeds" not in row:
        return {}
    of_test = {f"test_accuracy_{name}": row["seeds"][name].get("test_accuracy") for name in SEED_STATISTICS}
    return {"seeds": len(row["seeds"]["seeds"]), **of_test}
