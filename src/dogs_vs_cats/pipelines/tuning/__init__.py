"""The search for better parameters of one approach."""

from dogs_vs_cats.pipelines.tuning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
