"""Wiring of the comparison."""

import warnings
from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from dogs_vs_cats.pipelines.comparison import nodes
from dogs_vs_cats.reporting.dvc_views import headline_metrics, plot_data


def create_pipeline(approaches: Sequence[str]) -> Pipeline:
    """Wires the comparison of the approaches an environment runs.

    Args:
        approaches: Their names, which are the namespaces of their results, in the order of the report.

    Returns:
        A pipeline to `comparison_table`, `comparison_summary`, `comparison_report` and what DVC's commands
        show.
    """
    # Kedro warns of every dotted name outside its namespace, but has no other notation to read from several of them.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more dataset names contain")
        return _pipeline(approaches)


def _pipeline(approaches: Sequence[str]) -> Pipeline:
    results = [f"{approach}.result" for approach in approaches]
    return Pipeline(
        [
            *(
                node(
                    nodes.compare_settings,
                    inputs=[
                        f"{approach}.model_info",
                        f"params:{approach}",
                        "params:augmentation",
                        "params:backbone",
                        "params:seed",
                    ],
                    outputs=f"{approach}.settings",
                    name=f"compare_settings_{approach}",
                )
                for approach in approaches
            ),
            *(
                node(
                    nodes.collect_result,
                    inputs=[
                        f"{approach}.model_info",
                        f"{approach}.settings",
                        f"{approach}.metrics",
                        f"{approach}.history",
                        f"{approach}.predictions",
                        f"{approach}.timings",
                        f"{approach}.mistakes",
                        f"{approach}.explanation_record",
                        f"{approach}.explanation_layers",
                        *(f"{approach}.{picture}" for picture in nodes.EXPLANATION),
                    ],
                    outputs=f"{approach}.result",
                    name=f"collect_{approach}",
                )
                for approach in approaches
            ),
            node(
                nodes.summarise,
                inputs=[
                    "params:comparison",
                    "manifest",
                    "class_names",
                    "rejected_images",
                    "ingestion_record",
                    *results,
                ],
                outputs="comparison_summary",
                name="summarise",
            ),
            node(
                nodes.tabulate,
                inputs=["comparison_summary", *results],
                outputs="comparison_table",
                name="tabulate",
            ),
            node(headline_metrics, inputs="comparison_summary", outputs="comparison_metrics", name="headline_metrics"),
            node(
                plot_data,
                inputs=["class_names", *results],
                outputs=["comparison_curves", "comparison_confusion", "comparison_roc"],
                name="plot_data",
            ),
            node(
                nodes.report,
                inputs=[
                    "params:comparison",
                    "comparison_summary",
                    "comparison_table",
                    "rejected_images",
                    "ingestion_record",
                    "run_record",
                    "tracking_links",
                    *results,
                ],
                outputs="comparison_report",
                name="report",
            ),
        ],
        tags="comparison",
    )
