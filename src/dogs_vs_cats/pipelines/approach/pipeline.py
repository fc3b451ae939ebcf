"""Wiring of the template that every approach is an instance of."""

import inspect
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Pipeline, node, pipeline

from dogs_vs_cats import approaches
from dogs_vs_cats.pipelines.approach import nodes
from dogs_vs_cats.reporting.approach_figures import draw_figures


def create_pipeline(name: str) -> Pipeline:
    """Builds the pipeline of one approach.

    Args:
        name: The approach; its outputs and the names of its nodes begin with it.

    Returns:
        Training, evaluation and figures. It reads the images and the manifest, and where the approach builds on a
        backbone that too, with the features it makes.
    """
    approach = approaches.load(name)
    shared = {"images", "manifest", "class_names", "ingestion_record"}
    training_inputs = {
        "parameters": "params:approach",
        "compute": "params:compute",
        "seed": "params:seed",
        "images": "images",
        "manifest": "manifest",
        "class_names": "class_names",
        "ingestion_record": "ingestion_record",
        "state_folder": "training_state",
        "calibrate": "params:calibration",
    }
    evaluation_inputs = {
        "model": "model",
        "model_info": "model_info",
        "seed_metrics": "seed_metrics",
        "images": "images",
        "manifest": "manifest",
        "class_names": "class_names",
        "compute": "params:compute",
    }
    if approach.USES_BACKBONE:
        features = {"features": "features", "features_record": "features_record"}
        training_inputs |= {"backbone": "backbone", "backbone_record": "backbone_record", **features}
        evaluation_inputs |= features
        shared |= {"backbone", "backbone_record", *features}
    train: Callable[..., Any] = nodes.train_on_images
    if approach.TRAINS_ON == "features":
        train = nodes.train_on_features
    else:
        training_inputs |= {"augmentation": "params:augmentation"}
    # Kedro finds the type of each parameter by counting inputs along the signature.
    signature = inspect.signature(train).parameters
    training_inputs = {argument: training_inputs[argument] for argument in signature if argument in training_inputs}
    template = pipeline(
        [
            node(
                _named(train, name),
                inputs=training_inputs,
                outputs=["model", "model_info", "history", "timings", "seed_metrics"],
                name="train",
                tags="keras",
            ),
            node(
                nodes.evaluate,
                inputs=evaluation_inputs,
                outputs=["predictions", "metrics", "distribution"],
                name="evaluate",
                tags="keras",
            ),
            node(
                draw_figures,
                inputs=["model_info", "history", "predictions", "metrics", "images", "manifest", "class_names"],
                outputs=[
                    "learning_curves",
                    "confusion_matrix",
                    "roc_curve",
                    "calibration_curve",
                    "mistakes",
                    "coverage_curve",
                    "drawings",
                ],
                name="draw_figures",
                tags="comparison",
            ),
        ]
    )
    parameters = {parameter: parameter for parameter in template.inputs() if parameter.startswith("params:")}
    return pipeline(
        template,
        namespace=name,
        inputs=shared,
        parameters={**parameters, "params:approach": f"params:{name}"},
    )


def _named(function: Callable[..., Any], approach: str) -> Callable[..., Any]:
    """Fixes the approach of a training node, keeping what Kedro shows of it and checks its parameters by."""
    fixed = update_wrapper(partial(function, approach), function)
    # Kedro pairs inputs with the signature, which must not be that of the unfixed function.
    del fixed.__wrapped__
    return fixed
