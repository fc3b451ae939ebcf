"""Arguments that make passes on to the programs, and files that it deletes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a folder with a space, whose programs print their arguments."""
    project = tmp_path / "my project ü"
    programs = project / ".venv" / "bin"
    programs.mkdir(parents=True)
    (project / ".dvc/tmp/site_cache").mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", project)
    for name in ("requirements.lock", ".venv/.installed-requirements.lock"):
        (project / name).touch()
    for name in ("python", "kedro", "mlflow"):
        (programs / name).write_text('#!/bin/sh\nprintf "%s\\n" "$@" $MLFLOW_BACKEND_STORE_URI')
        (programs / name).chmod(0o755)
    return project


def make(project: Path, *arguments: str) -> list[str]:
    # Without the options of `make test`, which would be passed on.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    command = ["make", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_paths_may_have_spaces(project: Path) -> None:
    given = ["PARAMS=ingestion.source='/photos/2024, summer'", "CORRECTIONS=my file.csv", "MODELS=mlp champion"]
    assert make(project, "app", "ENV=lecture", *given)[2:] == [
        "--env=lecture",
        "--params=ingestion.source='/photos/2024, summer'",
        "--model=mlp",
        "--model=champion",
        "--corrections=my file.csv",
    ]
    assert make(project, "serve", "MODEL=my model.keras") == ["tracking", "serve", "--model=my model.keras"]
    assert f"{project}/mlartifacts" in make(project, "mlflow", "MLFLOW_TRACKING_URI=")


def test_no_command_line_shows_the_password_of_the_store(project: Path) -> None:
    *_, address = printed = make(project, "mlflow", "MLFLOW_TRACKING_URI=postgresql://me:geheim@host/runs")
    assert address == "postgresql://me:geheim@host/runs"
    assert "geheim" not in "".join(printed[:-1])


def test_what_dvc_tracks_stays_when_runs_are_deleted(project: Path) -> None:
    for name in (
        "06_models/sample/export.dvc",
        "06_models/sample/mlp.keras",
        "08_reporting/sample/x/a.png",
        "01_raw/a",
    ):
        (project / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "data" / name).touch()
    (project / "mlflow.db").touch()
    make(project, "clean-runs")
    left = {path.relative_to(project / "data").as_posix() for path in (project / "data").rglob("*") if path.is_file()}
    assert left == {"06_models/sample/export.dvc", "01_raw/a"}
    assert not (project / "data/08_reporting/sample").exists()
    assert not (project / "mlflow.db").exists()
