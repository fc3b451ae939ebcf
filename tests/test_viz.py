"""kedro-viz draws the project with its layers, and shows what the hooks provide."""

import logging
from collections.abc import Iterator

import pytest
from kedro.framework.startup import bootstrap_project

from tests.conftest import PROJECT

LAYERS = ["intermediate", "feature", "models", "model_output", "reporting"]


@pytest.fixture(scope="module")
def warnings() -> Iterator[list[str]]:
    """Loads the project into kedro-viz, as `kedro viz run` does, and returns what it warns of."""
    server = pytest.importorskip("kedro_viz.server")
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("kedro_viz").addHandler(handler)
    bootstrap_project(PROJECT)
    server.load_and_populate_data(PROJECT, env="test")
    yield found
    logging.getLogger("kedro_viz").removeHandler(handler)


def test_every_pipeline_has_its_layers_in_the_order_of_the_flow(warnings: list[str]) -> None:
    from kedro_viz.data_access import data_access_manager as shown

    for pipeline in shown.registered_pipelines.as_list():
        shown.create_modular_pipelines_tree_for_registered_pipeline(pipeline.id)
        assert set(LAYERS) <= set(shown.get_sorted_layers_for_registered_pipeline(pipeline.id)), pipeline.id
    assert shown.get_sorted_layers_for_registered_pipeline("__default__") == LAYERS
    assert not [warning for warning in warnings if "ayer" in warning]


@pytest.mark.parametrize(
    ("pipeline", "dataset", "reader", "layer"),
    [
        ("inference", "classifier", "classify", "models"),
        ("comparison", "run_record", "report", "reporting"),
        ("comparison", "tracking_links", "report", "reporting"),
        ("comparison", "provenance", "report", "reporting"),
        ("tuning", "run_record", "make_environment", "reporting"),
    ],
)
def test_what_hooks_provide_is_an_entry_of_the_catalog(
    warnings: list[str], pipeline: str, dataset: str, reader: str, layer: str
) -> None:
    from kedro_viz.data_access import data_access_manager as shown

    nodes = {node.name: node for node in shown.get_nodes_for_registered_pipeline(pipeline)}
    readers = shown.get_node_dependencies_for_registered_pipeline(pipeline)[nodes[dataset].id]
    assert nodes[reader].id in readers
    assert nodes[dataset].layer == layer
