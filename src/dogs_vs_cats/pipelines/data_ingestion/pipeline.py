"""Wiring of the data ingestion pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.data_ingestion.nodes import read_images, split_images


def create_pipeline() -> Pipeline:
    """Two nodes: files in, pixels and a table out; then that table with its splits."""
    read = ["usable_images", "rejected_images", "class_names", "image_facts"]
    parameters = ["params:ingestion", "params:seed"]
    return Pipeline(
        [
            Node(
                read_images,
                inputs=[*parameters, "decoded_store"],
                outputs=["images", *read],
                name="read_images",
            ),
            Node(
                split_images,
                inputs=[*read, *parameters],
                outputs=["manifest", "ingestion_record"],
                name="split_images",
            ),
        ]
    )
