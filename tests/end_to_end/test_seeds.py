"""Several seeds, each with a split of its own, from the parameter file to the table and the page."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import copy_project, kedro_in_turn


@pytest.mark.medium
def test_splits_of_several_seeds_are_in_the_metrics_the_table_and_the_page(
    finished_project: Path, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    parameters = project / "conf/test/parameters.yml"
    text = parameters.read_text()
    seeds = "naive_cnn:\n  seeds: [0, 1]\n  redraw_split: true\n"
    parameters.write_text(text.replace("naive_cnn:\n", seeds, 1))
    refused, trained = kedro_in_turn(
        project,
        ["run", "--env=test", "--pipelines=naive_cnn", "--params=transfer_bottleneck.redraw_split=true"],
        ["run", "--env=test", "--pipelines=naive_cnn,comparison", "--params=naive_cnn.epochs=1"],
    )
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        "Error: 1 parameter is wrong, and nothing was run:\n"
        "  - transfer_bottleneck.redraw_split: draws a split for each of several seeds: set seeds to two or more, such "
        "as [0, 1, 2]; given was True\n"
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    reporting = project / "data/08_reporting/test"
    metrics, runs = (json.loads((reporting / f"naive_cnn/{name}.json").read_text()) for name in ("metrics", "seeds"))
    counts = {seed: {split: measured["images"] for split, measured in run.items()} for seed, run in runs.items()}
    assert counts == {seed: {"train": 48, "validation": 16, "test": 16} for seed in "01"}
    assert metrics["test"] == runs["0"]["test"]
    mean = (runs["0"]["test"]["accuracy"] + runs["1"]["test"]["accuracy"]) / 2
    row = pd.read_csv(reporting / "comparison.csv", index_col="approach").loc["naive_cnn"]
    assert (row["seeds"], row["test_accuracy_mean"]) == pytest.approx((2, mean))
    assert row["test_accuracy_mean_low"] < mean < row["test_accuracy_mean_high"]
    assert "With redraw_split, each seed draws its own split" in (reporting / "comparison.html").read_text()
