"""The stages that the registered pipelines are grouped into."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kedro.pipeline import Pipeline

from dogs_vs_cats import approaches
from dogs_vs_cats.dvc_sync.conf_files import base_parameters
from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.pipeline_registry import register_pipelines, use_parameters
from dogs_vs_cats.project import ROOT

FIRST = {
    "prepare": ("data_ingestion", "augmentation"),
    "backbone": ("backbone",),
    "features": ("feature_extraction",),
}
"""The stages before the approaches, and the pipelines each runs."""

GROUPS = ("approach_on_images", "approach_on_backbone", "approach_on_features")
"""The stages of approaches: of those that build on nothing, on the backbone, and on the backbone's features alone."""

ITEM = "${item.approach}"
"""DVC's notation for the approach of a stage that runs once for each of several."""

TRAINED, COMPARED = "keras", "comparison"
"""Tags of an approach's nodes: those that train and evaluate, and those that draw figures of the results.

The figures are drawn in the stage of the comparison, so that a change to a figure trains nothing.
"""


@dataclass(frozen=True)
class Stage:
    """One stage, in the project's own terms.

    Attributes:
        name: Its name.
        pipelines: Names of the pipelines it runs; for approaches one name, `${item.approach}`.
        nodes: The nodes it runs.
        tag: The tag that selects them, if they are not all nodes of the pipelines.
        approaches: For a stage of approaches their names.
        modules: Names of the modules that build them.
    """

    name: str
    pipelines: tuple[str, ...]
    nodes: Pipeline
    tag: str = ""
    approaches: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[str]:
        """Datasets and parameters that it reads and doesn't make, with the approach left open."""
        return self._open(self.nodes.inputs())

    @property
    def outputs(self) -> list[str]:
        """Datasets that it makes, with the approach left open."""
        return self._open(self.nodes.all_outputs())

    @property
    def parameters(self) -> list[str]:
        """The parameters it reads, `group` or `group.name`, without those inside a group that it reads as a whole."""
        names = {name.removeprefix("params:") for name in self.inputs if name.startswith("params:")}
        if any("keras" in node.tags for node in self.nodes.nodes):
            names.add("compute")  # a hook starts Keras by it
        return sorted(name for name in names if not any(name.startswith(f"{other}.") for other in names))

    def _open(self, names: Iterable[str]) -> list[str]:
        prefix = re.compile(rf"^(params:)?({'|'.join(self.approaches)})(?=\.|$)")
        return sorted({prefix.sub(rf"\1{ITEM}", name) if self.approaches else name for name in names})


def stages(root: Path = ROOT) -> list[Stage]:
    """Groups the pipelines that `kedro run` runs in environment `base` into stages.

    Raises:
        DVCFileError: A node is in no stage.
    """
    parameters = {group: value for content in base_parameters(root).values() for group, value in content.items()}
    names = parameters["approaches"]
    modules = {name: approaches.module_name(name, parameters.get(name)) for name in names}
    use_parameters(parameters)
    pipelines = register_pipelines()
    default = set(pipelines["__default__"].nodes)
    compared = (*names, "comparison")
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in names:
        groups[_group(approaches.approach_of(modules[name], None))].append(name)
    found = [
        *(
            Stage(name, parts, _sum(pipelines[part] for part in parts))
            for name, parts in FIRST.items()
            if set(pipelines[parts[-1]].nodes) <= default
        ),
        *(
            Stage(
                group,
                (ITEM,),
                _sum(pipelines[name] for name in members).filter(tags=[TRAINED]),
                TRAINED,
                tuple(members),
                tuple(modules[name] for name in members),
            )
            for group, members in groups.items()
            if members
        ),
        Stage("compare", compared, _sum(pipelines[name] for name in compared).filter(tags=[COMPARED]), COMPARED),
    ]
    if left := sorted(node.name for node in default.difference(*(stage.nodes.nodes for stage in found))):
        raise DVCFileError(
            f"`kedro run` runs nodes that are in no DVC stage: {', '.join(left)}. "
            f"Add their pipeline to a stage in {Path(__file__).relative_to(ROOT)}."
        )
    return found


def _sum(pipelines: Iterable[Pipeline]) -> Pipeline:
    return sum(pipelines, Pipeline([]))


def _group(approach: approaches.Approach) -> str:
    images, backbone, features = GROUPS
    if approach.TRAINS_ON == "features":
        return features
    return backbone if approach.USES_BACKBONE else images
