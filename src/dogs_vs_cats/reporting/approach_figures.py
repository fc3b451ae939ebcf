"""All figures of the evaluation of one approach."""

from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure
from dogs_vs_cats.evaluation.cross_validation import evaluated_by

DRAWN = {
    "learning_curves": "Learning curves",
    "confusion_matrix": "Confusion matrix",
    "roc_curve": "ROC curve",
    "calibration_curve": "Calibration curve",
}
"""The figures that the page shows as SVG elements, with their titles."""


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
    # Each fold has a temperature of its own, so there is no calibration of all to show.
    by = evaluated_by(metrics)
    calibration = metrics.get("calibration") if by == "test" else None
    # Not at the top: the pipelines import this module, and Matplotlib takes a second.
    from dogs_vs_cats.reporting import evaluation_figures as figures
    from dogs_vs_cats.reporting.inline_svg import inline_svg
    from dogs_vs_cats.reporting.learning_figures import learning_curves

    drawn = (
        learning_curves(history),
        figures.confusion_matrix(predictions, class_names, by),
        figures.roc_curve(predictions, class_names, by),
        figures.calibration_curve(predictions, class_names, calibration, by),
    )
    approach = model_info["approach"]
    drawings = {
        name: inline_svg(figure, f"{approach}-{name}", f"{title} of {approach}")
        for (name, title), figure in zip(DRAWN.items(), drawn, strict=True)
    }
    mistakes = figures.mistakes_gallery(predictions, images, manifest, class_names)
    coverage = figures.accuracy_coverage_curve(predictions, class_names)
    return (*drawn, mistakes, coverage, drawings)
