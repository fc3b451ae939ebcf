"""Extracts bottleneck features, each image once for each base."""

from dogs_vs_cats.pipelines.feature_extraction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
