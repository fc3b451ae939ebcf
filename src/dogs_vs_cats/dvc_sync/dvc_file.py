"""`dvc.yaml`, written from the registered pipelines and the catalog."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dogs_vs_cats.dvc_sync.catalog_entries import CatalogEntries, Entry
from dogs_vs_cats.dvc_sync.conf_files import environment_folders, is_reproducible, merged, read_parameters
from dogs_vs_cats.dvc_sync.source_code import PACKAGE, SOURCE, source_paths
from dogs_vs_cats.dvc_sync.stages import ITEM, Stage, stages
from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.parameters.files import read_yaml
from dogs_vs_cats.project import ROOT

HEADER = """\
# Written by `kedro dvc sync` from the pipelines and the catalog; `make lint` fails where it is out of date.
# params.yaml names the environment. A stage works in its folder, where globals.yml states what differs between
# environments; docs/dvc.md explains it.
"""

OWN_PARAMETERS = "${dvc.parameters}"
"""The file of an environment's own parameters."""

# A stage runs in the folder of its environment, because DVC can fill in the values of a file there, and only there.
UP = "../../"

# Kedro runs in the project's root, with the environment that `make install` makes, if there is one. In DVC's temporary
# folders DVC_ROOT is the project that the experiment was started from.
KEDRO = 'cd ../.. && PATH="$DVC_ROOT/.venv/bin:$PATH" kedro'


def render(root: Path = ROOT) -> str:
    """Writes `dvc.yaml`.

    Returns:
        Its text.

    Raises:
        DVCFileError: The catalog or the pipelines don't say enough, or contradict each other.
    """
    return HEADER + yaml.safe_dump(content(root), sort_keys=False, default_flow_style=None, width=100)


def content(root: Path = ROOT) -> dict[str, Any]:
    """The content of `dvc.yaml`; see `render`."""
    catalog = CatalogEntries(root / "conf/base")
    parameters = read_parameters(root / "conf/base")
    found = stages(merged(parameters))
    _check_catalog(catalog, found)
    frozen = _frozen(root / "dvc.yaml")
    definitions = {stage.name: _definition(stage, catalog, parameters) for stage in found}
    models = [entry for stage in found for entry in catalog.find_all(f"{name}.model" for name in stage.approaches)]
    return {
        "vars": [{"kedro": KEDRO}],
        "stages": {name: ({"frozen": True} if name in frozen else {}) | stage for name, stage in definitions.items()},
        "artifacts": _artifacts(root, [entry.path for entry in models]),
    }


def _artifacts(root: Path, models: Sequence[str]) -> dict[str, dict[str, str]]:
    """The models by name, for `dvc artifacts get`: base's by their own, others with their environment before it.

    DVC fills in no value of an environment here, so there is an entry for each that it can run.
    """
    artifacts = {}
    for folder in environment_folders(root):
        # One whose globals lack it is among the problems that `environments` finds.
        experiment = read_yaml(folder / "globals.yml").get("experiment")
        if experiment is None or not is_reproducible(folder):
            continue
        prefix = "" if folder.name == "base" else f"{folder.name}-"
        for model in models:
            name = f"{prefix}{Path(model).stem}".lower().replace("_", "-")
            artifacts[name] = {"path": model.replace("${experiment}", experiment), "type": "model"}
    return artifacts


def _frozen(file: Path) -> set[str]:
    """The stages that someone froze by hand, which `dvc freeze` can't do where a stage has variables."""
    try:
        present = yaml.safe_load(file.read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return set()
    return {name for name, stage in present.items() if stage.get("frozen")}


def _check_catalog(catalog: CatalogEntries, found: Sequence[Stage]) -> None:
    outputs = {name for stage in found for name in stage.nodes.all_outputs()}
    unmade = catalog.followed - {entry.name for entry in catalog.find_all(outputs)}
    inputs = {name for stage in found for name in stage.nodes.inputs()}
    lost = [name for name in inputs & outputs if catalog.find(name) is None]
    problems = [f"  - {name} has a role in DVC, and no stage makes it: write `dvc: none`" for name in sorted(unmade)]
    problems += [f"  - {name} goes from one stage to another, and isn't in the catalog" for name in sorted(lost)]
    if problems:
        raise DVCFileError("The catalog in conf/base and the stages don't fit together:\n" + "\n".join(problems))


def _definition(stage: Stage, catalog: CatalogEntries, parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A stage as `dvc.yaml` has it."""
    read, made = (catalog.find_all(stage.open(names)) for names in (stage.nodes.inputs(), stage.nodes.all_outputs()))
    catalogs = {f"conf/base/{entry.defined_in}" for entry in (*read, *made)}
    # A stage that waits for no other starts from the raw data, if from any file at all.
    data = sorted(UP + entry.path for entry in read if entry.role != "none") or [f"{UP}${{dvc.raw_data}}"]
    data += [f"{UP}${{dvc.corrections}}"] if "ingestion" in stage.parameters else []
    code = [UP + path for path in (*_source_code(stage, [*read, *made]), *sorted(catalogs), "requirements.lock")]
    tags = f" --tags={stage.tag}" if stage.tag else ""
    definition = {
        "matrix": {"approach": list(stage.approaches)} if stage.approaches else None,
        "wdir": "conf/${env}",
        "vars": ["globals.yml"],
        "cmd": f"${{kedro}} run --env=${{env}} --pipelines={','.join(stage.pipelines)}{tags}",
        "deps": data + code,
        "params": _parameters(stage, parameters),
        "outs": [UP + entry.path for entry in made if entry.role == "out"],
        "metrics": [UP + entry.path for entry in made if entry.role == "metric"],
        "plots": [UP + entry.path for entry in made if entry.role == "plot"]
        + [{UP + entry.path: entry.role["plot"]} for entry in made if isinstance(entry.role, dict)],
    }
    return {key: value for key, value in definition.items() if value}


def _source_code(stage: Stage, entries: Sequence[Entry]) -> list[str]:
    """The code of a stage: its nodes and their wiring, and the classes that read and write its files."""
    modules = {node.func.__module__ for node in stage.nodes.nodes}
    modules |= {module for entry in entries if (module := entry.type.rpartition(".")[0]).startswith(f"{PACKAGE}.")}
    paths = {*source_paths(modules.union(stage.approaches.values()))}
    paths |= {f"pipelines/{name if (SOURCE / 'pipelines' / name).is_dir() else 'approach'}" for name in stage.pipelines}
    own = {f"approaches/{name}.py" for name in stage.approaches}
    if own <= paths:  # else the modules of some have other names
        paths = paths - own | {f"approaches/{ITEM}.py" for _ in own}
    return sorted(f"src/{PACKAGE}/{path}" for path in paths)


def _parameters(stage: Stage, base: Mapping[str, Mapping[str, Any]]) -> list[dict[str, list[str]]]:
    """The parameters that a stage reads, by file: those of base, and the one file of the environment.

    Raises:
        DVCFileError: Base lacks one, or an approach's block isn't in a file of its name.
    """
    files = {group: file for file, groups in base.items() for group in groups} | {ITEM: f"parameters_{ITEM}.yml"}
    groups = {name: name if name == ITEM else name.partition(".")[0] for name in stage.parameters}
    lost = groups.values() - files.keys()
    lost |= {name for name in stage.approaches if files.get(name) != f"parameters_{name}.yml"}
    if lost:
        raise DVCFileError(
            f"Stage {stage.name} reads parameters of {', '.join(sorted(lost))}. Write them into a file of conf/base, "
            "those of an approach into parameters_NAME.yml."
        )
    found: dict[str, list[str]] = {}
    for name, group in groups.items():
        found.setdefault(f"../base/{files[group]}", []).append(name)
    return [{file: found[file]} for file in sorted(found)] + [{OWN_PARAMETERS: stage.parameters}]
