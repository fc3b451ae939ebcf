"""All figures of the evaluation of one approach."""

from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure


def draw_figures(
    model_info: dict[str, Any],
    history: pd.DataFrame,
    predictions: pd.DataFrame,
    metrics: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
    class_names: list[str],
) -> tuple[Figure, Figure, Figure, Figure, Figure, Figure, dict[str, str]]:
    """Draws the evaluation of a model.

    Returns:
        Learning curves; of the test images confusion matrix, ROC curve, calibration curve and most confident mistakes;
        accuracy-coverage curve; and the first four as SVG elements for the page of the comparison.
    """
    # Not at the top: the pipelines import this module, and Matplotlib takes a second.
    from dogs_vs_cats.reporting import evaluation_figures as figures
    from dogs_vs_cats.reporting.inline_svg import inline_svg
    from dogs_vs_cats.reporting.learning_figures import learning_curves

    drawn = {
        "learning_curves": learning_curves(history),
        "confusion_matrix": figures.confusion_matrix(predictions, class_names),
        "roc_curve": figures.roc_curve(predictions, class_names),
        "calibration_curve": figures.calibration_curve(predictions, class_names, metrics.get("calibration")),
    }
    learning, confusion, roc, calibrated = drawn.values()
    approach, test = model_info["approach"], metrics["test"]
    confusions = test.get("confusion_matrix", "the most confused pairs")
    descriptions = (
        f"Learning curves of {approach}",
        f"Confusion matrix of {approach} on the test images: {confusions}",
        f"ROC curve of {approach} on the test images",
        f"Calibration of {approach} on the test images",
    )
    drawings = {
        name: inline_svg(figure, f"{approach}-{name}", description)
        for (name, figure), description in zip(drawn.items(), descriptions, strict=True)
    }
    mistakes = figures.mistakes_gallery(predictions, images, manifest, class_names)
    return (
        learning,
        confusion,
        roc,
        calibrated,
        mistakes,
        figures.accuracy_coverage_curve(predictions, class_names),
        drawings,
    )
