"""Wiring of the replication."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.replication.nodes import replicate, write


def create_pipeline() -> Pipeline:
    """From the results of all experiments, and the configuration, to a table and a page."""
    found = ["experiments", "environments"]
    return Pipeline(
        [
            Node(replicate, inputs=found, outputs="replication_claims", name="replicate", tags="keras"),
            Node(
                write,
                inputs="replication_claims",
                outputs=["replication_table", "replication_page"],
                name="write_replication",
            ),
        ]
    )
