"""`dvc.yaml`, written from the registered pipelines and the catalog."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kedro.pipeline import Pipeline

from dogs_vs_cats import approaches
from dogs_vs_cats.dvc_sync.catalog_entries import CatalogEntries, Entry
from dogs_vs_cats.dvc_sync.source_files import PACKAGE, Binding, source_files
from dogs_vs_cats.dvc_sync.yaml_files import read_yaml
from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.parameters.dvc_variables import VARIABLES
from dogs_vs_cats.pipeline_registry import register_pipelines, use_approaches
from dogs_vs_cats.project import ROOT

FIRST = {
    "prepare": ("data_ingestion", "augmentation"),
    "backbone": ("backbone",),
    "features": ("feature_extraction",),
}
"""The stages before the approaches, and the pipelines each runs."""

LAST = {"compare": ("comparison",)}
"""The stages after them."""

GROUPS = ("approach_on_images", "approach_on_backbone", "approach_on_features")
"""The stages of approaches: of those that build on nothing, on the backbone, and on the backbone's features alone."""

FILE_PARAMETERS = {"ingestion": "ingestion.source", "backbone": "backbone.weights"}
"""Parameters that can name a file under `data/01_raw`, by the group that a stage has to have."""

LOCK = "requirements.lock"

ITEM = "${item.approach}"

# A stage runs in the folder of its environment, because DVC can fill in the values of a file there, and only there.
UP = "../../"

# Kedro runs in the project's root, with the environment that `make install` makes, if there is one. In DVC's temporary
# folders DVC_ROOT is the project that the experiment was started from.
KEDRO = 'cd ../.. && PATH="$DVC_ROOT/.venv/bin:$PATH" kedro'

HEADER = f"""\
# Written by `kedro dvc sync` from the pipelines and the catalog; `make lint` fails where it is out of date.
#
# params.yaml names the environment. Each stage works in its folder, conf/${{env}}, so that DVC can fill in what that
# environment has of its own: from globals.yml the experiment, from {VARIABLES} the rest. Therefore every path begins
# with {UP} and means one below the project's root.
# A stage depends on what can change its outcome: the files it reads, its parameters in base and in the environment,
# the source files its nodes import, and the locked libraries.
"""


@dataclass
class Stage:
    """One stage, in the project's own terms.

    Attributes:
        name: Its name.
        pipelines: What it runs; for approaches one pipeline, `${item.approach}`.
        inputs: What it reads and doesn't make itself.
        outputs: What it makes.
        functions: Functions of its nodes, with the modules that wire them.
        approaches: For a stage of approaches their names.
    """

    name: str
    pipelines: tuple[str, ...]
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    functions: list[Callable[..., Any]] = field(default_factory=list)
    approaches: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> list[str]:
        """The parameters it reads, `group` or `group.name`, without those inside a group that it reads as a whole."""
        names = {name.removeprefix("params:") for name in self.inputs if name.startswith("params:")}
        return sorted(name for name in names if not any(name.startswith(f"{other}.") for other in names))


def base_parameters(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """The parameter files of `conf/base`, by name."""
    return {path.name: read_yaml(path) for path in sorted((root / "conf/base").glob("parameters*.yml"))}


def stages(root: Path = ROOT) -> list[Stage]:
    """Groups the pipelines that `kedro run` runs in environment `base` into stages.

    Raises:
        DVCFileError: A node is in no stage.
    """
    names = next(content["approaches"] for content in base_parameters(root).values() if "approaches" in content)
    use_approaches(names)
    pipelines = register_pipelines()
    default = set(pipelines["__default__"].nodes)
    used = {name: parts for name, parts in FIRST.items() if set(pipelines[parts[-1]].nodes) <= default}
    first = [_stage(name, parts, pipelines) for name, parts in used.items()]
    last = [_stage(name, parts, pipelines) for name, parts in LAST.items()]
    found = [*first, *_approach_stages(names, pipelines), *last]
    covered = {node for name in (*sum([*FIRST.values(), *LAST.values()], ()), *names) for node in pipelines[name].nodes}
    if left := sorted(node.name for node in default - covered):
        raise DVCFileError(
            f"`kedro run` runs nodes that are in no DVC stage: {', '.join(left)}. "
            f"Add their pipeline to a stage in {Path(__file__).relative_to(ROOT)}."
        )
    return found


def _stage(name: str, parts: Sequence[str], pipelines: Mapping[str, Pipeline]) -> Stage:
    whole = sum((pipelines[part] for part in parts), Pipeline([]))
    return Stage(name, tuple(parts), sorted(whole.inputs()), sorted(whole.all_outputs()), _functions(whole.nodes))


def _approach_stages(names: Sequence[str], pipelines: Mapping[str, Pipeline]) -> list[Stage]:
    """One stage for all approaches that read the same: none waits for what it doesn't need."""
    groups: dict[str, Stage] = {}
    for name in names:
        pipeline = pipelines[name]
        stage = _group(approaches.load(name))
        group = groups.setdefault(stage, Stage(stage, (ITEM,)))
        group.approaches.append(name)
        group.functions += _functions(pipeline.nodes)
        group.inputs = sorted({*group.inputs, *(_as_item(input_, name) for input_ in pipeline.inputs())})
        group.outputs = sorted({*group.outputs, *(_as_item(output, name) for output in pipeline.all_outputs())})
    return [groups[name] for name in GROUPS if name in groups]


def _group(approach: approaches.Approach) -> str:
    images, backbone, features = GROUPS
    if approach.TRAINS_ON == "features":
        return features
    return backbone if approach.USES_BACKBONE else images


def _as_item(dataset: str, approach: str) -> str:
    """The name of a dataset or parameter with the approach left open."""
    if dataset == f"params:{approach}":
        return f"params:{ITEM}"
    return f"{ITEM}.{dataset.removeprefix(f'{approach}.')}" if dataset.startswith(f"{approach}.") else dataset


def _functions(nodes: Iterable[Any]) -> list[Callable[..., Any]]:
    return [inspect.unwrap(node.func.func if isinstance(node.func, partial) else node.func) for node in nodes]


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
    content = {
        "vars": [{"kedro": KEDRO}],
        "stages": {
            stage.name: ({"frozen": True} if stage.name in frozen else {}) | _definition(stage, catalog, root)
            for stage in found
        },
        "artifacts": _artifacts(catalog, found, root),
    }
    return HEADER + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def _frozen(file: Path) -> set[str]:
    """The stages that someone froze by hand, which `dvc freeze` can't do where a stage has variables."""
    try:
        present = yaml.safe_load(file.read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return set()
    return {name for name, stage in present.items() if stage.get("frozen")}


def _check_catalog(catalog: CatalogEntries, found: Sequence[Stage]) -> None:
    made = {name for stage in found for name in stage.outputs}
    written = {catalog.written_as(name) for name in made}
    problems = []
    for name in catalog.names:
        entry = catalog.find(name)
        if entry is not None and entry.kind != "none" and name not in written:
            problems.append(f"  - {name} is to be a DVC {entry.kind}, and no stage makes it: write `dvc: none`")
    for stage in found:
        read = {*stage.inputs, *(_as_item(name, approach) for name in stage.inputs for approach in approaches.names())}
        lost = sorted(name for name in read & made if catalog.written_as(name) is None)
        problems += [f"  - {name} goes from one stage to another, and isn't in the catalog" for name in lost]
    if problems:
        raise DVCFileError("The catalog in conf/base and the stages don't fit together:\n" + "\n".join(problems))


def _definition(stage: Stage, catalog: CatalogEntries, root: Path) -> dict[str, Any]:
    read = catalog.find_all(stage.inputs)
    made = catalog.find_all(stage.outputs)
    outs = {kind: [entry for entry in made.values() if entry.kind == kind] for kind in ("out", "metric", "plot")}
    definition: dict[str, Any] = {}
    if stage.approaches:
        definition["matrix"] = {"approach": stage.approaches}
    definition |= {
        "wdir": "conf/${env}",
        "vars": ["globals.yml", VARIABLES],
        "cmd": "${kedro} run --env=${env} --pipelines=" + ",".join(stage.pipelines),
        "deps": [
            *_raw_data(stage),
            *sorted(UP + entry.path for entry in read.values() if entry.kind != "none"),
            *_sources(stage, [*read.values(), *made.values()], root),
            *sorted({UP + entry.defined_in.relative_to(root).as_posix() for entry in (*read.values(), *made.values())}),
            UP + LOCK,
        ],
        "params": _parameters(stage, root),
        "outs": [UP + entry.path for entry in outs["out"]],
        "metrics": [UP + entry.path for entry in outs["metric"]],
        "plots": [{UP + entry.path: entry.plot} if entry.plot else UP + entry.path for entry in outs["plot"]],
    }
    return {name: value for name, value in definition.items() if value}


def _raw_data(stage: Stage) -> list[str]:
    """The raw data, for a stage whose parameters can name a file there."""
    groups = [group for group in FILE_PARAMETERS if {group, FILE_PARAMETERS[group]} & set(stage.parameters)]
    return [UP + "${raw_data}"] if groups else []


def _parameters(stage: Stage, root: Path) -> list[dict[str, list[str] | None]]:
    """What a stage takes from each parameter file, in base and then in the environment.

    `parameters.yml` is followed as a whole: nothing that someone adds to it there can be missed. Where the environment
    is base itself, `base_folder` is empty: only then does DVC see that both are the same file.
    """
    files = {"parameters.yml": None} | parameter_files(stage, root)
    return [{folder + name: keys} for folder in ("${base_folder}", "") for name, keys in files.items()]


def parameter_files(stage: Stage, root: Path = ROOT) -> dict[str, list[str]]:
    """For each parameter file but `parameters.yml`, the parameters in it that a stage reads.

    Raises:
        DVCFileError: A parameter isn't in `conf/base`, or an approach's block isn't in a file of its name.
    """
    base = base_parameters(root)
    files: dict[str, list[str]] = {}
    for parameter in stage.parameters:
        if parameter == ITEM:
            for approach in stage.approaches:
                if approach not in base.get(f"parameters_{approach}.yml", {}):
                    raise DVCFileError(f"Write the parameters of {approach} into conf/base/parameters_{approach}.yml.")
            files[f"parameters_{ITEM}.yml"] = [ITEM]
            continue
        group = parameter.partition(".")[0]
        name = next((name for name, content in base.items() if group in content), None)
        if name is None:
            raise DVCFileError(f"Stage {stage.name} reads the parameter {parameter}, which conf/base doesn't have.")
        if name != "parameters.yml":
            files.setdefault(name, []).append(parameter)
    return dict(sorted(files.items()))


def _sources(stage: Stage, entries: Sequence[Entry], root: Path) -> list[str]:
    """Source files that can change what a stage makes."""
    roots: list[Binding] = [(function.__module__, function.__name__) for function in stage.functions]
    types = {type_ for entry in entries for type_ in entry.types if type_.startswith(f"{PACKAGE}.")}
    roots += [(module, name) for module, _, name in (type_.rpartition(".") for type_ in sorted(types))]
    files = source_files(roots)
    for approach in stage.approaches:
        module = f"{approaches.__name__}.{approach}"
        files |= source_files([(module, None)]) - {root / "src" / f"{module.replace('.', '/')}.py"}
    # What wires the nodes, and files beside the modules that aren't Python, such as templates.
    files |= {path for file in files if (path := file.with_name("pipeline.py")).is_file() and file.name == "nodes.py"}
    files |= {path for file in files for path in file.parent.iterdir() if path.is_dir() and _is_data(path)}
    named = {UP + path.relative_to(root).as_posix() for path in files}
    if stage.approaches:
        named.add(f"{UP}src/{PACKAGE}/approaches/{ITEM}.py")
    return sorted(named)


def _is_data(folder: Path) -> bool:
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return bool(files) and not any(path.suffix == ".py" for path in files)


def _artifacts(catalog: CatalogEntries, found: Sequence[Stage], root: Path) -> dict[str, Any]:
    """The models of `base`, under names for `dvc artifacts get`; an artifact can't follow the environment."""
    experiment = read_yaml(root / "conf/base/globals.yml")["experiment"]
    names = [name for stage in found for name in stage.approaches]
    return {
        name.replace("_", "-"): {
            "path": entry.path.replace("${experiment}", experiment),
            "type": "model",
            "desc": f"Raw images in, probabilities out; trained as {name}",
        }
        for name in names
        if (entry := catalog.find(f"{name}.model")) is not None
    }


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, keeps short lists of words on one line, and writes no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_none(dumper: yaml.SafeDumper, value: None) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


_Dumper.add_representer(type(None), _represent_none)
