"""Parameters in words, and those a model was trained with beside the present ones."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dogs_vs_cats.parameters.base import flat, written

ABSENT = "absent"


def compare(trained: Mapping[str, Any], today: Mapping[str, Any]) -> pd.DataFrame:
    """Sets the parameters of a training beside the present ones.

    Args:
        trained: The parameters of the training, nested.
        today: The present ones.

    Returns:
        A row for each parameter, by its dotted name: `trained` and `today`, its values as in a parameter file or
        `ABSENT`, and whether it `differs`.
    """
    table = pd.DataFrame({"trained": flattened(trained), "today": flattened(today)}).fillna(ABSENT)
    return table.assign(differs=table["trained"] != table["today"])


def differences(settings: pd.DataFrame) -> str:
    """Lists the parameters that have another value in the present configuration; `settings` is from `compare`."""
    changed = settings[settings["differs"]].to_dict("index")
    return "; ".join(f"{name}: {row['trained']} then, {row['today']} now" for name, row in changed.items())


def flattened(values: Mapping[str, Any]) -> dict[str, str]:
    """Returns nested parameters by their dotted names, written as in a parameter file; empty blocks are left out."""
    return {name: written(value) for name, value in flat(values) if value != {}}
