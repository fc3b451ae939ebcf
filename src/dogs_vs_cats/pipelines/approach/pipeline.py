"""Wiring of the template that every approach is an instance of."""

from collections.abc import Callable

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.approaches import Approach
from dogs_vs_cats.pipelines.approach import corrections, folds, nodes
from dogs_vs_cats.reporting.approach_figures import DRAWN, draw_figures
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs

DATA = ("images", "manifest", "class_names", "ingestion_record")
FEATURES = ("features", "features_record")
BACKBONE = ("backbone", "backbone_record", *FEATURES)
FIGURES = [*DRAWN, "mistakes", "coverage_curve", "drawings"]


def create_pipeline(
    name: str, approach: Approach, may_have_folds: bool = False, has_corrections: bool = False
) -> Pipeline:
    """Builds the pipeline of one approach.

    Args:
        name: Its name; its outputs and the names of its nodes begin with it.
        approach: The module that builds its model.
        may_have_folds: Whether approaches that train on features may be cross-validated; the images decide whether they
            are.
        has_corrections: Whether labels may be corrected; the effect is measured for approaches that train on features.

    Returns:
        A pipeline that collects the inputs, trains, evaluates and draws. It reads the images and the manifest and, if
        the approach builds on a backbone, the base and its features.
    """
    data = [*DATA, *(BACKBONE if approach.USES_BACKBONE else ())]
    inputs = ["training_data", "name", f"params:{name}", "params:compute", "params:seed", "params:calibration"]
    collect_inputs: Callable[..., TrainingInputs] = TrainingInputs
    if approach.TRAINS_ON == "images":
        inputs.append("params:augmentation")
        collect_inputs = nodes.collect_inputs
    features = FEATURES if approach.USES_BACKBONE else ()
    results = ["model", "model_info", "seed_metrics", "images", "manifest", "params:compute", *features]
    shown = ["model_info", "history", "predictions", "metrics", "images", "manifest", "class_names"]
    on_features = approach.TRAINS_ON == "features"
    more, evaluated = _evaluate_further(may_have_folds and on_features, has_corrections and on_features)
    template = [
        Node(LabelledImages, inputs=data, outputs="training_data", name="collect_data", tags="keras"),
        Node(collect_inputs, inputs=inputs, outputs="training_inputs", name="collect_inputs", tags="keras"),
        Node(
            nodes.train,
            inputs=["training_inputs", "training_state"],
            outputs=["model", "model_info", "history", "timings", "seed_metrics"],
            name="train",
            tags=["keras", "training"],
        ),
        Node(
            nodes.evaluate,
            inputs=results,
            outputs=[*evaluated, "distribution"],
            name="evaluate",
            tags="keras",
        ),
        *more,
        Node(draw_figures, inputs=shown, outputs=FIGURES, name="draw_figures", tags="comparison"),
    ]
    read = Pipeline(template).inputs()
    parameters = {dataset for dataset in read if dataset.startswith("params:")}
    return Pipeline(template, namespace=name, inputs=read & {*DATA, *BACKBONE}, parameters=parameters)


def _evaluate_further(cross_validated: bool, corrected: bool) -> tuple[list[Node], list[str]]:
    """Returns the nodes after the evaluation of the model, and what that evaluation then has to put out."""
    nodes, measured = [], ["predictions", "corrected_metrics" if corrected else "metrics"]
    if corrected:
        inputs = ["training_inputs", *measured]
        nodes.append(Node(corrections.measure_corrections, inputs, "metrics", name="measure_corrections", tags="keras"))
    if not cross_validated:
        return nodes, measured
    evaluated = ["model_predictions", "model_metrics"]
    inputs = ["training_inputs", *evaluated]
    return [Node(folds.evaluate_folds, inputs, measured, name="evaluate_folds", tags="keras"), *nodes], evaluated
