"""Tracking into a real SQLite store, and what becomes of a run whose store is gone."""

import json
import logging
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from filelock import FileLock, Timeout
from kedro.io import DataCatalog

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.inference.classifiers import find_model
from dogs_vs_cats.storage.file_hash import md5
from dogs_vs_cats.tracking import store, worker
from dogs_vs_cats.tracking.commands import tracking_commands
from dogs_vs_cats.tracking.datasets import LoggedModelsDataset, fetch_model
from dogs_vs_cats.tracking.images import example_image
from dogs_vs_cats.tracking.outbox import FOLDER
from dogs_vs_cats.tracking.store import prepare_mlflow
from dogs_vs_cats.training.events import EpochEnd, TrialBegin, TrialEnd, publish
from tests.conftest import PROJECT
from tests.tracking.tracking_stub import EPOCHS, EXPLANATION, FIGURES, Stub, WorkerThread

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A store after its migrations, which take seconds."""
    prepare_mlflow()
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(tmp_path, monkeypatch, empty_store):
    """Root of an empty project."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setattr(store, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def root(project, monkeypatch):
    """Root of an empty project, in which no process is started."""
    monkeypatch.setattr(worker, "start", WorkerThread)
    return project


def client_of(root):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{root}/mlflow.db", registry_uri=f"sqlite:///{root}/mlflow.db")


def runs(root, client=None):
    """All runs, oldest first."""
    client = client or client_of(root)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, order_by=["attributes.start_time ASC"])


def of(found, approach):
    return [run for run in found if run.data.tags.get("approach") == approach]


def parent_of(found):
    return [run for run in found if "run_group" in run.data.tags]


def steps(client, run, metric):
    return [entry.step for entry in client.get_metric_history(run.info.run_id, metric)]


def artifacts(client, run, folder=None):
    names = []
    for entry in client.list_artifacts(run.info.run_id, folder):
        names += artifacts(client, run, entry.path) if entry.is_dir else [entry.path]
    return sorted(names)


@contextmanager
def locked(root):
    """Keeps everyone else away from the store."""
    with closing(sqlite3.connect(root / "mlflow.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def upload(*arguments):
    return CliRunner().invoke(tracking_commands, ["upload", *arguments])


@pytest.fixture(scope="module")
def tracked(tmp_path_factory, empty_store):
    """A project in which everything has run once, tracked. Read only."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("tracked")
        shutil.copy(empty_store, root / "mlflow.db")
        patch.setattr(store, "ROOT", root)
        patch.setattr(sys, "argv", ["kedro", "run", "--params=seed=0"])
        stub = Stub(root, log_loss={"naive_cnn": 0.7, "transfer_bottleneck": 0.3}, registered_model="pets")
        stub.run()
        return stub


def test_each_approach_has_one_run_under_one_parent(tracked):
    found = runs(tracked.root)
    assert len(found) == 3
    (parent,) = parent_of(found)
    assert parent.info.run_name.startswith("kedro run ")
    for approach in tracked.approaches:
        (run,) = of(found, approach)
        assert run.info.run_name.startswith(approach)
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {run.info.status for run in found} == {"FINISHED"}
    assert all(run.data.tags["kedro_command"] == "kedro run --params=seed=0" for run in found)
    assert not list((tracked.root / FOLDER).iterdir())


def test_parameters_are_those_of_the_approach_and_columns_line_up(tracked):
    naive, bottleneck = (of(runs(tracked.root), approach)[0].data.params for approach in tracked.approaches)
    assert naive["learning_rate"] == "0.001"
    assert bottleneck["learning_rate"] == "0.0001"
    assert naive["seed"] == "0"
    assert "pooling" not in naive
    assert not [name for name in naive if name.startswith("backbone")]
    assert bottleneck["backbone.name"] == "source_cnn"
    # MLflow keeps its own copy of a model's settings as parameters unless one takes care.
    assert not [name for name in naive if "max_pixels" in name and name != "ingestion.max_pixels"]


def test_every_metric_has_the_right_steps_and_the_same_name_everywhere(tracked):
    client = client_of(tracked.root)
    found = [of(runs(tracked.root), approach)[0] for approach in tracked.approaches]
    names = [{name for name in run.data.metrics if not name.startswith("system/")} for run in found]
    assert names[0] == names[1]
    for run in found:
        for name in names[0]:
            per_epoch = name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
            assert steps(client, run, name) == (list(range(1, EPOCHS + 1)) if per_epoch else [0]), name
        metrics = json.loads((tracked.root / "data" / run.data.tags["approach"] / "metrics.json").read_text())
        for split in ("train", "validation", "test"):
            assert run.data.metrics[f"{split}_accuracy"] == metrics[split]["accuracy"]
            assert run.data.metrics[f"{split}_log_loss"] == metrics[split]["log_loss"]
        assert run.data.metrics["parameters"] == 10
        assert run.data.metrics["trainable_parameters"] == 5
        assert run.data.metrics["train_seconds"] == 1.5
        assert "test_roc_auc" not in run.data.metrics


def test_figures_tables_and_the_comparison_are_artifacts(tracked):
    client = client_of(tracked.root)
    found = runs(tracked.root)
    for approach in tracked.approaches:
        expected = [f"figures/{name}.png" for name in FIGURES]
        expected += [f"results/{name}" for name in ("history.csv", "metrics.json", "predictions.csv")]
        expected += ["provenance.json"]
        (run,) = of(found, approach)
        assert artifacts(client, run) == sorted(expected)
        assert run.data.tags["evaluated_by"] == "test"
    (parent,) = parent_of(found)
    assert artifacts(client, parent) == ["comparison.html", "comparison.json", "provenance.json"]
    assert parent.data.metrics["best_test_log_loss"] == 0.3
    assert parent.data.tags["best_approach"] == "transfer_bottleneck"
    assert (tracked.root / "mlartifacts").is_dir()
    experiment = client.get_experiment(parent.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_images_are_an_input_under_dvcs_hash(tracked):
    for approach in tracked.approaches:
        (run,) = of(runs(tracked.root), approach)
        (entry,) = run.inputs.dataset_inputs
        assert entry.dataset.digest == md5(tracked.root / "data/images.npy")
        assert json.loads(entry.dataset.source)["uri"] == "data/images.npy"
        assert json.loads(entry.dataset.profile) == {"images": 12, "train": 4, "validation": 4, "test": 4}
        assert [tag.value for tag in entry.tags] == ["training"]


def test_the_model_is_code_and_a_keras_file_with_signature_example_and_pins(tracked):
    import mlflow
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    (run,) = of(runs(tracked.root), "naive_cnn")
    assert run.data.tags["model_md5"] == md5(tracked.root / "data/naive_cnn/naive_cnn.keras")
    (output,) = run.outputs.model_outputs
    mlflow.set_tracking_uri(f"sqlite:///{tracked.root}/mlflow.db")
    folder = Path(download_artifacts(f"models:/{output.model_id}"))
    assert Model.load(str(folder)).metadata == {"approach": "naive_cnn", "experiment": "stub"}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith((".pkl", ".pickle"))]
    beside = {f"artifacts/model.{suffix}" for suffix in ("keras", "json", "npz")}
    assert {"served_model.py", "code/dogs_vs_cats/images/decoding/__init__.py", "input_example.json", *beside} <= files
    assert (folder / "artifacts/model.keras").read_bytes() == b"a model of naive_cnn"
    model = Model.load(folder)
    assert model.signature.inputs is not None
    assert "probabilities" in str(model.signature.outputs)
    assert model.flavors["python_function"]["loader_module"] == "mlflow.pyfunc.loaders.code_model"
    requirements = (folder / "requirements.txt").read_text().split()
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in requirements), requirements
    packages = {line.partition("==")[0].removesuffix("-cpu") for line in requirements}
    assert packages >= {"mlflow", "keras", "tensorflow", "simplejpeg"}


def test_models_are_found_by_their_metrics_and_parameters(tracked):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tracked.root}/mlflow.db")
    (experiment,) = {run.info.experiment_id for run in runs(tracked.root)}

    def search(condition):
        return mlflow.search_logged_models([experiment], condition, output_format="list")

    (found,) = search("metrics.validation_log_loss < 0.5")
    assert found.name == "transfer_bottleneck"
    assert {metric.key: metric.value for metric in found.metrics}["test_accuracy"] == 0.75
    (found,) = search("params.learning_rate = '0.001'")
    assert found.name == "naive_cnn"
    assert len(search("metrics.test_accuracy >= 0.75 AND metrics.parameters = 10")) == 2


# MLflow warns of the serving script's type hints, which allow both kinds of input.
@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")
def test_the_model_loads_as_keras_and_as_a_function_of_files_and_goes_into_a_container(root, tmp_path):
    import mlflow
    from mlflow.models.cli import commands

    from tests.pipelines.test_inference import save, small_model

    model = small_model()
    content = save(model, tmp_path / "small.keras", ["cat", "dog"]).read_bytes()
    Stub(root, ["naive_cnn"], models={"naive_cnn": content}).run(compare=False)
    (run,) = of(runs(root), "naive_cnn")
    address = f"models:/{run.outputs.model_outputs[0].model_id}"
    mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
    pixels = np.load(root / "data/images.npy")[:1]
    expected = model.predict(pixels, verbose=0)

    np.testing.assert_array_equal(mlflow.keras.load_model(address).predict(pixels, verbose=0), expected)
    (answer,) = mlflow.pyfunc.load_model(address).predict([example_image(root / "data/images.npy")])
    assert answer.probabilities["dog"] == pytest.approx(float(expected[0, 0]), abs=1e-6)

    arguments = ["generate-dockerfile", "--model-uri", address, "--output-directory", str(tmp_path / "container")]
    done = CliRunner().invoke(commands, arguments)
    assert done.exit_code == 0, done.output
    assert "COPY model_dir /opt/ml/model" in (tmp_path / "container/Dockerfile").read_text()
    assert (tmp_path / "container/model_dir/artifacts/model.keras").read_bytes() == content


def test_the_report_links_to_the_runs(tracked):
    found = runs(tracked.root)
    links = json.loads((tracked.root / "data/comparison.html").read_text())
    assert set(links) == set(tracked.approaches)
    for approach, link in links.items():
        (run,) = of(found, approach)
        page = f"http://127.0.0.1:5000/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        assert link == f"{page}?workflowType=machine_learning"


def test_the_best_approach_is_the_first_champion(tracked):
    client = client_of(tracked.root)
    version = client.get_model_version_by_alias("pets-stub", "champion")
    assert version.tags["approach"] == "transfer_bottleneck"
    (run,) = of(runs(tracked.root), "transfer_bottleneck")
    assert version.run_id == run.info.run_id
    assert "is the first champion" in run.data.tags["champion"]


def test_an_evaluation_of_its_own_lands_in_the_run_of_the_training(root):
    stub = Stub(root, approaches=["naive_cnn"])
    stub.run(evaluate=[], compare=False)
    (before,) = of(runs(root), "naive_cnn")
    assert "test_accuracy" not in before.data.metrics
    for _ in range(2):  # the second time nothing may be there twice
        stub.run(train=[], compare=False)
    client = client_of(root)
    assert len(runs(root)) == 2
    (after,) = of(runs(root), "naive_cnn")
    assert after.info.run_id == before.info.run_id
    assert after.info.status == "FINISHED"
    assert after.info.end_time == before.info.end_time
    assert steps(client, after, "test_accuracy") == [0]
    assert steps(client, after, "loss") == [1, 2, 3]


def test_a_model_that_was_trained_untracked_gets_a_run_with_what_it_was_trained_with(root):
    Stub(root, ["naive_cnn"], changed={"tracking.enabled": False, "naive_cnn.learning_rate": 0.5}).run()
    assert runs(root) == []
    Stub(root, ["naive_cnn"], changed={"naive_cnn.learning_rate": 0.25, "naive_cnn.epochs": 7}).run(train=[])
    (run,) = of(runs(root), "naive_cnn")
    assert run.data.params["learning_rate"] == "0.5"
    assert run.data.params["epochs"] != "7"
    assert run.data.metrics["test_accuracy"] == 0.75


def test_an_explanation_lands_in_the_run_of_its_model(root):
    stub = Stub(root)
    stub.run(compare=False)
    before = runs(root)
    stub.run(train=[], evaluate=[], compare=False, explain=["naive_cnn"])
    client = client_of(root)
    assert [run.info.run_id for run in runs(root)] == [run.info.run_id for run in before]
    naive, bottleneck = (of(before, approach)[0] for approach in stub.approaches)
    assert artifacts(client, naive, "explanation") == sorted(f"explanation/{name}" for name in EXPLANATION.values())
    assert artifacts(client, bottleneck, "explanation") == []
    assert client.get_run(naive.info.run_id).info.status == "FINISHED"


def test_an_export_lands_in_the_run_of_its_model_or_in_one_of_its_own(root):
    stub = Stub(root)
    stub.run(compare=False)
    before = runs(root)
    kept = {"file": "naive_cnn.onnx", "accuracy": 0.75, "milliseconds": 1.5, "changed_answers": 0, "refused": None}
    not_run = {"file": "naive_cnn.int8.tflite", "megabytes": 2.0, "refused": "its runtime failed"}
    table = pd.DataFrame([kept, not_run]).assign(model_md5=md5(root / "data" / "naive_cnn" / "naive_cnn.keras"))
    stub.run(train=[], evaluate=[], compare=False, export=table)

    client = client_of(root)
    assert [run.info.run_id for run in runs(root)] == [run.info.run_id for run in before]
    naive, bottleneck = (client.get_run(of(before, approach)[0].info.run_id) for approach in stub.approaches)
    assert artifacts(client, naive, "export") == ["export/export.csv"]
    assert {name: value for name, value in naive.data.metrics.items() if name.startswith("export/")} == {
        "export/naive_cnn.onnx/accuracy": 0.75,
        "export/naive_cnn.onnx/milliseconds": 1.5,
        "export/naive_cnn.onnx/changed_answers": 0,
        "export/naive_cnn.int8.tflite/megabytes": 2,
    }
    assert naive.info.status == "FINISHED"
    assert artifacts(client, bottleneck, "export") == []

    stub.run(train=[], evaluate=[], compare=False, export=table.assign(model_md5="of a file from elsewhere"))
    (own,) = (run for run in runs(root) if run.info.run_id not in {other.info.run_id for other in before})
    assert artifacts(client, own, "export") == ["export/export.csv"]


def test_a_model_comes_back_from_every_address_with_what_belongs_to_it(root):
    stub = Stub(root, registered_model="pets", log_loss={"naive_cnn": 0.1})
    stub.run()
    (run,) = of(runs(root), "naive_cnn")
    (other,) = of(runs(root), "transfer_bottleneck")
    addresses = [
        "models:/pets-stub@champion",
        "models:/pets-stub/1",
        f"models:/{run.outputs.model_outputs[0].model_id}",
    ]
    catalog = DataCatalog({"fetched_models": LoggedModelsDataset(filepath=str(root / "fetched"))})
    assert find_model("champion", catalog, [], "pets-stub")[0] == "models:/pets-stub@champion"
    for address in (*addresses, f"runs:/{run.info.run_id}/naive_cnn"):
        name, fetched = find_model(address, catalog, [], None)
        assert name == address
        assert fetched.read_bytes() == b"a model of naive_cnn"
        beside = json.loads(fetched.with_suffix(".json").read_text())
        assert (beside["classes"], beside["experiment"], beside["fit"]) == (["cat", "dog"], "stub", "stretch")
        assert fetched.with_suffix(".npz").read_bytes() == b"the photos of naive_cnn"
    fetched = fetch_model(f"runs:/{other.info.run_id}/transfer_bottleneck", root / "fetched")
    assert fetched.read_bytes() == b"a model of transfer_bottleneck"
    assert len(list((root / "fetched").iterdir())) == 5
    for missing in (
        "models:/pets-stub/7",
        "models:/pets-stub@best",
        "models:/birds@champion",
        f"runs:/{run.info.run_id}/mlp",
    ):
        with pytest.raises(
            ProjectError, match=rf"The model {missing} can't be fetched from MLflow: .*models:/pets-stub@champion"
        ):
            fetch_model(missing, root / "fetched")
    assert len(list((root / "fetched").iterdir())) == 5


def test_what_lay_beside_an_earlier_champion_does_not_stay_beside_the_next(root):
    first = Stub(root, ["naive_cnn"], registered_model="pets")
    first.run()
    assert fetch_model("models:/pets-stub@champion", root / "fetched").with_suffix(".npz").is_file()
    better = Stub(root, ["naive_cnn"], models={"naive_cnn": b"better"}, registered_model="pets")
    better.log_loss = {"naive_cnn": 0.1}
    better.run(evaluate=[], compare=False)
    model_id = of(runs(root), "naive_cnn")[-1].outputs.model_outputs[0].model_id
    client = client_of(root)
    version = client.create_model_version("pets-stub", f"models:/{model_id}", model_id=model_id)
    client.set_registered_model_alias("pets-stub", "champion", version.version)
    fetched = fetch_model("models:/pets-stub@champion", root / "fetched")
    assert fetched.read_bytes() == b"better"
    assert not fetched.with_suffix(".npz").exists()


def test_an_approach_that_was_not_trained_again_keeps_its_run(root):
    Stub(root).run()
    earlier = runs(root)
    changed = Stub(root, models={"naive_cnn": b"another"}, changed={"naive_cnn.learning_rate": 0.5})
    changed.run(train=["naive_cnn"], evaluate=["naive_cnn"])
    found = runs(root)
    assert len(found) == 5
    old, new = of(found, "naive_cnn")
    assert (old.data.params["learning_rate"], new.data.params["learning_rate"]) == ("0.001", "0.5")
    links = json.loads((root / "data/comparison.html").read_text())
    assert f"/runs/{new.info.run_id}?" in links["naive_cnn"]
    assert f"/runs/{of(earlier, 'transfer_bottleneck')[0].info.run_id}?" in links["transfer_bottleneck"]
    assert new.data.tags["mlflow.parentRunId"] == parent_of(found)[1].info.run_id
    # A comparison alone goes to the one parent of its runs, where they have one.
    Stub(root).run()
    Stub(root).run(train=[], evaluate=[])
    assert len(runs(root)) == 8


def test_what_one_dvc_experiment_runs_hangs_under_one_parent(root, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "muggy-tabs")
    stub = Stub(root)
    for approach in stub.approaches:
        stub.run(train=[approach], evaluate=[approach], compare=False)
    stub.run(train=[], evaluate=[])
    found = runs(root)
    assert len(found) == 3
    (parent,) = parent_of(found)
    assert parent.info.run_name == "dvc exp muggy-tabs"
    assert {of(found, a)[0].data.tags["mlflow.parentRunId"] for a in stub.approaches} == {parent.info.run_id}
    assert {of(found, a)[0].info.run_name for a in stub.approaches} == {f"{a} muggy-tabs" for a in stub.approaches}
    assert {run.info.status for run in found} == {"FINISHED"}
    assert "comparison.html" in artifacts(client_of(root), parent)


def test_epochs_are_visible_while_training_goes_on(project):
    def seen(approach):
        metrics = [run.data.metrics for run in of(runs(project), approach) if run.info.status == "RUNNING"]
        return metrics and {"loss", "system/cpu_utilization_percentage"} <= set(metrics[0])

    def look(approach, epoch):
        deadline = time.monotonic() + 120
        while epoch == 2 and not seen(approach):
            assert time.monotonic() < deadline
            time.sleep(0.3)

    Stub(project, approaches=["naive_cnn"], on_epoch=look).run(compare=False)
    (run,) = of(runs(project), "naive_cnn")
    samples = steps(client_of(project), run, "system/cpu_utilization_percentage")
    assert samples == list(range(len(samples)))
    assert "system/system_memory_usage_megabytes" in run.data.metrics


def test_epochs_of_a_trial_and_of_a_training_at_the_same_time_have_runs_of_their_own(root):
    def try_values(approach, epoch):
        events = {
            1: TrialBegin(approach, 1, stub.parameters()[approach], {"epochs": 9}),
            2: EpochEnd(approach, 0, 7, {"loss": 0.7}, trial=1),
            3: TrialEnd(approach, 1, "finished", 0.5),
        }
        publish(events[epoch])

    stub = Stub(root, approaches=["naive_cnn"], on_epoch=try_values)
    stub.run(compare=False)
    found = {run.data.tags.get("trial"): steps(client_of(root), run, "loss") for run in of(runs(root), "naive_cnn")}
    assert found == {"1": [7], None: [1, 2, 3]}


def test_of_several_seeds_the_run_has_the_curves_of_the_first_and_the_spread_of_all(root):
    Stub(root, ["naive_cnn"], seeds=[5, 7], changed={"naive_cnn.seeds": [5, 7]}).run(compare=False)
    (run,) = of(runs(root), "naive_cnn")
    history = client_of(root).get_metric_history(run.info.run_id, "val_loss")
    assert [(entry.step, entry.value) for entry in history] == [(1, 6.5), (2, 5.75), (3, 5.5)]
    assert run.data.params["seeds"] == "[5, 7]"
    spread = [run.data.metrics[f"test_accuracy_{name}"] for name in ("mean", "std", "mean_low", "mean_high")]
    assert spread == [0.7, 0.1, 0.6, 0.8]


def test_a_failed_training_is_a_failed_run(root):
    def fail(approach, epoch):
        if approach == "transfer_bottleneck" and epoch == 2:
            raise ValueError("the loss is not a number")

    with pytest.raises(ValueError, match="not a number"):
        Stub(root, on_epoch=fail).run()
    found = runs(root)
    (failed,) = of(found, "transfer_bottleneck")
    assert failed.info.status == "FAILED"
    assert steps(client_of(root), failed, "loss") == [1, 2]
    assert parent_of(found)[0].info.status == "FAILED"


def test_a_killed_run_keeps_its_epochs_and_is_marked_so(project):
    source = str(Path(store.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, str(PROJECT)])}
    process = subprocess.Popen([sys.executable, "-m", "tests.tracking.tracking_stub", str(project)], env=environment)
    deadline = time.monotonic() + 120
    while not (project / "second_epoch").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while any((project / FOLDER).iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    found = runs(project)
    (run,) = of(found, "naive_cnn")
    assert run.info.status == "KILLED"
    assert parent_of(found)[0].info.status == "KILLED"
    assert steps(client_of(project), run, "loss") == [1, 2]


def test_a_locked_store_costs_nothing_and_is_filled_later(root, caplog):
    caplog.set_level(logging.INFO)
    stub = Stub(root, registered_model="pets")
    with locked(root):
        stub.run()
    assert json.loads((root / "data/comparison.html").read_text()) == {}
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 2
    assert "can't take this run: database is locked. " in warnings[0]
    assert "locked" in warnings[1]
    assert warnings[1].endswith("Send them later: kedro tracking upload, with --to=URI to another store")
    assert runs(root) == []
    # Even if the files have changed since.
    Stub(root, models={"naive_cnn": b"later"}).catalog.save("naive_cnn.model", b"later")
    done = upload()
    assert done.exit_code == 0, done.output
    assert "Uploaded: 1." in done.output
    found = runs(root)
    assert len(found) == 3
    (run,) = of(found, "naive_cnn")
    assert steps(client_of(root), run, "loss") == [1, 2, 3]
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time < 120_000
    assert "system/cpu_utilization_percentage" in run.data.metrics
    assert client_of(root).get_model_version_by_alias("pets-stub", "champion").tags["approach"] == "naive_cnn"
    assert upload().output == "Nothing is waiting to be uploaded.\n"


def test_an_address_where_nothing_answers_changes_no_result(project, monkeypatch, caplog):
    Stub(project / "other").run()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:geheim@127.0.0.1:9")
    stub = Stub(project)
    stub.run()
    for name in ("naive_cnn/naive_cnn.keras", "naive_cnn/metrics.json", "comparison.json"):
        assert (project / "data" / name).read_bytes() == (project / "other/data" / name).read_bytes()
    before, warning = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert before.startswith("The MLflow store http://127.0.0.1:9 can't take this run: ")
    assert "http://127.0.0.1:9 could not take this run" in warning
    kept = b"".join(path.read_bytes() for path in (project / FOLDER).rglob("*") if path.is_file())
    assert b"geheim" not in kept
    assert "geheim" not in before + warning
    failed = upload()
    assert failed.exit_code == 1
    assert "1 of 1 runs could not be uploaded and still wait" in failed.output
    assert "geheim" not in failed.output
    before = len(runs(project))
    done = upload("--to", f"sqlite:///{project}/mlflow.db")
    assert done.exit_code == 0, done.output
    assert len(runs(project)) == before + 3


def test_an_outbox_that_is_sent_again_duplicates_nothing(root):
    stub = Stub(root, registered_model="pets", log_loss={"naive_cnn": 0.1})
    with locked(root):
        stub.run()

    def stored():
        client, found = client_of(root), runs(root)
        return [
            (
                run.to_dictionary()["info"],
                {
                    name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
                    for name in metrics
                },
                run.data.params,
                artifacts(client, run),
                [entry.dataset.digest for entry in run.inputs.dataset_inputs],
                [output.model_id for output in run.outputs.model_outputs],
            )
            for run in found
            if (metrics := run.data.metrics)
        ], versions(root)

    shutil.copytree(root / FOLDER, root / "copy")  # as a worker leaves it that dies before it has deleted it
    assert "Uploaded: 1." in upload().output
    first = stored()
    shutil.copytree(root / "copy", root / FOLDER, dirs_exist_ok=True)
    assert "Uploaded: 1." in upload().output
    assert stored() == first
    assert len(first[0]) == 3


def test_the_next_run_sends_what_the_last_one_could_not(root, monkeypatch):
    stub = Stub(root, approaches=["naive_cnn"])
    with locked(root):
        stub.run(evaluate=[], compare=False)
    stub.run(train=[], compare=False)
    (run,) = of(runs(root), "naive_cnn")
    assert steps(client_of(root), run, "loss") == [1, 2, 3]
    assert run.data.metrics["test_accuracy"] == 0.75
    assert not list((root / FOLDER).iterdir())


def test_a_store_that_has_lost_its_runs_gets_everything_again(root):
    def empty(approach, epoch):
        deadline = time.monotonic() + 60
        while epoch == 2 and not any("loss" in run.data.metrics for run in of(runs(root), approach)):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        if epoch == 2:
            with closing(sqlite3.connect(root / "mlflow.db", timeout=20)) as database, database:
                names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for (name,) in names:
                    if name not in ("alembic_version", "workspaces"):
                        database.execute(f'DELETE FROM "{name}"')

    Stub(root, approaches=["naive_cnn"], on_epoch=empty).run(compare=False)
    found = runs(root)
    assert len(found) == 2
    (run,) = of(found, "naive_cnn")
    assert steps(client_of(root), run, "loss") == [1, 2, 3]
    assert run.data.tags["mlflow.parentRunId"] == parent_of(found)[0].info.run_id
    assert not list((root / FOLDER).iterdir())


def test_no_other_process_connects_while_the_tables_are_created(project, monkeypatch):
    from mlflow import MlflowClient

    search, other = MlflowClient.search_experiments, FileLock(project / "mlflow.db.lock", timeout=0)

    def search_alone(*arguments, **options):
        with pytest.raises(Timeout):
            other.acquire()
        return search(*arguments, **options)

    monkeypatch.setattr(MlflowClient, "search_experiments", search_alone)
    store.connect(store.uri())
    with other:
        assert other.is_locked


def test_a_model_that_arrives_at_the_third_attempt_is_there_once(root, monkeypatch):
    from mlflow import MlflowClient

    upload_files, failures = MlflowClient.log_model_artifacts, iter([OSError, OSError])

    def fail_twice(*arguments):
        for failure in failures:
            raise failure("the bucket doesn't answer")
        upload_files(*arguments)

    monkeypatch.setattr(MlflowClient, "log_model_artifacts", fail_twice)
    monkeypatch.setattr(worker, "LAST_ATTEMPTS", 4)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.1)
    Stub(root, ["naive_cnn"]).run(compare=False)
    (run,) = of(runs(root), "naive_cnn")
    (model,) = client_of(root).search_logged_models([run.info.experiment_id])
    assert (model.status, model.model_id) == ("READY", run.outputs.model_outputs[0].model_id)
    assert not list((root / FOLDER).iterdir())


def champion(root):
    return client_of(root).get_model_version_by_alias("pets-stub", "champion")


def verdict(root):
    return parent_of(runs(root))[-1].data.tags["champion"]


def versions(root, name="pets-stub"):
    found = client_of(root).search_model_versions(f"name='{name}'")
    return {int(version.version): version.tags for version in found}


def run_of(root, content, validation, test=0.5, **changes):
    Stub(
        root,
        ["naive_cnn"],
        models={"naive_cnn": content},
        log_loss={"naive_cnn": validation},
        test_log_loss={"naive_cnn": test},
        registered_model="pets",
        **changes,
    ).run()


def test_the_champion_gives_way_only_to_a_model_that_is_better_on_the_same_validation_photos(root):
    run_of(root, b"first", 0.5)
    assert int(champion(root).version) == 1
    assert verdict(root) == (
        "naive_cnn (experiment stub, validation log loss 0.5000, test accuracy 0.750) is the first champion of "
        "pets-stub, as version 1"
    )
    run_of(root, b"worse, though not on the test photos", 0.6, test=0.1)
    assert int(champion(root).version) == 1
    assert "pets-stub keeps its champion, version 1, naive_cnn (experiment stub, validation log loss 0.5000" in verdict(
        root
    )
    run_of(root, b"better, though not on the test photos", 0.4, test=0.9)
    assert champion(root).tags["validation_log_loss"] == "0.4"
    assert champion(root).tags["experiment"] == "stub"
    assert "is the new champion of pets-stub, as version 2: better on the same validation images than" in verdict(root)
    run_of(root, b"better, though not on the test photos", 0.4, test=0.9)
    assert verdict(root).endswith("is the champion of pets-stub already, as version 2")
    assert set(versions(root)) == {1, 2}


def test_the_metric_of_the_comparison_decides_about_the_champion(root):
    by_accuracy = {"changed": {"comparison.metric": "accuracy"}}
    run_of(root, b"first", 0.5, **by_accuracy)
    run_of(root, b"as accurate, and surer", 0.4, **by_accuracy)
    assert "(experiment stub, validation accuracy 0.7500, test accuracy 0.750) is the new champion" in verdict(root)
    run_of(root, b"without that metric", 0.1, changed={"comparison.metric": "balanced_accuracy"})
    assert "the validation balanced accuracy of one of the two is unknown. The new model" in verdict(root)
    assert int(champion(root).version) == 2


def test_other_data_classes_or_sizes_dethrone_no_champion_until_someone_says_so(root, monkeypatch):
    run_of(root, b"the real one", 0.3)
    stub = Stub(root, ["naive_cnn"])
    stub.write_images(seed=1)
    run_of(root, b"of other photos", 0.1, env="mine")
    assert int(champion(root).version) == 1
    assert verdict(root) == (
        "pets-stub keeps its champion, version 1, naive_cnn (experiment stub, validation log loss 0.3000, test "
        "accuracy 0.750): the two were not validated on the same images, classes and image size. The new model, "
        "naive_cnn (experiment stub, validation log loss 0.1000, test accuracy 0.750), is version 2; to make it the "
        "champion: kedro tracking promote --env=mine 2"
    )
    stub.write_images(seed=0)
    run_of(root, b"of other sizes", 0.1, changed={"ingestion.image_size": 64}, params={"experiment": "stub"})
    assert verdict(root).endswith("to make it the champion: kedro tracking promote --params=experiment=stub 3")
    stub.classes = ["hen", "owl"]
    stub.write_images(seed=0)
    run_of(root, b"of birds", 0.1, classes=["hen", "owl"])
    assert verdict(root).endswith("to make it the champion: kedro tracking promote 4")
    assert {number: tags["validation_log_loss"] for number, tags in versions(root).items()} == {
        1: "0.3", 2: "0.1", 3: "0.1", 4: "0.1",
    }  # fmt: skip
    assert int(champion(root).version) == 1


def test_another_experiment_has_a_champion_of_its_own(root):
    run_of(root, b"the real one", 0.3)
    Stub(root / "demo", ["naive_cnn"], log_loss={"naive_cnn": 0.01}, registered_model="pets", experiment="demo").run()
    assert (
        champion(root).tags["model_md5"]
        != client_of(root).get_model_version_by_alias("pets-demo", "champion").tags["model_md5"]
    )
    assert client_of(root).get_model_version_by_alias("pets-demo", "champion").tags["experiment"] == "demo"
    assert int(champion(root).version) == 1


def test_a_model_that_was_trained_on_the_validation_images_is_a_version_only(root):
    run_of(root, b"first", 0.5)
    run_of(root, b"trained on all", None)
    assert int(champion(root).version) == 1
    assert "not validated on the same images, classes and image size" in verdict(root)
    assert verdict(root).endswith("kedro tracking promote 2")


def test_a_champion_from_before_is_named_with_the_command_that_restores_it(root):
    run_of(root, b"first", 0.5)
    (run,) = of(runs(root), "naive_cnn")
    client, model_id = client_of(root), run.outputs.model_outputs[0].model_id
    client.delete_registered_model("pets-stub")
    client.create_registered_model("pets")
    # As it was written before each experiment had a registered model.
    tags = {"approach": "naive_cnn", "test_log_loss": "0.5", "test_split": "0a"}
    client.create_model_version("pets", f"models:/{model_id}", run_id=run.info.run_id, model_id=model_id, tags=tags)
    client.set_registered_model_alias("pets", "champion", "1")
    with pytest.raises(ProjectError, match=r"There are models:/pets@champion; .* kedro tracking promote ADDRESS$"):
        fetch_model("models:/pets-stub@champion", root / "fetched")
    run_of(root, b"second", 0.6)
    assert champion(root).tags["validation_log_loss"] == "0.6"
    with pytest.raises(ProjectError, match=r"There are .*models:/pets@champion"):
        fetch_model("models:/pets-stub@best", root / "fetched")


@pytest.fixture
def promoting(root, monkeypatch):
    """`kedro tracking promote` for environment test, whose experiment has a registered model."""
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(PROJECT)

    def promote(*arguments):
        return CliRunner().invoke(tracking_commands, ["promote", *arguments])

    return promote


def test_a_person_promotes_a_version_an_address_or_a_run(root, promoting):
    for content, loss in ((b"first", 0.3), (b"second", 0.4)):
        Stub(root, ["naive_cnn"], models={"naive_cnn": content}, log_loss={"naive_cnn": loss}).run()
    first, second = of(runs(root), "naive_cnn")
    client = client_of(root)
    name = "dogs-vs-cats-sample"
    for address in (
        f"runs:/{first.info.run_id}/naive_cnn",
        f"runs:/{second.info.run_id}/naive_cnn",
        "1",
        f"models:/{name}/2",
        f"models:/{name}@champion",
    ):
        done = promoting(address)
        assert done.exit_code == 0, done.output
        assert f"is the champion of {name}, as version " in done.output
        wanted = {"1": "0.3", f"runs:/{first.info.run_id}/naive_cnn": "0.3"}.get(address, "0.4")
        version = client.get_model_version_by_alias(name, "champion")
        assert version.tags["validation_log_loss"] == wanted, address
    assert set(versions(root, name)) == {1, 2}
    listed = CliRunner().invoke(tracking_commands, ["pages"]).output
    address = f"http://127.0.0.1:5000/#/experiments/{first.info.experiment_id}/runs?workflowType=machine_learning&"
    assert listed.startswith(f"dogs-vs-cats-stub: {address}")
    missing = promoting("7")
    assert missing.exit_code == 1
    assert missing.output.startswith(f"Error: 7 can't become the champion of {name}: ")
    assert missing.output.strip().endswith(f"Versions of {name}: 1, 2")
    client.delete_tag(first.info.run_id, "model_md5")
    foreign = promoting(f"runs:/{first.info.run_id}/naive_cnn")
    assert foreign.output.strip().endswith(f"{name}: no run of this project has trained it. Versions of {name}: 1, 2")
    unknown = promoting("naive")
    assert unknown.output.startswith("Error: There is no model 'naive'. Allowed are ")
    assert "registers no models" in promoting("--env=test", "1").output
    elsewhere = promoting("--params=experiment=pets", f"models:/{name}@champion")
    assert "is the champion of dogs-vs-cats-pets, as version 1" in elsewhere.output
