"""A user's own photos: the environment `photos` with nothing set but the photos and the base."""

import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from dogs_vs_cats.tracking.store import prepare_mlflow
from tests.conftest import copy_project, kedro, kedro_in_turn

pytestmark = pytest.mark.slow


def extract(archive: Path, folder: Path, first: int, count: int) -> None:
    """Writes so many photos of each class, from a position on, into a folder for each."""
    with zipfile.ZipFile(archive) as file:
        for kind in ("cat", "dog"):
            (folder / kind).mkdir(parents=True)
            names = sorted(name for name in file.namelist() if f"/{kind}." in name)
            for name in names[first : first + count]:
                (folder / kind / Path(name).name).write_bytes(file.read(name))


@pytest.fixture(scope="module")
def photos(tmp_path_factory, shared):
    """A project that was run once on 40 photos of each class, its root and what the run printed; and their folder."""
    root = tmp_path_factory.mktemp("photos")
    extract(shared / "data/kaggle-train-5000.zip", root / "own", 0, 40)
    extract(shared / "data/kaggle-train-5000.zip", root / "new", 1000, 20)
    shutil.copy(shared / "weights/efficientnet_lite0_224.keras", root)
    project = copy_project(root / "project")
    result = kedro(project, "run", "--env=photos", f"--params={given(root)}")
    return project, result.stdout + result.stderr


def given(root: Path) -> str:
    return f"ingestion.source={root / 'own'},backbone.weights={root / 'efficientnet_lite0_224.keras'}"


def test_few_photos_are_enough_and_all_of_them_test_the_linear_head(photos):
    project, output = photos
    table = pd.read_csv(project / "data/08_reporting/photos/comparison.csv", index_col="approach")
    assert table.loc["transfer_bottleneck", "evaluated_by"] == "k-fold"
    assert table.loc["transfer_end_to_end", "evaluated_by"] == "test"
    assert table.loc["transfer_bottleneck", "test_accuracy"] > 0.9
    predictions = pd.read_csv(project / "data/07_model_output/photos/transfer_bottleneck/predictions.csv")
    assert (predictions["split"] == "test").sum() == 80
    announced = (
        "transfer_bottleneck is evaluated by 5-fold cross-validation with 15 trainings on all 80 images, "
        "because there are only 12 test images (ingestion.folds: auto; null turns it off)"
    )
    assert announced in " ".join(output.split())
    assert "transfer_bottleneck: cross-validated accuracy " in output
    assert "k-fold" in (project / "data/08_reporting/photos/comparison.html").read_text()


def test_mlflow_has_the_run_whole(photos):
    project, output = photos
    assert "WARNING" not in output
    prepare_mlflow()
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'dogs-vs-cats-photos'")
    runs = {run.data.tags.get("approach"): run for run in client.search_runs([experiment.experiment_id])}
    assert runs["transfer_bottleneck"].data.tags["evaluated_by"] == "k-fold"
    assert runs["transfer_bottleneck"].data.metrics["test_accuracy"] > 0.9
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_another_head_trains_on_the_same_features_and_the_model_knows_new_photos(photos):
    project, _ = photos
    head = "approaches=[transfer_bottleneck],transfer_bottleneck.head=dense,transfer_bottleneck.epochs=2"
    trained, classified = kedro_in_turn(
        project,
        ["run", "--env=photos", f"--params={given(project.parent)}", f"--params={head}"],
        ["run", "--env=photos", "--pipelines=inference", f"--params=inference.source={project.parent / 'new'}"],
    )
    assert (trained.returncode, classified.returncode) == (0, 0), trained.stderr + classified.stderr
    assert "Features: 80 images cached, 0 to extract" in trained.stdout
    assert "transfer_bottleneck: epoch 2/2" in trained.stdout
    (answers,) = (project / "data/07_model_output/photos").glob("*.csv")
    table = pd.read_csv(answers)
    right = [
        Path(path).name.startswith(answer) for path, answer in table[["path", "predicted"]].itertuples(index=False)
    ]
    assert len(right) == 40
    assert sum(right) > 32


def test_the_network_from_scratch_trains_on_photos(photos, tmp_path):
    project = copy_project(tmp_path / "project")
    source = f"ingestion.source={photos[0].parent / 'own'}"
    sizes = "ingestion.train_size=60,ingestion.validation_size=10,ingestion.test_size=10"
    quick = "resnet10.epochs=2,resnet10.warmup_epochs=0.5"
    (run,) = kedro_in_turn(project, ["run", "--env=from_scratch_3000", f"--params={source},{sizes},{quick}"])
    assert run.returncode == 0, run.stdout + run.stderr
    metrics = json.loads((project / "data/08_reporting/from_scratch_3000/resnet10/metrics.json").read_text())
    assert metrics["test"]["images"] == 10
    assert metrics["parameters"] < 5_000_000
