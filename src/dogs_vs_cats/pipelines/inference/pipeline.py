"""Wiring of the inference pipeline."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.inference.nodes import classify, forget_journal, judge_drift


def create_pipeline() -> Pipeline:
    """Files in, a table and its summary out; once both are safe, what an interrupted run needs is dropped."""
    return Pipeline(
        [
            Node(
                classify,
                inputs=["params:inference", "params:ingestion", "params:compute", "classifier", "inference_journals"],
                outputs=["inference_result", "inference_journal"],
                name="classify",
                tags="keras",
            ),
            Node(
                judge_drift,
                inputs=["params:inference", "classifier", "inference_journal"],
                outputs="inference_summary",
                name="judge_drift",
            ),
            Node(
                forget_journal,
                inputs=["inference_journal", "inference_result", "inference_summary"],
                outputs=None,
                name="forget_journal",
            ),
        ]
    )
