"""The figures of one approach's results."""

from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure


def draw_figures(
    history: pd.DataFrame,
    predictions: pd.DataFrame,
    metrics: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
    class_names: list[str],
) -> tuple[Figure, Figure, Figure, Figure, Figure, Figure]:
    """Draws learning curves; of the test split confusion matrix, ROC curve, calibration, worst mistakes; coverage."""
    # Not at the top: the pipelines import this module, and Matplotlib takes a second.
    from dogs_vs_cats.reporting import figures

    return (
        figures.learning_curves(history),
        figures.confusion_matrix(predictions, class_names),
        figures.roc_curve(predictions, class_names),
        figures.calibration_curve(predictions, class_names, calibration=metrics.get("calibration")),
        figures.mistakes_gallery(predictions, images, manifest, class_names),
        figures.coverage_curve(predictions, class_names),
    )
