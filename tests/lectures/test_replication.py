"""Input and output of the replication."""

import json

import pandas as pd
import pytest

from dogs_vs_cats.datasets import ExperimentsDataset
from dogs_vs_cats.datasets.environments import EnvironmentsDataset
from dogs_vs_cats.errors import EnvironmentFilesError
from dogs_vs_cats.pipelines.replication import nodes
from tests.conftest import PROJECT, copy_project, kedro


def test_settings_are_those_of_base_with_the_environments_over_them(tmp_path):
    for name, text in (("base", "a: {x: 1, y: {z: 2}}"), ("other", "a: {y: {z: 3}}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "globals.yml").write_text(f"experiment: {name}")
        (tmp_path / name / "parameters.yml").write_text(text)
    environments = EnvironmentsDataset(filepath=str(tmp_path)).load()
    assert nodes.parameters(environments, "other") == {"a": {"x": 1, "y": {"z": 3}}}


def test_a_folder_without_the_lectures_settings_is_refused_before_anything_is_computed(tmp_path):
    dataset = EnvironmentsDataset(filepath=str(tmp_path))
    with pytest.raises(EnvironmentFilesError, match=r"There is no folder .*/base"):
        dataset.load()
    (tmp_path / "base").mkdir()
    (tmp_path / "base/globals.yml").write_text("experiment: a")
    with pytest.raises(EnvironmentFilesError, match="there is no conf/lecture here"):
        nodes.replicate({}, dataset.load())


def test_a_folder_without_conf_is_refused(tmp_path):
    environments = EnvironmentsDataset(filepath=str(tmp_path / "conf"))
    assert environments.exists()  # so that loading it says what is missing
    with pytest.raises(EnvironmentFilesError, match=r"There is no folder .*conf"):
        environments.load()


def test_experiments_are_read_from_whatever_has_been_compared(tmp_path):
    assert ExperimentsDataset(filepath=str(tmp_path / "nothing")).load() == {}
    reporting, intermediate = tmp_path / "08_reporting", tmp_path / "02_intermediate/mnist"
    folder = reporting / "mnist" / "lenet5"
    folder.mkdir(parents=True)
    intermediate.mkdir(parents=True)
    (reporting / "unfinished").mkdir()
    (reporting / "pulled").mkdir()
    (reporting / "mnist" / "comparison.json").write_text(json.dumps({"approaches": {}}))
    (reporting / "pulled" / "comparison.json").write_text(json.dumps({"approaches": {}}))
    (intermediate / "ingestion.json").write_text(json.dumps({"parameters": {"source": "/mnist"}}))
    (folder / "history.csv").write_text("epoch,accuracy\n1,0.5\n")
    (folder / "timings.json").write_text('{"seconds_per_epoch": 2.0}')
    found = ExperimentsDataset(filepath=str(tmp_path)).load()
    assert {name: experiment.source for name, experiment in found.items()} == {"mnist": "/mnist", "pulled": None}
    assert found["mnist"].histories["lenet5"]["accuracy"].tolist() == [0.5]
    assert found["mnist"].timings == {"lenet5": {"seconds_per_epoch": 2.0}}


@pytest.mark.medium
def test_a_run_writes_the_page_and_the_table_into_its_own_project(tmp_path):
    in_this_checkout = (PROJECT / "docs/replication.md").read_bytes()
    project = copy_project(tmp_path / "project")
    result = kedro(project, "run", "--pipelines=replication", DOGS_VS_CATS_TRACKING="off")
    page = (project / "docs/replication.md").read_text(encoding="utf-8")
    table = pd.read_csv(project / "data/08_reporting/replication.csv")
    assert list(table.columns) == nodes.COLUMNS
    assert [name for name in table["claim"] if f"| {name} |" not in page] == []
    assert (PROJECT / "docs/replication.md").read_bytes() == in_this_checkout
    # The log ends with the claims that nothing on disk measures, and what to type.
    missing = table[table["verdict"] == "not run"]
    assert result.stdout.splitlines()[-1] == "The table: data/08_reporting/replication.csv"
    listed = result.stdout.partition("Claims of the lectures: ")[2].splitlines()
    assert listed[0] == f"{len(table)}. Measured: 0. Missing: {len(missing)}."
    assert sorted(line[6:] for line in listed if line.startswith("    - ")) == sorted(missing["claim"])
    assert {line for line in listed if line.startswith("kedro run --env")} == set(missing["command"])
