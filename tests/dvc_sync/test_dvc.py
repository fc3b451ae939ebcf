"""DVC itself, in processes of its own, on one prepared project that all tests here share."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pandas as pd
import psutil
import pytest
import yaml
from PIL import Image

from dogs_vs_cats.reporting.dvc_views import HEADLINES
from dogs_vs_cats.tracking.outbox import FOLDER
from dogs_vs_cats.tracking.store import prepare_mlflow
from tests.conftest import PROJECT, copy_project, kedro
from tests.dvc_sync.dvc_project import Project, put_under_dvc

pytestmark = pytest.mark.slow

APPROACHES = ["naive_cnn", "transfer_end_to_end", "transfer_bottleneck"]
RATE = "conf/base/parameters_transfer_bottleneck.yml:transfer_bottleneck.learning_rate"


def stages_in(output: str) -> list[str]:
    return [line.split("'")[1].rpartition("@")[2] for line in output.splitlines() if line.startswith("Running stage ")]


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory):
    """A committed project in environment `test`, in which `dvc repro` has run once. Read only: tests clone it."""
    folder = tmp_path_factory.mktemp("reproduced")
    root = copy_project(folder / "project")
    project = put_under_dvc(root, folder / "state", DOGS_VS_CATS_TRACKING="on")
    output = project.dvc("repro")
    assert stages_in(output) == ["prepare", "backbone", "features", *APPROACHES, "compare"]
    project.commit()
    return project


@pytest.fixture(scope="session")
def forced(reproduced, tmp_path_factory):
    """A clone with an empty cache, in which everything is made again on the processor that the other tests leave."""
    folder = tmp_path_factory.mktemp("forced")
    project = reproduced.clone(folder / "clone", folder / "state")
    output = folder / "output.txt"
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", "--force"],
            cwd=project.root,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    yield project, process, output
    process.kill()  # its stage ends with it
    process.wait()


@pytest.fixture
def clone(reproduced, tmp_path):
    """A clone with all results checked out from the shared cache."""
    project = reproduced.clone(tmp_path / "clone", tmp_path / "state")
    project.use_cache_of(reproduced)
    project.dvc("checkout")
    return project


def test_separate_processes_give_the_same_files_as_one_run(reproduced, finished_project):
    lock = yaml.safe_load((reproduced.root / "dvc.lock").read_text())
    outs = [out["path"].removeprefix("../../") for stage in lock["stages"].values() for out in stage["outs"]]
    assert len(outs) > 40
    for name in outs:
        assert (reproduced.root / name).read_bytes() == (finished_project / name).read_bytes(), name


def test_nothing_changed_starts_no_kedro_process(clone):
    clone.environment["PATH"] = "/usr/bin:/bin"
    assert "Data and pipelines are up to date" in clone.dvc("repro")
    assert clone.git("status", "--porcelain") == ""
    drawn = clone.dvc("dag")
    assert all(stage in drawn for stage in ("prepare", "backbone", "features", *APPROACHES, "compare"))


def test_a_change_touches_what_it_can_affect_and_no_more(clone):
    assert clone.changed() == set()
    for name, old, new, stages in (
        (
            "conf/base/parameters_naive_cnn.yml",
            "learning_rate: 0.001",
            "learning_rate: 0.002",
            {"naive_cnn", "compare"},
        ),
        ("conf/test/parameters.yml", "naive_cnn:\n  epochs: 2", "naive_cnn:\n  epochs: 1", {"naive_cnn", "compare"}),
        (
            "conf/base/parameters_transfer_bottleneck.yml",
            "learning_rate: 0.0001",
            "learning_rate: 0.1",
            {"transfer_bottleneck", "compare"},
        ),
        (
            "conf/test/parameters.yml",
            "pooling: flatten",
            "pooling: avg",
            {"features", "transfer_bottleneck", "compare"},
        ),
        # The images may have the size of the base.
        ("conf/base/parameters_backbone.yml", "epochs: 8", "epochs: 7", {"prepare", "backbone", "compare"}),
        ("conf/base/parameters_tracking.yml", "tracking:", "# a remark\ntracking:", set()),
        # A training of several seeds may draw splits of its own.
        ("src/dogs_vs_cats/images/splitting.py", '"""', '"""Changed. ', {"prepare", *APPROACHES}),
        ("src/dogs_vs_cats/approaches/naive_cnn.py", '"""', '"""Changed. ', {"naive_cnn"}),
        ("src/dogs_vs_cats/training/loop.py", '"""', '"""Changed. ', set(APPROACHES)),
        ("src/dogs_vs_cats/reporting/comparison_page.py", '"""', '"""Changed. ', {"compare"}),
        ("src/dogs_vs_cats/reporting/approach_figures.py", '"""', '"""Changed. ', {"compare"}),
        ("src/dogs_vs_cats/tracking/writer.py", '"""', '"""Changed. ', set()),
        ("requirements.lock", "numpy==", "# numpy==", {"prepare", "backbone", "features", *APPROACHES, "compare"}),
    ):
        clone.edit(name, old, new)
        assert clone.changed() == stages, name
        clone.git("checkout", "--quiet", name)


def test_bytecode_of_an_import_changes_nothing(clone):
    code = "import dogs_vs_cats.training.loop, dogs_vs_cats.reporting.style, dogs_vs_cats.approaches.naive_cnn"
    clone.environment |= {"PYTHONPATH": str(clone.root / "src")}
    clone.environment.pop("PYTHONDONTWRITEBYTECODE", None)
    clone.run(sys.executable, "-c", code)
    assert list((clone.root / "src/dogs_vs_cats/training/__pycache__").glob("loop.*.pyc"))
    assert stages_in(clone.dvc("repro")) == []


def test_a_new_environment_is_two_files(clone):
    """Kedro needs no more than a person writes; `kedro dvc sync` adds the entries that DVC looks for."""
    folder = clone.root / "conf/mine"
    folder.mkdir()
    (folder / "globals.yml").write_text("experiment: mine\n")
    (folder / "parameters.yml").write_text(
        "# A remark.\ningestion:\n  source: sample # drawn\n  train_size: 48\n  validation_size: 16\n  test_size: 16\n"
    )
    kedro(clone.root, "run", "--env=mine", "--pipelines=data_ingestion", DOGS_VS_CATS_TRACKING="off")
    assert len(pd.read_csv(clone.root / "data/02_intermediate/mine/manifest.csv")) == 80
    kedro(clone.root, "dvc", "sync")
    assert sorted(path.name for path in folder.iterdir()) == ["globals.yml", "parameters.yml"]
    assert (folder / "parameters.yml").read_text().startswith("# A remark.\ningestion:\n  source: sample # drawn\n")
    clone.edit("params.yaml", "env: test", "env: mine")
    assert clone.changed() == {"prepare", "backbone", "features", *APPROACHES, "compare"}
    clone.dvc("repro", "prepare")
    assert clone.changed() == {"backbone", "features", *APPROACHES, "compare"}
    clone.edit("conf/mine/parameters.yml", "train_size: 48", "train_size: 40")
    assert "prepare" in clone.changed()


def tracked_runs(root: Path) -> list[Any]:
    """Every run in a project's store, the oldest first."""
    prepare_mlflow()
    from mlflow import MlflowClient

    address = f"sqlite:///{root / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, order_by=["attributes.start_time ASC"])


def families(runs: list[Any]) -> dict[str, dict[str, Any]]:
    """The runs of approaches, by the name of their parent and by approach."""
    names = {run.info.run_id: run.info.run_name for run in runs}
    found: dict[str, dict[str, Any]] = {run.info.run_name: {} for run in runs if "run_group" in run.data.tags}
    for run in runs:
        if "approach" in run.data.tags:
            found[names[run.data.tags["mlflow.parentRunId"]]][run.data.tags["approach"]] = run
    return found


@pytest.mark.usefixtures("forced")
def test_experiments_run_only_what_changed_and_agree_in_dvc_and_mlflow(clone, reproduced):
    """Two in the queue and one in a temporary folder, on a project whose first `dvc repro` was tracked."""
    shutil.copy(reproduced.root / "mlflow.db", clone.root)
    clone.environment["DOGS_VS_CATS_TRACKING"] = "on"
    alone = "approach_on_features@transfer_bottleneck"
    clone.dvc("exp", "run", "--queue", "-S", f"{RATE}=0.0005", "--name", "faster")
    clone.dvc("exp", "run", "--queue", "-S", f"{RATE}=0.002", "--name", "fastest", alone)
    clone.dvc("queue", "start", "--jobs", "2")
    while "Queued" in (status := clone.dvc("queue", "status")) or "Running" in status:
        time.sleep(1)
    assert status.count("Success") == 2, status
    assert stages_in(clone.dvc("queue", "logs", "faster")) == ["transfer_bottleneck", "compare"]
    assert stages_in(clone.dvc("exp", "run", "--temp", "-S", f"{RATE}=0.005", "--name", "temporary", alone)) == [
        "transfer_bottleneck"
    ]
    assert clone.git("status", "--porcelain") == ""

    shown = pd.read_csv(io.StringIO(clone.dvc("exp", "show", "--csv")))
    (faster,) = shown[shown["Experiment"] == "faster"].to_dict("records")
    (main,) = shown[shown["rev"] == "main"].to_dict("records")
    assert faster["transfer_bottleneck.learning_rate"] == 0.0005
    assert main["transfer_bottleneck.learning_rate"] == 0.0001
    assert faster["naive_cnn.test_log_loss"] == main["naive_cnn.test_log_loss"]
    assert faster["transfer_bottleneck.test_log_loss"] != main["transfer_bottleneck.test_log_loss"]

    runs = tracked_runs(clone.root)
    found = families(runs)
    first = next(iter(found))
    assert first.startswith("dvc repro ")
    assert {name: list(family) for name, family in found.items()} == {
        first: APPROACHES,
        "dvc exp faster": ["transfer_bottleneck"],
        "dvc exp fastest": ["transfer_bottleneck"],
        "dvc exp temporary": ["transfer_bottleneck"],
    }
    experiments = {run.info.run_name: run.data.tags.get("dvc_experiment") for run in runs}
    for name, rate in (("faster", "0.0005"), ("fastest", "0.002"), ("temporary", "0.005")):
        run = found[f"dvc exp {name}"]["transfer_bottleneck"]
        assert run.info.run_name == f"transfer_bottleneck {name}"
        assert run.data.params["learning_rate"] == rate
        assert experiments[f"dvc exp {name}"] == experiments[run.info.run_name] == name
    compared = {**found[first], **found["dvc exp faster"]}
    for row, family in ((main, found[first]), (faster, compared)):
        for approach in APPROACHES:
            for metric in HEADLINES:
                assert row[f"{approach}.{metric}"] == family[approach].data.metrics[metric]
    (parent,) = [run for run in runs if run.info.run_name == "dvc exp faster"]
    link = unquote(parent.data.tags["mlflow.note.content"])
    assert json.loads(re.search(r"runs=(\[.*?\])", link)[1]) == [compared[name].info.run_id for name in APPROACHES]
    assert not list((clone.root / FOLDER).iterdir())

    clone.dvc("exp", "apply", "faster")
    summary = json.loads((clone.root / "data/08_reporting/test/comparison.json").read_text())["approaches"]
    metrics = json.loads((clone.root / "data/08_reporting/test/metrics.json").read_text())
    for approach, values in metrics.items():
        assert values == {name: summary[approach][name] for name in values}
    in_dvc = json.loads(clone.dvc("metrics", "show", "--json").splitlines()[-1])
    assert in_dvc[""]["data"]["data/08_reporting/test/metrics.json"]["data"] == metrics

    changes = json.loads(clone.dvc("metrics", "diff", "--json").splitlines()[-1])
    (changed,) = changes.values()
    assert {name.split(".")[0] for name in changed} == {"transfer_bottleneck"}
    parameters = json.loads(clone.dvc("params", "diff", "--json").splitlines()[-1])
    (changed,) = parameters.values()
    (rate,) = changed.values()
    assert (list(changed), rate["old"], rate["new"]) == (["transfer_bottleneck.learning_rate"], 0.0001, 0.0005)

    page = clone.root.parent / "plots"
    clone.dvc("plots", "diff", "HEAD", "--out", str(page))
    text = (page / "index.html").read_text()
    for title in ("Learning curves", "Confusion matrices of the test images", "ROC curves of the test images"):
        assert title in text
    assert all(f'"approach": "{approach}"' in text for approach in APPROACHES)
    assert len(list((page / "static").glob("*mistakes.png"))) >= 3


class Archives(SimpleHTTPRequestHandler):
    """Serves files as archives are served; DVC asks for what tells one version from the next."""

    def end_headers(self):
        self.send_header("ETag", '"1"')
        super().end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def photos(clone):
    """The clone with an environment `archived` of its own, on a published archive that DVC tracks with its address."""
    folder = clone.root.parent / "published"
    folder.mkdir()
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for label, name in enumerate(("cat", "dog")):
            for number in range(40):
                picture = clone.root.parent / "picture.png"
                Image.new("RGB", (40, 40), (5 * number, 255 * label, number)).save(picture)
                archive.write(picture, f"{name}/{number}.png")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Archives, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/photos.zip"
        clone.dvc("import-url", address, "data/01_raw/photos.zip")
        server.shutdown()
    shutil.copytree(clone.root / "conf/test", clone.root / "conf/archived")
    (clone.root / "conf/archived/globals.yml").write_text("experiment: archived\n")
    clone.edit("conf/archived/parameters.yml", "source: sample", "source: data/01_raw/photos.zip")
    kedro(clone.root, "dvc", "sync")
    clone.commit()
    return clone


def test_a_tracked_archive_is_followed_and_an_outside_one_refused_in_a_temporary_folder(photos, tmp_path):
    assert "data/01_raw/photos.zip.dvc" in photos.git("ls-files", "data")
    assert "http://127.0.0.1:" in (photos.root / "data/01_raw/photos.zip.dvc").read_text()
    assert stages_in(photos.dvc("exp", "run", "--temp", "-S", "env=archived", "prepare")) == ["prepare"]
    photos.edit("params.yaml", "env: test", "env: archived")
    # The experiment's results are in the cache, and come from there.
    assert "Stage 'prepare' is cached" in photos.dvc("repro", "prepare")
    manifest = pd.read_csv(photos.root / "data/02_intermediate/archived/manifest.csv")
    assert manifest["class_name"].value_counts().to_dict() == {"cat": 40, "dog": 40}
    assert "up to date" in photos.dvc("repro", "prepare")
    assert (photos.root / "data/02_intermediate/test/manifest.csv").is_file()
    photos.edit("conf/archived/parameters.yml", "train_size: 48", "train_size: 40")
    assert "prepare" in photos.changed()
    photos.git("checkout", "--quiet", "conf/archived")
    photos.commit()

    with zipfile.ZipFile(photos.root / "data/01_raw/photos.zip", "a") as archive:
        archive.writestr("cat/readme.txt", "not an image")
    assert "prepare" in photos.changed()
    photos.dvc("checkout", "--force", "data/01_raw/photos.zip.dvc")

    outside = shutil.copy(photos.root / "data/01_raw/photos.zip", tmp_path / "outside.zip")
    source = f"conf/archived/parameters.yml:ingestion.source={outside}"
    message = photos.dvc("exp", "run", "--temp", "-S", source, "prepare", check=False)
    assert f"ingestion.source is {outside}" in message
    assert "`dvc add` it there" in message
    assert "Traceback" not in message
    assert photos.git("status", "--porcelain", "--untracked-files=no") == ""


def test_the_private_environment_is_refused(clone):
    (clone.root / "conf/local").mkdir(exist_ok=True)
    for path in (clone.root / "conf/test").iterdir():
        shutil.copy(path, clone.root / "conf/local")
    clone.edit("params.yaml", "env: test", "env: local")
    assert "never conf/local" in clone.dvc("repro", "prepare", check=False)


def round_trip(project: Project, target: Path, state: Path) -> None:
    """Pushes, clones, pulls, and has nothing left to do."""
    project.dvc("push")
    fresh = project.clone(target, state)
    fresh.environment |= {name: value for name, value in project.environment.items() if name.startswith("AWS_")}
    fresh.dvc("pull")
    assert (fresh.root / "data/01_raw/photos.zip").is_file()
    for approach in APPROACHES:
        assert (fresh.root / f"data/06_models/test/{approach}.keras").is_file()
    fresh.environment["PATH"] = "/usr/bin:/bin"
    assert "Data and pipelines are up to date" in fresh.dvc("repro")


@pytest.fixture
def shared_project(clone):
    """The clone with raw data of its own beside the finished results of `test`."""
    (clone.root / "data/01_raw/photos.zip").write_bytes(b"PK\5\6" + bytes(18))
    clone.dvc("add", "data/01_raw/photos.zip")
    return clone


def test_the_folder_beside_the_checkout_gives_a_fresh_clone_everything(shared_project, tmp_path):
    shared_project.commit()
    round_trip(shared_project, tmp_path / "fresh", tmp_path / "fresh-state")
    assert (tmp_path / "dogs-vs-cats-dvc").is_dir()
    shared_project.git("tag", "--annotate", "--message=First", "test-naive-cnn@v1.0.0")
    shared_project.dvc("artifacts", "get", ".", "test-naive-cnn", "--out", "first.keras")
    model = shared_project.root / "data/06_models/test/naive_cnn.keras"
    assert (shared_project.root / "first.keras").read_bytes() == model.read_bytes()


def test_repro_pulls_results_that_are_in_the_remote_and_runs_the_others(clone, tmp_path):
    clone.dvc("push", "prepare", "backbone", "features")
    fresh = clone.clone(tmp_path / "fresh", tmp_path / "fresh-state")
    output = fresh.dvc("repro", "--pull", "approach_on_features@transfer_bottleneck")
    assert stages_in(output) == ["transfer_bottleneck"]
    assert fresh.git("status", "--porcelain") == ""


def test_commands_of_dvc_beside_repro_know_the_stages(clone):
    assert "approach_on_images@naive_cnn" in clone.dvc("stage", "list", "--name-only")
    assert "cannot dump a parametrized stage" in clone.dvc("freeze", "prepare", check=False)
    clone.edit("conf/base/parameters_tracking.yml", "tracking:", "# a remark\ntracking:")
    clone.dvc("exp", "save", "--name", "remarked")
    assert "remarked" in clone.dvc("exp", "list", "--name-only")


def test_an_s3_remote_gives_a_fresh_clone_everything(shared_project, tmp_path, s3_server):
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/bucket", method="PUT"), timeout=5).close()
    shared_project.environment |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    shared_project.dvc("remote", "add", "--default", "team", "s3://bucket/dogs-vs-cats")
    shared_project.dvc("remote", "modify", "team", "endpointurl", s3_server)
    shared_project.commit()
    round_trip(shared_project, tmp_path / "fresh", tmp_path / "fresh-state")


def test_killed_in_the_middle_of_training_and_started_again_gives_the_same_hashes(clone):
    naive_cnn = ("--single-item", "approach_on_images@naive_cnn")
    clone.edit("conf/test/parameters.yml", "naive_cnn:\n  epochs: 2", "naive_cnn:\n  epochs: 150")
    dvc = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", *naive_cnn],
        cwd=clone.root,
        env=clone.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stages: list[psutil.Process] = []
    while dvc.poll() is None:
        stages = psutil.Process(dvc.pid).children(recursive=True) or stages
        if any((clone.root / "data/06_models/test/.training/naive_cnn").glob("*.npz")):
            break
        time.sleep(0.02)
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    _, alive = psutil.wait_procs(stages, timeout=30)
    assert not alive, "a stage outlived its DVC"
    assert not (clone.root / "data/08_reporting/test/naive_cnn/metrics.json").exists()

    assert "of an interrupted run" in clone.dvc("repro", *naive_cnn)
    lock = (clone.root / "dvc.lock").read_text()
    assert "of an interrupted run" not in clone.dvc("repro", "--force", *naive_cnn)
    assert (clone.root / "dvc.lock").read_text() == lock


def test_force_in_another_clone_gives_the_same_lock(forced):
    project, process, output = forced
    assert process.wait(timeout=600) == 0, output.read_text()
    assert len(stages_in(output.read_text())) == 7
    assert project.git("status", "--porcelain") == ""


def test_after_make_install_what_dvc_unpickles_is_private(tmp_path):
    project = Project(tmp_path / "my project", tmp_path / "state")
    (project.root / ".venv").mkdir(parents=True)
    (project.root / ".dvc").mkdir()
    for name in (".dvc/config", ".dvc/.gitignore", "Makefile", "requirements.lock"):
        shutil.copy(PROJECT / name, project.root / name)
    (project.root / ".venv/.installed-requirements.lock").touch()
    (project.root / ".gitignore").write_text(".venv\n")
    (project.root / "dvc.yaml").write_text("stages: {make: {cmd: echo done > file, outs: [file]}}\n")
    project.git("init", "--quiet", ".")
    project.commit()
    del project.environment["DVC_SITE_CACHE_DIR"]
    project.run("make", "install", f"BIN={Path(sys.executable).parent}")
    project.dvc("exp", "run")
    cache = project.root / ".dvc/tmp/site_cache"
    assert cache.stat().st_mode & 0o777 == 0o700
    assert len(list(cache.rglob("cache.db"))) > 0
    folders = len(list((cache / "repo").iterdir()))
    project.dvc("exp", "run", "--temp", "--force")
    assert len(list((cache / "repo").iterdir())) == folders + 1, "the temporary folder's cache is elsewhere"
    assert ".dvc/" not in project.git("status", "--porcelain", "--untracked-files=all")
