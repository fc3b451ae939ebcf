"""The stages that the registered pipelines are grouped into."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from dogs_vs_cats import approaches
from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.pipeline_registry import register_pipelines, use_parameters
from dogs_vs_cats.project import ROOT

FIRST = {
    "prepare": ["data_ingestion", "augmentation"],
    "backbone": ["backbone"],
    "features": ["feature_extraction"],
}
"""The stages before the approaches, and the pipelines each runs."""

GROUPS = {
    ("images", False): "approach_on_images",
    ("images", True): "approach_on_backbone",
    ("features", True): "approach_on_features",
}
"""The stages of approaches, by what these train on and whether they use the backbone."""

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
        tag: The tag that selects nodes of the pipelines; empty for all.
        nodes: The nodes it runs.
        approaches: For a stage of approaches, the module that builds each.
    """

    name: str
    pipelines: list[str]
    tag: str
    nodes: Pipeline
    approaches: dict[str, str]

    def open(self, names: Iterable[str]) -> list[str]:
        """Datasets or parameters of the stage, sorted, with the approach left open."""
        approach = re.compile(rf"^(params:)?({'|'.join(self.approaches)})(?=\.|$)")
        return sorted({approach.sub(rf"\1{ITEM}", name) if self.approaches else name for name in names})

    @property
    def parameters(self) -> list[str]:
        """The parameters it reads, `group` or `group.name`, without those inside a group that it reads as a whole."""
        inputs = self.open(self.nodes.inputs())
        names = {name.removeprefix("params:") for name in inputs if name.startswith("params:")}
        if any("keras" in node.tags for node in self.nodes.nodes):
            names.add("compute")  # a hook starts Keras by it
        if names & {"ingestion", "ingestion.image_size"}:
            names.add("backbone")  # whose size the images have where image_size is `auto`
        return sorted(name for name in names if not any(name.startswith(f"{other}.") for other in names))


def stages(parameters: Mapping[str, Any]) -> list[Stage]:
    """Groups the pipelines that `kedro run` runs in environment `base` into stages.

    Args:
        parameters: All parameters of base.

    Raises:
        DVCFileError: A node is in no stage.
    """
    use_parameters(parameters)
    pipelines = register_pipelines()
    groups: dict[str, dict[str, str]] = {group: {} for group in GROUPS.values()}
    for name in parameters["approaches"]:
        module = approaches.approach_of(name, parameters.get(name))
        group = groups[GROUPS[module.TRAINS_ON, module.USES_BACKBONE]]
        group[name] = f"{approaches.__name__}.{approaches.module_name(name, parameters.get(name))}"

    def nodes(names: Iterable[str], *tags: str) -> Pipeline:
        all_of_them = sum((pipelines[name] for name in names), Pipeline([]))
        return all_of_them.only_nodes_with_tags(*tags) if tags else all_of_them

    compared = [*parameters["approaches"], "comparison"]
    default = set(pipelines["__default__"].nodes)
    found = [Stage(name, names, "", nodes(names), {}) for name, names in FIRST.items()]
    found += [Stage(name, [ITEM], TRAINED, nodes(group, TRAINED), group) for name, group in groups.items()]
    found += [Stage("compare", compared, COMPARED, nodes(compared, COMPARED), {})]
    found = [stage for stage in found if stage.nodes.nodes and default.issuperset(stage.nodes.nodes)]
    if left := sorted(node.name for node in default.difference(*(stage.nodes.nodes for stage in found))):
        raise DVCFileError(
            f"`kedro run` runs nodes that are in no DVC stage: {', '.join(left)}. "
            f"Add their pipeline to a stage in {Path(__file__).relative_to(ROOT)}."
        )
    return found
