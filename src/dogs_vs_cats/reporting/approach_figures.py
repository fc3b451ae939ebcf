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
        accuracy-coverage curve; and the first four as drawings for the page of the comparison.
    """
    # Not at the top: the pipelines import this module, and Matplotlib takes a second.
    from dogs_vs_cats.reporting import evaluation_figures as figures
    from dogs_vs_cats.reporting.inline_svg import evaluation_drawings
    from dogs_vs_cats.reporting.learning_figures import learning_curves

    drawn = {
        "learning_curves": learning_curves(history),
        "confusion_matrix": figures.confusion_matrix(predictions, class_names),
        "roc_curve": figures.roc_curve(predictions, class_names),
        "calibration_curve": figures.calibration_curve(predictions, class_names, metrics.get("calibration")),
    }
    learning, confusion, roc, calibrated = drawn.values()
    return (
        learning,
        confusion,
        roc,
        calibrated,
        figures.mistakes_gallery(predictions, images, manifest, class_names),
        figures.accuracy_coverage_curve(predictions, class_names),
        evaluation_drawings(model_info["approach"], drawn, metrics["test"]),
    )
