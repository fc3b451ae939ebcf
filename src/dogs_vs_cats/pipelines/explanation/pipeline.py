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
    answers = ["images", "manifest", "predictions", "class_names"]
    template = Pipeline(
        [
            Node(
                nodes.summarise_layers,
                inputs=["model", "params:approach"],
                outputs="explanation_layers",
                name="summarise_layers",
                tags="keras",
            ),
            Node(
                nodes.draw_layers,
                inputs=["model", "explained_image"],
                outputs=["explanation_filters", "explanation_feature_maps", "explanation_pooling"],
                name="draw_layers",
                tags="keras",
            ),
            Node(
                nodes.draw_grad_cam,
                inputs=["model", "params:explanation", "explained_image", *answers],
                outputs="explanation_grad_cam",
                name="draw_grad_cam",
                tags="keras",
            ),
            Node(
                nodes.record,
                inputs=["model_info", "params:explanation"],
                outputs="explanation_record",
                name="record_explanation",
            ),
        ]
    )
    return Pipeline(
        template,
        namespace=name,
        inputs={"images", "manifest", "class_names", "explained_image"},
        parameters={"params:explanation": "params:explanation", "params:approach": f"params:{name}"},
    )
