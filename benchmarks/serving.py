"""Requests a second and waiting times of `kedro tracking serve`, beside `mlflow models serve` with the same champion.

    PYTHONPATH=src python benchmarks/serving.py [SECONDS] [REQUESTS]

A copy of the project trains a head on MobileNetV2's features of the small set of photos. Then both servers answer one
photo a request, from 1, 8 and 32 clients that keep their connections, for SECONDS each (8). At last 32 clients ask ours
about REQUESTS (10,000) distinct photos, and each answer is compared with that of `kedro run --pipelines=inference`.
With 0, that is left out. The clients compute on the same machine; the server's own processor time has a column.
"""

import base64
import csv
import http.client
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import machines
import psutil
from material import MOBILENET, ORIGINALS, PHOTOS, crops, project_copy

CLIENTS = (1, 8, 32)
CHAMPION = "models:/dogs-vs-cats-photos@champion"

Form = Callable[[bytes], tuple[str, bytes, str]]
"""Turns a photo into the path, the body and the content type of a request."""


def as_photo(photo: bytes) -> tuple[str, bytes, str]:
    """The photo as it is."""
    return "/classify", photo, "image/jpeg"


def as_json(photo: bytes) -> tuple[str, bytes, str]:
    """MLflow's JSON."""
    return "/invocations", json.dumps({"inputs": [base64.b64encode(photo).decode()]}).encode(), "application/json"


class Client:
    """A client on one connection."""

    def __init__(self, port: int):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, path: str, body: bytes, kind: str) -> float:
        """The probability of a dog."""
        self._connection.request("POST", path, body, {"Content-Type": kind})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}: {text[:500]!r}")
        ((prediction),) = json.loads(text)["predictions"]
        return float(prediction["probabilities"]["dog"])


def load(port: int, clients: int, form: Form, photos: list[bytes], seconds: float) -> list[float]:
    """The milliseconds of each request, in rising order."""
    requests = [form(photo) for photo in photos]
    end = time.perf_counter() + seconds

    def work(first: int) -> list[float]:
        client, waited = Client(port), []
        numbers = itertools.count(first, clients)
        while (begin := time.perf_counter()) < end:
            client.ask(*requests[next(numbers) % len(requests)])
            waited.append(1000 * (time.perf_counter() - begin))
        return waited

    with ThreadPoolExecutor(clients) as pool:
        return sorted(itertools.chain(*pool.map(work, range(clients))))


def ask_all(port: int, clients: int, photos: list[bytes]) -> list[float]:
    """The answers for photos, in their order."""

    def work(first: int) -> list[float]:
        client = Client(port)
        return [client.ask(*as_photo(photo)) for photo in photos[first::clients]]

    answers = [0.0] * len(photos)
    with ThreadPoolExecutor(clients) as pool:
        for first, part in enumerate(pool.map(work, range(clients))):
            answers[first::clients] = part
    return answers


@contextmanager
def server(project: Path, *command: str) -> Iterator[tuple[int, psutil.Process]]:
    """Starts a server and waits until it answers; yields its port and its process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (project / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, f"--port={port}"],
            cwd=project,
            env=environment(project),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while process.poll() is None:
            try:
                urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            sys.exit((project / "server.log").read_text())
        yield port, psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def processor_seconds(process: psutil.Process) -> float:
    """Those that a process and its children have used."""
    times = [member.cpu_times() for member in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def environment(project: Path) -> dict[str, str]:
    """The environment of the project's commands. `mlflow models serve` finds uvicorn in its PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(project / "src"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db",
        "DO_NOT_TRACK": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def kedro(project: Path, *arguments: str) -> None:
    """Runs a command of the project in silence."""
    command = [sys.executable, "-m", "kedro", *arguments]
    subprocess.run(command, cwd=project, env=environment(project), check=True, stdout=subprocess.DEVNULL)


def inferred(project: Path, source: Path) -> dict[str, float]:
    """The champion's answers as the pipeline `inference` gives them, by the paths of the photos."""
    parameters = f"inference.source={source},inference.model=champion"
    kedro(project, "run", "--env=photos", "--pipelines=inference", f"--params={parameters}")
    with (project / "data/07_model_output/photos/inference.csv").open(encoding="utf-8") as file:
        return {row["path"]: float(row["probability_dog"]) for row in csv.DictReader(file)}


def main(seconds: float = 8, requests: int = 10_000) -> None:
    """Measures, and prints a line of a Markdown table for each server and number of clients."""
    with tempfile.TemporaryDirectory() as folder:
        project = project_copy(Path(folder) / "project")
        base = f"backbone.name=MobileNetV2,backbone.kwargs.alpha=0.35,backbone.weights={MOBILENET}"
        parameters = f"ingestion.source={ORIGINALS},approaches=[transfer_bottleneck],{base}"
        kedro(project, "run", "--env=photos", f"--params={parameters}")
        with zipfile.ZipFile(PHOTOS) as archive:
            names = [name for name in archive.namelist() if name.endswith(".jpg")][:200]
            photos = [archive.read(name) for name in names]
        print(machines.this_machine())
        print("| server | clients | requests/s | ms, median | ms, 99th percentile | its CPU ms a request |")
        print("| --- | --- | --- | --- | --- | --- |")
        plain = ("mlflow", "models", "serve", "--env-manager=local", f"--model-uri={CHAMPION}")
        ours = ("kedro", "tracking", "serve", "--env=photos")
        for name, command, form in (
            ("mlflow models serve, /invocations", plain, as_json),
            ("kedro tracking serve, /invocations", ours, as_json),
            ("kedro tracking serve, /classify", ours, as_photo),
        ):
            with server(project, *command) as (port, process):
                load(port, 8, form, photos, 2)  # compiles
                for clients in CLIENTS:
                    before = processor_seconds(process)
                    waited = load(port, clients, form, photos, seconds)
                    used = 1000 * (processor_seconds(process) - before) / len(waited)
                    rate, late = len(waited) / seconds, waited[int(0.99 * len(waited))]
                    figures = f"{rate:.0f} | {statistics.median(waited):.1f} | {late:.1f} | {used:.1f}"
                    print(f"| `{name}` | {clients} | {figures} |", flush=True)
        if not requests:
            return
        crops(Path(folder) / "crops.zip", requests)
        expected = inferred(project, Path(folder) / "crops.zip")
        with zipfile.ZipFile(Path(folder) / "crops.zip") as archive:
            photos = [archive.read(name) for name in expected]
        with server(project, *ours) as (port, _):
            begin = time.perf_counter()
            answers = ask_all(port, 32, photos)
            rate = len(photos) / (time.perf_counter() - begin)
        differences = [abs(a - e) for a, e in zip(answers, expected.values(), strict=True)]
        distinct = len({round(value, 6) for value in expected.values()})
        print(
            f"{len(answers):,} requests of 32 clients, {rate:.0f} a second: each answered, with a difference from "
            f"inference of {max(differences):.1e} at most; {distinct:,} answers differ from each other by 1e-6 or more"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
