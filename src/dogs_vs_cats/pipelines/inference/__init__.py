"""Classifies new photos, as many as there are, and goes on where it was interrupted."""

from dogs_vs_cats.pipelines.inference.pipeline import create_pipeline

__all__ = ["create_pipeline"]
