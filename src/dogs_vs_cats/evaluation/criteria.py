"""The metrics by which the best approach can be chosen, and which way each of them is better."""

import math
from collections.abc import Mapping
from typing import Any

from dogs_vs_cats.parameters.comparison import Metric

WORDS: dict[Metric, str] = {
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "AUC",
}
"""The name of each in sentences."""

DEFAULT: Metric = "log_loss"
"""Decides where another metric leaves a tie."""


def is_lower_better(metric: Metric) -> bool:
    """Whether a smaller value is better: a loss, not a score."""
    return metric == "log_loss"


def rank(metric: Metric, figures: Mapping[str, Any]) -> tuple[float, float]:
    """Returns what approaches are sorted by, the best first.

    Args:
        metric: Decides; a tie is decided by the log loss.
        figures: The metrics of an approach on the validation images. One that is missing or None is the worst.
    """

    def cost(name: Metric) -> float:
        value = figures.get(name)
        return math.inf if value is None else value if is_lower_better(name) else -value

    return cost(metric), cost(DEFAULT)
