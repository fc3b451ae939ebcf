"""The explanation of trained models: filters, feature maps, pooling, Grad-CAM, and a table of the layers."""

from dogs_vs_cats.pipelines.explanation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
