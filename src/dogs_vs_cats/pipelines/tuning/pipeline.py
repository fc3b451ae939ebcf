"""Wiring of the search for better parameters."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.approaches import Approach
from dogs_vs_cats.pipelines.approach import pipeline as approach_template
from dogs_vs_cats.pipelines.tuning import nodes
from dogs_vs_cats.pipelines.tuning.environment import make_environment


def create_pipeline(name: str, approach: Approach) -> Pipeline:
    """Wires the search for better parameters of one approach.

    Args:
        name: The approach.
        approach: The module that builds its model.

    Returns:
        A pipeline to `tuning_trials`, `tuning_summary`, their figures and page, and `tuned_environment`. It reads what
        training the approach reads.
    """
    inputs = f"{name}.training_inputs"
    search = ["params:tuning", "params:approaches", inputs, "environments", "tuning_folder"]
    found = ["tuning_trials", "tuning_summary"]
    drawn = ["tuning_history", "tuning_importance"]
    environment = ["tuning_summary", "parameters", "run_record"]
    collect_inputs = approach_template.create_pipeline(name, approach).to_outputs(inputs)
    return collect_inputs + Pipeline(
        [
            Node(nodes.search, inputs=search, outputs=found, name="search", tags=["keras", "training"]),
            Node(nodes.draw_figures, inputs=found, outputs=drawn, name="draw_search"),
            Node(make_environment, inputs=environment, outputs="tuned_environment", name="make_environment"),
            Node(nodes.report, inputs=[*found, *drawn], outputs="tuning_report", name="report_search"),
        ],
        tags="tuning",
    )
