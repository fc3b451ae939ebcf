"""The table and the page of the replication."""

from collections import Counter
from typing import Any, cast

import pandas as pd
from omegaconf import OmegaConf

from dogs_vs_cats.datasets.environments import Environment
from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.pipelines.replication import counting, networks, photos, results, tables, worked_examples
from dogs_vs_cats.pipelines.replication.claims import SLIP, UNCHECKED, VERDICTS, Claim, Command

COLUMNS = ["claim", "source", "lecture", "ours", "verdict", "note"]

INTRODUCTION = """\
# Replication

Every claim of the five lectures with a figure, beside ours: what the lecture prints, what this project gets, with which
command, and where the two differ, why. Written by `kedro run --pipelines=replication`. Counts are made on the project's
own networks while it runs, settings are read from `conf`, and accuracies from `data/08_reporting/*/comparison.json`, as
far as these are of the images and settings that a claim speaks of. Run it again after an experiment. The same as data:
`data/08_reporting/replication.csv`. What the lectures show in pictures is drawn by the notebooks and by the pipelines
`explanation` and `augmentation`.

L1 Akhter, L2 Marques, L3 Abdollahpouri, L4 Taetragool, L5 an online unit around VGG-16. The numbers in the column `by`
are those of the [commands](#commands) at the end.
"""

AFTER_COMMANDS = """\
PATH is the folder of the photos and the weights. VGG16, the lecture's base, is what commands 2 and 3 train without
`backbone.name`, `backbone.kwargs`, `backbone.weights` and `transfer_bottleneck.pooling`; Keras then fetches its weights
(59 MB). It fetches MNIST too; a folder of the four IDX files does as well (`--params=ingestion.source=FOLDER`). What
begins with `cp` makes an environment of its own, so that its results don't take the place of others; `kedro dvc sync`
makes it known to DVC, or remove its folder in `conf` when you have seen enough.
"""

_RULE = "| --- "


def replicate(experiments: dict[str, Experiment], environments: list[Environment]) -> pd.DataFrame:
    """Holds every claim of the lectures against ours.

    Args:
        experiments: The results there are, by experiment.
        environments: The configuration; what the lectures set is in `lecture` and `mnist`.

    Returns:
        A row for each claim: `topic`, `claim`, `source`, `lecture`, `ours`, `verdict`, `note`, `command`.
    """
    lecture, mnist = (parameters(environments, name) for name in ("lecture", "mnist"))
    rows = [
        *results.claims(experiments, lecture, mnist),
        *tables.claims(),
        *photos.claims(lecture),
        *networks.claims(mnist),
        *counting.claims(),
        *worked_examples.claims(),
    ]
    return pd.DataFrame(rows, columns=list(Claim._fields))


def parameters(environments: list[Environment], name: str) -> dict[str, Any]:
    """Returns what a run in an environment has as parameters: those of base, and its own over them."""
    files = {environment.name: environment.files for environment in environments}
    texts = [text for each in ("base", name) for file, text in files[each].items() if file.startswith("parameters")]
    merged = OmegaConf.merge(*map(OmegaConf.create, texts))
    return cast(dict[str, Any], OmegaConf.to_container(merged))


def tabulate(claims: pd.DataFrame) -> pd.DataFrame:
    """Picks the columns of `replication.csv`."""
    return claims[COLUMNS]


def write_page(claims: pd.DataFrame) -> str:
    """Writes the page in Markdown: the slips with their proofs first, then the rest by topic, then the commands.

    Args:
        claims: What `replicate` returned.
    """
    counted = Counter(claims["verdict"])
    summary = "\n".join(f"| {verdict} | {counted[verdict]} | {meaning} |" for verdict, meaning in VERDICTS.items())
    is_slip = claims["verdict"] == SLIP
    parts = [
        INTRODUCTION,
        f"| verdict | claims | meaning |\n| --- | --- | --- |\n{summary}\n",
        "## Slips in the lectures\n\nThe right figures are computed, and so are those in the proofs.\n",
        "\n".join(
            ["| slip | source | lecture | ours | proof |", _RULE * 5 + "|", *map(slip_row, _records(claims[is_slip]))]
        )
        + "\n",
    ]
    for topic, rows in claims.groupby("topic", sort=False):
        slips = rows.loc[rows["verdict"] == SLIP, "claim"]
        parts += [f"## {topic}\n", _table(rows[rows["verdict"] != SLIP])]
        if len(slips):
            parts.append(f"Among the [slips](#slips-in-the-lectures): {'; '.join(slips)}.\n")
    parts += ["## Commands\n", *map(_command, Command), AFTER_COMMANDS]
    return "\n".join(parts)


def slip_row(claim: dict[str, Any]) -> str:
    """Writes a slip as a row of its table; `by` would be the same for all."""
    return _row(claim["claim"], claim["source"], claim["lecture"], claim["ours"], claim["note"])


def row(claim: dict[str, Any]) -> str:
    """Writes any other claim as a row of its topic's table."""
    by = "" if claim["verdict"] == UNCHECKED else Command(claim["command"]).number
    return _row(*(claim[name] for name in COLUMNS[:-1]), by, claim["note"])


def _records(claims: pd.DataFrame) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], claims.to_dict("records"))


def _table(claims: pd.DataFrame) -> str:
    heads = [*COLUMNS[:-1], "by", COLUMNS[-1]]
    return "\n".join([_row(*heads), _RULE * len(heads) + "|", *map(row, _records(claims))]) + "\n"


def _row(*cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _command(command: Command) -> str:
    lines = "\n".join(f"       {line}" for line in command.splitlines())
    return f"{command.number}. {_PURPOSES[command]}\n\n{lines}\n"


_PURPOSES = {
    Command.REPLICATION: "What is computed, and this page:",
    Command.LECTURE: "Dogs vs cats:",
    Command.RESCALE: "The same with pixels / 255 in front of the base, as in the lecture:",
    Command.MNIST: "The networks for MNIST:",
    Command.MLP_ON_ALL: "The perceptron on all 60,000 images:",
    Command.FASHION: "The perceptron on Fashion-MNIST:",
    Command.BOSTON: "The perceptron for Boston housing:",
}
