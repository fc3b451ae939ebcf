"""What DVC's commands show of an experiment: few numbers for its tables, and the points of its plots."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.metrics import (
    BASELINE,
    HELD_OUT_METRICS,
    LISTED,
    MATRIX_CLASSES,
    class_probabilities,
    classes_with_roc,
    confused_pairs,
)
from dogs_vs_cats.reporting.results import ApproachResult

Points = list[dict[str, Any]]

HEADLINES = ("train_accuracy", *HELD_OUT_METRICS)


def headline_metrics(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Picks the numbers that fit into the columns of a table.

    Args:
        summary: What `summarise` returned.

    Returns:
        For each approach its `HEADLINES`, as they are in the summary.
    """
    rows = summary["approaches"].items()
    return {approach: {name: row[name] for name in HEADLINES} for approach, row in rows if approach != BASELINE}


def plot_data(class_names: list[str], *results: ApproachResult) -> tuple[Points, Points, Points]:
    """Collects the points of all approaches, each with the name of its approach.

    Args:
        class_names: The classes, in the order of their labels.
        *results: The approaches.

    Returns:
        Learning curves: `approach`, `seed`, `epoch`, `loss`, `accuracy`, `val_loss`, `val_accuracy` (None without
        validation images). Test images:
        `approach`, `actual`, `predicted`. ROC curves of the test images: `approach`, `class`, `false_positive_rate`,
        `true_positive_rate`; one curve for two classes, else one per class against the rest. Of many classes only the
        most confused and the worst are there, as in the figures.
    """
    columns = ["seed", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    curves = [
        {"approach": result.name, **{str(name): None if pd.isna(value) else value for name, value in point.items()}}
        for result in results
        for point in result.history[columns].to_dict("records")
    ]
    tested = {result.name: result.predictions.query("split == 'test'") for result in results}
    confusion = [
        {"approach": name, "actual": class_names[label], "predicted": class_names[predicted]}
        for name, rows in tested.items()
        for label, predicted in _confusion(rows, len(class_names))
    ]
    roc = [point for name, rows in tested.items() for point in _roc_points(name, rows, class_names)]
    return curves, confusion, roc


def _confusion(rows: pd.DataFrame, classes: int) -> Iterator[tuple[int, int]]:
    """True and predicted class of every image; of many classes, of the images in the pairs confused most."""
    if classes <= MATRIX_CLASSES:
        return zip(rows["label"], rows["predicted"], strict=True)
    pairs = confused_pairs(rows).head(LISTED)
    each = pairs.loc[pairs.index.repeat(pairs["images"].tolist())]
    return zip(each["label"], each["predicted"], strict=True)


def _roc_points(approach: str, rows: pd.DataFrame, class_names: Sequence[str]) -> Points:
    from sklearn import metrics

    probabilities = class_probabilities(rows, class_names)
    points = []
    for index in classes_with_roc(rows["label"].to_numpy(), probabilities):
        positive = rows["label"].to_numpy() == index
        false_positive_rate, true_positive_rate, _ = metrics.roc_curve(positive, probabilities[:, index])
        points += [
            {
                "approach": approach,
                "class": class_names[index],
                "false_positive_rate": float(false_positive),
                "true_positive_rate": float(true_positive),
            }
            for false_positive, true_positive in zip(false_positive_rate, true_positive_rate, strict=True)
        ]
    return points
