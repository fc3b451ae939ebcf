"""`dogs-vs-cats classify`: the answers of the project's own inference, where there is no project."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dogs_vs_cats.classify import READING, main
from dogs_vs_cats.export.description import Description
from dogs_vs_cats.export.files import file_name, write
from dogs_vs_cats.inference.classifiers import Classifier, load_classifier
from dogs_vs_cats.parameters.export import ExportFormat
from dogs_vs_cats.project import child_environment
from tests.pipelines.test_inference import INGESTION, save, small_model
from tests.pipelines.test_inference import classify as infer

for package in ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"):
    pytest.importorskip(package, reason="exporting needs it: make dev")

FORMATS: list[ExportFormat] = ["onnx", "litert", "saved_model"]


def draw(path: Path, number: int) -> None:
    """Noise of a brightness and a shape of its own; every third photo is to be turned."""
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(number)
    pixels = random.integers(0, 50 + 20 * (number % 10), (40 + number % 7, 50, 3), dtype=np.uint8)
    pixels[:10] //= 2
    exif = Image.Exif()
    exif[274] = 6 if number % 3 == 0 else 1
    Image.fromarray(pixels).save(path, exif=exif)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos in two folders, more than a batch, and three files that are none."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(40):
        draw(folder / f"{number % 2}" / f"{number}.{'jpg' if number % 5 else 'png'}", number)
    (folder / "0" / "empty.jpg").touch()
    (folder / "1" / "text.jpg").write_text("no picture")
    (folder / "1" / "photos.zip").write_text("no archive")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A model that was trained on cropped images."""
    path = save(small_model(), tmp_path_factory.mktemp("model") / "small.keras", ["cat", "dog"])
    path.with_suffix(".json").write_text(json.dumps({"classes": ["cat", "dog"], "fit": "crop"}))
    return load_classifier("small", path)


@pytest.fixture(scope="module")
def files(model: Classifier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model in every format."""
    folder = tmp_path_factory.mktemp("files")
    paths: dict[str, Path] = {}
    for kind in FORMATS:
        paths[kind] = folder / file_name("small", kind, "none")
        write(model.model, paths[kind], kind, "none", np.empty(0), Description.of(model, "small"))
    paths["keras"] = save(model.model, folder / "small.keras", ["cat", "dog"])
    paths["keras"].with_suffix(".json").write_text(json.dumps({"classes": ["cat", "dog"], "fit": "crop"}))
    return paths


def classify(*arguments: object) -> Result:
    """Runs the command in this process, where other tests may have sent log lines to standard output."""
    logging.disable()
    try:
        return CliRunner().invoke(main, ["classify", *map(str, arguments)])
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("kind", ["keras", *FORMATS])
def test_the_answers_are_those_of_inference(
    files: dict[str, Path], model: Classifier, photos: Path, tmp_path: Path, kind: str
) -> None:
    expected, _ = infer(photos, model, tmp_path, INGESTION)

    result = classify(photos, f"--model={files[kind]}", "--format=json")

    assert result.exit_code == 3
    assert result.stderr == "3 of 43 files can't be classified\n"
    answers = json.loads(result.stdout)
    assert [answer["path"] for answer in answers] == [f"{photos}/{path}" for path in expected["path"]]
    assert [answer["predicted"] or "" for answer in answers] == expected["predicted"].tolist()
    assert [answer["reason"] or "" for answer in answers] == expected["reason"].tolist()
    found = [answer["probabilities"]["dog"] for answer in answers if answer["probabilities"]]
    wanted = expected["probability_dog"][expected["reason"] == ""].astype(float)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    assert np.ptp(found) > 0.01
    for answer in answers[:3]:
        assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_the_table_has_a_line_for_each_file_as_it_was_named(
    files: dict[str, Path], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    named = ["1/3.jpg", "0/empty.jpg", "0/10.png"]
    arguments = (*named, f"--model={files['onnx']}")
    found = {answer["path"]: answer for answer in json.loads(classify(*arguments, "--format=json").stdout)}

    result = classify(*arguments)

    assert result.exit_code == 3
    head, *lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert head == ["photo", "class", "probability"]
    assert [line[0] for line in lines] == named
    assert lines[1][1:] == ["empty", "file"]
    for path, predicted, probability in (lines[0], lines[2]):
        assert predicted == found[path]["predicted"]
        assert float(probability) == pytest.approx(max(found[path]["probabilities"].values()), abs=1e-4)
    assert classify("1/3.jpg", f"--model={files['onnx']}").exit_code == 0


def test_a_mistake_is_one_line(
    files: dict[str, Path], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    foreign = onnx.load(files["onnx"])
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    (tmp_path / "alone.keras").write_bytes(files["keras"].read_bytes())
    (tmp_path / "empty").mkdir()
    mistakes = [
        (photos / "gone.jpg", files["onnx"], r"There is no file or folder \S+gone\.jpg\."),
        (tmp_path / "empty", files["onnx"], r"There are no photos in \S+empty\."),
        (photos, tmp_path / "gone.onnx", r"There is no model \S+gone\.onnx\."),
        (photos, tmp_path / f"{'long' * 99}.onnx", r"\S+long\.onnx can't be opened: .*File name too long.*"),
        (photos, photos / "1" / "3.jpg", r"\S+3\.jpg is no model\. Allowed are a \.keras file, .*"),
        (photos, photos, r"\S+ is no model\. Allowed are .*"),
        (photos, tmp_path / "damaged.onnx", r"\S+damaged\.onnx can't be opened: .*"),
        (photos, tmp_path / "foreign.onnx", r"\S+foreign\.onnx has no description of its classes\. .*"),
        (photos, tmp_path / "alone.keras", r"\S+alone\.keras has 2 classes, whose names belong in the file beside .*"),
        (
            photos,
            files["litert"],
            r".* needs ai_edge_litert\S*\. Install it: .*pip install 'FILE\.whl\[export\]' with .*",
        ),
    ]
    for photo, file, message in mistakes:
        result = classify(photo, f"--model={file}")
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1, result.stderr
        assert result.stderr.startswith("Error: ")
        [line] = result.stderr.splitlines()
        assert re.fullmatch(f"Error: {message}", line), line


IMPORTED = """
import sys
from dogs_vs_cats.classify import main
main(sys.argv[1:], standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""


def test_an_onnx_file_is_run_without_what_is_slow_to_import(files: dict[str, Path], photos: Path) -> None:
    file = files["onnx"]
    command = [sys.executable, "-c", IMPORTED, "classify", str(photos / "1/3.jpg"), f"--model={file}"]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True)
    imported = set(done.stderr.split())
    assert "onnxruntime" in imported
    slow = {"tensorflow", "keras", "jax", "mlflow", "dvc", "pandas", "scipy", "sklearn", "matplotlib"}
    assert imported.isdisjoint({*slow, "kedro.framework"})


def test_photos_are_read_within_the_limits_of_base() -> None:
    for name in ("classes", "max_pixels", "min_side", "max_bytes", "bit_depth"):
        assert getattr(READING, name) == getattr(INGESTION, name)
