"""Wiring of the backbone pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.backbone.nodes import make_backbone


def create_pipeline() -> Pipeline:
    """One node: parameters in, base and what identifies it out."""
    return Pipeline(
        [
            Node(
                make_backbone,
                inputs={
                    "parameters": "params:backbone",
                    "image_size": "params:ingestion.image_size",
                    "channels": "params:ingestion.channels",
                    "compute": "params:compute",
                    "seed": "params:seed",
                },
                outputs=["backbone", "backbone_record"],
                name="make_backbone",
                tags="keras",
            )
        ]
    )
