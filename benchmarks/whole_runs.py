"""Whole experiments: the lecture's script against `kedro run`, and what `kedro run` adds to the work itself."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from material import MOBILENET, PHOTOS, ROOT, project_copy, random_vgg16
from result import Result

# The lecture has no test images of its own; ours needs one of each class.
SIZES = "ingestion.train_size=3000,ingestion.validation_size=1000,ingestion.test_size=2"


def lecture_run() -> Result:
    """All three approaches with MobileNetV2 on 3,000 + 1,000 photos, from the archive on, once each way.

    Returns:
        Seconds; `note` has the validation accuracies. Ours also evaluates, draws, compares and tracks.
    """
    script = ROOT / "benchmarks" / "lecture" / "dogs_vs_cats.py"
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), str(PHOTOS), str(MOBILENET)], capture_output=True, text=True, check=True
    )
    usual = time.perf_counter() - begin
    accuracies = re.findall(r"validation accuracy ([0-9.]+)", done.stdout)
    with tempfile.TemporaryDirectory() as name:
        project = project_copy(Path(name) / "project")
        begin = time.perf_counter()
        backbone = f"backbone.name=MobileNetV2,backbone.kwargs.alpha=0.35,backbone.weights={MOBILENET}"
        _kedro(project, f"{backbone},transfer_bottleneck.pooling=avg")
        ours = time.perf_counter() - begin
        metrics = _validation_accuracies(project)
    return {
        "usual": usual,
        "ours": ours,
        "ratio": usual / ours,
        "unit": "s",
        "note": f"validation accuracies: usual {' '.join(accuracies)}, ours {' '.join(f'{m:.3f}' for m in metrics)}",
    }


def orchestration_overhead() -> Result:
    """A lecture run with VGG16: what it takes in all against what decoding, fitting, extracting and predicting take.

    Returns:
        `usual` is the work alone, `ours` the whole run, in seconds; `ratio` is what the rest costs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = project_copy(folder / "project")
        weights = random_vgg16(folder)
        begin = time.perf_counter()
        _kedro(project, f"backbone.weights={weights}", timed=folder / "seconds.json")
        whole = time.perf_counter() - begin
        parts = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))
    work = sum(parts.values())
    shown = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in parts.items())
    return {"usual": work, "ours": whole, "ratio": whole / work, "unit": "s", "note": f"VGG16: {shown}"}


def dvc_repro_unchanged() -> Result:
    """`dvc repro` of the environment `test`, and a second one that has nothing to do.

    Returns:
        Seconds of the first and of the second, which starts no Kedro process.
    """
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        parameters = project / "params.yaml"
        parameters.write_text(
            parameters.read_text(encoding="utf-8").replace("env: base", "env: test"), encoding="utf-8"
        )
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_SITE_CACHE_DIR": str(Path(name) / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            "DOGS_VS_CATS_TRACKING": "off",
        }
        seconds = []
        for _ in range(2):
            begin = time.perf_counter()
            command = [sys.executable, "-m", "dvc", "repro"]
            done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"dvc repro failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
            seconds.append(time.perf_counter() - begin)
        if "Running stage" in done.stdout:
            raise RuntimeError(f"the second dvc repro had something to do:\n{done.stdout}")
    return {"usual": seconds[0], "ours": seconds[1], "ratio": seconds[0] / seconds[1], "unit": "s, environment test"}


def _kedro(project: Path, parameters: str, timed: Path | None = None) -> None:
    run = ["run", "--env=lecture", f"--params=ingestion.source={PHOTOS},{SIZES},{parameters}"]
    command = ["-m", "kedro", *run]
    if timed is not None:
        command = [str(ROOT / "benchmarks" / "timed_run.py"), *run, str(timed)]
    done = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"kedro {' '.join(run)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def _validation_accuracies(project: Path) -> list[float]:
    reports = project / "data" / "08_reporting" / "lecture"
    names = ("naive_cnn", "transfer_end_to_end", "transfer_bottleneck")
    metrics = (json.loads((reports / name / "metrics.json").read_text(encoding="utf-8")) for name in names)
    return [values["validation"]["accuracy"] for values in metrics]
