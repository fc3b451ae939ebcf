"""Whole runs: the lecture's script against `kedro run`, what `kedro run` adds to the work itself, and its memory."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from material import MOBILENET, PHOTOS, ROOT, crops, project_copy, random_vgg16
from turns import Result

TRAINING = 3000

SOME = 600
"""Training photos of the run with VGG16."""


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
    ours, metrics = our_lecture_run(TRAINING)
    return {
        "usual": usual,
        "ours": ours,
        "ratio": usual / ours,
        "unit": "s",
        "note": f"validation accuracies: usual {' '.join(accuracies)}, ours {' '.join(f'{m:.3f}' for m in metrics)}",
    }


def our_lecture_run(training: int, epochs: int = 2) -> tuple[float, list[float]]:
    """Runs `conf/lecture` with MobileNetV2 in a copy of the project, from the archive on.

    Args:
        training: The number of training photos; a third as many validate.
        epochs: Epochs of each approach; the head on features is trained for five times as many.

    Returns:
        Seconds, and the validation accuracies of the three approaches.
    """
    values = {
        **{"backbone.name": "MobileNetV2", "backbone.kwargs.alpha": 0.35, "backbone.weights": MOBILENET},
        **{"naive_cnn.epochs": epochs, "transfer_end_to_end.epochs": epochs},
        # As in the lecture's script, which takes Adam's default; that of conf/lecture is for VGG16.
        "transfer_end_to_end.learning_rate": 0.001,
        **{"transfer_bottleneck.epochs": 5 * epochs, "transfer_bottleneck.pooling": "avg"},
    }
    with tempfile.TemporaryDirectory() as name:
        project = project_copy(Path(name) / "project")
        begin = time.perf_counter()
        _kedro(project, training, ",".join(f"{key}={value}" for key, value in values.items()))
        return time.perf_counter() - begin, _validation_accuracies(project)


def ingestion_memory() -> Result:
    """Ingests archives of 5,000 and 25,000 distinct crops of the photos, each in a process of its own.

    Returns:
        `usual` is the peak of 5,000 photos, `ours` that of 25,000, in MB; `ratio` says how much higher it is.
    """
    few, many = map(_peak_of_ingestion, (5_000, 25_000))
    return {"usual": few, "ours": many, "ratio": many / few, "unit": "MB, peak"}


def _peak_of_ingestion(count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crops(folder / "photos.zip", count)
        project = project_copy(folder / "project")
        parameters = f"ingestion.source={folder / 'photos.zip'},{_sizes(count * 3 // 5, test=count // 5)}"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "kedro",
                "run",
                "--env=lecture",
                "--pipelines=data_ingestion",
                f"--params={parameters}",
            ],
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "DOGS_VS_CATS_TRACKING": "off"},
        )
        assert process.stderr is not None
        messages = process.stderr.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"ingesting {count} photos failed:\n{messages}")
        # In KiB, on Linux.
        return used.ru_maxrss / 1024


def orchestration_overhead() -> Result:
    """A lecture run with VGG16: what it takes in all against what decoding, fitting, extracting and predicting take.

    One run trains on 600 photos; fitting, extracting and predicting are scaled to the lecture's 3,000. Decoding always
    reads the whole archive. The rest hardly grows with the photos, and is taken as it is.

    Returns:
        `usual` is the work alone, `ours` the whole run, in seconds; `ratio` is what the rest costs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project, figures = project_copy(folder / "project"), folder / "seconds.json"
        weights = random_vgg16(folder)
        begin = time.perf_counter()
        _kedro(project, SOME, f"backbone.weights={weights}", timed=figures)
        whole = time.perf_counter() - begin
        parts: dict[str, float] = json.loads(figures.read_text(encoding="utf-8"))
    rest = whole - sum(parts.values())
    scaled = {part: seconds * (1 if part == "decode" else TRAINING / SOME) for part, seconds in parts.items()}
    work = sum(scaled.values())
    shown = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in scaled.items())
    note = f"VGG16: {shown}; fit, extract and predict scaled from {SOME} photos"
    return {"usual": work, "ours": work + rest, "ratio": 1 + rest / work, "unit": "s", "note": note}


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


def _kedro(project: Path, training: int, parameters: str, timed: Path | None = None) -> None:
    # The lecture has no test images of its own; ours needs one of each class.
    run = ["run", "--env=lecture", f"--params=ingestion.source={PHOTOS},{_sizes(training, test=2)},{parameters}"]
    command = ["-m", "kedro", *run]
    if timed is not None:
        command = [str(ROOT / "benchmarks" / "timed_run.py"), *run, str(timed)]
    done = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"kedro {' '.join(run)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def _sizes(training: int, *, test: int) -> str:
    """Parameters of a split with a third as many validation images as training images."""
    sizes = {"train": training, "validation": training // 3, "test": test}
    return ",".join(f"ingestion.{split}_size={size}" for split, size in sizes.items())


def _validation_accuracies(project: Path) -> list[float]:
    reports = project / "data" / "08_reporting" / "lecture"
    names = ("naive_cnn", "transfer_end_to_end", "transfer_bottleneck")
    metrics = (json.loads((reports / name / "metrics.json").read_text(encoding="utf-8")) for name in names)
    return [values["validation"]["accuracy"] for values in metrics]
