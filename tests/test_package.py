"""The wheel is complete and runs in a fresh environment, in a folder that has nothing of the checkout."""

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

import pytest

from tests.conftest import PROJECT, copy_project


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
    installer = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python"]
    subprocess.run([*installer, str(interpreter), str(wheel)], check=True, capture_output=True)
    return interpreter


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that `kedro package` writes beside the wheel."""
    archive = tmp_path_factory.mktemp("configuration") / "conf-dogs_vs_cats.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(PROJECT / "conf", "conf", filter=lambda member: None if "local/" in member.name else member)
    return archive


def run(python: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [python, "-m", "dogs_vs_cats", *options],
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
        ([], "Give --conf-source a folder like conf, or the archive that kedro package writes"),
        (["--conf-source={conf}", "--env=tset"], "There is no environment 'tset'. Did you mean test?"),
        (["--conf-source={conf}", "--pipelines=comparsion"], "Did you mean comparison?"),
        (["--conf-source={conf}", "--params=seed=x"], "seed: input should be a valid integer"),
    ],
)
def test_its_slips_are_one_line(
    python: Path, configuration: Path, tmp_path: Path, options: list[str], answer: str
) -> None:
    result = run(python, tmp_path, *(option.format(conf=configuration) for option in options))
    assert result.returncode == 1
    assert answer in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
