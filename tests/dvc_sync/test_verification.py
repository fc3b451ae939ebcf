"""`kedro dvc verify` and `kedro dvc lock`, on one project that all tests here share."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from dogs_vs_cats.dvc_sync import lock_record, results
from dogs_vs_cats.dvc_sync.commands import dvc
from dogs_vs_cats.dvc_sync.lock_record import LockRecord
from dogs_vs_cats.dvc_sync.reproduction import this_machine, write_lock
from dogs_vs_cats.dvc_sync.verification import BEYOND, SAME, WITHIN, Verification, verify
from dogs_vs_cats.dvc_sync.verification_table import render
from dogs_vs_cats.errors import ReproductionError
from tests.conftest import PROJECT, kedro
from tests.dvc_sync.dvc_project import Project, put_under_dvc

pytestmark = pytest.mark.medium

STAGES = {
    "prepare",
    "backbone",
    "features",
    "approach_on_images@naive_cnn",
    "approach_on_backbone@transfer_end_to_end",
    "approach_on_features@transfer_bottleneck",
    "compare",
}
PREDICTIONS = "data/07_model_output/test/naive_cnn/predictions.csv"
METRICS = "data/08_reporting/test/metrics.json"


@pytest.fixture(scope="module")
def locked(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project, with a committed dvc.lock of its results. Read only: tests copy it."""
    folder = tmp_path_factory.mktemp("locked")
    root = shutil.copytree(finished_project, folder / "project")
    project = put_under_dvc(root, folder / "state")
    lock(project)
    return project


def lock(project: Project) -> LockRecord:
    """Commits the results in the working tree, as if they had been reproduced here."""
    project.dvc("commit", "--force")
    project.commit()
    record = write_lock(results.at_commit(project.root, "HEAD", [this_machine()]))
    project.commit()
    return record


@pytest.fixture
def project(locked: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(locked.root, tmp_path / "project"), tmp_path / "state")


@pytest.fixture(autouse=True)
def private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps what DVC stores for all projects of a user out of this user's folders."""
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "state"))


def run(project: Project, *pipelines: str) -> None:
    kedro(project.root, "run", "--env=test", f"--pipelines={','.join(pipelines)}", DOGS_VS_CATS_TRACKING="off")


def with_working_tree(project: Project) -> Verification:
    return verify(results.at_commit(project.root, "HEAD"), results.in_working_tree(project.root))


def first_difference(found: Verification) -> tuple[str, list[str]]:
    assert found.first
    return found.first.name, [cause.kind for cause in found.first.causes]


def test_nothing_changed_is_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    found = with_working_tree(project)
    assert {stage.name for stage in found.stages} == STAGES
    assert found.status == SAME
    text = render(found)
    assert text.endswith("All outputs are the same.")
    assert "\x1b" not in text


def test_a_removed_approach_is_a_difference_like_others(project: Project) -> None:
    """The stage is missing in one of two commits; the record of the other one names the machine."""
    text = (project.root / "dvc.lock").read_text()
    name = "approach_on_images@naive_cnn"
    rest = text.partition(f"  {name}:\n")[2]
    end = re.search(r"^  \S", rest, re.MULTILINE)
    assert end
    (project.root / "dvc.lock").write_text(text.replace(f"  {name}:\n{rest[: end.start()]}", ""))
    project.commit()
    found = verify(*(results.at_commit(project.root, revision) for revision in ("HEAD~1", "HEAD")))
    (stage,) = (stage for stage in found.stages if stage.different)
    assert stage.name == name
    assert {difference.text for difference in stage.different.values()} == {"missing"}
    assert found.status == BEYOND
    assert f"The first stage that differs is {name}. Likely cause: " in render(found)


def test_a_changed_line_of_code_that_changes_no_output_names_the_command_that_renews_the_lock(
    project: Project,
) -> None:
    project.edit("src/dogs_vs_cats/images/splitting.py", '"""', '"""Changed. ')
    found = with_working_tree(project)
    assert found.status == SAME
    assert next(stage.name for stage in found.stages if stage.is_stale) == "prepare"
    assert "kedro dvc lock" in render(found)


@pytest.mark.slow
def test_a_changed_line_of_code_in_images_is_found_in_prepare(project: Project) -> None:
    project.edit("src/dogs_vs_cats/images/generated/animals.py", "head=1.08", "head=1.18")
    # A temporary folder has no decoded images either.
    shutil.rmtree(project.root / "data/02_intermediate/store")
    run(project, "data_ingestion")
    found = with_working_tree(project)
    assert first_difference(found) == ("prepare", ["code"])
    assert "code (src/dogs_vs_cats/images/generated/animals.py)" in render(found)


@pytest.mark.slow
def test_another_seed_is_found_in_prepare(project: Project) -> None:
    project.edit("conf/test/parameters.yml", "seed: 0", "seed: 1")
    run(project, "data_ingestion")
    found = with_working_tree(project)
    assert first_difference(found) == ("prepare", ["seed"])
    assert "seed (seed 0 → 1)" in render(found)


@pytest.mark.slow
def test_another_number_of_threads_is_found_in_the_first_stage_that_writes_it_down(project: Project) -> None:
    project.edit("conf/test/parameters.yml", "compute:\n", "compute:\n  threads: 1\n")
    run(project, "naive_cnn")
    found = with_working_tree(project)
    assert first_difference(found) == ("approach_on_images@naive_cnn", ["threads"])
    assert "threads (compute.threads 2 → 1)" in render(found)


@pytest.mark.slow
def test_another_learning_rate_is_found_in_its_approach(project: Project) -> None:
    project.edit("conf/base/parameters_transfer_bottleneck.yml", "learning_rate: 0.0001", "learning_rate: 0.0002")
    run(project, "transfer_bottleneck")
    found = with_working_tree(project)
    assert first_difference(found) == ("approach_on_features@transfer_bottleneck", ["parameters"])
    assert found.status == BEYOND
    text = render(found)
    assert "parameters (transfer_bottleneck.learning_rate 0.0001 → 0.0002)" in text
    assert "weights differ by up to 0.000" in text
    assert "% of the answers change" in text


@pytest.mark.slow
def test_a_changed_photo_is_found_in_prepare_and_named(project: Project) -> None:
    photos = project.root / "data/01_raw/photos"
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        for number in range(40):
            noise = draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(noise).save(photos / name / f"{number}.png")
    project.edit("conf/test/parameters.yml", "source: sample", "source: data/01_raw/photos")
    project.edit("conf/test/globals.yml", "raw_data: conf/test/globals.yml", "raw_data: data/01_raw")
    run(project, "data_ingestion")
    project.dvc("commit", "--force", "prepare")
    project.commit()
    with Image.open(photos / "dog/7.png") as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "dog/7.png")
    run(project, "data_ingestion")
    found = with_working_tree(project)
    assert first_difference(found) == ("prepare", ["data"])
    assert "1 of 80 rows differ (dog/7.png)" in render(found)


def change_results(project: Project, accuracy: float) -> None:
    """Commits other results, as another processor may give."""
    table = pd.read_csv(project.root / PREDICTIONS)
    table["probability_dog"] += 0.002 * (table.index == 3)
    table.to_csv(project.root / PREDICTIONS, index=False)
    metrics = json.loads((project.root / METRICS).read_text())
    metrics["naive_cnn"]["test_accuracy"] += accuracy
    (project.root / METRICS).write_text(json.dumps(metrics))
    record = lock(project)
    record["machine"]["processor"] = "another one"
    (project.root / "dvc.lock.json").write_text(json.dumps(record))
    project.commit()


def test_two_commits_differ_within_the_tolerance_by_their_processors(project: Project) -> None:
    change_results(project, accuracy=0.005)
    answer = kedro(project.root, "dvc", "verify", "HEAD~3", "HEAD", check=False, **project.environment)
    assert answer.returncode == WITHIN, answer.stdout + answer.stderr
    assert (
        "1 of 80 rows differ (cat/00003.png), by up to 0.002 in probability; 0.0% of the answers change"
        in answer.stdout
    )
    assert "The first stage that differs is approach_on_images@naive_cnn. Likely cause: processor (" in answer.stdout
    assert " → another one)." in answer.stdout
    assert "follows from approach_on_images@naive_cnn" in answer.stdout


def test_without_the_files_the_hashes_and_the_committed_metrics_are_compared(project: Project) -> None:
    change_results(project, accuracy=0.02)
    shutil.rmtree(project.root / ".dvc/cache")
    found = verify(results.at_commit(project.root, "HEAD~3"), results.in_working_tree(project.root))
    text = render(found)
    assert "only hashes can be compared" in text
    assert "1 of 21 values differ, by up to 0.02 (naive_cnn.test_accuracy" in text
    assert text.endswith("Answers were not compared, since predictions are neither in DVC's cache nor in a remote.")
    assert found.status == BEYOND


def test_processors_stay_listed_while_the_outputs_are_the_same(project: Project) -> None:
    record = json.loads((project.root / "dvc.lock.json").read_text())
    here = record["machine"]["processor"]
    (project.root / "dvc.lock.json").write_text(json.dumps(record | {"processors": ["another one", here]}))
    project.commit()
    found = results.at_commit(project.root, "HEAD", [this_machine()])
    assert write_lock(found)["processors"] == sorted([here, "another one"])
    prepare = found.stages["prepare"]
    outputs = {**prepare.outputs, next(iter(prepare.outputs)): "0" * 32}
    changed = {**found.stages, "prepare": dataclasses.replace(prepare, outputs=outputs)}
    assert write_lock(dataclasses.replace(found, stages=changed))["processors"] == [here]


def test_a_record_of_another_lock_counts_as_none(project: Project) -> None:
    for text in (json.dumps({"dvc_lock": "0" * 40}), "<<<<<<< HEAD\n{}\n", "[]"):
        assert lock_record.read(project.root, "HEAD")
        (project.root / "dvc.lock.json").write_text(text)
        project.commit()
        assert lock_record.read(project.root, "HEAD") is None
        project.git("reset", "--quiet", "--hard", "HEAD~1")


def test_commits_that_cant_be_compared_are_refused_in_a_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal() -> str:
        project.commit()
        with pytest.raises(ReproductionError) as caught:
            results.at_commit(project.root, "HEAD")
        return caught.value.message

    lock = (project.root / "dvc.lock").read_text()
    for text in (f"<<<<<<< HEAD\n{lock}", "schema: '2.0'\n"):
        (project.root / "dvc.lock").write_text(text)
        assert refusal().startswith("dvc.lock of HEAD has no stages, or holds the marks of a merge conflict.")
    (project.root / "dvc.lock").write_text(lock)
    for text in ("experiment: test\n", ""):
        (project.root / "params.yaml").write_text(text)
        assert refusal().startswith("HEAD has no params.yaml with a line `env: NAME`")
    (project.root / "params.yaml").unlink()
    assert refusal().startswith("HEAD has no params.yaml with a line `env: NAME`")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(project.root / "data"))
        assert refusal().startswith("git can't read the repository. Install git")
    shutil.rmtree(project.root / ".dvc")
    assert "isn't under DVC: it has no folder .dvc." in refusal()


def test_a_working_tree_that_names_no_environment_or_experiment_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "conf/test").mkdir(parents=True)
    (tmp_path / "conf/test/globals.yml").touch()
    for parameters, line in (
        ("", "params.yaml has no line `env: "),
        ("env: test", "conf/test/globals.yml has no line"),
    ):
        (tmp_path / "params.yaml").write_text(parameters)
        with pytest.raises(ReproductionError, match=line):
            results.in_working_tree(tmp_path)


def test_two_commits_and_the_working_tree_are_not_compared_at_once() -> None:
    answer = CliRunner().invoke(dvc, ["verify", "HEAD~1", "HEAD", "--no-run"])
    assert answer.exit_code == 2
    assert "--no-run compares A with the working tree, so it takes no B." in answer.output


NEW = "src/new folder/ü/file.txt"

MAKE = f"""
import json, pathlib
assert pathlib.Path({NEW!r}).is_file()
path = pathlib.Path({METRICS!r})
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps({{"accuracy": 0.5}}))
"""


@pytest.fixture
def small(locked: Project, tmp_path: Path) -> Project:
    """A clone without results, on a commit without a branch. It has a single stage, which takes no time.

    The stage needs a file that git doesn't know, in a new folder.
    """
    project = locked.clone(tmp_path / "small", tmp_path / "state")
    stage = {
        "wdir": "conf/test",
        "cmd": f"cd ../.. && {sys.executable} make.py",
        "deps": ["../../make.py"],
        "metrics": [f"../../{METRICS}"],
    }
    (project.root / "make.py").write_text(MAKE)
    (project.root / "dvc.yaml").write_text(json.dumps({"stages": {"make": stage}}))
    project.git("rm", "--quiet", "dvc.lock")
    project.commit()
    project.git("checkout", "--quiet", "--detach")
    (project.root / NEW).parent.mkdir(parents=True)
    (project.root / NEW).touch()
    return project


def continuous_integration(project: Project) -> tuple[int, str]:
    """Runs what `.ci/run` runs."""
    (project.root / ".ci").mkdir(exist_ok=True)
    script = shutil.copy(PROJECT / ".ci/verify.py", project.root / ".ci")
    done = subprocess.run(
        [sys.executable, script],
        env={**project.environment, "PYTHONPATH": str(project.root / "src")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    shutil.rmtree(project.root / ".ci")
    return done.returncode, done.stdout + done.stderr


def test_a_reproduction_in_a_temporary_folder_is_compared_with_the_written_lock(small: Project) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        answer = kedro(small.root, "dvc", *arguments, check=False, **small.environment)
        assert "Traceback" not in answer.stderr
        return answer.returncode, answer.stdout + answer.stderr

    status, output = command("verify")
    assert status == 1
    assert "HEAD has no dvc.lock, so there is nothing to compare with. `kedro dvc lock` writes it" in output

    status, output = command("lock")
    assert status == 0, output
    record = json.loads((small.root / "dvc.lock.json").read_text())
    assert record["metrics"] == {METRICS: {"accuracy": 0.5}}
    assert record["machine"]["processor"] in record["processors"]
    small.commit()

    status, output = command("verify")
    assert status == SAME, output
    assert "All outputs are the same." in output

    small.edit("make.py", "0.5", "0.505")
    status, output = continuous_integration(small)
    assert status == WITHIN, output
    assert "1 of 1 values differ, by up to 0.005 (accuracy: 0.5 → 0.505)" in output
    assert "The first stage that differs is make. Likely cause: code (make.py)." in output
    assert small.git("status", "--porcelain") == " M make.py\n"
    assert "verify-" not in small.dvc("exp", "list")

    small.edit("dvc.lock.json", record["machine"]["processor"], "another one")
    small.git("commit", "--quiet", "--message", "another one", "dvc.lock.json")
    status, output = continuous_integration(small)
    assert status == SAME, output
    assert "dvc.lock.json doesn't list this processor" in output

    assert "nowhere is no commit, branch, tag or experiment." in command("verify", "nowhere")[1]
