"""The records of tracking, without a store."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from dogs_vs_cats.storage.file_hash import md5
from dogs_vs_cats.tracking import run_facts, store, worker
from dogs_vs_cats.tracking.hooks import TrackingHooks
from dogs_vs_cats.tracking.outbox import FOLDER, Outbox, outboxes
from dogs_vs_cats.tracking.results import artifact_folder, facts_in
from tests.tracking.tracking_stub import CONF, EXPLANATION, FIGURES, Stub


@pytest.fixture
def stub(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROOT", tmp_path)
    return Stub(tmp_path)


def test_own_parameters_lose_their_prefix_and_unused_groups_stay_out(stub):
    parameters = stub.parameters()
    naive = run_facts.parameters_of("naive_cnn", parameters)
    assert naive["learning_rate"] == "0.001"
    assert naive["ingestion.image_size"] == "32"
    assert naive["early_stopping_patience"] == "null"
    assert naive["approach"] == "naive_cnn"
    assert not [name for name in naive if name.startswith(("backbone", "augmentation", "transfer", "tracking"))]
    bottleneck = run_facts.parameters_of("transfer_bottleneck", parameters)
    assert bottleneck["backbone.name"] == "source_cnn"
    assert bottleneck["backbone.kwargs"] == "{}"
    assert not [name for name in bottleneck if name.startswith("augmentation")]
    end_to_end = run_facts.parameters_of("transfer_end_to_end", parameters)
    assert end_to_end["augmentation.rotation_range"] in ("40", "40.0")


def test_passwords_in_addresses_are_written_nowhere(stub, monkeypatch):
    secret = "https://user:geheim@example.org/photos.zip"
    stub.changed = {"ingestion.source": secret}
    monkeypatch.setattr(sys, "argv", ["kedro", "run", f"--params=ingestion.source={secret}"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:geheim@127.0.0.1:9")
    stub.run()
    (outbox,) = outboxes(stub.root)
    events = outbox.read()
    assert "geheim" not in json.dumps(events)
    assert "--params=ingestion.source=https://example.org/photos.zip" in events[0]["tags"]["kedro_command"]
    assert events[0]["parameters"]["ingestion"]["source"] == "https://example.org/photos.zip"
    (train,) = [event for event in events if event["kind"] == "train" and event["approach"] == "naive_cnn"]
    assert json.loads(train["images"]["source"])["ingested_from"] == "https://example.org/photos.zip"
    assert (
        store.run_address("https://user:geheim@example.org", "1", "a")
        == "https://example.org/#/experiments/1/runs/a?workflowType=machine_learning"
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sqlite:////proc/nowhere/mlflow.db", "No such file or directory: '/proc/nowhere'"),
        ("http://somebody:geheim@127.0.0.1:9", "no server answers there. Start it, or set MLFLOW_TRACKING_URI"),
    ],
)
def test_a_store_that_takes_nothing_is_warned_of_in_one_line_before_the_first_node(
    stub, monkeypatch, caplog, address, message
):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/nowhere")
    stub.run(evaluate=[], compare=False)
    lines = [record.getMessage() for record in caplog.records]
    (first,) = [number for number, line in enumerate(lines) if " can't take this run: " in line]
    nodes = [number for number, line in enumerate(lines) if line.startswith("Completed node")]
    assert first < nodes[0]
    assert message in lines[first]
    assert "\n" not in lines[first]
    assert "geheim" not in "".join(lines)
    assert lines[first].endswith("nothing is lost: its records wait until the store takes them")
    assert (stub.root / "data/naive_cnn/naive_cnn.keras").is_file()
    assert outboxes(stub.root)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("file:/tmp/mlruns", "MLFLOW_ALLOW_FILE_STORE"),
        ("./mlruns", "MLFLOW_ALLOW_FILE_STORE"),
        ("databricks", "databricks"),
    ],
)
def test_other_stores_that_take_nothing_are_warned_of_in_one_line_at_the_end(
    stub, monkeypatch, caplog, address, message
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/nowhere")
    stub.run(evaluate=[], compare=False)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"The MLflow store {address} could not take this run (" in warning
    assert message in warning
    assert "\n" not in warning
    assert (stub.root / "data/naive_cnn/naive_cnn.keras").is_file()
    assert outboxes(stub.root)


@pytest.mark.parametrize("program", ["/some/bin/kedro", "/lib/kedro/__main__.py", "python -m kedro"])
def test_the_command_has_its_parameters(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program, "run", "--params=naive_cnn.epochs=3,seed=1", "--env=test"])
    assert run_facts.kedro_command() == "kedro run --params=naive_cnn.epochs=3,seed=1 --env=test"


def test_processes_of_one_dvc_command_share_a_group_and_others_do_not(tmp_path):
    code = "from dogs_vs_cats.tracking.run_facts import group; print(group()['key'])"
    # With a shell in between, as DVC has it.
    command = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-c", code]
    script = tmp_path / "dvc"
    script.write_text(
        f"import os, subprocess\nos.environ['DVC_STAGE'] = 'train'\nfor _ in range(2): subprocess.run({command!r})\n"
    )
    source = str(Path(run_facts.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    keys = [
        subprocess.run([sys.executable, script, "repro"], env=environment, capture_output=True, text=True, check=True)
        .stdout.strip()
        .splitlines()
        for _ in range(2)
    ]
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in keys), keys
    assert keys[0][0].startswith("dvc repro ")
    assert keys[0][0] != keys[1][0]


def test_a_dvc_experiment_is_its_own_group(monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "muggy-tabs")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0123456789abcdef")
    group = run_facts.group()
    assert group["key"] == "dvc exp muggy-tabs 0123456789"
    assert group["label"] == "muggy-tabs"
    assert run_facts.tags()["dvc_experiment"] == "muggy-tabs"


def test_the_store_lies_in_the_project_also_from_dvcs_temporary_folders(stub, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert store.uri() == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.artifact_location(store.uri(), "e") == f"file://{tmp_path}/mlartifacts/e"
    temporary = tmp_path / ".dvc/tmp/exps/tmp123"
    monkeypatch.setattr(store, "ROOT", temporary)
    assert store.uri() == f"sqlite:///{temporary}/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert store.uri() == f"sqlite:///{tmp_path}/mlflow.db"
    for given in ("sqlite:///mlflow.db", f"sqlite:///{tmp_path}/mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        assert store.uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert store.uri() == "https://mlflow.example.org"
    assert store.artifact_location(store.uri(), "e") is None


def test_the_hash_is_dvcs(tmp_path):
    from dvc_data.hashfile.hash import file_md5
    from fsspec.implementations.local import LocalFileSystem

    path = tmp_path / "images.npy"
    path.write_bytes(bytes(range(256)) * 5000)
    assert md5(path) == file_md5(str(path), LocalFileSystem())


def test_an_outbox_keeps_files_as_they_were_and_whole_lines_only(tmp_path):
    outbox = Outbox.create(tmp_path)
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    old = outbox.attach(path, "model")
    assert outbox.attach(path, "model") == old
    replacement = tmp_path / "new"
    replacement.write_bytes(b"new")
    replacement.replace(path)
    assert outbox.attach(path, "model") != old
    assert (outbox.folder / old).read_bytes() == b"old"
    assert outbox.append("saved", file=old) == 1
    with (outbox.folder / "records.jsonl").open("a") as events:
        events.write('{"kind": "half a li')
    again = Outbox(outbox.folder)
    (event,) = again.read()
    assert (event["kind"], event["file"]) == ("saved", old)
    with (outbox.folder / "records.jsonl").open("a") as events:
        events.write('ne"}\n')
    assert again.read() == [{"kind": "half a line"}]


def test_a_record_that_a_full_disk_has_cut_off_costs_no_other(tmp_path):
    outbox = Outbox.create(tmp_path)
    records = outbox.folder / "records.jsonl"
    for cut_off in ("", '{"kind": "run", "sto'):
        records.write_text(cut_off)
        assert outboxes(tmp_path) == []
    outbox.append("run", store="sqlite:///x")
    with records.open("a") as file:
        file.write('{"kind": "load", "val')
    outbox.append("close", status="FINISHED")
    (found,) = outboxes(tmp_path)
    assert [record["kind"] for record in found.read()] == ["run", "close"]


def test_an_outbox_in_use_is_left_alone_until_its_process_is_gone(tmp_path):
    outbox = Outbox.create(tmp_path)
    outbox.append("run", store="sqlite:///x")
    assert worker.send(outboxes(tmp_path)[0], "http://127.0.0.1:9") is None
    code = (
        "from pathlib import Path; from dogs_vs_cats.tracking.outbox import Outbox; "
        f"outbox = Outbox.create(Path({str(tmp_path)!r})); "
        "outbox.append('run', store='https://user:secret@x', parameters={}, outputs=[])"
    )
    source = str(Path(store.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=True)
    (other,) = [left for left in outboxes(tmp_path) if left.folder != outbox.folder]
    assert other.store == "https://x"
    assert "no server answers there" in worker.send(other, "http://127.0.0.1:9")


@pytest.mark.parametrize("switch", ["parameter", "environment"])
def test_switched_off_nothing_is_written_and_old_links_are_dropped(stub, switch, monkeypatch):
    if switch == "parameter":
        stub.changed = {"tracking.enabled": False}
    else:
        monkeypatch.setenv("DOGS_VS_CATS_TRACKING", "off")
    stub.catalog.save("tracking_links", {"naive_cnn": "http://127.0.0.1:5000/of-another-model"})
    stub.run()
    assert not (stub.root / FOLDER).exists()
    assert not (stub.root / "mlflow.db").exists()
    assert json.loads((stub.root / "data/comparison.html").read_text()) == {}


def test_what_goes_wrong_in_tracking_costs_no_result(stub, caplog):
    (stub.root / FOLDER).write_text("a file where the folder should be")
    stub.run()
    assert (stub.root / "data/naive_cnn/metrics.json").is_file()
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("Tracking has stopped, the run goes on: ")


def test_a_pipeline_without_results_starts_no_process(stub):
    hooks = TrackingHooks()
    hooks.after_context_created(SimpleNamespace(config_loader={"parameters": stub.parameters()}))
    hooks.before_pipeline_run(pipeline=stub.pipeline([], [], False), catalog=stub.catalog, run_params={})
    assert hooks._recorder is None
    assert not (stub.root / FOLDER).exists()


def test_every_figure_and_table_of_an_approach_is_an_artifact():
    entries = {}
    for path in (CONF / "base").glob("catalog*.yml"):
        entries |= yaml.safe_load(path.read_text())
    own = {
        name.removeprefix("{approach}."): entry["filepath"]
        for name, entry in entries.items()
        if name.startswith("{approach}.") and "filepath" in entry
    }
    folders = {name: artifact_folder(f"naive_cnn.{name}", Path(path)) for name, path in own.items()}
    others = {"training_state", "model", "model_md5", "model_info", "distribution", "timings", "drawings"}
    others |= {"explanation_record"}
    assert {name for name, folder in folders.items() if folder is None} == others
    assert {name for name, folder in folders.items() if folder == "explanation"} == set(EXPLANATION)
    assert {name for name, folder in folders.items() if folder == "figures"} == set(FIGURES)


def test_a_run_says_how_many_corrections_its_images_had():
    _, tags = facts_in("metrics", {"corrections": {"relabelled": 7, "left_out": 2}})
    assert tags["corrections"] == "7 relabelled, 2 left out"
    effect = {"relabelled": 7, "left_out": 2, "given_labels": {"accuracy": 0.9}}
    assert facts_in("metrics", {"corrections": effect})[0] == {"given_labels_test_accuracy": 0.9}
    assert "corrections" not in facts_in("metrics", {})[1]
