"""The comparison of all approaches: one table, one report, the lecture's figures beside ours."""

from dogs_vs_cats.pipelines.comparison.pipeline import create_pipeline, create_report_pipeline

__all__ = ["create_pipeline", "create_report_pipeline"]
