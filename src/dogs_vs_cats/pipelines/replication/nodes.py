"""The table and the page of the replication."""

from typing import Any

import pandas as pd

from dogs_vs_cats.datasets.environments import Environments
from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.errors import EnvironmentFilesError
from dogs_vs_cats.lectures import demonstrations, page, quantities
from dogs_vs_cats.lectures.claims import table
from dogs_vs_cats.lectures.networks import networks
from dogs_vs_cats.lectures.results import hold_against

COLUMNS = ["claim", "source", "lecture", "ours", "verdict", "note"]


def replicate(experiments: dict[str, Experiment], environments: Environments) -> pd.DataFrame:
    """Compares every claim of the lectures with our figures.

    Args:
        experiments: All results, by experiment.
        environments: The configuration; the lectures' settings are in `lecture` and `mnist`.

    Returns:
        A row for each claim, with the columns of `lectures.claims.Claim`.
    """
    lecture, mnist = (parameters(environments, name) for name in ("lecture", "mnist"))
    settings = {"lecture": lecture, "mnist": mnist}
    figures = {**quantities.vocabulary(), **networks(lecture), **demonstrations.figures(), **settings}
    claims = [
        hold_against(claim, experiments, **settings) if claim.results else claim.filled(figures) for claim in table()
    ]
    return pd.DataFrame(claims)


def parameters(environments: Environments, name: str) -> dict[str, Any]:
    """Returns the parameters that a run in an environment has.

    Raises:
        EnvironmentFilesError: The environment is missing.
    """
    if name not in environments:
        raise EnvironmentFilesError(
            "The replication reads the lectures' settings in conf/lecture and conf/mnist, over those of conf/base: "
            f"there is no conf/{name} here. Run it in a checkout of the project that has all three."
        )
    return dict(environments[name]["parameters"])


def write(claims: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Makes `replication.csv` and the page in Markdown of what `replicate` returned."""
    return claims[COLUMNS], page.render(claims)
