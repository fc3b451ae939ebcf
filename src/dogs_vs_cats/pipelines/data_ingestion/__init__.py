"""Checks and decodes every image once, and divides the images into splits."""

from dogs_vs_cats.pipelines.data_ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
