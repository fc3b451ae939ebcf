"""A command imports the libraries that it needs, and no others: each costs as much time as many commands take."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, copy_project

COMMAND = """
import json, sys
from kedro.framework.cli import main
sys.argv[1:] = json.loads(sys.argv[1])
try:
    main()
except SystemExit as end:
    assert not end.code
print()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)))
"""


def imported_by(folder: Path, *arguments: str) -> set[str]:
    """The packages that `kedro` has imported at the end of a command."""
    result = subprocess.run(
        [sys.executable, "-c", COMMAND, json.dumps(arguments)],
        cwd=folder,
        env={**os.environ, "DO_NOT_TRACK": "1", "DOGS_VS_CATS_TRACKING": "off"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture
def bare_project(tmp_path: Path) -> Path:
    """A Kedro project that has nothing of its own, so that a command in it imports what Kedro needs."""
    package = tmp_path / "src" / "bare"
    package.mkdir(parents=True)
    for name in ("__init__.py", "settings.py", "pipeline_registry.py"):
        (package / name).touch()
    content = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(content.replace('"dogs_vs_cats"', '"bare"'), encoding="utf-8")
    return tmp_path


def test_help_imports_hardly_more_than_kedro_does(bare_project: Path) -> None:
    ours, kedro = imported_by(PROJECT, "--help"), imported_by(bare_project, "--help")
    assert "keras" not in kedro
    assert ours - kedro == {"dogs_vs_cats", "filelock"}


def test_a_run_without_keras_imports_neither_it_nor_what_only_other_pipelines_need(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    imported = imported_by(project, "run", "--env=test", "--pipelines=data_ingestion")
    assert {"pandas", "cv2"} <= imported
    assert imported.isdisjoint({"keras", "tensorflow", "mlflow", "matplotlib", "sklearn", "optuna", "jax"})
