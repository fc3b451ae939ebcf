"""The page about a search, one HTML file that needs nothing else."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dogs_vs_cats.reporting.html import data_uri, environment
from dogs_vs_cats.training.search import written


def render(trials: pd.DataFrame, summary: Mapping[str, Any], history: bytes, importance: bytes) -> str:
    """Writes the page.

    Args:
        trials: A row for each trial: `trial`, `outcome`, `val_loss`, `epochs`, and the searched parameters.
        summary: What the search found.
        history: PNG file of how it went.
        importance: PNG file of which parameters matter.

    Returns:
        The HTML text. All values are escaped.
    """
    template = environment("dogs_vs_cats.reporting").get_template("tuning.html.jinja")
    names = list(summary["best_values"])
    ranked = trials.sort_values(["val_loss", "trial"], na_position="last")
    return template.render(
        summary=summary,
        finding=_finding(summary),
        best_values={name: written(value) for name, value in summary["best_values"].items()},
        names=names,
        rows=[
            {
                "trial": row["trial"],
                "val_loss": _loss(row["val_loss"]) if row["outcome"] == "finished" else "stopped early",
                "epochs": row["epochs"],
                "values": [written(row[name]) for name in names],
            }
            for row in ranked.to_dict("records")
        ],
        history=data_uri(history),
        importance=data_uri(importance),
    )


def _finding(summary: Mapping[str, Any]) -> str:
    counts = f"{summary['trials']} trials, {summary['pruned']} of them stopped early."
    own = summary["own_val_loss"]
    if own is None:
        return counts
    if summary["best_val_loss"] >= own:
        return f"{counts} None was better than the environment's own values ({_loss(own)})."
    return f"{counts} The environment's own values reach {_loss(own)}."


def _loss(value: float) -> str:
    return f"{value:.4f}"
