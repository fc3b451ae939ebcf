"""The results of one approach, as the comparison and its page take them."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from dogs_vs_cats.reporting.settings import Setting


@dataclass(frozen=True)
class Pictures:
    """What the page shows of one approach beside numbers.

    Attributes:
        drawings: See `inline_svg.evaluation_drawings`.
        mistakes: PNG file of its most confident mistakes.
        inside: PNG files of its inside, by their titles; empty where this model wasn't explained.
        layers: See `inspection.summarise_layers`; None where this model wasn't explained.
    """

    drawings: dict[str, str]
    mistakes: bytes
    inside: dict[str, bytes]
    layers: pd.DataFrame | None


@dataclass(frozen=True)
class ApproachResult:
    """The results of one approach.

    Attributes:
        name: Its name.
        settings: Its training parameters, beside those of the present configuration.
        trained_with: Its own training parameters; with a base also `preprocessing`, how that prepares images.
        metrics: See `metrics.classification_metrics`; also `backbone`, `parameters`, `trainable_parameters`, `epochs`
            and, for several seeds, `seeds`.
        history: Accuracy and loss by seed and epoch.
        predictions: Its predictions table.
        timings: `train_seconds`, `seconds_per_epoch`, `predict_seconds`; empty where it was trained elsewhere.
        pictures: Its figures.
    """

    name: str
    settings: list[Setting]
    trained_with: dict[str, Any]
    metrics: dict[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    timings: dict[str, float]
    pictures: Pictures
