"""The stages of `dvc.lock`: at a commit, or as the files of the working tree would have them."""

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dogs_vs_cats.errors import ReproductionError, first_line
from dogs_vs_cats.parameters.base import flat
from dogs_vs_cats.storage.file_hash import md5

LOCK = "dvc.lock"


@dataclass(frozen=True)
class LockedStage:
    """A stage with the hashes of its files. Paths are relative to the project's root.

    Attributes:
        inputs: MD5 of each file and folder that it depends on, also of its source code; None where there is none.
        parameters: The value of each parameter that it depends on, by dotted name; an environment's own ones replace
            those of base.
        outputs: MD5 of each file that it makes; None where there is none.
    """

    inputs: dict[str, str | None]
    parameters: dict[str, Any]
    outputs: dict[str, str | None]


NO_STAGE = LockedStage({}, {}, {})

Stages = dict[str, LockedStage]
"""Stages by their names in `dvc.lock`, each after those that it depends on."""


def parse(text: str, environment: str) -> Stages:
    """Reads the text of a `dvc.lock`.

    Args:
        text: The text.
        environment: The environment that its stages ran in.
    """
    stages = {}
    # PyYAML takes 1e-05 for text.
    for name, content in YAML(typ="safe").load(text)["stages"].items():
        inputs, outputs = (
            {_path(entry["path"], environment): entry["md5"] for entry in content.get(kind, ())}
            for kind in ("deps", "outs")
        )
        stages[name] = LockedStage(inputs, _flat(content.get("params", {}).values()), outputs)
    return _sorted(stages)


def of_working_tree(root: Path, environment: str) -> Stages:
    """Hashes what is in the working tree, and runs nothing.

    Args:
        root: The project's root.
        environment: The environment that params.yaml names.

    Raises:
        ReproductionError: DVC can't read dvc.yaml or the parameters of a stage.
    """
    from dvc.dependency.base import DependencyDoesNotExistError
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    def current(dependency: Any) -> Any:
        try:
            dependency.save()
        except DependencyDoesNotExistError:
            return None
        return dependency.hash_info.value

    def hashed(path: str) -> str | None:
        return md5(root / path) if (root / path).is_file() else None

    stages = {}
    try:
        with Repo(str(root)) as repo:
            for stage in repo.index.stages:
                if not stage.cmd:  # a file that `dvc add` tracks
                    continue
                values = {entry.def_path: current(entry) for entry in sorted(stage.deps, key=lambda it: it.def_path)}
                inputs = {_path(path, environment): value for path, value in values.items() if _is_hash(value)}
                parameters = _flat(value for value in values.values() if not _is_hash(value))
                outputs = [_path(entry.def_path, environment) for entry in stage.outs]
                stages[stage.name] = LockedStage(inputs, parameters, {path: hashed(path) for path in outputs})
    except DvcException as error:
        raise ReproductionError(f"DVC can't read the stages: {first_line(error)}. Try `dvc status`.") from error
    return _sorted(stages)


def _is_hash(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _path(path: str, environment: str) -> str:
    """A path of a stage, which works in the folder of its environment, from the project's root."""
    return posixpath.normpath(posixpath.join("conf", environment, path))


def _flat(blocks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for block in blocks for name, value in flat(block)}


def _sorted(stages: Stages) -> Stages:
    makers = {path: name for name, stage in stages.items() for path in stage.outputs}
    graph = {name: {makers[path] for path in stage.inputs if path in makers} for name, stage in stages.items()}
    return {name: stages[name] for name in TopologicalSorter(graph).static_order()}
