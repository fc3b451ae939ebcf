"""Writes a trained model for use without Keras, and checks the answers of each file."""

from dogs_vs_cats.pipelines.export.pipeline import create_pipeline

__all__ = ["create_pipeline"]
