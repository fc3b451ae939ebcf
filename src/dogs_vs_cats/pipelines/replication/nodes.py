"""The table and the page of the replication."""

from collections import Counter

import pandas as pd

from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.pipelines.replication import counts, results, worked_examples
from dogs_vs_cats.pipelines.replication.claims import SLIP, VERDICTS, Claim

COLUMNS = ["claim", "source", "lecture", "ours", "verdict", "note"]

INTRODUCTION = """\
# Replication

Written by `kedro run --pipelines=replication` from `data/08_reporting/*/comparison.json` and from what this
project computes; run it again after an experiment. Every claim of the five lectures with a figure is here: what the
lecture says, what this project gets, and where the two differ, why. The same as data:
`data/08_reporting/replication.csv`.

L1 Akhter, L2 Marques, L3 Abdollahpouri, L4 Taetragool, L5 an online unit around VGG-16. Convolution means
cross-correlation in all of them.
"""


def replicate(experiments: dict[str, Experiment]) -> pd.DataFrame:
    """Holds every claim of the lectures against ours.

    Args:
        experiments: The results there are, by experiment.

    Returns:
        A row for each claim: `topic`, `claim`, `source`, `lecture`, `ours`, `verdict`, `note`, `command`.
    """
    rows = [*results.claims(experiments), *counts.claims(), *worked_examples.claims()]
    return pd.DataFrame(rows, columns=list(Claim._fields))


def tabulate(claims: pd.DataFrame) -> pd.DataFrame:
    """Picks the columns of `replication.csv`."""
    return claims[COLUMNS]


def write_page(claims: pd.DataFrame) -> str:
    """Writes the page in Markdown: the slips first, then everything by topic, then the commands.

    Args:
        claims: What `replicate` returned.
    """
    counted = Counter(claims["verdict"])
    summary = "\n".join(f"| {verdict} | {counted[verdict]} | {meaning} |" for verdict, meaning in VERDICTS.items())
    parts = [
        INTRODUCTION,
        f"| verdict | claims | meaning |\n| --- | --- | --- |\n{summary}\n",
        "## Slips in the lectures\n\nEach right figure is computed when this page is written.\n",
        _table(claims[claims["verdict"] == SLIP]),
    ]
    for topic, rows in claims.groupby("topic", sort=False):
        parts += [f"## {topic}\n", _table(rows)]
    commands = "\n".join(f"    {command}" for command in claims["command"].drop_duplicates())
    parts.append(f"## Commands\n\n{commands}\n")
    return "\n".join(parts)


def _table(rows: pd.DataFrame) -> str:
    lines = ["| claim | source | lecture | ours | verdict | note |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        "| " + " | ".join(str(row[name]).replace("|", "\\|") for name in COLUMNS) + " |"
        for row in rows.to_dict("records")
    ]
    return "\n".join(lines) + "\n"
