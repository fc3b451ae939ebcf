"""Helpers and fixtures of several test modules."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from filelock import FileLock

from benchmarks.ray_processes import RayProcesses

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "src"
SHARED = PROJECT.parent / "shared"
COPIED = ("src", "conf", "pyproject.toml", "requirements.lock", ".telemetry", ".gitignore")
TRACKING_VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "DOGS_VS_CATS_TRACKING",
    "DVC_EXP_NAME",
    "DVC_STAGE",
    "DVC_ROOT",
)

S3_KEY, S3_SECRET = "AKIDEXAMPLE", "geheim/AbC+123"

# Whatever store the shell names, tests don't write into it.
for _name in TRACKING_VARIABLES:
    os.environ.pop(_name, None)

# Test files that run side by side share the cores already. Runs with `compute.threads` set these themselves.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(_name, "1")


# An example may have to wait for a busy machine, and each run tries the same ones.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=12, help="how many runs test_faults.py kills")


@contextmanager
def _environment_put_back() -> Iterator[None]:
    before, path = dict(os.environ), list(sys.path)
    yield
    os.environ.clear()
    os.environ.update(before)
    sys.path[:] = path
    # It keeps the proxies that the environment named when it was first used.
    urllib.request.install_opener(None)


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Puts the environment back after each test: MLflow, for one, writes its address into it."""
    with _environment_put_back():
        yield


@pytest.fixture(autouse=True, scope="module")
def environment_of_module() -> Iterator[None]:
    """Likewise after each module, for what its shared fixtures change."""
    with _environment_put_back():
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real photos and weights; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder of real test material at {SHARED}")
    return SHARED


def copy_project(target: Path) -> Path:
    """Copies the project, without data and without anyone's local settings, for a test to run in."""
    target.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "local", "*.egg-info"))
        elif source.is_file():
            shutil.copy(source, target / name)
    (target / "conf" / "local").mkdir(exist_ok=True)
    return target


def kedro(project: Path, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a kedro command in its own process, as a user would.

    Args:
        project: Root of the project.
        *arguments: The words after `kedro`.
        check: Whether a failure fails the test, showing what was printed.
        **environment: Variables set for the process.
    """
    result = subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env={**os.environ, "COLUMNS": "200", "DO_NOT_TRACK": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if check and result.returncode:
        pytest.fail(f"kedro {' '.join(arguments)} exited with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result


IN_TURN = """
import json
import sys
import traceback
from kedro.framework.cli import main

opened = []

def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".keras") and arguments[1] in ("r", "rb"):
        if not any(frame.filename.endswith("file_hash.py") for frame in traceback.extract_stack(limit=3)):
            opened.append(str(arguments[0]))

sys.addaudithook(note)
for number, command in enumerate(json.loads(sys.argv[1])):
    sys.argv[1:] = command
    opened.clear()
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        print("\\nEND OF COMMAND", json.dumps([code or 0, opened]), file=stream, flush=True)
"""


@dataclass(frozen=True)
class Answer:
    """The end of one of several commands in a process.

    Attributes:
        returncode: Its exit status.
        stdout: Its standard output.
        stderr: Its standard error.
        models_read: Paths of the `.keras` files that it opened for reading, unless to hash them.
    """

    returncode: int
    stdout: str
    stderr: str
    models_read: list[str]


def kedro_in_turn(project: Path, *commands: Sequence[str], **environment: str) -> list[Answer]:
    """Runs kedro commands one after another in one process, as a notebook does; TensorFlow is imported only once.

    Args:
        project: Root of the project.
        *commands: The words after `kedro` in each of them.
        **environment: Variables set for the process.
    """
    result = subprocess.run(
        [sys.executable, "-c", IN_TURN, json.dumps(commands)],
        cwd=project,
        env={**os.environ, "COLUMNS": "200", "DO_NOT_TRACK": "1", "DOGS_VS_CATS_TRACKING": "off", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    streams = [re.split(r"\nEND OF COMMAND (.*)\n", text) for text in (result.stdout, result.stderr)]
    if len(streams[0]) != 2 * len(commands) + 1:
        pytest.fail(f"the process ended early, with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    (stdout, ends), (stderr, _) = ((stream[:-1:2], stream[1::2]) for stream in streams)
    answers = []
    for end, output, errors in zip(ends, stdout, stderr, strict=True):
        code, models_read = json.loads(end)
        answers.append(Answer(code, output, errors, models_read))
    return answers


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which `kedro run --env=test` has run once. Read only: tests share it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # all workers' folder
    project = root / "finished_project"
    with FileLock(root / "finished_project.lock"):
        if not (project / "output.txt").is_file():
            copy_project(project)
            result = kedro(project, "run", "--env=test")
            (project / "output.txt").write_text(result.stdout + result.stderr, encoding="utf-8")
    return project


@pytest.fixture(scope="session")
def s3_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File to which the S3 server writes a line for each request."""
    return tmp_path_factory.mktemp("s3") / "requests.log"


@pytest.fixture(scope="session")
def s3_server(s3_log: Path) -> Iterator[str]:
    """Address of an S3 server on this machine, which starts without buckets."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with s3_log.open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def post(address: str, data: str = "") -> None:
    """Sends text to an address, not as the fields of a form."""
    request = urllib.request.Request(address, data.encode(), {"Content-Type": "text/plain"}, method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def _s3_variables(server: str, folder: Path) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": S3_KEY,
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "aws_config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws_credentials"),
    }


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A client of the server with an empty bucket, in the environment of a user; nothing stays on the server."""
    for name, value in _s3_variables(s3_server, tmp_path).items():
        monkeypatch.setenv(name, value)
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    yield client
    client.close()
    post(f"{s3_server}/moto-api/reset")


@pytest.fixture(scope="session")
def ray_processes(s3_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayProcesses]:
    """A cluster of two machines that may read the S3 server; a module that has killed one has to complete it."""
    pytest.importorskip("ray")
    # A dead machine is missed after two seconds instead of fifteen, and workers don't yield to other programs.
    quick = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "4", "RAY_worker_niceness": "0"}
    processes = RayProcesses(_s3_variables(s3_server, tmp_path_factory.mktemp("aws")) | quick)
    yield processes
    processes.stop()


@pytest.fixture
def connected_machines(ray_processes: RayProcesses) -> Iterator[RayProcesses]:
    """Connects to two machines; without them, what ran before has run on this one."""
    from dogs_vs_cats.compute import cluster

    ray_processes.complete()
    cluster.connect(ray_processes.address)
    yield ray_processes
    cluster.disconnect()
