"""Wiring of the augmentation pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.augmentation.nodes import preview


def create_pipeline() -> Pipeline:
    """One node: training images in, a picture of them above their augmented versions out."""
    return Pipeline(
        [
            Node(
                preview,
                inputs=["images", "manifest", "params:augmentation", "params:seed"],
                outputs="augmentation_preview",
                name="preview_augmentation",
                tags="keras",
            )
        ]
    )
