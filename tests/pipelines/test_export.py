"""The export of a trained model: files that are checked, and a table that says how well they answer."""

import shutil

import pandas as pd
import pytest

from tests.conftest import kedro_in_turn

for package in ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"):
    pytest.importorskip(package, reason="exporting needs it: make dev")


@pytest.mark.medium
def test_export_writes_checks_and_refuses(finished_project, tmp_path):
    project = shutil.copytree(finished_project, tmp_path / "project")

    exported, refused, unknown = kedro_in_turn(
        project,
        ["run", "--env=test", "--pipelines=export", "--params=export.approach=naive_cnn"],
        [
            *("run", "--env=test", "--pipelines=export"),
            "--params=export.approach=transfer_bottleneck,export.quantise=int8,export.tolerance=0,export.formats=[onnx]",
        ],
        ["run", "--env=test", "--pipelines=export", "--params=export.quantise=int4"],
    )

    assert exported.returncode == 0, exported.stderr
    assert "The files: data/06_models/test/export" in exported.stdout
    folder = project / "data" / "06_models" / "test" / "export"
    assert {"naive_cnn.onnx", "naive_cnn.tflite", "naive_cnn_saved_model"} <= {path.name for path in folder.iterdir()}
    table = pd.read_csv(project / "data" / "08_reporting" / "test" / "export.csv")
    assert refused.returncode in (0, 1)
    if refused.returncode:
        assert "but export.tolerance is 0, and so it isn't kept" in refused.stderr
        assert not (folder / "transfer_bottleneck.int8.onnx").exists()
    assert set(table["file"]) == {"transfer_bottleneck.int8.onnx"}
    assert unknown.returncode == 1
    assert "export.quantise" in unknown.stderr
    assert "given was 'int4'" in unknown.stderr
