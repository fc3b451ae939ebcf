"""Wiring of the template that every approach is an instance of."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.approaches import Approach
from dogs_vs_cats.pipelines.approach import nodes
from dogs_vs_cats.reporting.approach_figures import draw_figures

DATA = ("images", "manifest", "class_names", "ingestion_record")
FEATURES = ("features", "features_record")
BACKBONE = ("backbone", "backbone_record", *FEATURES)
SHARED = {"compute", "seed", "calibration", "augmentation"}
FIGURES = [
    "learning_curves",
    "confusion_matrix",
    "roc_curve",
    "calibration_curve",
    "mistakes",
    "coverage_curve",
    "drawings",
]


def create_pipeline(name: str, approach: Approach) -> Pipeline:
    """Builds the pipeline of one approach.

    Args:
        name: Its name; its outputs and the names of its nodes begin with it.
        approach: The module that builds its model.

    Returns:
        Training, evaluation and figures. It reads the images and the manifest and, if the approach builds on a
        backbone, the base and its features.
    """
    features = FEATURES if approach.USES_BACKBONE else ()
    train_and_evaluate = [
        Node(
            nodes.train,
            inputs=["training_inputs", "training_state"],
            outputs=["model", "model_info", "history", "timings", "seed_metrics"],
            name="train",
            tags="keras",
        ),
        Node(
            nodes.evaluate,
            inputs=["model", "model_info", "seed_metrics", "images", "manifest", "params:compute", *features],
            outputs=["predictions", "metrics", "distribution"],
            name="evaluate",
            tags="keras",
        ),
        Node(
            draw_figures,
            inputs=["model_info", "history", "predictions", "metrics", "images", "manifest", "class_names"],
            outputs=FIGURES,
            name="draw_figures",
            tags="comparison",
        ),
    ]
    return collect(name, approach) + _of_approach(train_and_evaluate, name)


def collect(name: str, approach: Approach) -> Pipeline:
    """Builds the nodes that bundle what an approach is trained with; its search begins with them too.

    Args:
        name: The approach.
        approach: The module that builds its model.

    Returns:
        A pipeline to `<name>.training_inputs`.
    """
    data = [*DATA, *(BACKBONE if approach.USES_BACKBONE else ())]
    inputs = ["training_data", "name", "params:approach", "params:compute", "params:seed", "params:calibration"]
    bundle: Callable[..., Any] = nodes.collect_inputs
    if approach.TRAINS_ON == "images":
        inputs.append("params:augmentation")
        bundle = nodes.collect_inputs_with_augmentation
    bundles = [
        Node(nodes.collect_data, inputs=data, outputs="training_data", name="collect_data"),
        Node(bundle, inputs=inputs, outputs="training_inputs", name="collect_inputs"),
    ]
    return Pipeline(_of_approach(bundles, name), tags="keras")


def _of_approach(template: list[Node], name: str) -> Pipeline:
    """An instance of nodes that share nothing with other approaches but the data, the base and common parameters."""
    inputs = Pipeline(template).inputs()
    parameters = {f"params:{group}": f"params:{group}" for group in SHARED if f"params:{group}" in inputs}
    if "params:approach" in inputs:
        parameters["params:approach"] = f"params:{name}"
    return Pipeline(template, namespace=name, inputs=inputs & {*DATA, *BACKBONE}, parameters=parameters)
