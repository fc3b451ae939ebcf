"""The results of one approach, as the comparison and its report take them."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dogs_vs_cats.reporting.settings import Setting


@dataclass(frozen=True)
class ApproachResult:
    """Everything one approach left behind.

    Attributes:
        name: Its name.
        settings: What it was trained with, beside the present configuration.
        trained_with: Its own parameters in the training; with a base also `preprocessing`, how that prepares images.
        metrics: See `evaluation.classification_metrics`; also `backbone`, `parameters`, `trainable_parameters`,
            `epochs` and, for several seeds, `seeds`.
        history: Accuracy and loss by seed and epoch.
        predictions: Its predictions table.
        timings: `train_seconds`, `seconds_per_epoch`, `predict_seconds`; empty where it was trained elsewhere.
        mistakes: PNG picture of its most confident mistakes.
        explanation: PNG pictures of its inside, by what they show; empty where none were drawn of this model.
        layers: See `inspection.summarise_layers`; None where this model wasn't explained.
    """

    name: str
    settings: list[Setting]
    trained_with: dict[str, Any]
    metrics: dict[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    timings: dict[str, float]
    mistakes: bytes
    explanation: dict[str, bytes] = field(default_factory=dict)
    layers: pd.DataFrame | None = None
