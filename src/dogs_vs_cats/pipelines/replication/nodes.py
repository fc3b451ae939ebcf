"""The table and the page of the replication."""

from collections import Counter
from typing import Any

import pandas as pd

from dogs_vs_cats.datasets.environments import Environments
from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.errors import EnvironmentFilesError
from dogs_vs_cats.lectures import demonstrations, quantities
from dogs_vs_cats.lectures.claims import command_line, content, table
from dogs_vs_cats.lectures.networks import networks
from dogs_vs_cats.lectures.results import hold_against, known_sources
from dogs_vs_cats.reporting.html import environment

COLUMNS = ["claim", "source", "lecture", "ours", "verdict", "experiment", "command", "note"]


def replicate(experiments: dict[str, Experiment], environments: Environments) -> pd.DataFrame:
    """Compares every claim of the lectures with our figures.

    Args:
        experiments: All results, by experiment.
        environments: The configuration; the lectures' settings are in `lecture` and `mnist`.

    Returns:
        A row for each claim, with the columns of `lectures.claims.Claim` and the `command_line` that gives our figure,
        with the source that the results on disk have their images from.
    """
    lecture, mnist = (parameters(environments, name) for name in ("lecture", "mnist"))
    settings = {"lecture": lecture, "mnist": mnist}
    figures = {**quantities.vocabulary(), **networks(lecture), **demonstrations.figures(), **settings}
    claims = [
        hold_against(claim, experiments, **settings) if claim.results else claim.filled(figures) for claim in table()
    ]
    sources = known_sources(experiments, **settings)
    return pd.DataFrame(claims).assign(command_line=[command_line(claim.command, sources) for claim in claims])


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
    """Writes the table and the page in Markdown: the slips with their proofs first, then the rest by topic.

    Args:
        claims: The result of `replicate`.

    Returns:
        The content of `replication.csv`, and the page.
    """
    template = environment("dogs_vs_cats.lectures", ".").get_template("page.md.jinja")
    rows, counts = claims.to_dict("records"), Counter(claims["verdict"])
    text = template.render(content(), claims=rows, counts=counts, command_line=command_line)
    return claims.assign(command=claims["command_line"])[COLUMNS], f"{text}\n"
