"""The last lines of the replication's log: which claims no results on disk match, and the commands to type next."""

import pandas as pd

from dogs_vs_cats.lectures.claims import Verdict, command_line


def closing_lines(table: pd.DataFrame) -> list[str]:
    """Lists the claims that nothing on disk measures, under the command that does.

    Args:
        table: `replication.csv`, as pandas reads it.

    Returns:
        The lines, without line ends.
    """
    missing = table[table["verdict"] == Verdict.NOT_RUN]
    lines = [f"Claims of the lectures: {len(table)}. Measured: {table['experiment'].count()}. Missing: {len(missing)}."]
    for command, claims in missing.groupby("command", sort=False):
        lines += ["", str(command)]
        for reason, alike in claims.groupby("note", sort=False):
            lines += [f"  {reason}", *(f"    - {claim}" for claim in alike["claim"])]
    if len(missing):
        path = (
            "PATH is Kaggle's train.zip or dogs-vs-cats.zip. " if missing["command"].str.endswith("=PATH").any() else ""
        )
        lines += ["", f"{path}Run the commands above for what is missing, then: {command_line('replication')}"]
    return lines
