"""Tracking to a real MLflow server, its page in a browser, and a model behind `mlflow models serve`."""

import base64
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dogs_vs_cats.tracking import store
from dogs_vs_cats.tracking.commands import tracking_commands
from dogs_vs_cats.tracking.datasets import fetch_model
from dogs_vs_cats.tracking.outbox import FOLDER
from dogs_vs_cats.tracking.store import prepare_mlflow
from tests.tracking.tracking_stub import Stub

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quiet_environment():
    return {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class Server:
    """A process of `mlflow` that answers on loopback."""

    def __init__(self, folder, *arguments, port=None, health="/health", **environment):
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "mlflow", *arguments, "--host", "127.0.0.1", "--port", str(self.port)]
        self._folder = folder
        self._health = health
        self._environment = {**quiet_environment(), **environment}
        self.start()

    def start(self):
        self._log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        deadline = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(self.address + self._health, timeout=5).close()
                return
            except (OSError, urllib.error.URLError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.stop()
                    pytest.fail((self._folder / "server.log").read_text()[-3000:])
                time.sleep(0.3)

    def stop(self):
        """Kills the server with its workers."""
        import psutil

        try:
            family = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait()
        self._log.close()


def mlflow_server(folder, port=None):
    return Server(
        folder,
        "server",
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
        "--workers",
        "1",
        port=port,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = mlflow_server(tmp_path_factory.mktemp("server"))
    yield started
    started.stop()


def client_of(address):
    prepare_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=address, registry_uri=address)


def runs(address, experiment):
    client = client_of(address)
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id]) if found else []


def of(found, approach):
    return [run for run in found if run.data.tags.get("approach") == approach]


@pytest.fixture(scope="module")
def served_run(server, tmp_path_factory):
    """A run that went to the server. Read only."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("project")
        patch.setattr(store, "ROOT", root)
        patch.setenv("MLFLOW_TRACKING_URI", server.address)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "team")
        stub = Stub(
            root,
            approaches=["naive_cnn", "transfer_end_to_end", "transfer_bottleneck"],
            registered_model="pets",
        )
        stub.run()
        return stub


def test_a_teams_server_gets_everything_and_keeps_the_files_itself(served_run, server):
    found = runs(server.address, "team")
    assert len(found) == 4
    assert {run.info.status for run in found} == {"FINISHED"}
    (run,) = of(found, "naive_cnn")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    client = client_of(server.address)
    assert "results/metrics.json" in [entry.path for entry in client.list_artifacts(run.info.run_id, "results")]
    assert [m.step for m in client.get_metric_history(run.info.run_id, "val_loss")] == [1, 2, 3]
    assert client.get_model_version_by_alias("pets-stub", "champion").version
    links = json.loads((served_run.root / "data/comparison.html").read_text())
    page = f"{server.address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert links["naive_cnn"] == f"{page}?workflowType=machine_learning"
    assert not (served_run.root / "mlflow.db").exists()
    assert not (served_run.root / "mlartifacts").exists()
    assert not list((served_run.root / FOLDER).iterdir())


def test_a_server_that_dies_midway_costs_nothing(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(store, "ROOT", tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    died = []

    def kill(approach, epoch):
        deadline = time.monotonic() + 120
        while epoch == 2 and not any("loss" in run.data.metrics for run in runs(server.address, "dogs-vs-cats-stub")):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        if epoch == 2:
            server.stop()
            died.append(approach)

    try:
        Stub(tmp_path, approaches=["naive_cnn"], on_epoch=kill).run()
    finally:
        if died:
            server.start()
    (warning,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"{server.address} could not take this run" in warning
    assert (tmp_path / "data/comparison.json").is_file()
    done = CliRunner().invoke(tracking_commands, ["upload"])
    assert done.exit_code == 0, done.output
    found = runs(server.address, "dogs-vs-cats-stub")
    assert len(found) == 2
    (run,) = of(found, "naive_cnn")
    client = client_of(server.address)
    assert [m.step for m in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3]
    assert run.info.status == "FINISHED"
    assert len(run.outputs.model_outputs) == 1


def test_the_compare_page_shows_the_runs_and_their_curves(served_run, server, tmp_path):
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    driver_path, browser_path = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if not driver_path or not browser_path:
        pytest.skip("no Chromium with its driver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = browser_path
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1600,2000"):
        options.add_argument(argument)
    found = runs(server.address, "team")
    approaches = [run for run in found if "approach" in run.data.tags]
    (parent,) = [run for run in found if "run_group" in run.data.tags]
    page = re.search(r"\((.*)\)", parent.data.tags["mlflow.note.content"]).group(1)
    curves = page.replace("/#/compare-runs?", "/#/metric?") + "&metric=%22val_loss%22&x_axis=step"
    curves += "&plot_metric_keys=%5B%22val_loss%22%5D"
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    try:
        driver.get(page)
        wanted = ["Comparing 3 Runs", "learning_rate", *(run.info.run_name for run in approaches)]
        WebDriverWait(driver, 120).until(
            lambda d: all(text in d.find_element(By.TAG_NAME, "body").text.replace("\n", " ") for text in wanted)
        )
        driver.save_screenshot(str(tmp_path / "compare.png"))
        driver.get(curves)
        read = (
            "return [...document.querySelectorAll('.js-plotly-plot')]"
            ".flatMap(plot => plot.data.map(line => [line.name, Array.from(line.x || [])]))"
        )

        def shown(_):
            lines = driver.execute_script(read)
            return {
                run.info.run_name
                for run in approaches
                for name, steps in lines
                if steps and name.startswith(run.info.run_name)
            }

        WebDriverWait(driver, 120).until(lambda d: len(shown(d)) == len(approaches))
        assert all(steps == [1, 2, 3] for _, steps in driver.execute_script(read) if steps)
        driver.save_screenshot(str(tmp_path / "curves.png"))
        # Where a fresh browser would show language models.
        for address, wanted in (
            (store.run_address(server.address, parent.info.experiment_id, parent.info.run_id), ["best_test_accuracy"]),
            (
                store.experiment_address(server.address, parent.info.experiment_id),
                ["Model metrics", "learning_rate", *(run.info.run_name for run in approaches)],
            ),
        ):
            driver.get(address)
            WebDriverWait(driver, 120).until(
                lambda d, wanted=wanted: all(
                    text in d.find_element(By.TAG_NAME, "body").text.replace("\n", " ") for text in wanted
                )
            )
            assert "Token Usage" not in driver.find_element(By.TAG_NAME, "body").text
    finally:
        driver.quit()
    assert (tmp_path / "compare.png").stat().st_size > 10_000


@pytest.fixture(scope="module")
def photos(shared):
    with zipfile.ZipFile(shared / "data/kaggle-train-original-size-400.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".jpg")]
        return [archive.read(name) for name in (*names[:2], *names[-2:])]


def ask(address, inputs):
    request = urllib.request.Request(
        f"{address}/invocations",
        data=json.dumps({"inputs": inputs}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())["predictions"]


def test_the_champion_answers_photos_over_http_as_the_model_file_does(photos, tmp_path, monkeypatch):
    import keras

    from dogs_vs_cats.approaches import approach_of
    from dogs_vs_cats.images.decoding import decode

    keras.utils.set_random_seed(3)
    module = approach_of("naive_cnn", {})
    model = module.build(None, (32, 32, 3), 2)
    model.save(tmp_path / "saved.keras")
    monkeypatch.setattr(store, "ROOT", tmp_path)
    content = (tmp_path / "saved.keras").read_bytes()
    Stub(tmp_path, ["naive_cnn"], models={"naive_cnn": content}, registered_model="pets").run()

    fetched = fetch_model("models:/pets-stub@champion", tmp_path / "fetched")
    assert fetched.read_bytes() == content
    pixels = np.stack([decode(p, image_size=32, channels=3, max_pixels=50_000_000).pixels for p in photos])
    expected = keras.models.load_model(fetched, safe_mode=True).predict(pixels, verbose=0)[:, 0]

    served = Server(
        tmp_path,
        "models",
        "serve",
        "--env-manager",
        "local",
        "-m",
        "models:/pets-stub@champion",
        health="/ping",
        MLFLOW_TRACKING_URI=store.uri(),
        # Served where our package isn't installed.
        PYTHONPATH="",
        # `mlflow models serve` starts uvicorn by its name, as it finds it in an activated environment.
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    )
    try:
        files = [base64.b64encode(photo).decode() for photo in photos]
        for inputs in (files, pixels.tolist(), pixels.astype(float).tolist(), [files[0], *pixels[1:].tolist()]):
            answers = ask(served.address, inputs)
            assert [a["probabilities"]["dog"] for a in answers] == pytest.approx(expected, abs=1e-5)
            assert [a["predicted"] for a in answers] == ["dog" if p > 0.5 else "cat" for p in expected]
            assert all(abs(sum(a["probabilities"].values()) - 1) < 1e-6 for a in answers)
        for wrong, reason in (
            ([files[0], "no base64!"], "inputs[1] is neither valid base64 text nor an array of numbers"),
            ([base64.b64encode(photos[0][:2000]).decode()], "inputs[0] is not a usable image file: truncated"),
            (pixels[:, :16].tolist(), "inputs[0] has the shape [16, 32, 3]; the model takes [32, 32, 3]"),
            ([[["a"]]], "inputs[0] is neither valid base64 text nor an array of numbers"),
            ((pixels.astype(int) * 2).tolist(), "has values outside of 0..255"),
        ):
            with pytest.raises(urllib.error.HTTPError) as refusal:
                ask(served.address, wrong)
            assert refusal.value.code == 400
            message = json.loads(refusal.value.read())["message"]
            assert reason in message
            assert len(message) < 200, "the request, which MLflow would put before it, is left out"
        example = json.loads(next(Path(tmp_path / "mlartifacts").rglob("serving_input_example.json")).read_text())
        assert len(ask(served.address, example["inputs"])) == 1
    finally:
        served.stop()
