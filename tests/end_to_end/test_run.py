"""Whole runs in processes of their own, as a user starts them."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.conftest import copy_project, kedro

APPROACHES = ["naive_cnn", "transfer_end_to_end", "transfer_bottleneck"]
COLUMNS = [
    "approach",
    "backbone",
    "parameters",
    "trainable_parameters",
    "epochs",
    "train_seconds",
    "seconds_per_epoch",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "test_roc_auc",
    "test_log_loss",
    "lecture_validation_accuracy",
    "lecture_test_accuracy",
]

pytestmark = pytest.mark.medium


def test_a_run_leaves_everything_where_the_design_says(finished_project):
    data = finished_project / "data"
    manifest = pd.read_csv(data / "02_intermediate/test/manifest.csv")
    assert manifest["split"].value_counts().to_dict() == {"train": 48, "validation": 16, "test": 16}
    images = np.load(data / "02_intermediate/test/images.npy", mmap_mode="r")
    assert images.shape == (80, 32, 32, 3)
    assert images.dtype == np.uint8
    assert (data / "08_reporting/test/rejected_images.csv").read_text() == "path,reason\n"
    for approach in APPROACHES:
        assert (data / f"06_models/test/{approach}.keras").is_file()
        predictions = pd.read_csv(data / f"07_model_output/test/{approach}/predictions.csv")
        assert list(predictions.columns) == ["path", "label", "probability_dog", "predicted", "split"]
        assert len(predictions) == 80
        metrics = json.loads((data / f"08_reporting/test/{approach}/metrics.json").read_text())
        right = predictions.query("split == 'test'")
        assert metrics["test"]["accuracy"] == (right["label"] == right["predicted"]).mean()
        history = pd.read_csv(data / f"08_reporting/test/{approach}/history.csv")
        assert history["epoch"].tolist() == list(range(1, len(history) + 1))
    assert not list(data.rglob("*.partial"))


def test_the_comparison_has_a_row_for_each_approach_and_the_baseline(finished_project):
    table = pd.read_csv(finished_project / "data/08_reporting/test/comparison.csv")
    assert list(table.columns) == COLUMNS
    assert table["approach"].tolist() == [*APPROACHES, "majority_class"]
    assert table.loc[3, "test_accuracy"] == 0.5
    assert (finished_project / "data/08_reporting/test/comparison.html").is_file()


def test_the_last_lines_say_where_the_comparison_is_and_nothing_warns(finished_project):
    output = (finished_project / "output.txt").read_text(encoding="utf-8")
    assert "data/08_reporting/test/comparison.html" in output.strip().splitlines()[-1]
    for noise in ("Warning", "WARNING", "oneDNN", "cudart", "Traceback", "deprecated"):
        assert noise not in output


OPENED = """
import sys

def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".keras") and arguments[1] in ("r", "rb"):
        with open("opened.txt", "a") as file:
            print(arguments[0], file=file)

sys.addaudithook(note)
"""


def test_a_run_reads_none_of_the_models_that_it_makes(finished_project, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(OPENED, encoding="utf-8")
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    run = ("run", "--env=test", "--pipelines=naive_cnn")
    kedro(project, *run, PYTHONPATH=str(site), DOGS_VS_CATS_TRACKING="off")
    assert not (project / "opened.txt").exists()
    kedro(project, *run, "--from-nodes=naive_cnn.evaluate", PYTHONPATH=str(site), DOGS_VS_CATS_TRACKING="off")
    assert "naive_cnn.keras" in (project / "opened.txt").read_text(encoding="utf-8")


def test_equal_seeds_give_equal_files(finished_project, tmp_path):
    project = copy_project(tmp_path / "project")
    kedro(project, "run", "--env=test", DOGS_VS_CATS_TRACKING="off")
    names = [f"06_models/test/{name}.keras" for name in (*APPROACHES, "backbone")]
    names += [
        "08_reporting/test/comparison.json",
        "02_intermediate/test/manifest.csv",
        "02_intermediate/test/images.npy",
    ]
    names += [f"08_reporting/test/{name}/metrics.json" for name in APPROACHES]
    for name in names:
        assert (project / "data" / name).read_bytes() == (finished_project / "data" / name).read_bytes(), name


@pytest.mark.parametrize(
    "name", ["data_ingestion", "augmentation", "backbone", "feature_extraction", *APPROACHES, "comparison"]
)
def test_each_pipeline_runs_alone_once_its_inputs_exist(finished_project, tmp_path, name):
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    kedro(project, "run", "--env=test", f"--pipelines={name}", DOGS_VS_CATS_TRACKING="off")


def refused(project, *arguments):
    result = kedro(project, *arguments, check=False, DOGS_VS_CATS_TRACKING="off")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    return re.sub(r"\s+", " ", result.stderr)


def test_inputs_made_with_other_parameters_are_refused(finished_project, tmp_path):
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    message = refused(project, "run", "--env=test", "--pipelines=naive_cnn", "--params=ingestion.train_size=40")
    assert "train_size: 48 then, 40 now" in message
    assert "kedro run --pipelines=data_ingestion" in message
    message = refused(
        project, "run", "--env=test", "--pipelines=transfer_bottleneck", "--params=transfer_bottleneck.pooling=avg"
    )
    assert "pooling: 'flatten' then, 'avg' now" in message
    kedro(project, "run", "--env=test", "--pipelines=data_ingestion", "--params=seed=9")
    message = refused(project, "run", "--env=test", "--pipelines=comparison", "--params=seed=9")
    assert "naive_cnn was trained on other images" in message


def test_wrong_parameters_and_too_few_images_are_one_clean_line(tmp_path):
    project = copy_project(tmp_path / "project")
    message = refused(project, "run", "--env=test", "--params=naive_cnn.epochs=0")
    assert "Error: 1 parameter is wrong, and nothing was run: - naive_cnn.epochs: " in message
    assert not (project / "data/02_intermediate").exists()
    folder = tmp_path / "photos"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
    message = refused(project, "run", "--env=test", f"--params=ingestion.source={folder}")
    assert "Error: " in message


@pytest.mark.slow
def test_everything_runs_under_jax_where_tensorflow_is_not_installed(tmp_path):
    pytest.importorskip("jax")
    hides = tmp_path / "site"
    hides.mkdir()
    (hides / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "def without_tensorflow(name, *rest):\n"
        "    return None if name.partition('.')[0] == 'tensorflow' else find(name, *rest)\n"
        "PathFinder.find_spec = without_tensorflow\n",
        encoding="utf-8",
    )
    project = copy_project(tmp_path / "project")
    kedro(project, "run", "--env=test", PYTHONPATH=str(hides), DOGS_VS_CATS_TRACKING="off")
    table = pd.read_csv(project / "data/08_reporting/test/comparison.csv")
    assert table["approach"].tolist() == [*APPROACHES, "majority_class"]
