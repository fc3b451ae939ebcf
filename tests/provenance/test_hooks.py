"""The hook around real runs of a small pipeline."""

from types import SimpleNamespace

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from dogs_vs_cats.datasets import JSONDataset
from dogs_vs_cats.provenance.hooks import ProvenanceHooks
from dogs_vs_cats.provenance.manifest_file import ManifestDataset
from dogs_vs_cats.storage.file_hash import md5
from tests.parameters.test_parameters import parameters as environment_parameters

RESULTS = ("images", "manifest", "a.model", "a.metrics")


@pytest.fixture
def catalog(tmp_path):
    names = (*RESULTS, "a.model_info", "comparison_summary")
    files = {name: JSONDataset(filepath=str(tmp_path / f"{name}.json")) for name in names}
    return DataCatalog(files | {"provenance": ManifestDataset(filepath=str(tmp_path / "provenance.json"), default={})})


def run(catalog, inputs, outputs):
    hooks = ProvenanceHooks()
    loader = {"globals": {"experiment": "e"}, "parameters": environment_parameters()}
    hooks.after_context_created(SimpleNamespace(config_loader=loader))
    hooks.before_pipeline_run(Pipeline([node(lambda *_: None, inputs, outputs, name="n")]), catalog)
    for name in outputs:
        catalog.save(name, name)
        hooks.after_dataset_saved(name)


def recorded(catalog):
    return {name: hashed for run in catalog.load("provenance")["runs"] for name, hashed in run["results"].items()}


def test_inputs_that_were_replaced_leave_the_manifest_and_results_that_a_run_does_not_read_stay(catalog, tmp_path):
    run(catalog, ["params:seed"], [*RESULTS, "a.model_info"])
    made = recorded(catalog)
    assert made == {name: md5(tmp_path / f"{name}.json") for name in RESULTS}
    for name in RESULTS:
        catalog.save(name, "from elsewhere")
    run(catalog, ["manifest", "a.model_info"], ["comparison_summary"])
    # model_info stands for its model.
    assert recorded(catalog).keys() == {"images", "a.metrics", "comparison_summary"}
    assert recorded(catalog)["images"] == made["images"]
    (tmp_path / "a.metrics.json").unlink()
    run(catalog, ["a.metrics"], ["comparison_summary"])
    assert recorded(catalog).keys() == {"images", "comparison_summary"}


def test_a_damaged_manifest_is_replaced(catalog, tmp_path, caplog):
    (tmp_path / "provenance.json").write_text('{"runs": [{"seed": 0}]}', encoding="utf-8")
    run(catalog, ["params:seed"], ["images"])
    assert recorded(catalog).keys() == {"images"}
    assert len([message for message in caplog.messages if "is no manifest" in message]) == 1
