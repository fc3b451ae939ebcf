"""Faults from outside of a run: it is killed, the disk is full or read-only, memory runs out.

Afterwards no file is half there, and the next run ends as if nothing had happened. `make soak` kills more often.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from PIL import Image

from tests.conftest import copy_project
from tests.end_to_end.quick_runs import QuickRuns

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked, which only Unix can"),
]

APPROACHES = ("naive_cnn", "transfer_end_to_end", "transfer_bottleneck")
PIPELINES = (
    "data_ingestion",
    "augmentation",
    "backbone",
    "feature_extraction",
    *APPROACHES,
    "comparison",
    "explanation",
    "inference",
    "tuning",
    "replication",
)
"""Every pipeline of the environment `test`, in an order in which each has its inputs."""

VARYING = {
    "timings.json",
    "provenance.json",
    "comparison.csv",
    "comparison.html",
    "model_card.md",
    "tuning.html",
    "trials.csv",
    "summary.json",
}
"""Files with seconds or dates, which differ between equal runs, or with the runs that made the others."""


@dataclass
class Project:
    """A project in which every pipeline has run once, undisturbed.

    Attributes:
        runs: Starts runs in it.
        seconds: Processor time that each pipeline took; by the clock it depends on what else the machine does.
        made: The files that each pipeline made, with their contents' digests.
    """

    runs: QuickRuns
    seconds: dict[str, float] = field(default_factory=dict)
    made: dict[str, dict[Path, str]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.runs.project

    def start(self, pipeline: str, *more: str, **limits: int) -> int:
        return self.runs.start("run", "--env=test", f"--pipelines={pipeline}", *more, **limits)

    def run(self, pipeline: str, *more: str, **limits: int) -> int:
        self.start(pipeline, *more, **limits)
        return self.runs.wait()

    def files(self) -> set[Path]:
        """All files that runs make, work in hidden folders included."""
        places = [self.root / "data", self.root / "conf/test_tuned", self.root / "docs"]
        files = {path for place in places for path in place.rglob("*") if path.is_file()}
        # Locks, and the names of the entries that an experiment uses, are no results.
        return {path for path in files if path.suffix != ".lock" and path.parent.name != ".users"}

    def forget(self, pipeline: str) -> None:
        """Removes all that a pipeline has made."""
        for path in self.made[pipeline]:
            path.unlink(missing_ok=True)
        # A cache's entries have new names every time.
        for store in {parent for path in self.made[pipeline] for parent in path.parents if parent.name == "store"}:
            shutil.rmtree(store, ignore_errors=True)
        for folder in {path.parent for path in self.made[pipeline]}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()  # what is kept as a folder is there as a whole or not at all

    def results(self, pipeline: str) -> dict[Path, str]:
        """Digests of what a pipeline is to make equally each time."""
        return {
            path: digest
            for path, digest in self.made[pipeline].items()
            if path.name not in VARYING and not is_work(path.relative_to(self.root))
        }


def is_work(path: Path) -> bool:
    """Whether a file is kept for the next run only: caches, journals, searches, states of trainings."""
    return any(part.startswith(".") or part == "store" for part in path.parts) or path.suffix == ".jsonl"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = copy_project(tmp_path_factory.mktemp("faults") / "project")
    (root / "docs").mkdir()
    photos = root / "photos"
    photos.mkdir()
    random_pixels = np.random.default_rng(0)
    for number in range(300):
        Image.fromarray(random_pixels.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(photos / f"{number}.png")
    smaller = {
        "explanation": "{approach: naive_cnn, examples: 1}",
        "inference": "{source: photos}",
        "tuning": "{trials: 2, environment: test_tuned, search_space: {naive_cnn: {batch_size: {choices: [8, 16]}}}}",
    }
    parameters = root / "conf/test/parameters.yml"
    changed = {
        **yaml.safe_load(parameters.read_text()),
        **{name: yaml.safe_load(text) for name, text in smaller.items()},
    }
    parameters.write_text(yaml.safe_dump(changed))
    with QuickRuns(root) as runs:
        made = Project(runs)
        for pipeline in PIPELINES:
            before = {path: path.stat().st_mtime_ns for path in made.files()}
            assert made.run(pipeline) == 0, runs.output()
            made.seconds[pipeline] = runs.processor_seconds
            made.made[pipeline] = {
                path: digest(path) for path in made.files() if before.get(path) != path.stat().st_mtime_ns
            }
            assert made.made[pipeline], pipeline
        yield made


def check_whole(path: Path) -> None:
    """Loads a file; a half-written one can't be."""
    match path.suffix:
        case ".npy":
            np.load(path, mmap_mode="r", allow_pickle=False)
        case ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                dict(arrays)
        case ".csv":
            pd.read_csv(path)
            assert path.read_bytes().endswith(b"\n")
        case ".json" | ".jsonl":
            text = path.read_text(encoding="utf-8")
            for document in text.splitlines() if path.suffix == ".jsonl" else [text]:
                json.loads(document)
        case ".keras":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
                assert {"config.json", "metadata.json", "model.weights.h5"} <= set(archive.namelist())
        case ".png":
            with Image.open(path) as image:
                image.load()
        case ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        case ".md" | ".yml":
            assert path.read_bytes().endswith(b"\n")
        case ".db":
            with closing(sqlite3.connect(path)) as database:
                assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        case _:
            pytest.fail(f"{path.name}: say how such a file is checked")


def half_written(project: Project) -> list[str]:
    """Files under their final names that can't be loaded."""
    found = []
    for path in project.files():
        name = path.relative_to(project.root)
        if any(part.endswith(".partial") for part in name.parts) or path.suffix == ".jsonl":
            continue  # not under a final name; or mended when it is opened, as the next run shows
        if path.name.endswith(("-journal", "-wal", "-shm")):
            continue  # SQLite's own way of being whole
        try:
            check_whole(path)
        except Exception as error:
            found.append(f"{name}: {error}")
    return found


def lost(project: Project, pipeline: str) -> list[str]:
    """Results of a pipeline that are missing or other than in the undisturbed run."""
    return [
        str(path.relative_to(project.root))
        for path, expected in project.results(pipeline).items()
        if not path.is_file() or digest(path) != expected
    ]


def left_behind(project: Project) -> list[str]:
    return [str(path) for path in (project.root / "data").rglob("*.partial")]


def recovers(project: Project, pipeline: str) -> None:
    """The next run ends well, with the results of an undisturbed one."""
    assert half_written(project) == []
    assert project.run(pipeline) == 0, project.runs.output()
    assert half_written(project) == []
    assert lost(project, pipeline) == []


def test_no_run_unpickles_anything_opens_a_port_or_starts_a_program_but_git(project):
    # Written down by Python itself, see `quick_runs.watch`; all pipelines have run once by now.
    events = set((project.root / "events.txt").read_text().splitlines())
    # The one exception, which shows that events are written down: Kedro and the manifest ask git for the commit.
    assert {event.partition(", [")[0] for event in events} == {"subprocess.Popen ('git'"}


def kill_plan(count: int) -> list[tuple[str, float]]:
    """Pipelines in turn, each with the part of its time after which it is killed; the same in every run."""
    dice = random.Random(20)
    return [(PIPELINES[number % len(PIPELINES)], dice.random()) for number in range(count)]


def kill_after(process: int, seconds: float) -> None:
    """Kills a process once it has used so much processor time."""
    with suppress(psutil.NoSuchProcess):
        running = psutil.Process(process)
        while sum(running.cpu_times()[:2]) < seconds:
            time.sleep(0.002)
        running.kill()


def kill(project: Project, pipeline: str, moment: float) -> bool:
    """Kills a run after a part of its processor time, or returns `False` if it ends first."""
    project.forget(pipeline)
    process = project.start(pipeline)
    # From the process's start on: what happens before the first node may be killed too.
    killer = threading.Thread(target=kill_after, args=(process, moment * project.seconds[pipeline]))
    killer.start()
    code = project.runs.wait()
    killer.join()
    assert code in (-signal.SIGKILL, 0), project.runs.output()
    if code == 0:
        # It was faster than the run before it, or was ending already, when nothing kills a process any more.
        project.seconds[pipeline] = 0.98 * min(project.runs.processor_seconds, project.seconds[pipeline])
    return code != 0


def test_a_run_that_is_killed_at_any_moment_costs_nothing(project, request):
    plan = kill_plan(request.config.getoption("--kills"))
    for pipeline, moment in plan:
        tries = 5
        assert any(kill(project, pipeline, moment) for _ in range(tries)), f"{pipeline} ended first {tries} times"
        recovers(project, pipeline)
    assert left_behind(project) == []
    print(f"{len(plan)} runs were killed before their end; no result was lost, no file half-written")


def refused(project: Project, pipeline: str, message: str, *more: str, **limits: int) -> None:
    """A run ends with one clean line."""
    assert project.run(pipeline, *more, **limits) == 1, project.runs.output()
    output = re.sub(r"\s+", " ", project.runs.output())
    assert "Traceback" not in output
    assert re.search(message, output), output


@pytest.mark.parametrize(
    ("pipeline", "limit"),
    [
        ("data_ingestion", 6_000),
        ("data_ingestion", 200_000),
        ("feature_extraction", 50_000),
        ("feature_extraction", 300_000),
        ("naive_cnn", 100_000),
        ("comparison", 20_000),
        ("inference", 6_000),
    ],
)
def test_a_file_that_can_not_grow_any_further(project, pipeline, limit):
    # It fails as with a full disk, a quota or a file system's limit, without needing one.
    project.forget(pipeline)
    refused(project, pipeline, r"can't be (written|kept).*File too large", RLIMIT_FSIZE=limit)
    assert left_behind(project) == []
    recovers(project, pipeline)


@contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """A small file system of its own at a place; only root can have one."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(project):
    project.forget("naive_cnn")
    with mounted(project.root / "data/06_models", "size=200k"):
        refused(project, "naive_cnn", r"can't be written: No space left on device")
        assert half_written(project) == []
    recovers(project, "naive_cnn")


def test_a_read_only_data_folder(project):
    data = project.root / "data"
    if os.geteuid() == 0:
        with mounted(data, "ro"):
            refused(project, "data_ingestion", r"data can't be written: Read-only file system")
    else:
        data.chmod(0o500)
        try:
            refused(project, "data_ingestion", r"can't be (written|kept): Permission denied")
        finally:
            data.chmod(0o700)
    recovers(project, "data_ingestion")


def test_memory_that_runs_out(project):
    project.forget("naive_cnn")
    status = Path(f"/proc/{project.runs.server}/status")
    if not status.is_file():
        pytest.skip("this system doesn't tell how much memory a process has")
    (used,) = re.findall(r"VmSize:\s+(\d+) kB", status.read_text())
    code = project.run("naive_cnn", RLIMIT_AS=1024 * int(used) + 600 * 1024**2)
    # Python says that there is no memory; the threads of a backend just end the process, which is as good as killed.
    assert code != 0
    if code == 1:
        assert "memory" in project.runs.output()
        assert "Traceback" not in project.runs.output()
    recovers(project, "naive_cnn")
