"""Wiring of the look inside the models."""

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node, pipeline

from dogs_vs_cats.pipelines.explanation import nodes


def create_pipeline(approaches: Sequence[str]) -> Pipeline:
    """Wires the look inside some approaches.

    Args:
        approaches: Their names, which are the namespaces of their models.

    Returns:
        For each approach the figures, a table of its layers, and a record of the model they belong to.
    """
    return sum((_of_approach(name) for name in approaches), Pipeline([]))


def _of_approach(name: str) -> Pipeline:
    picture = {
        "model": "model",
        "explanation": "params:explanation",
        "ingestion": "params:ingestion",
        "ingestion_record": "ingestion_record",
        "images": "images",
        "manifest": "manifest",
    }
    template = pipeline(
        [
            node(
                nodes.summarise_layers,
                inputs={"model": "model", "settings": "params:approach"},
                outputs="explanation_layers",
                name="summarise_layers",
                tags="keras",
            ),
            node(
                nodes.draw_layers,
                inputs=picture,
                outputs=["explanation_filters", "explanation_feature_maps", "explanation_pooling"],
                name="draw_layers",
                tags="keras",
            ),
            node(
                nodes.draw_grad_cam,
                inputs={**picture, "predictions": "predictions", "class_names": "class_names"},
                outputs="explanation_grad_cam",
                name="draw_grad_cam",
                tags="keras",
            ),
            node(
                nodes.record,
                inputs={"model_info": "model_info", "explanation": "params:explanation"},
                outputs="explanation_record",
                name="record_explanation",
            ),
        ]
    )
    return pipeline(
        template,
        namespace=name,
        inputs={"images", "manifest", "class_names", "ingestion_record"},
        parameters={
            "params:explanation": "params:explanation",
            "params:ingestion": "params:ingestion",
            "params:approach": f"params:{name}",
        },
    )
