"""The order in which approaches are trained."""

from kedro.pipeline import Pipeline

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.pipelines.approach import create_pipeline
from tests.parameters.test_parameters import parameters


def test_photos_have_the_answer_of_the_linear_head_before_fine_tuning_begins():
    photos = parameters("photos")
    listed = photos["approaches"]
    trained = sum((create_pipeline(name, approach_of(name, photos[name])) for name in listed), Pipeline([]))
    order = [node.name for node in trained.nodes if node.name.endswith(".train")]
    assert order == ["transfer_bottleneck.train", "transfer_end_to_end.train"]


def test_the_effect_of_corrections_is_measured_where_that_takes_seconds():
    photos = parameters("photos")
    for folds in (False, True):
        made = {
            name: create_pipeline(name, approach_of(name, photos[name]), folds, has_corrections=True)
            for name in photos["approaches"]
        }
        measured = {node.name for pipeline in made.values() for node in pipeline.nodes if "measure_corr" in node.name}
        assert measured == {"transfer_bottleneck.measure_corrections"}
        assert all(f"{name}.metrics" in pipeline.all_outputs() for name, pipeline in made.items())
