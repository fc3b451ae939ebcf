"""The results that DVC's commands show: a few numbers for its tables, and the points of its plots."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.curves import roc_curves
from dogs_vs_cats.evaluation.metrics import HELD_OUT_METRICS, LISTED, MATRIX_CLASSES, confused_pairs
from dogs_vs_cats.evaluation.predictions import BASELINE
from dogs_vs_cats.reporting.results import ApproachResult

Points = list[dict[Hashable, Any]]

HEADLINES = ("train_accuracy", *HELD_OUT_METRICS)
"""The numbers that fit into the columns of a table."""


def headline_metrics(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Returns the `HEADLINES` of each approach, as in the summary of the comparison."""
    rows = summary["approaches"].items()
    return {approach: {name: row[name] for name in HEADLINES} for approach, row in rows if approach != BASELINE}


def plot_data(class_names: list[str], *results: ApproachResult) -> tuple[Points, Points, Points]:
    """Collects the points of all approaches, each with the name of its approach.

    Args:
        class_names: The classes, in the order of their labels.
        *results: The approaches.

    Returns:
        Learning curves: `approach`, `seed`, `epoch`, `loss`, `accuracy`, `val_loss`, `val_accuracy` (None without
        validation images). Test images: `approach`, `actual`, `predicted`. ROC curves of the test images: `approach`,
        `class`, `false_positive_rate`, `true_positive_rate`. Of many classes only the most confused and the worst are
        there, as in the figures.
    """
    columns = ["seed", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    histories = {result.name: result.history[columns] for result in results}
    tested = {result.name: result.predictions[result.predictions["split"] == "test"] for result in results}
    confusions = {name: _confusions(rows, class_names) for name, rows in tested.items()}
    roc = {
        (name, of): curve.rates for name, rows in tested.items() for of, curve in roc_curves(rows, class_names).items()
    }
    return _points(histories, ["approach"]), _points(confusions, ["approach"]), _points(roc, ["approach", "class"])


def _points(tables: Mapping[Any, pd.DataFrame], names: list[str]) -> Points:
    """Returns the rows of some tables, each with the key of its table."""
    if not tables:
        return []
    rows: pd.DataFrame = pd.concat(tables, names=names).reset_index(names)
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def _confusions(rows: pd.DataFrame, class_names: list[str]) -> pd.DataFrame:
    """Returns the `actual` and the `predicted` class of every image; of many classes, of those confused most."""
    if len(class_names) <= MATRIX_CLASSES:
        return rows[["label", "predicted"]].map(class_names.__getitem__).rename(columns={"label": "actual"})
    pairs = confused_pairs(rows, class_names).head(LISTED).rename(columns={"true": "actual"})
    return pairs.loc[pairs.index.repeat(pairs["images"]), ["actual", "predicted"]]
