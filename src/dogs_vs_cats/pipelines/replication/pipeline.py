"""Wiring of the replication."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.replication.nodes import replicate, tabulate, write_page


def create_pipeline() -> Pipeline:
    """From the results of all experiments, and the configuration, to a table and a page."""
    return Pipeline(
        [
            Node(
                replicate,
                inputs=["experiments", "environments"],
                outputs="replication_claims",
                name="replicate",
                tags="keras",
            ),
            Node(tabulate, inputs="replication_claims", outputs="replication_table", name="tabulate_replication"),
            Node(write_page, inputs="replication_claims", outputs="replication_page", name="write_replication_page"),
        ]
    )
