"""The page about a search, one HTML file that needs nothing else."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dogs_vs_cats.reporting.html import environment


def render(trials: pd.DataFrame, summary: Mapping[str, Any], history: bytes, importance: bytes) -> str:
    """Writes the page.

    Args:
        trials: A row for each trial: `trial`, `outcome`, `val_loss`, `epochs`, and the searched parameters.
        summary: The result of the search.
        history: PNG file of its progress.
        importance: PNG file of the parameters' importance.

    Returns:
        The HTML text. All values are escaped.
    """
    template = environment("dogs_vs_cats.reporting").get_template("tuning.html.jinja")
    ranked = trials.sort_values(["val_loss", "trial"], na_position="last").to_dict("records")
    return template.render(trials=ranked, summary=summary, history=history, importance=importance)
