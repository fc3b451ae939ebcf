"""Wiring of the search for better parameters."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.approaches import Approach
from dogs_vs_cats.pipelines.approach.pipeline import collect
from dogs_vs_cats.pipelines.tuning import nodes
from dogs_vs_cats.reporting import tuning_page


def create_pipeline(name: str, approach: Approach) -> Pipeline:
    """Wires the search for better parameters of one approach.

    Args:
        name: The approach.
        approach: The module that builds its model.

    Returns:
        A pipeline to `tuning_trials`, `tuning_summary`, their figures and page, and `tuned_environment`. It reads what
        training the approach reads.
    """
    search = [
        "params:tuning",
        "params:approaches",
        f"{name}.training_inputs",
        "environments",
        "tuning_folder",
    ]
    found = ["tuning_trials", "tuning_summary"]
    drawn = ["tuning_history", "tuning_importance"]
    environment = ["tuning_summary", "parameters", "run_record"]
    return collect(name, approach) + Pipeline(
        [
            Node(nodes.search, inputs=search, outputs=found, name="search", tags="keras"),
            Node(nodes.draw_figures, inputs=found, outputs=drawn, name="draw_search"),
            Node(nodes.make_environment, inputs=environment, outputs="tuned_environment", name="make_environment"),
            Node(tuning_page.render, inputs=[*found, *drawn], outputs="tuning_report", name="report_search"),
        ],
        tags="tuning",
    )
