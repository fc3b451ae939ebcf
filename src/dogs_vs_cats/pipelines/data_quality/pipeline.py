"""Wiring of the data-quality pipeline."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.evaluation import copies, image_quality
from dogs_vs_cats.evaluation.label_issues import list_issues
from dogs_vs_cats.pipelines import comparison
from dogs_vs_cats.pipelines.data_quality import nodes
from dogs_vs_cats.reporting import data_quality, data_quality_page
from dogs_vs_cats.reporting.data_quality import Findings

COLLECTED = ["photos", "label_errors", "copies", "junk", "slices", "training_sizes", "neighbours", "label_issues"]


def create_pipeline(approaches: Sequence[str]) -> Pipeline:
    """Wires the data-quality pipeline of an environment with trained approaches.

    Args:
        approaches: Their names.

    Returns:
        A pipeline to `label_issues`, `data_quality_summary` and `data_quality_report`. The page of the comparison is
        written again, with a line about the data.
    """
    answers = ["class_names", "params:approaches", *(f"{approach}.predictions" for approach in approaches)]
    models = [f"{approach}.model_info" for approach in approaches]
    looking = Pipeline([*_describing(), *_judging(answers), *_reporting(models)], tags="data_quality")
    return looking + comparison.create_report_pipeline(approaches)


def _describing() -> list[Node]:
    read = ["images", "manifest", "ingestion_record"]
    placed = ["features", "backbone_record", "described_photos", "params:seed"]
    return [
        Node(nodes.describe_photos, inputs=read, outputs="described_photos", name="describe_photos"),
        Node(nodes.place_photos, inputs=placed, outputs=["points", "photos"], name="place_photos"),
    ]


def _judging(answers: list[str]) -> list[Node]:
    placed = ["points", "photos"]
    judged = ["out_of_fold", "label_errors", "penalty"]
    issues = ["photos", "manifest", "label_errors", "copies", "junk", "class_names"]
    sizes = [*placed, "class_names", "penalty", "params:seed"]
    return [
        Node(nodes.judge_labels, inputs=[*placed, "params:seed"], outputs=judged, name="judge_labels"),
        Node(copies.compare, inputs=["photos", "out_of_fold"], outputs="copies", name="compare_copies"),
        Node(image_quality.find_junk, inputs="photos", outputs="junk", name="find_junk"),
        Node(list_issues, inputs=issues, outputs="label_issues", name="list_issues"),
        Node(nodes.compare_slices, inputs=["photos", *answers], outputs="slices", name="compare_slices"),
        Node(nodes.measure_sizes, inputs=sizes, outputs="training_sizes", name="measure_sizes"),
        Node(nodes.find_neighbours, inputs=[*placed, *answers], outputs="neighbours", name="find_neighbours"),
    ]


def _reporting(models: list[str]) -> list[Node]:
    found = ["findings", "class_names", *models]
    shown = ["findings", "data_quality_summary", "class_names", "images", "run_record"]
    return [
        Node(Findings, inputs=COLLECTED, outputs="findings", name="collect_findings"),
        Node(data_quality.summarise, inputs=found, outputs="data_quality_summary", name="summarise_data_quality"),
        Node(
            data_quality_page.render,
            inputs=shown,
            outputs="data_quality_report",
            name="report_data_quality",
        ),
    ]
