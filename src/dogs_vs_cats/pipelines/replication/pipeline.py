"""Wiring of the replication."""

from kedro.pipeline import Pipeline, node, pipeline

from dogs_vs_cats.pipelines.replication.nodes import replicate, tabulate, write_page


def create_pipeline() -> Pipeline:
    """From the results of all experiments, and the configuration, to a table and a page."""
    return pipeline(
        [
            node(
                replicate,
                inputs=["experiments", "environments"],
                outputs="replication_claims",
                name="replicate",
                tags="keras",
            ),
            node(tabulate, inputs="replication_claims", outputs="replication_table", name="tabulate_replication"),
            node(write_page, inputs="replication_claims", outputs="replication_page", name="write_replication_page"),
        ]
    )
