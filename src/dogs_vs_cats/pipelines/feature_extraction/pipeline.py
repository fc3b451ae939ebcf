"""Wiring of the feature extraction pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features


def create_pipeline() -> Pipeline:
    """One node: base and images in, a feature row for each image out."""
    inputs = ["backbone", "backbone_record", "images", "manifest", "ingestion_record"]
    parameters = ["params:transfer_bottleneck.pooling", "params:compute"]
    return Pipeline(
        [
            Node(
                extract_features,
                inputs=[*inputs, *parameters, "feature_store"],
                outputs=["features", "features_record"],
                name="extract_features",
                tags="keras",
            )
        ]
    )
