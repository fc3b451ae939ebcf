"""Environments that run at once in one checkout leave what they leave one after the other."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import copy_project, kedro
from tests.end_to_end.test_faults import VARYING

pytestmark = pytest.mark.slow

ENVIRONMENTS = {"first": {}, "second": {"dense_units": 16}, "third": {"epochs": 2}}
"""Heads of three experiments on the same images and the same base: they share every cache."""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model to cut a base from: no run trains one, and what it has learnt makes no difference here."""
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset
    from dogs_vs_cats.models.architectures import build_architecture

    keras.utils.set_random_seed(0)
    path = tmp_path / "base.keras"
    KerasModelDataset(filepath=str(path)).save(build_architecture("mnist_cnn_batchnorm", (32, 32, 3), 10))
    return path


def make_project(root: Path, base: Path) -> Path:
    project = copy_project(root)
    backbone = {"name": "earlier_model", "weights": str(base), "kwargs": {"drop_layers": 2}}
    for name, head in ENVIRONMENTS.items():
        folder = project / "conf" / name
        shutil.copytree(project / "conf/test", folder)
        (folder / "globals.yml").write_text(f"experiment: {name}\n")
        file = folder / "parameters.yml"
        values = yaml.safe_load(file.read_text()) | {"approaches": ["transfer_bottleneck"], "backbone": backbone}
        values["transfer_bottleneck"] |= head
        file.write_text(yaml.safe_dump(values))
    return project


def results(project: Path) -> dict[str, str]:
    """Digests of all results that equal runs leave equally."""
    data = project / "data"
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file()
        and path.name not in VARYING | {"tracking_links.json"}
        and not any(part.startswith(".") or part == "store" for part in path.relative_to(data).parts)
    }


def run_at_once(project: Path) -> None:
    runs = {
        name: subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", f"--env={name}"],
            cwd=project,
            env={**os.environ, "DO_NOT_TRACK": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ENVIRONMENTS
    }
    outputs = {name: run.communicate()[0] for name, run in runs.items()}
    for name, run in runs.items():
        assert run.returncode == 0, outputs[name]
        assert "Traceback" not in outputs[name]


@pytest.mark.timeout(1800)
def test_three_environments_at_once_leave_the_results_of_one_after_the_other(tmp_path, base):
    alone = make_project(tmp_path / "alone", base)
    for name in ENVIRONMENTS:
        kedro(alone, "run", f"--env={name}")
    expected = results(alone)
    assert {path.split("/")[1] for path in expected} == set(ENVIRONMENTS)
    assert sum(path.endswith("features.npy") for path in expected) == 3
    together = make_project(tmp_path / "together", base)
    for _ in range(2):
        run_at_once(together)
        found = results(together)
        assert {path for path in found | expected if found.get(path) != expected.get(path)} == set()
    assert not list(together.rglob("*.partial"))
