"""One run of an experiment at a time: the lock is held by a run that goes on, and by no other."""

import os
import subprocess
import sys

import pytest
from filelock import FileLock

from dogs_vs_cats.session import run_lock
from tests.conftest import copy_project, kedro, kedro_in_turn

pytestmark = pytest.mark.medium

OFF = {"DOGS_VS_CATS_TRACKING": "off"}

# As in a notebook: several sessions in one process, which outlives them all.
NOTEBOOK = """
import sys
from pathlib import Path
from filelock import FileLock, Timeout
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

root = Path.cwd()
bootstrap_project(root)

def run(pipeline, **parameters):
    with KedroSession.create(root, env="test", runtime_params=parameters) as session:
        session.run(pipeline_names=[pipeline])

def is_free():
    try:
        with FileLock(root / "data/.test.lock", timeout=0):
            return True
    except Timeout:
        return False

def outcome(*arguments, **parameters):
    try:
        run(*arguments, **parameters)
    except BaseException as error:
        return type(error).__name__
    return "good"

from dogs_vs_cats.pipelines.data_ingestion import nodes
report = nodes._report

def report_and_interrupt(record):
    raise KeyboardInterrupt

print("RESULT", outcome("data_ingestion"), is_free())
print("RESULT", outcome("augmentation", seed=5), is_free())
print("RESULT", outcome("inference", inference={"model": "nowhere.keras", "source": "."}), is_free())
nodes._report = report_and_interrupt
print("RESULT", outcome("data_ingestion"), is_free())
session = KedroSession.create(root, env="test")  # never closed, as in a notebook after %reload_kedro
try:
    session.run(pipeline_names=["data_ingestion"])
except KeyboardInterrupt:
    print("RESULT interrupted", is_free())
nodes._report = report
print("RESULT", outcome("data_ingestion"), is_free())
"""


def test_a_refused_or_interrupted_run_in_a_notebook_does_not_lock_the_next_one_out(tmp_path):
    project = copy_project(tmp_path / "project")
    result = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), "DO_NOT_TRACK": "1", **OFF},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.removeprefix("RESULT ") for line in result.stdout.splitlines() if line.startswith("RESULT")]
    assert lines == [
        "good True",
        "StaleInputError True",
        "ParameterError True",
        "KeyboardInterrupt True",
        "interrupted False",
        "good True",
    ], result.stdout + result.stderr
    assert "Workflow tracking is disabled" not in result.stdout, "kedro-viz warns of a page that isn't used"


def test_a_run_first_ends_what_an_earlier_one_in_the_process_has_left(tmp_path):
    ended = []
    run_lock.acquire(tmp_path / "lock")
    run_lock.at_end(lambda: ended.append("connection"))
    run_lock.acquire(tmp_path / "lock")  # the earlier run was interrupted
    assert ended == ["connection"]
    run_lock.release()
    assert ended == ["connection"]


def test_a_run_beside_another_of_the_experiment_is_refused_and_one_of_another_environment_is_not(tmp_path):
    project = copy_project(tmp_path / "project")
    (project / "data").mkdir()
    other = project / "conf" / "other"
    (project / "conf/test").rename(other)
    (other / "globals.yml").write_text("experiment: other\n")
    with FileLock(project / "data/.sample.lock"):
        refused = kedro(project, "run", "--env=base", "--pipelines=data_ingestion", check=False, **OFF)
        kedro(project, "run", "--env=other", "--pipelines=data_ingestion", **OFF)
    assert refused.returncode == 1
    assert "Another run of this experiment is in progress" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    assert (project / "data/02_intermediate/other/images.npy").is_file()
    assert not (project / "data/02_intermediate/sample").exists()


def test_a_runner_that_keras_or_a_cluster_does_not_stand_is_refused_in_one_line(tmp_path):
    project = copy_project(tmp_path / "project")
    reasons = {
        "--runner=ParallelRunner": "that use Keras",
        "--runner=ThreadRunner": "that use Keras",
        "--runner=ParallelRunner --pipelines=data_ingestion --params=compute.cluster=auto": "compute.cluster: auto",
    }
    answers = kedro_in_turn(project, *(["run", "--env=test", *options.split()] for options in reasons))
    for (options, reason), answer in zip(reasons.items(), answers, strict=True):
        assert answer.returncode == 1
        errors = [line for line in answer.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1
        assert f"{options.partition(' ')[0]} can't run" in errors[0]
        assert reason in errors[0]
        assert "kedro run without --runner" in errors[0]
        assert "Traceback" not in answer.stdout + answer.stderr
    assert not list((project / "data").rglob("*.npy"))


@pytest.mark.parametrize("runner", ["ParallelRunner", "ThreadRunner"])
def test_pipelines_without_keras_can_have_any_runner(tmp_path, runner):
    project = copy_project(tmp_path / "project")
    kedro(project, "run", "--env=test", f"--runner={runner}", "--pipelines=data_ingestion", **OFF)
    assert (project / "data/02_intermediate/test/images.npy").is_file()
    assert (project / "data/02_intermediate/test/manifest.csv").is_file()
