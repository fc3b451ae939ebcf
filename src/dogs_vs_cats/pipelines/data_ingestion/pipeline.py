"""Wiring of the data ingestion pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.images.correction_files import read_corrections
from dogs_vs_cats.pipelines.data_ingestion.nodes import read_images, split_images


def create_pipeline() -> Pipeline:
    """Three nodes: files in, pixels and a table out; then that table with its splits and corrections."""
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
            Node(read_corrections, inputs="params:ingestion", outputs="corrections", name="read_corrections"),
            Node(
                split_images,
                inputs=[*read, *parameters, "corrections"],
                outputs=["manifest", "ingestion_record"],
                name="split_images",
            ),
        ]
    )
