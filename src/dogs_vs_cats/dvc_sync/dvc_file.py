"""`dvc.yaml`, written from the registered pipelines and the catalog."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader

from dogs_vs_cats import approaches
from dogs_vs_cats.dvc_sync.catalog_entries import CatalogEntries
from dogs_vs_cats.dvc_sync.conf_files import base_parameters
from dogs_vs_cats.dvc_sync.source_code import PACKAGE, SOURCE, source_paths
from dogs_vs_cats.dvc_sync.stages import ITEM, Stage, stages
from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.parameters.files import read_yaml
from dogs_vs_cats.project import ROOT

LOCK = "requirements.lock"

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
    catalog = CatalogEntries(root / "conf/base")
    found = stages(root)
    _check_catalog(catalog, found)
    frozen = _frozen(root / "dvc.yaml")
    definitions = [{"frozen": stage.name in frozen, **_definition(stage, catalog, root)} for stage in found]
    shared: dict[str, set[str]] = {"deps": set(), "outs": set()}
    for place, definition in enumerate(definitions):
        for key, names in shared.items():
            equal = [other["name"] for other in definitions[:place] if other[key] == definition[key]]
            definition[f"{key}_like"] = equal[0] if equal else None
            names.update(equal[:1])
    loader = PackageLoader(PACKAGE, "dvc_sync")
    # The template is YAML, which needs no escaping of HTML.
    environment = Environment(loader=loader, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701  # nosec B701
    artifacts = _artifacts(catalog, found, root)
    return environment.get_template("dvc.yaml.jinja").render(
        kedro=KEDRO, up=UP, stages=definitions, shared=shared, artifacts=artifacts
    )


def _frozen(file: Path) -> set[str]:
    """The stages that someone froze by hand, which `dvc freeze` can't do where a stage has variables."""
    try:
        present = yaml.safe_load(file.read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return set()
    return {name for name, stage in present.items() if stage.get("frozen")}


def _check_catalog(catalog: CatalogEntries, found: Sequence[Stage]) -> None:
    made = {name for stage in found for name in stage.nodes.all_outputs()}
    written = {catalog.written_as(name) for name in made}
    problems = [
        f"  - {name} is to be a DVC {entry.kind}, and no stage makes it: write `dvc: none`"
        for name in catalog.names
        if (entry := catalog.find(name)) is not None and entry.kind != "none" and name not in written
    ]
    for stage in found:
        lost = sorted(name for name in stage.nodes.inputs() & made if catalog.written_as(name) is None)
        problems += [f"  - {name} goes from one stage to another, and isn't in the catalog" for name in lost]
    if problems:
        raise DVCFileError("The catalog in conf/base and the stages don't fit together:\n" + "\n".join(problems))


def _definition(stage: Stage, catalog: CatalogEntries, root: Path) -> dict[str, Any]:
    """A stage as the template takes it."""
    read, made = catalog.find_all(stage.inputs), catalog.find_all(stage.outputs)
    types = [type_ for entry in (*read, *made) for type_ in entry.types]
    catalogs = {entry.defined_in.relative_to(root).as_posix() for entry in (*read, *made)}
    outs = {kind: [entry for entry in made if entry.kind == kind] for kind in ("out", "metric", "plot")}
    select = [f"--tags={stage.tag}"] if stage.tag else []
    # A stage that waits for no other starts from the raw data, if from any file at all.
    data = sorted(entry.path for entry in read if entry.kind != "none") or ["${dvc.raw_data}"]
    code = [_quoted(UP + path) for path in (*_source_code(stage, types), *sorted(catalogs), LOCK)]
    return {
        "name": stage.name,
        "approaches": stage.approaches,
        "options": " ".join([f"--pipelines={','.join(stage.pipelines)}", *select]),
        "data": data,
        "code": code,
        "deps": data + code,
        "params": _parameters(stage, root),
        "outs": [entry.path for entry in outs["out"]],
        "metrics": [entry.path for entry in outs["metric"]],
        "plots": {entry.path: entry.plot for entry in outs["plot"]},
    }


def _quoted(text: str) -> str:
    """A word of a YAML list in brackets, where braces would be a mapping."""
    return f"'{text}'" if "{" in text else text


def _source_code(stage: Stage, types: Sequence[str]) -> list[str]:
    """The code of a stage: its nodes and their wiring, and the classes that read and write its files."""
    modules = {node.func.__module__ for node in stage.nodes.nodes}
    modules |= {module for type_ in types if (module := type_.rpartition(".")[0]).startswith(f"{PACKAGE}.")}
    own = {f"{approaches.__name__}.{name}" for name in stage.modules}
    paths = {*source_paths(modules | own)}
    if stage.approaches and stage.modules == stage.approaches:  # else some have modules of other names
        paths -= {f"approaches/{name}.py" for name in stage.modules}
        paths |= {f"approaches/{ITEM}.py"}
    folders = [name if (SOURCE / "pipelines" / name).is_dir() else "approach" for name in stage.pipelines]
    paths |= {f"pipelines/{folder}" for folder in folders}
    return sorted(f"src/{PACKAGE}/{path}" for path in paths)


def _parameters(stage: Stage, root: Path) -> dict[str, list[str]]:
    """The parameters that a stage reads, by file: those of base, and the one file of the environment."""
    files: dict[str, list[str]] = {}
    for parameter in stage.parameters:
        files.setdefault(f"../base/{_base_file(stage, parameter, root)}", []).append(_quoted(parameter))
    return dict(sorted(files.items())) | {"${dvc.parameters}": [*map(_quoted, stage.parameters)]}


def _base_file(stage: Stage, parameter: str, root: Path) -> str:
    """Name of the file of `conf/base` that has a parameter.

    Raises:
        DVCFileError: There is none, or an approach's block isn't in a file of its name.
    """
    base = base_parameters(root)
    if parameter == ITEM:
        for approach in stage.approaches:
            if approach not in base.get(f"parameters_{approach}.yml", {}):
                raise DVCFileError(f"Write the parameters of {approach} into conf/base/parameters_{approach}.yml.")
        return f"parameters_{ITEM}.yml"
    group = parameter.partition(".")[0]
    name = next((name for name, content in base.items() if group in content), None)
    if name is None:
        raise DVCFileError(f"Stage {stage.name} reads the parameter {parameter}, which conf/base doesn't have.")
    return name


def _artifacts(catalog: CatalogEntries, found: Sequence[Stage], root: Path) -> dict[str, str]:
    """The models of `base`, under names for `dvc artifacts get`; an artifact can't follow the environment."""
    experiment = read_yaml(root / "conf/base/globals.yml")["experiment"]
    return {
        name.replace("_", "-"): entry.path.replace("${experiment}", experiment)
        for stage in found
        for name in stage.approaches
        if (entry := catalog.find(f"{name}.model")) is not None
    }
