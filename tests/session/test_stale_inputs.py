"""Stored inputs that were made with other parameters are refused."""

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.errors import StaleInputError
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.pipelines.backbone.nodes import made_with
from dogs_vs_cats.session.stale_inputs import refuse_stale_inputs
from tests.parameters.test_parameters import parameters as environment_parameters


def test_features_of_another_base_are_refused_where_the_base_itself_is_not_read() -> None:
    parameters = environment_parameters()
    ingestion, backbone = parameters["ingestion"], BackboneParameters.model_validate(parameters["backbone"])
    made = made_with(backbone, ingestion["image_size"], ingestion["channels"], parameters["seed"])
    records = {
        "backbone_record": {"made_with": made, "identity": "a"},
        "features_record": {"pooling": parameters["transfer_bottleneck"]["pooling"], "backbone": "a", "data": "b"},
    }
    catalog = DataCatalog({name: MemoryDataset(record) for name, record in records.items()})
    describes = Pipeline([Node(len, inputs="features", outputs="number")])

    refuse_stale_inputs(describes, catalog, parameters, "photos")

    parameters["backbone"] |= {"name": "MobileNetV2", "weights": "other.keras"}
    with pytest.raises(StaleInputError, match=r"The base on disk was made with .*weights: .* then, 'other\.keras' now"):
        refuse_stale_inputs(describes, catalog, parameters, "photos")
