"""The runner on a cluster: approaches train at the same time, and leave the files of a run on one machine."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from benchmarks.ray_processes import RayProcesses
from dogs_vs_cats.compute.turns import turn_given_away
from dogs_vs_cats.errors import TrainingError
from dogs_vs_cats.session.runner import TAG, ProjectRunner
from tests.conftest import copy_project

pytestmark = pytest.mark.slow

APPROACHES = ("naive_cnn", "transfer_end_to_end", "transfer_bottleneck")
DIFFER = {"timings.json", "provenance.json", "model_card.md", "comparison.csv", "comparison.html"}
"""Files that say when or how fast something was computed."""


def run(*functions: Callable[[], Any], others: int = 0) -> dict[str, Any]:
    """Runs functions as nodes that train, and as many other nodes, which return their threads' ids."""
    nodes = [Node(each, None, f"trained_{number}", tags=TAG) for number, each in enumerate(functions)]
    nodes += [Node(threading.get_ident, None, f"other_{number}") for number in range(others)]
    outputs = ProjectRunner().run(Pipeline(nodes), DataCatalog())
    return {name: dataset.load() for name, dataset in outputs.items()}


def test_trainings_wait_for_the_cluster_at_the_same_time(connected_machines: RayProcesses) -> None:
    meeting = threading.Barrier(3)

    def train() -> int:
        with turn_given_away():
            return meeting.wait(timeout=60)

    found = run(train, train, train, others=2)
    assert sorted(found[f"trained_{number}"] for number in range(3)) == [0, 1, 2]
    assert {found["other_0"], found["other_1"]} == {threading.main_thread().ident}


def test_a_training_that_fails_ends_those_that_wait(connected_machines: RayProcesses) -> None:
    waits = threading.Event()

    def wait_for_ever() -> None:
        while True:
            with turn_given_away():
                waits.set()

    def fail() -> None:
        with turn_given_away():
            waits.wait(timeout=60)
        raise TrainingError("the loss is nan")

    with pytest.raises(TrainingError, match="the loss is nan"):
        run(wait_for_ever, fail)


def results(project: Path) -> dict[str, bytes]:
    """The files that a run leaves, by their path."""
    folders = [project / "data" / name for name in ("06_models/test", "07_model_output/test", "08_reporting/test")]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name not in DIFFER]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in found}


def test_approaches_leave_the_files_of_one_machine_though_another_dies(
    finished_project: Path, ray_processes: RayProcesses, tmp_path: Path
) -> None:
    ray_processes.complete()
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    expected = results(project)
    models = [project / f"data/06_models/test/{name}.keras" for name in APPROACHES]
    for path in models:
        path.unlink()
    command = [sys.executable, "-m", "kedro", "run", "--env=test", f"--pipelines={','.join(APPROACHES)}"]
    command.append(f"--params=compute.cluster={ray_processes.address}")
    environment = {**os.environ, "COLUMNS": "200", "DO_NOT_TRACK": "1", "DOGS_VS_CATS_TRACKING": "off"}
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    lines: list[str] = []
    with subprocess.Popen(command, cwd=project, env=environment, **options) as started:
        try:
            for line in started.stdout or ():
                if "epoch 1/" in line and not any("epoch 1/" in earlier for earlier in lines):
                    ray_processes.kill_a_machine()
                lines.append(line)
        except BaseException:
            started.kill()
            raise
    log = "".join(lines)
    assert started.returncode == 0, log
    assert "a machine of the cluster is gone; a training that was there starts again on another" in log
    found = results(project)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
