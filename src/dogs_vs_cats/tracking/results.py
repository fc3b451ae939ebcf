"""The tracked results of a run: their metrics, and the folders of their artifacts."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.cross_validation import evaluated_by
from dogs_vs_cats.evaluation.metrics import HELD_OUT_METRICS, SEED_STATISTICS
from dogs_vs_cats.images.splits import SPLITS

COMPARISON = ("comparison_table", "comparison_summary", "comparison_report", "model_card")
EXPORT = "export_table"
TUNING = ("tuning_trials", "tuning_summary", "tuning_history", "tuning_importance", "tuning_report")


def is_tracked(name: str, approaches: list[str]) -> bool:
    """Whether a dataset is tracked: results of approaches, comparisons, searches and exports are."""
    return name in (*COMPARISON, *TUNING, EXPORT) or name.rpartition(".")[0] in approaches


def artifact_folder(name: str, path: Path) -> str | None:
    """The folder for a result's file among the artifacts of its run; None if the file isn't an artifact.

    Args:
        name: The dataset.
        path: Its file.
    """
    if name in COMPARISON:
        return ""
    if name in TUNING:
        return "tuning"
    if name == EXPORT:
        return "export"
    output = name.rpartition(".")[2]
    if path.suffix not in (".png", ".csv") and output not in ("metrics", "seed_metrics"):
        return None
    if output.startswith("explanation_"):
        return "explanation"
    return "figures" if path.suffix == ".png" else "results"


def facts_in(output: str, content: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The final metrics and the tags in a result, by the names that the comparison gives them, such as `test_accuracy`.

    Args:
        output: The dataset, without the approach.
        content: The saved object.
    """
    if output == "timings":
        return content, {}
    if output == "model_info":
        counts = {name: content[name] for name in ("parameters", "trainable_parameters")}
        return {**counts, "trained_epochs": content["epochs"]}, {}
    if output == "metrics":
        metrics = {f"{split}_{name}": value for split in SPLITS for name, value in content.get(split, {}).items()}
        for statistic in SEED_STATISTICS:
            spread = content.get("seeds", {}).get(statistic, {})
            metrics |= {f"{name}_{statistic}": value for name, value in spread.items()}
        corrections = content.get("corrections", {})
        given = corrections.get("given_labels", {}).get("accuracy")
        return metrics | ({} if given is None else {"given_labels_test_accuracy": given}), {
            "evaluated_by": evaluated_by(content),
            **(
                {"corrections": "{relabelled} relabelled, {left_out} left out".format(**corrections)}
                if corrections
                else {}
            ),
        }
    if output == "comparison_summary":
        best = content["best"]["approach"]
        row = content["approaches"][best]
        return {f"best_{name}": row.get(name) for name in HELD_OUT_METRICS}, {"best_approach": best}
    if output == "tuning_summary":
        return {"best_validation_log_loss": content["best_val_loss"]}, {"best_trial": str(content["best_trial"])}
    return {}, {}


def export_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """The numbers of an export, by names such as `export/naive_cnn.onnx/accuracy`; unknown ones are left out."""
    numbers = table.set_index("file").select_dtypes("number").T
    return {f"export/{file}/{name}": value for file in numbers for name, value in numbers[file].dropna().items()}


def validation_images(manifest: Path, classes: list[str]) -> str:
    """Hash of the validation images and their classes, in any order and at any size."""
    rows = pd.read_csv(manifest, keep_default_na=False).query("split == 'validation'")
    lines = sorted(f"{image} {classes[label]}" for image, label in zip(rows["sha256"], rows["label"], strict=True))
    return hashlib.md5("\n".join(lines).encode(), usedforsecurity=False).hexdigest()
