"""The files of an environment that repeats a run with the best values of a search."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from dogs_vs_cats.datasets.environments import MARK, Environment
from dogs_vs_cats.parameters.dvc_variables import VARIABLES, variables


def environment_files(
    summary: Mapping[str, Any],
    parameters: Mapping[str, Any],
    environments: Sequence[Environment],
    run_record: Mapping[str, Any],
) -> dict[str, str]:
    """Writes all parameters of a run as the files of an environment.

    Args:
        summary: `environment`, `approach`, `best_trial`, `best_val_loss` and `best_values` of the search.
        parameters: All parameters of the run, those given with `--params` included.
        environments: Each group goes into the file in which base has it, else into one of its own name.
        run_record: `command` and `globals` of the run.

    Returns:
        The text of each file by its name.
    """
    name, approach = summary["environment"], summary["approach"]
    # Kedro has made objects of those groups that nodes take as such. What no file says need not be said now.
    groups = {
        group: value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else value
        for group, value in parameters.items()
    }
    groups[approach] = {**groups[approach], **summary["best_values"]}
    base = next(environment.files for environment in environments if environment.name == "base")
    homes = {
        group: file
        for file, text in base.items()
        if file.startswith("parameters")
        for group in yaml.safe_load(text) or {}
    }
    contents: dict[str, dict[str, Any]] = {file: {} for file in dict.fromkeys(homes.values())}
    for group, value in groups.items():
        contents.setdefault(homes.get(group, f"parameters_{group}.yml"), {})[group] = value
    settings = {**run_record["globals"], "experiment": name}
    found = f"trial {summary['best_trial']}, validation log loss {summary['best_val_loss']:.4f}"
    best = ", ".join(summary["best_values"])
    files = {"globals.yml": f"{MARK} `{run_record['command']}`: the best of {approach}, {found}.\n{_yaml(settings)}"}
    for file, content in contents.items():
        note = f"# {best}: as {found} had them.\n" if approach in content else ""
        files[file] = note + _yaml(content)
    files[VARIABLES] = variables(name, groups["ingestion"]["source"])
    return files


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120)
