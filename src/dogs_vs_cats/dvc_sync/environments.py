"""What an environment has to state so that DVC can follow it.

DVC has no notion of one file overriding another: a stage depends on base's parameter files and on the environment's
own, and a file or parameter that isn't there is an error. So each environment has the parameter files of base, with
their groups in the same places; what it leaves as it is, it writes as `{}`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dogs_vs_cats.dvc_sync.dvc_file import ITEM, base_parameters, parameter_files, stages
from dogs_vs_cats.dvc_sync.yaml_files import read_yaml
from dogs_vs_cats.parameters.dvc_variables import VARIABLES, variables
from dogs_vs_cats.project import ROOT

STARTING = ("prepare", "backbone")
"""The stages that wait for no other."""

# Kedro loads it only without --env, and nobody else has it.
PRIVATE = "local"


def environments(root: Path = ROOT) -> list[str]:
    """Names of the environments: folders in `conf` with a `globals.yml`, the private one apart."""
    return sorted(path.parent.name for path in (root / "conf").glob("*/globals.yml") if path.parent.name != PRIVATE)


def is_reproducible(environment: str, root: Path = ROOT) -> bool:
    """Whether DVC can run an environment: one with base's approaches, which are the stages of dvc.yaml."""
    listed = approaches(parameter_contents(root / "conf" / environment))
    return listed is None or listed == approaches(base_parameters(root))


def approaches(files: Mapping[str, Mapping[str, Any]]) -> set[str] | None:
    """The approaches that parameter files list; None where they list none."""
    return next((set(content["approaches"]) for content in files.values() if "approaches" in content), None)


def parameter_contents(folder: Path) -> dict[str, dict[str, Any]]:
    """The parameter files of an environment, by name."""
    return {path.name: read_yaml(path) for path in sorted(folder.glob("parameters*.yml"))}


def wanted_variables(environment: str, root: Path = ROOT) -> str:
    """What an environment's `dvc_vars.yml` should say."""
    files = [root / "conf" / name / "parameters_ingestion.yml" for name in ("base", environment)]
    blocks = [read_yaml(path).get("ingestion", {}) for path in files if path.is_file()]
    source = next(block["source"] for block in reversed(blocks) if "source" in block)
    return variables(environment, source)


def followed_parameters(environment: str, root: Path = ROOT) -> dict[str, list[str]]:
    """The parameters that DVC looks for in an environment, by file.

    Those in `parameters.yml`, which is followed as a whole, are left out. An environment with other approaches than
    base needs those of the first stages: they start, and say why the environment can't be run.
    """
    followed: dict[str, list[str]] = {}
    read = stages(root) if is_reproducible(environment, root) else [s for s in stages(root) if s.name in STARTING]
    for stage in read:
        for file, names in parameter_files(stage, root).items():
            for approach in stage.approaches if ITEM in file else [""]:
                known = followed.setdefault(file.replace(ITEM, approach), [])
                known += [name for name in (name.replace(ITEM, approach) for name in names) if name not in known]
    return followed


def complete(root: Path = ROOT) -> list[Path]:
    """Writes what environments lack: parameter files, saying what base says, and `dvc_vars.yml`.

    Returns:
        The files that are new or changed.
    """
    base = base_parameters(root)
    written = []
    for environment in environments(root):
        folder = root / "conf" / environment
        files = {"parameters.yml": [], **followed_parameters(environment, root)}
        for file, names in files.items():
            if (folder / file).exists():
                continue
            content: dict[str, Any] = {}
            for name in names:
                group, _, rest = name.partition(".")
                block = content.setdefault(group, {})
                if rest:
                    block[rest] = base[file][group][rest]
            text = yaml.safe_dump(content, sort_keys=False)
            (folder / file).write_text(f"# As in conf/base/{file}.\n{text}", encoding="utf-8")
            written.append(folder / file)
        path = folder / VARIABLES
        if not path.is_file() or path.read_text(encoding="utf-8") != wanted_variables(environment, root):
            path.write_text(wanted_variables(environment, root), encoding="utf-8")
            written.append(path)
    return written


def problems(root: Path = ROOT) -> list[str]:
    """Checks all environments.

    Returns:
        A line for each thing that DVC would stumble over or fail to notice; empty if there is none.
    """
    base = base_parameters(root)
    found = []
    for environment in environments(root):
        where = f"conf/{environment}"
        path = root / where / VARIABLES
        if not path.is_file() or path.read_text(encoding="utf-8") != wanted_variables(environment, root):
            found.append(f"{where}/{VARIABLES} is out of date; `kedro dvc sync` writes it")
        folder = root / where
        files = parameter_contents(folder)
        for file, names in followed_parameters(environment, root).items():
            if file not in files:
                found.append(f"{where}/{file} is missing; `kedro dvc sync` writes it")
                continue
            missing = [name for name in names if not _has(files[file], name)]
            found += [f"{where}/{file} doesn't state {name}; write {_line(base[file], name)}" for name in missing]
        if "parameters.yml" not in files:
            found.append(f"{where}/parameters.yml is missing; `kedro dvc sync` writes it")
        for file, content in files.items():
            found += _misplaced(where, file, content, base)
        if "experiment" not in read_yaml(folder / "globals.yml"):
            found.append(f"{where}/globals.yml doesn't state experiment, the folder that results go into")
        if environment != "base" and is_reproducible(environment, root) and any(folder.glob("catalog*.yml")):
            found.append(f"{where} has a catalog, which dvc.yaml doesn't know of; move its entries to conf/base")
    return found


def _misplaced(where: str, file: str, content: Mapping[str, Any], base: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Groups in a file in which DVC doesn't look for them. It follows all of `parameters.yml`."""
    if file == "parameters.yml":
        return []
    homes = {group: home for home, groups in base.items() for group in groups}
    return [
        f"{where}/{file} has {group}, which DVC looks for in {homes[group]}; move it there"
        for group in content
        if group in homes and homes[group] != file
    ]


def _has(content: Mapping[str, Any], name: str) -> bool:
    value: Any = content
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _line(base: Mapping[str, Any], name: str) -> str:
    """How to state a parameter without changing it."""
    group, _, rest = name.partition(".")
    content = {group: {rest: base[group][rest]} if rest else {}}
    return yaml.safe_dump(content, default_flow_style=None).strip()
