"""Wiring of the backbone pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.backbone.nodes import make_backbone


def create_pipeline() -> Pipeline:
    """One node: parameters in, base and what identifies it out."""
    images = ["params:ingestion.image_size", "params:ingestion.channels"]
    return Pipeline(
        [
            Node(
                make_backbone,
                inputs=["params:backbone", *images, "params:compute", "params:seed"],
                outputs=["backbone", "backbone_record"],
                name="make_backbone",
                tags="keras",
            )
        ]
    )
