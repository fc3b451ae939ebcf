"""The table and the page of the replication."""

from typing import Any

import pandas as pd

from dogs_vs_cats.datasets.environments import Environments
from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.errors import EnvironmentFilesError
from dogs_vs_cats.lectures import behaviour, counting, networks, page, photos, results, worked_examples
from dogs_vs_cats.lectures.claims import judge, table

COLUMNS = ["claim", "source", "lecture", "ours", "verdict", "note"]


def replicate(experiments: dict[str, Experiment], environments: Environments) -> pd.DataFrame:
    """Holds every claim of the lectures against ours.

    Args:
        experiments: The results there are, by experiment.
        environments: The configuration; what the lectures set is in `lecture` and `mnist`.

    Returns:
        A row for each claim, with the columns of `lectures.claims.Claim`.
    """
    lecture, mnist = (parameters(environments, name) for name in ("lecture", "mnist"))
    figures = {
        "lecture": lecture,
        "mnist": mnist,
        **photos.figures(lecture),
        **networks.figures(mnist),
        **behaviour.figures(),
        **counting.figures(),
        **worked_examples.figures(),
    }
    claims = [
        results.hold_against(claim, experiments, lecture, mnist) if claim.results else judge(claim, figures)
        for claim in table()
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


def tabulate(claims: pd.DataFrame) -> pd.DataFrame:
    """Picks the columns of `replication.csv`."""
    return claims[COLUMNS]


def write_page(claims: pd.DataFrame) -> str:
    """Writes the page in Markdown from what `replicate` returned."""
    return page.render(claims)
