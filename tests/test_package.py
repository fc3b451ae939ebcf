"""The wheel is complete and runs in a fresh environment, in a folder that has nothing of the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dogs_vs_cats.export.description import Description
from dogs_vs_cats.inference.classifiers import load_classifier
from tests.conftest import PROJECT, copy_project
from tests.pipelines.test_inference import classify as infer
from tests.pipelines.test_inference import save, small_model
from tests.test_classify import draw

UV = [sys.executable, "-m", "uv"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    checkout = copy_project(folder / "checkout")
    for name in ("README.md", "LICENSE"):
        shutil.copy(PROJECT / name, checkout)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(checkout)]
    subprocess.run(build, check=True, capture_output=True)
    shutil.rmtree(checkout)
    [file] = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel in it; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("package")
    venv.create(folder / "fresh", with_pip=False)
    interpreter = folder / "fresh" / "bin" / "python"
    question = [str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(question, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    installer = [*UV, "pip", "install", "--offline", "--no-deps", "--python"]
    subprocess.run([*installer, str(interpreter), str(wheel)], check=True, capture_output=True)
    return interpreter


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that shares nothing: the wheel, and the locked versions of what it asks for."""
    folder = tmp_path_factory.mktemp("empty") / "environment"
    subprocess.run([*UV, "venv", "--python", sys.executable, folder], check=True, capture_output=True)
    lock = PROJECT / "requirements-dev.lock"
    installer = [*UV, "pip", "install", f"--python={folder}", f"--constraint={lock}", f"{wheel}[export]"]
    done = subprocess.run(installer, capture_output=True, text=True)
    if done.returncode and re.search("[Ff]ailed to (fetch|download)|Could not connect", done.stderr):
        pytest.skip(f"the package index can't be reached: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that `kedro package` writes beside the wheel."""
    archive = tmp_path_factory.mktemp("configuration") / "conf-dogs_vs_cats.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(PROJECT / "conf", "conf", filter=lambda member: None if "local/" in member.name else member)
    return archive


def run(python: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return command(folder, python, "-m", "dogs_vs_cats", *options)


def command(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        words,
        cwd=folder,
        env={**variables, "COLUMNS": "200", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    source = PROJECT / "src"
    package = {
        path.relative_to(source).as_posix()
        for path in (source / "dogs_vs_cats").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("dogs_vs_cats/")}
    assert packed == package
    assert "dogs_vs_cats/py.typed" in packed


def test_windows_is_refused_in_one_line() -> None:
    program = "import sys; sys.path.insert(0, 'src'); sys.platform = 'win32'; import dogs_vs_cats"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"dogs_vs_cats runs on Linux and macOS\. .* WSL2 .*\n", done.stderr)
    make = subprocess.run(["make", "OS=Windows_NT", "run"], cwd=PROJECT, capture_output=True, text=True)
    assert make.returncode == 2
    assert re.fullmatch(r"Makefile:\d+: \*\*\* This project runs on Linux and macOS\. .* WSL2 .*\n", make.stderr)


@pytest.mark.slow
def test_it_trains_in_an_empty_folder(python: Path, configuration: Path, tmp_path: Path) -> None:
    options = [f"--conf-source={configuration}", "--env=test", "--params=approaches=[naive_cnn]"]
    result = run(python, tmp_path, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Loading data from" not in result.stdout + result.stderr, "conf/logging.yml hides Kedro's lines"
    assert (tmp_path / "data" / "06_models" / "test" / "naive_cnn.keras").is_file()
    assert "naive_cnn" in (tmp_path / "data" / "08_reporting" / "test" / "comparison.html").read_text("utf-8")
    assert (tmp_path / "mlflow.db").is_file()


@pytest.mark.slow
def test_it_writes_below_the_project_path_and_reads_from_there(
    python: Path, configuration: Path, tmp_path: Path
) -> None:
    for name in ("here", "there", "there/photos"):
        (tmp_path / name).mkdir()
    with tarfile.open(configuration) as file:
        file.extractall(tmp_path / "there", filter="data")
    given = ["--project-path=../there", "--env=test", "--pipelines=data_ingestion"]
    result = run(python, tmp_path / "here", *given)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "there" / "data" / "02_intermediate" / "test" / "manifest.csv").is_file()
    refused = run(python, tmp_path / "here", *given, "--params=ingestion.source=photos")
    assert "Error: " in refused.stderr
    assert str(tmp_path / "there" / "photos") in refused.stderr
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ([], "Set --conf-source to a folder like conf, or to the archive that kedro package writes"),
        (["--conf-source={conf}", "--env=tset"], "There is no environment 'tset'. Did you mean test?"),
    ],
)
def test_its_slips_are_one_line(
    python: Path, configuration: Path, tmp_path: Path, options: list[str], answer: str
) -> None:
    result = run(python, tmp_path, *(option.format(conf=configuration) for option in options))
    assert result.returncode == 1
    assert answer in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.slow
def test_an_empty_environment_classifies_200_photos(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("tf2onnx", reason="exporting needs it: make dev")
    from dogs_vs_cats.export.files import write

    for number in range(200):
        draw(tmp_path / "photos" / f"{number}.jpg", number)
    model = load_classifier("small", save(small_model(), tmp_path / "small.keras", ["cat", "dog"]))
    write(model.model, tmp_path / "small.onnx", "onnx", "none", np.empty(0), Description.of(model, "small"))
    expected, _ = infer(tmp_path / "photos", model, tmp_path)

    done = command(tmp_path, installed / "dogs-vs-cats", "classify", "photos", "--model=small.onnx", "--format=json")

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [answer["path"] for answer in answers] == [f"photos/{path}" for path in expected["path"]]
    assert [answer["predicted"] for answer in answers] == expected["predicted"].tolist()
    found = [answer["probabilities"]["dog"] for answer in answers]
    np.testing.assert_allclose(found, expected["probability_dog"].astype(float), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_without_a_backend_of_keras_a_run_says_how_to_install_one(
    installed: Path, configuration: Path, tmp_path: Path
) -> None:
    result = run(installed / "python", tmp_path, f"--conf-source={configuration}", "--env=test")
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert "pip install 'FILE.whl[cpu]'" in result.stderr.splitlines()[-1]
