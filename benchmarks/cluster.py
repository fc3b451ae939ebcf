"""Many photos, classified on one machine and on a Ray cluster of two, of which one is killed midway.

The model is that of the environment `test`, which is trained first. The machines are processes on this computer, so
the times say what the cluster costs, not what it gains.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np
import pandas as pd
import psutil
from material import project_copy
from ray_processes import RayProcesses

SIDE = 40
MODEL = "data_ingestion,augmentation,backbone,feature_extraction,transfer_bottleneck"
MIB = 2**20


def write_photos(folder: Path, count: int) -> None:
    """Writes JPEG files that all differ."""
    folder.mkdir()
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def kedro(project: Path, pipelines: str, *parameters: str) -> subprocess.Popen[bytes]:
    """Starts a run."""
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env=test", f"--pipelines={pipelines}"]
        + [f"--params={parameter}" for parameter in parameters],
        cwd=project,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "DOGS_VS_CATS_TRACKING": "off"},
    )


def private(pid: int) -> int:
    """Memory that a process shares with no other, in bytes; 0 if it has ended."""
    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except psutil.Error:
        return 0


def classify(project: Path, photos: Path, cluster: RayProcesses | None, kill_after: int = 0) -> dict[str, float]:
    """Classifies photos; kills a machine once so many have an answer, and watches the memory."""
    peaks = {"driver": 0, "worker": 0, "object stores": 0}
    answered, killed = 0, False
    shared = psutil.disk_usage("/dev/shm").used
    begin = time.perf_counter()
    address = [f"compute.cluster={cluster.address}"] if cluster else []
    run = kedro(project, "inference", f"inference.source={photos}", *address)

    def seen(name: str, value: int) -> None:
        peaks[name] = max(peaks[name], value)

    while run.poll() is None:
        seen("driver", private(run.pid))
        if cluster:
            seen("object stores", psutil.disk_usage("/dev/shm").used - shared)
            for worker in cluster.workers():
                seen("worker", private(worker.pid))
        for journal in project.glob("data/**/*.jsonl"):
            answered = max(answered, journal.read_bytes().count(b"\n"))
        if cluster and not killed and answered >= kill_after:
            cluster.kill_a_machine()
            killed = True
        time.sleep(1)
    if run.returncode or (cluster and not killed):
        raise SystemExit(f"the run ended with {run.returncode}; a machine was killed: {killed}")
    return {"seconds": time.perf_counter() - begin, **{f"{name}, MiB": peak / MIB for name, peak in peaks.items()}}


@click.command()
@click.option("--photos", default=100_000, show_default=True)
def main(photos: int) -> None:
    """Print times and peaks of memory as JSON; fail unless every photo has one answer, the same both times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project, source = project_copy(folder / "project"), folder / "photos"
        if kedro(project, MODEL).wait():
            raise SystemExit("the model couldn't be trained")
        write_photos(source, photos)
        result = project / "data/07_model_output/test/inference.csv"
        alone = classify(project, source, None)
        expected = result.read_bytes()
        cluster = RayProcesses({})
        try:
            together = classify(project, source, cluster, photos * 2 // 5)
        finally:
            cluster.stop()
        answers = pd.read_csv(result)
        assert sorted(answers["path"]) == sorted(f"{number}.jpg" for number in range(photos))
        assert answers["reason"].isna().all()
        assert result.read_bytes() == expected
    print(json.dumps({"photos": photos, "one machine": alone, "two machines, one killed": together}, indent=2))


if __name__ == "__main__":
    main()
