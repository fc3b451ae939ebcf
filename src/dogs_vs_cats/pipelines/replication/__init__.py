"""Holds every claim of the lectures against what this project computes and measures."""

from dogs_vs_cats.pipelines.replication.pipeline import create_pipeline

__all__ = ["create_pipeline"]
