"""Wiring of the search for better parameters."""

from kedro.pipeline import Pipeline, node

from dogs_vs_cats import approaches
from dogs_vs_cats.pipelines.tuning import nodes
from dogs_vs_cats.reporting import tuning_page


def create_pipeline(name: str) -> Pipeline:
    """Wires the search for better parameters of one approach.

    Args:
        name: The approach.

    Returns:
        A pipeline to `tuning_trials`, `tuning_summary`, their figures and page, and `tuned_environment`. It reads what
        training the approach reads.
    """
    approach = approaches.load(name)
    inputs = {
        "tuning": "params:tuning",
        "parameters": f"params:{name}",
        "approaches_run": "params:approaches",
        "compute": "params:compute",
        "seed": "params:seed",
        "augmentation": "params:augmentation",
        "images": "images",
        "manifest": "manifest",
        "class_names": "class_names",
        "ingestion_record": "ingestion_record",
        "environments": "environments",
        "folder": "tuning_folder",
    }
    if approach.USES_BACKBONE:
        names = ("backbone", "backbone_record", "features", "features_record")
        inputs |= dict(zip(names, names, strict=True))
    return Pipeline(
        [
            node(
                nodes.search,
                inputs=inputs,
                outputs=["tuning_trials", "tuning_summary"],
                name="search",
                tags="keras",
            ),
            node(
                nodes.draw_figures,
                inputs=["tuning_trials", "tuning_summary"],
                outputs=["tuning_history", "tuning_importance"],
                name="draw_search",
            ),
            node(
                nodes.make_environment,
                inputs=["tuning_summary", "parameters", "run_record"],
                outputs="tuned_environment",
                name="make_environment",
            ),
            node(
                tuning_page.render,
                inputs=["tuning_trials", "tuning_summary", "tuning_history", "tuning_importance"],
                outputs="tuning_report",
                name="report_search",
            ),
        ],
        tags="tuning",
    )
