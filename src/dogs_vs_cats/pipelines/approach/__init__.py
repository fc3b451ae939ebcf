"""Trains and evaluates one approach: a template, instantiated for each under its name as namespace."""

from dogs_vs_cats.pipelines.approach.pipeline import create_pipeline

__all__ = ["create_pipeline"]
