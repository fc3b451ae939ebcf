"""Wiring of the feature extraction pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features


def create_pipeline() -> Pipeline:
    """One node: base and images in, a feature row for each image out."""
    return Pipeline(
        [
            Node(
                extract_features,
                inputs={
                    "backbone": "backbone",
                    "backbone_record": "backbone_record",
                    "images": "images",
                    "manifest": "manifest",
                    "ingestion_record": "ingestion_record",
                    "pooling": "params:transfer_bottleneck.pooling",
                    "compute": "params:compute",
                    "store_folder": "feature_store",
                },
                outputs=["features", "features_record"],
                name="extract_features",
                tags="keras",
            )
        ]
    )
