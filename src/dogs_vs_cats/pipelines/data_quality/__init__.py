"""Pipeline that looks for what is wrong with the data, and says what would help."""

from dogs_vs_cats.pipelines.data_quality.pipeline import create_pipeline

__all__ = ["create_pipeline"]
