"""The notebooks run from top to bottom and show what they promise; they are committed without their outputs."""

import base64
import io
import json
import re
import shutil

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from dogs_vs_cats.tracking import store
from tests.conftest import PROJECT, copy_project
from tests.dvc_sync.dvc_project import put_under_dvc
from tests.tracking.tracking_stub import Stub

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


class Executed:
    """The visible output of a notebook that was run.

    Attributes:
        text: All that was printed, without colours.
        tables: Each table's rows, each a list of its cells' texts, the heading first.
        pictures: Pixels of each picture, uint8 (height, width, 3).
    """

    def __init__(self, notebook):
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        shown = [output.get("data", {}) for output in outputs]
        texts = [
            output.get("text", "") + data.get("text/plain", "") for output, data in zip(outputs, shown, strict=True)
        ]
        self.text = re.sub(r"\x1b\[[\d;]*m", "", "".join(texts))
        self.tables = [
            [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in data["text/html"].split("<tr")[1:]]
            for data in shown
            if "<table" in data.get("text/html", "")
        ]
        self.pictures = [
            np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
            for data in shown
            if "image/png" in data
        ]

    def rows(self, *columns):
        """Rows of the tables that have these columns, as dictionaries."""
        return [
            dict(zip(table[0], row, strict=False))
            for table in self.tables
            if set(columns) <= set(table[0])
            for row in table[1:]
        ]


def execute(name, project, monkeypatch, **environment):
    variables = {"KEDRO_ENV": "test", "DOGS_VS_CATS_TRACKING": "off", "DO_NOT_TRACK": "1", **environment}
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (project / "notebooks").mkdir(exist_ok=True)
    notebook = nbformat.read(PROJECT / f"notebooks/{name}.ipynb", as_version=4)
    resources = {"metadata": {"path": str(project / "notebooks")}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    executed = Executed(notebook)
    assert all(picture.std() > 5 for picture in executed.pictures), "an empty picture"
    return executed


@pytest.fixture
def project(finished_project, tmp_path):
    """A project of its own in which everything has run once, because notebooks write."""
    copied = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", copied / "data", dirs_exist_ok=True)
    return copied


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected", "pictures"),
    [
        ("00_quick_start", "comparison.html", 0),
        ("01_explore_data", "nearest mean image", 4),
        ("03_train_and_compare", "validation log loss", 2),
        ("04_inside_the_network", "the largest difference to Keras", 5),
    ],
)
def test_a_notebook_runs_on_a_finished_experiment(name, expected, pictures, project, monkeypatch):
    executed = execute(name, project, monkeypatch)
    assert expected in executed.text
    assert len(executed.pictures) == pictures


@pytest.mark.slow
def test_the_notebook_about_convolution_shows_the_lectures_numbers(tmp_path, monkeypatch):
    executed = execute("02_what_a_convolution_does", copy_project(tmp_path / "project"), monkeypatch)
    for expected in (
        "1·1 + 1·0 + 1·1 + 0·0 + 1·1 + 1·0 + 0·1 + 0·0 + 1·1 = 4",
        "first window    cross-correlation  -3   kernel turned over   3",
        "second window   cross-correlation  27   kernel turned over -27",
        "first moved on  cross-correlation  33   kernel turned over -33",
        "[ 2.     1.482 -0.902 -0.668 -0.495 -0.367 -0.272 -0.201 -0.331 -0.245]",
        "7,600 parameters",
        "78,643,300 parameters",
        "100 MiB",
        "9.8 GiB",
        "19,300,736 parameters",
    ):
        assert expected in executed.text
    assert len(executed.pictures) == 16


@pytest.mark.slow
def test_data_can_be_explored_before_anything_has_run(tmp_path, monkeypatch):
    assert "80 images of 32×32×3" in execute("01_explore_data", copy_project(tmp_path / "project"), monkeypatch).text


@pytest.mark.slow
def test_an_empty_store_is_told_and_not_made(project, monkeypatch):
    executed = execute("05_read_the_experiments", project, monkeypatch)
    assert "No run has been tracked yet: kedro run" in executed.text
    assert "No experiments: this folder isn't a git repository with DVC" in executed.text
    assert "No metrics yet: dvc repro" in executed.text
    assert "error" not in executed.text.lower()
    # Results on disk are shown all the same.
    assert "transfer_bottleneck" in {row["approach"] for row in executed.rows("approach", "parameters")}
    assert not executed.pictures
    assert not (project / "mlflow.db").exists()


@pytest.mark.slow
def test_runs_and_experiments_are_read_from_mlflow_and_dvc(finished_project, project, tmp_path, monkeypatch):
    shutil.copy(finished_project / "mlflow.db", project)
    with monkeypatch.context() as patch:
        patch.setattr(store, "ROOT", project)
        Stub(tmp_path / "stub", ["naive_cnn"], changed={"naive_cnn.learning_rate": 0.5}).run()
    followed = put_under_dvc(project, tmp_path / "state")
    followed.dvc("commit", "--force")
    followed.commit()
    followed.edit("conf/base/parameters_naive_cnn.yml", "learning_rate: 0.001", "learning_rate: 0.5")
    followed.dvc("exp", "save", "--name", "faster")

    variables = {name: value for name, value in followed.environment.items() if name.startswith(("DVC_", "GIT_"))}
    executed = execute("05_read_the_experiments", project, monkeypatch, **variables)
    assert "6 runs" in executed.text  # four approaches', and two above them
    runs = executed.rows("tags.approach", "metrics.test_accuracy")
    accuracies = [float(row["metrics.test_accuracy"]) for row in runs]
    assert (accuracies[0], runs[0]["tags.approach"]) == (0.75, "naive_cnn")  # the stub's
    assert sorted(accuracies, reverse=True) == accuracies
    assert {row["tags.approach"] for row in runs} == {"naive_cnn", "transfer_end_to_end", "transfer_bottleneck"}
    rates = executed.rows("params.learning_rate")
    assert sorted(row["params.learning_rate"] for row in rates[-2:]) == ["0.001", "0.5"]
    shown = {row["Experiment"]: row for row in executed.rows("Experiment", "naive_cnn.learning_rate")}
    assert float(shown["faster"]["naive_cnn.learning_rate"]) == 0.5
    assert "0.001" in {row["naive_cnn.learning_rate"] for row in executed.rows("rev", "naive_cnn.learning_rate")}
    (kept,) = [
        row for row in executed.rows("test_accuracy", "validation_log_loss") if "transfer_bottleneck" in row.values()
    ]
    metrics = json.loads((project / "data/08_reporting/test/metrics.json").read_text())
    assert float(kept["test_accuracy"]) == metrics["transfer_bottleneck"]["test_accuracy"]
    assert len(executed.pictures) == 1
