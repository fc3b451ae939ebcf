"""Wiring of the inference pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.inference.nodes import classify, forget_journal


def create_pipeline() -> Pipeline:
    """Two nodes: files in, a table out; and once the table is safe, what an interrupted run needs is dropped."""
    return Pipeline(
        [
            Node(
                classify,
                inputs=["params:inference", "params:ingestion", "params:compute", "classifier", "inference_journals"],
                outputs=["inference_result", "inference_journal"],
                name="classify",
                tags="keras",
            ),
            Node(forget_journal, inputs=["inference_journal", "inference_result"], outputs=None, name="forget_journal"),
        ]
    )
