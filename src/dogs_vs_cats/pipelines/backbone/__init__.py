"""Gets the headless base: pretrained, or developed here on a source task."""

from dogs_vs_cats.pipelines.backbone.pipeline import create_pipeline

__all__ = ["create_pipeline"]
