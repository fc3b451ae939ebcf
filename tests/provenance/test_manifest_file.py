"""Manifests on disk, whoever wrote them."""

import json
import re
from copy import deepcopy

import pytest

from dogs_vs_cats.provenance.manifest import describe_run, with_result
from dogs_vs_cats.provenance.manifest_file import ManifestDataset
from dogs_vs_cats.reporting.provenance import lines
from tests.conftest import PROJECT
from tests.parameters.test_parameters import parameters as environment_parameters


@pytest.fixture(scope="module")
def manifest():
    return with_result({}, "e", describe_run(environment_parameters()), "images", "1")


def load(file, text):
    file.write_text(text, encoding="utf-8")
    return ManifestDataset(filepath=str(file), default={}).load()


def test_a_manifest_is_read_as_it_was_saved_and_a_missing_one_is_empty(manifest, tmp_path):
    dataset = ManifestDataset(filepath=str(tmp_path / "provenance.json"), default={})
    assert dataset.load() == {}
    dataset.save(manifest)
    assert dataset.load() == manifest


def test_the_example_in_the_documentation_is_a_manifest(tmp_path):
    page = (PROJECT / "docs/provenance.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)[1]
    (line,) = lines(load(tmp_path / "provenance.json", example))
    assert "(avx512_bf16, held to avx2), 2 threads; seed 0" in line
    compute = json.loads(example)["runs"][0]["compute"]
    assert compute.keys() == environment_parameters()["compute"].keys()


def test_what_is_no_manifest_counts_as_empty_and_one_warning_names_it(manifest, tmp_path, caplog):
    earlier, without_results = deepcopy(manifest), deepcopy(manifest)
    del earlier["runs"][0]["compute"]["instruction_set"]
    del without_results["runs"][0]["results"]
    whole = json.dumps(manifest)
    texts = {
        "runs.0.compute.instruction_set: Field required": json.dumps(earlier),
        "runs.0.results: Field required": json.dumps(without_results),
        "Invalid JSON": whole[: len(whole) // 2],
        "Input should be an object": "[]",
        "runs: Field required": "{}",
    }
    for number, (problem, text) in enumerate(texts.items()):
        caplog.clear()
        file = tmp_path / f"{number}.json"
        assert load(file, text) == load(file, text) == {}
        (message,) = caplog.messages
        assert message.startswith(f"{file} is no manifest of this version and is ignored ({problem}")
        assert message.endswith("The next result replaces it")
        assert "\n" not in message
