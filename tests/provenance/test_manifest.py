"""Manifests of one experiment made by several runs, on one machine and on another."""

from copy import deepcopy

import pytest

from dogs_vs_cats.provenance.manifest import describe_run, differences, made_elsewhere, with_result
from tests.parameters.test_parameters import parameters as environment_parameters


@pytest.fixture(scope="module")
def facts():
    return describe_run(environment_parameters())


@pytest.fixture
def elsewhere(facts):
    """The facts of a run with another processor, another Keras and another commit."""
    run = deepcopy(facts)
    run["machine"]["processor"], run["versions"]["keras"], run["code"]["commit"] = "Z80", "1.0.0", "0" * 40
    return run


def test_stages_under_equal_facts_are_one_run_and_a_result_made_again_replaces_the_former(facts):
    manifest = {}
    for name, md5 in (("images", "1"), ("naive_cnn.model", "2"), ("images", "3")):
        manifest = with_result(manifest, "e", deepcopy(facts), name, md5)
    assert manifest == {"experiment": "e", "runs": [{**facts, "results": {"images": "3", "naive_cnn.model": "2"}}]}


def test_each_result_belongs_to_the_run_that_made_it_last(facts, elsewhere):
    manifest = {}
    for run, name in ((elsewhere, "images"), (elsewhere, "backbone"), (facts, "backbone")):
        manifest = with_result(manifest, "e", run, name, "1")
    assert [list(run["results"]) for run in manifest["runs"]] == [["images"], ["backbone"]]
    assert len(with_result(manifest, "e", facts, "images", "2")["runs"]) == 1


def test_a_run_on_another_machine_says_in_one_line_what_differs(facts, elsewhere):
    manifest = with_result({}, "e", elsewhere, "images", "1")
    (line,) = made_elsewhere(manifest, facts, {"images", "naive_cnn.model"})
    assert line.startswith("By provenance.json, another environment made images, so new results can differ: ")
    here = facts["machine"]["processor"]
    assert f"machine.processor was Z80, is {here}; versions.keras was 1.0.0, is {facts['versions']['keras']}" in line
    assert "\n" not in line
    assert made_elsewhere(manifest, facts, {"label_issues"}) == []


def test_another_commit_or_thread_count_on_this_machine_needs_no_line(facts):
    earlier = deepcopy(facts)
    earlier["code"]["commit"], earlier["compute"]["threads"], earlier["seed"] = "0" * 40, 64, 9
    assert made_elsewhere(with_result({}, "e", earlier, "images", "1"), facts, {"images"}) == []
    assert differences(earlier, facts)["compute.threads"] == (64, facts["compute"]["threads"])
    assert differences(earlier, facts).keys() == {"code.commit", "compute.threads", "seed"}


def test_what_only_one_run_has_is_a_difference(facts):
    earlier = deepcopy(facts)
    del earlier["versions"]["keras"]
    assert differences(earlier, facts) == {"versions.keras": (None, facts["versions"]["keras"])}
