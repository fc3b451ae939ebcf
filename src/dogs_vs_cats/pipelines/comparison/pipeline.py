"""Wiring of the comparison."""

from collections.abc import Sequence
from dataclasses import fields

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.comparison import nodes
from dogs_vs_cats.reporting import comparison_page, model_card
from dogs_vs_cats.reporting.dvc_views import headline_metrics, plot_data
from dogs_vs_cats.reporting.results import ApproachResult, OnRequest, Pictures


def create_pipeline(approaches: Sequence[str]) -> Pipeline:
    """Wires the comparison of the approaches an environment runs.

    Args:
        approaches: Their names, which are the namespaces of their results, in the order of the report.

    Returns:
        A pipeline to `comparison_table`, `comparison_summary`, `comparison_report`, `model_card` and what DVC's
        commands show.
    """
    results = _results(approaches)
    return Pipeline([*_comparing(results), _card(results)], tags="comparison") + create_report_pipeline(approaches)


def create_report_pipeline(approaches: Sequence[str]) -> Pipeline:
    """Wires the page of the comparison, from its summary on.

    Args:
        approaches: See `create_pipeline`.
    """
    collecting = [node for approach in approaches for node in _collecting(approach)]
    asked = [field.name for field in fields(OnRequest)]
    collecting.append(Node(OnRequest, inputs=asked, outputs="on_request", name="collect_on_request"))
    return Pipeline([*collecting, _report(_results(approaches))], tags="comparison")


def _results(approaches: Sequence[str]) -> list[str]:
    return [f"{approach}.result" for approach in approaches]


def _collecting(approach: str) -> list[Node]:
    def datasets(collected: type[Pictures | ApproachResult]) -> list[str]:
        return [f"{approach}.{field.name}" for field in fields(collected)]

    present = [f"params:{approach}", "params:augmentation", "params:backbone", "params:seed"]
    return [
        Node(
            nodes.compare_settings,
            inputs=[f"{approach}.model_info", *present],
            outputs=f"{approach}.settings",
            name=f"compare_settings_{approach}",
        ),
        Node(Pictures, inputs=datasets(Pictures), outputs=f"{approach}.pictures", name=f"collect_pictures_{approach}"),
        Node(ApproachResult, inputs=datasets(ApproachResult), outputs=f"{approach}.result", name=f"collect_{approach}"),
    ]


def _comparing(results: list[str]) -> list[Node]:
    data = ["rejected_images", "ingestion_record"]
    return [
        Node(
            nodes.summarise,
            inputs=["params:comparison", "manifest", "class_names", *data, *results],
            outputs="comparison_summary",
            name="summarise",
        ),
        Node(nodes.tabulate, inputs=["comparison_summary", *results], outputs="comparison_table", name="tabulate"),
        Node(headline_metrics, inputs="comparison_summary", outputs="comparison_metrics", name="headline_metrics"),
        Node(
            plot_data,
            inputs=["class_names", *results],
            outputs=["comparison_curves", "comparison_confusion", "comparison_roc"],
            name="plot_data",
        ),
    ]


_RECORDS = ["ingestion_record", "run_record", "provenance"]


def _report(results: list[str]) -> Node:
    data = ["rejected_images", *_RECORDS, "tracking_links", "on_request"]
    return Node(
        comparison_page.render,
        inputs=["params:comparison", "comparison_summary", *data, *results],
        outputs="comparison_report",
        name="report",
    )


def _card(results: list[str]) -> Node:
    return Node(
        model_card.render,
        inputs=["comparison_summary", *_RECORDS, "data_quality_summary", *results],
        outputs="model_card",
        name="model_card",
    )
