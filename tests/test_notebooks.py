"""The notebooks run from top to bottom, and are committed without their outputs."""

import shutil

import nbformat
import pytest
from conftest import PROJECT, copy_project
from nbclient import NotebookClient

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def execute(path, project, monkeypatch, **environment):
    variables = {"KEDRO_ENV": "test", "DOGS_VS_CATS_TRACKING": "off", "DO_NOT_TRACK": "1", **environment}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (project / "notebooks").mkdir(exist_ok=True)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(project / "notebooks")}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return "".join(
        output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


@pytest.fixture
def project(finished_project, tmp_path):
    """A project of its own in which everything has run once, because notebooks write."""
    copied = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", copied / "data", dirs_exist_ok=True)
    return copied


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("01_explore_data", "nearest mean image"),
        ("03_train_and_compare", "validation log loss"),
        ("04_inside_the_network", "the largest difference to Keras"),
    ],
)
def test_a_notebook_runs_on_a_finished_experiment(name, expected, project, monkeypatch):
    assert expected in execute(PROJECT / f"notebooks/{name}.ipynb", project, monkeypatch)


@pytest.mark.slow
def test_the_notebook_about_convolution_runs_without_any_experiment(tmp_path, monkeypatch):
    execute(PROJECT / "notebooks/02_what_a_convolution_does.ipynb", copy_project(tmp_path / "project"), monkeypatch)


@pytest.mark.slow
def test_data_can_be_explored_before_anything_has_run(tmp_path, monkeypatch):
    printed = execute(PROJECT / "notebooks/01_explore_data.ipynb", copy_project(tmp_path / "project"), monkeypatch)
    assert "80 images of 32×32×3" in printed


@pytest.mark.slow
def test_an_empty_store_is_told_and_not_made(project, monkeypatch):
    printed = execute(PROJECT / "notebooks/05_read_the_experiments.ipynb", project, monkeypatch)
    assert "No run has been tracked yet" in printed
    assert "transfer_bottleneck" in printed
    assert not (project / "mlflow.db").exists()
