"""Wiring of the explanation of trained models."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.explanation import nodes


def create_pipeline(approaches: Sequence[str]) -> Pipeline:
    """Wires the explanation of some approaches.

    Args:
        approaches: Their names, which are the namespaces of their models.

    Returns:
        For each approach the figures, a table of its layers, and a record of the model they belong to.
    """
    choosing = Node(
        nodes.choose_image,
        inputs=["params:explanation", "params:ingestion", "ingestion_record", "images", "manifest"],
        outputs="explained_image",
        name="choose_image",
    )
    return sum((_of_approach(name) for name in approaches), Pipeline([choosing]))


def _of_approach(name: str) -> Pipeline:
    data = ["images", "manifest", "class_names"]
    answering = Node(
        nodes.answer_test_images,
        inputs=["model", "predictions", *data, "params:compute"],
        outputs="test_answers",
        name="answer_test_images",
        tags="keras",
    )
    parts = ["layers", "filters", "feature_maps", "pooling", "grad_cam", "record"]
    explaining = Node(
        nodes.explain,
        inputs=[
            "model",
            "model_info",
            "params:explanation",
            "explained_image",
            "images",
            "manifest",
            "test_answers",
            "class_names",
        ],
        outputs=[f"explanation_{part}" for part in parts],
        name="explain",
        tags="keras",
    )
    return Pipeline(
        [answering, explaining],
        namespace=name,
        inputs={"images", "manifest", "class_names", "explained_image"},
        parameters={"params:explanation", "params:compute"},
    )
