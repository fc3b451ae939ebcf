"""Whole runs in processes of their own, as a user starts them."""

import hashlib
import importlib.metadata
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.provenance.machine import describe_machine
from tests.conftest import copy_project, kedro, kedro_in_turn

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
    "test_accuracy_low",
    "test_accuracy_high",
    "test_balanced_accuracy",
    "test_roc_auc",
    "test_log_loss",
    "evaluated_by",
    "seeds",
    "test_accuracy_mean",
    "test_accuracy_std",
    "test_accuracy_mean_low",
    "test_accuracy_mean_high",
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
    assert table["test_accuracy"].between(table["test_accuracy_low"], table["test_accuracy_high"]).all()
    assert table["seeds"].isna().all(), "each approach was trained once"
    assert (finished_project / "data/08_reporting/test/comparison.html").is_file()


def test_the_manifest_has_this_machine_and_the_hashes_of_data_and_models(finished_project):
    manifest = json.loads((finished_project / "data/08_reporting/test/provenance.json").read_text())
    (run,) = manifest["runs"]
    data = {"images": "02_intermediate/test/images.npy", "backbone": "06_models/test/backbone.keras"}
    models = {f"{name}.model": f"06_models/test/{name}.keras" for name in APPROACHES}
    for name, path in (data | models).items():
        assert run["results"][name] == hashlib.md5((finished_project / "data" / path).read_bytes()).hexdigest()
    lock = hashlib.md5((finished_project / "requirements.lock").read_bytes()).hexdigest()
    assert run["code"] == {"commit": "", "dirty_files": [], "requirements_lock": lock}
    assert run["machine"] == describe_machine()
    assert (run["compute"]["threads"], run["seed"], run["seeds"]["naive_cnn"]) == (2, 0, [0])
    assert run["versions"]["keras"] == importlib.metadata.version("keras")
    assert run["versions"]["keras"] in (finished_project / "data/08_reporting/test/comparison.html").read_text()


def test_the_last_lines_say_where_the_comparison_is_and_nothing_warns(finished_project):
    output = (finished_project / "output.txt").read_text(encoding="utf-8")
    assert "data/08_reporting/test/comparison.html" in output.strip().splitlines()[-1]
    for noise in ("Warning", "WARNING", "oneDNN", "cudart", "Traceback", "deprecated"):
        assert noise not in output


PIPELINES = ["data_ingestion", "augmentation", "backbone", "feature_extraction", *APPROACHES, "comparison"]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """A project in which each pipeline ran alone, in the order of a whole run, and how each run ended."""
    project = copy_project(tmp_path_factory.mktemp("one_by_one") / "project")
    runs = [["run", "--env=test", f"--pipelines={name}"] for name in PIPELINES]
    evaluation = ["run", "--env=test", "--pipelines=naive_cnn", "--from-nodes=naive_cnn.evaluate"]
    answers = kedro_in_turn(project, *runs, evaluation)
    return project, dict(zip([*PIPELINES, "evaluation"], answers, strict=True))


def test_each_pipeline_runs_alone_once_its_inputs_exist(one_by_one):
    _, answers = one_by_one
    for name, answer in answers.items():
        assert answer.returncode == 0, f"{name}: {answer.stdout}\n{answer.stderr}"


def test_a_run_reads_none_of_the_models_that_it_makes(one_by_one):
    _, answers = one_by_one
    for approach in APPROACHES:
        assert not [path for path in answers[approach].models_read if approach in path]
    assert any("naive_cnn.keras" in path for path in answers["evaluation"].models_read)


def test_equal_seeds_give_equal_files(finished_project, one_by_one):
    project, _ = one_by_one
    names = [f"06_models/test/{name}.keras" for name in (*APPROACHES, "backbone")]
    names += [
        "08_reporting/test/comparison.json",
        "02_intermediate/test/manifest.csv",
        "02_intermediate/test/images.npy",
    ]
    names += [f"08_reporting/test/{name}/metrics.json" for name in APPROACHES]
    for name in names:
        assert (project / "data" / name).read_bytes() == (finished_project / "data" / name).read_bytes(), name


def refusal(answer):
    """The message of a command that was refused."""
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr
    return re.sub(r"\s+", " ", answer.stderr)


def test_inputs_made_with_other_parameters_are_refused_and_results_of_another_machine_named(finished_project, tmp_path):
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    run = ("run", "--env=test")
    manifest = project / "data/08_reporting/test/provenance.json"
    processor = json.dumps(describe_machine()["processor"])
    manifest.write_text(manifest.read_text().replace(processor, '"Z80"'))
    sizes, pooling, ingestion, comparison = kedro_in_turn(
        project,
        [*run, "--pipelines=naive_cnn", "--params=ingestion.train_size=40,ingestion.fit=crop"],
        [*run, "--pipelines=transfer_bottleneck", "--params=transfer_bottleneck.pooling=avg"],
        [*run, "--pipelines=data_ingestion", "--params=seed=9"],
        [*run, "--pipelines=comparison", "--params=seed=9"],
    )
    assert "fit: 'stretch' then, 'crop' now, with train_size: 48 then, 40 now" in refusal(sizes)
    again = "Repeat the --params of that run, or make the images again: kedro run --env=test --pipelines=data_ingestion"
    assert again in refusal(sizes)
    assert "pooling: 'flatten' then, 'avg' now" in refusal(pooling)
    assert ingestion.returncode == 0
    shown = re.sub(r"\s+", " ", ingestion.stdout + ingestion.stderr)
    assert "By provenance.json, another environment made images, manifest, so new results can differ: " in shown
    assert "machine.processor was Z80, is " in shown
    assert "naive_cnn was trained on other images" in refusal(comparison)


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
