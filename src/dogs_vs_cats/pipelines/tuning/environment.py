"""The two files of an environment that repeats a run with the best values of a search."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from dogs_vs_cats.datasets.environments import MARK
from dogs_vs_cats.parameters.dvc_variables import variables


def make_environment(
    summary: dict[str, Any], parameters: dict[str, Any], run_record: dict[str, Any]
) -> dict[str, dict[str, str]]:
    """Makes an environment of all parameters of a run and the best values.

    Args:
        summary: `environment`, `approach`, `best_trial`, `best_val_loss` and `best_values` of the search.
        parameters: All parameters of the run, those given with `--params` included.
        run_record: `command` and `globals` of the run.

    Returns:
        The text of the environment's files, by its name and theirs. It is complete: what base says later doesn't
        change it.
    """
    name, approach = summary["environment"], summary["approach"]
    # Kedro turns the groups that nodes take as such into objects.
    groups = {
        group: value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else value
        for group, value in parameters.items()
    }
    groups[approach] = {**groups[approach], **summary["best_values"]}
    dvc = variables(name, groups["ingestion"])
    found = f"trial {summary['best_trial']}, validation log loss {summary['best_val_loss']:.4f}"
    best = ", ".join(summary["best_values"])
    files = {
        "globals.yml": f"{MARK} `{run_record['command']}`: the best of {approach}, {found}.\n"
        + _yaml({**run_record["globals"], "experiment": name, "dvc": dvc}),
        "parameters.yml": f"# {best} of {approach}: as in {found}.\n" + _yaml(groups),
    }
    return {name: files}


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120)
