"""Writes down what a run does: which dataset becomes which operation of the journal."""

import base64
import hashlib
import io
import json
import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from PIL import Image

from dogs_vs_cats.evaluation.metrics import HELD_OUT_METRICS, SPLITS
from dogs_vs_cats.tracking import run_facts, store
from dogs_vs_cats.tracking.delivery import GROUP
from dogs_vs_cats.tracking.fetching import MODEL_FILE
from dogs_vs_cats.tracking.spool import FOLDER, Progress, Spool, md5
from dogs_vs_cats.training.events import EpochEnd, TrialBegin, TrialEnd

logger = logging.getLogger(__name__)

ARTIFACTS = {
    "figures": (
        "learning_curves",
        "confusion_matrix",
        "roc_curve",
        "calibration_curve",
        "coverage_curve",
        "mistakes",
    ),
    "results": ("history", "predictions", "seed_metrics", "metrics"),
    "explanation": (
        "explanation_filters",
        "explanation_feature_maps",
        "explanation_pooling",
        "explanation_grad_cam",
        "explanation_layers",
    ),
}
"""What of an approach's datasets becomes an artifact of its run, by the artifact's folder."""

FOLDERS = {output: folder for folder, outputs in ARTIFACTS.items() for output in outputs}
OUTPUTS = {"model", "model_info", "timings", "distribution", *FOLDERS}
"""What of an approach's datasets is tracked."""

COMPARISON = ("comparison_table", "comparison_summary", "comparison_report")
TUNING = ("tuning_trials", "tuning_summary", "tuning_history", "tuning_importance", "tuning_report")

SILENCE_SECONDS = 30.0
"""A sender that has used no processor time for so long hangs, and is not waited for any longer."""

SERVING_PACKAGES = ("mlflow", "keras", "numpy", "pandas", "pillow", "pi-heif", "opencv-python-headless", "simplejpeg")


def is_tracked(pipeline: Pipeline, approaches: list[str]) -> bool:
    """Whether a pipeline makes anything that is tracked."""
    outputs = pipeline.all_outputs()
    return bool(outputs & {*COMPARISON, *TUNING}) or any(f"{a}.{o}" in outputs for a in approaches for o in OUTPUTS)


class Recorder:
    """Follows one run, from its first node to its end."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        environment: str | None,
        experiment: str,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
    ):
        """Starts a journal, and the process that sends it.

        Args:
            parameters: All parameters of the run.
            environment: The Kedro environment that was asked for, if any.
            experiment: The experiment that the environment names.
            pipeline: What will run.
            catalog: Where the results are saved.
        """
        self._parameters = parameters
        self._env = environment
        self._experiment = experiment
        self._catalog = catalog
        self._outputs = pipeline.all_outputs()
        self._approaches: list[str] = list(parameters["approaches"])
        self._group = run_facts.group()
        self._tags = run_facts.tags()
        self._known: set[str] = set()
        self._trial: str | None = None
        self._saved: dict[str, set[str]] = {name: set() for name in self._approaches}
        self._digests = ThreadPoolExecutor(max_workers=1)
        self._model_md5: dict[tuple[Path, int, int], str] = {}
        self._images_md5: Future[str] | None = None
        self._store = store.uri()
        self._spool = Spool.create(
            store.root(), store.without_credentials(self._store), store.experiment_name(experiment)
        )
        self._sender = _start_sender(self._spool, self._store)
        if problem := self._problem():
            logger.warning(
                "The MLflow store %s can't take this run: %s. The run goes on, and nothing is lost: what is to be "
                "tracked is kept until the store takes it",
                store.without_credentials(self._store),
                problem,
            )

    def _problem(self) -> str:
        """Why the store can't take anything, as far as that is known before the run; else empty."""
        if not store.is_checked(self._store):
            return self._wait(lambda progress: bool(progress.experiment_id or progress.problem)).problem
        try:
            store.check(self._store)
        except (OSError, sqlite3.Error) as error:
            return store.reason(error)
        return ""

    # --- what the hook tells ------------------------------------------------------------------------------------

    def node_starts(self, outputs: list[str]) -> None:
        """Begins the run of an approach when its training starts."""
        for approach in self._approaches:
            if f"{approach}.model" in outputs:
                self._append_group([])
                self._spool.append("begin", run=approach, **self._beginning(approach, self._parameters))
                self._known.add(approach)
                self._append_dataset(approach)

    def epoch_ends(self, event: EpochEnd) -> None:
        """Logs an epoch at its step; of several seeds only the first one's, whose model is kept."""
        seeds = self._parameters[event.approach].get("seeds") or [self._parameters["seed"]]
        run = self._trial or event.approach
        if run in self._known and event.seed == seeds[0]:
            self._spool.append("metrics", run=run, values=event.logs, step=event.epoch, time=_now())

    def trial_begins(self, event: TrialBegin) -> None:
        """Begins the run of one trial of a search; the epochs until its end are its own."""
        self._trial = f"trial {event.trial}"
        parameters = {**self._parameters, event.approach: dict(event.parameters)}
        beginning = {
            **self._beginning(event.approach, parameters),
            "name": f"{event.approach} trial {event.trial} {self._group.label}",
        }
        beginning["tags"] = {**beginning["tags"], "trial": str(event.trial)}
        self._append_group([])
        self._spool.append("begin", run=self._trial, **beginning)
        self._known.add(self._trial)

    def trial_ends(self, event: TrialEnd) -> None:
        """Ends the run of a trial, and says how good it was or that it was stopped early."""
        if self._trial is None:
            return
        self._spool.append("tags", run=self._trial, tags={"outcome": event.outcome})
        if event.val_loss is not None:
            self._append_results(self._trial, {"validation_log_loss": event.val_loss})
        self._spool.append("end", run=self._trial, status="FINISHED", time=_now())
        self._trial = None

    def dataset_saved(self, name: str, data: Any) -> None:
        """Mirrors a result."""
        if name in COMPARISON:
            self._comparison_saved(name, data)
            return
        if name in TUNING:
            self._tuning_saved(name, data)
            return
        approach, _, output = name.rpartition(".")
        if approach not in self._approaches:
            return
        if output in OUTPUTS:
            self._find(approach)
            self._result_saved(approach, output, data)
        self._saved[approach].add(name)
        expected = {out for out in self._outputs if out.startswith(f"{approach}.")}
        if approach in self._known and self._saved[approach] == expected:
            self._spool.append("end", run=approach, status="FINISHED", time=_now())

    def save_links(self) -> None:
        """Saves the addresses of the approaches' runs, as far as the store knows them; waits until it was asked."""
        models = self._models()
        self._append_group(list(models.values()))
        self._spool.append("links", models=models)
        wanted = len(self._spool.operations())
        progress = self._wait(lambda progress: progress.sent >= wanted or bool(progress.problem))
        self._catalog.save("tracking_links", progress.links or {})

    def close(self, status: str) -> None:
        """Ends the run: closes the journal, waits until it is sent, and says what came of it.

        Args:
            status: `FINISHED`, `FAILED` or `KILLED`.
        """
        self._digests.shutdown(wait=True)
        if not self._spool.operations():
            self._sender.kill()
            self._sender.wait()
            self._spool.delete()
            return
        self._spool.append("close", status=status, time=_now())
        progress = self._wait(lambda _: False)
        for refused in progress.refused:
            logger.warning("MLflow refused a part of this run: %s", refused)
        if progress.sent == len(self._spool.operations()):
            if progress.verdict:
                logger.info("Champion: %s", progress.verdict)
            hint = "" if store.is_server(self._store) else " (make mlflow starts the page)"
            logger.info("Tracked in MLflow: %s%s", progress.main_page, hint)
            self._spool.delete()
            return
        logger.warning(
            "The MLflow store %s could not take this run (%s). Nothing is lost: the results are where they always are, "
            "and what is to be tracked is kept in %s. Upload it later: kedro tracking upload, with --to=URI to another "
            "store",
            store.without_credentials(self._store),
            progress.problem or "it did not answer in time",
            FOLDER,
        )

    # --- operations ---------------------------------------------------------------------------------------------

    def _append_group(self, models: list[str]) -> None:
        if GROUP not in self._known:
            self._spool.append("group", **self._group_arguments(models))
            self._known.add(GROUP)

    def _group_arguments(self, models: list[str]) -> dict[str, Any]:
        return {
            "key": self._group.key,
            "name": f"{self._group.command} {self._group.label}",
            "tags": self._tags,
            "models": models,
            "time": _now(),
        }

    def _beginning(self, approach: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": f"{approach} {self._group.label}",
            "tags": {**self._tags, "approach": approach, "experiment": self._experiment},
            "parameters": run_facts.parameters_of(approach, parameters),
            "time": _now(),
        }

    def _find(self, approach: str) -> None:
        """Lets the results of a model that this run didn't train land in the run that did."""
        if approach in self._known:
            return
        path = self._path(f"{approach}.model")
        group = self._group_arguments([])
        digest = self._md5_of_model(path) if path else ""
        begin = self._beginning(approach, self._trained_with(approach))
        self._spool.append("find", run=approach, md5=digest, group=group, begin=begin)
        self._known |= {approach}

    def _trained_with(self, approach: str) -> dict[str, Any]:
        """The parameters that the approach's model on disk was trained with, which may differ from this run's."""
        path = self._path(f"{approach}.model_info")
        info = json.loads(path.read_text(encoding="utf-8")) if path else {}
        made_with = info.get("made_with", {})
        found = {
            approach: made_with.get("parameters"),
            "seed": info.get("seed"),
            "compute": made_with.get("compute"),
            "augmentation": made_with.get("augmentation"),
            "backbone": info.get("backbone_made_with"),
        }
        return {**self._parameters, **{name: value for name, value in found.items() if value is not None}}

    def _append_dataset(self, approach: str) -> None:
        """Logs the images under the hash that DVC gives them, once that is known."""
        path = self._path("images")
        if path is None:
            return
        self._images_md5 = self._images_md5 or self._digests.submit(md5, path)
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        schema = {"mlflow_tensorspec": {"features": json.dumps(_tensor(images)), "targets": None}}
        source = {"uri": self._relative(path), "ingested_from": self._ingestion("source")}
        profile = {"images": len(images), **self._split_sizes()}

        def append(digest: Future[str]) -> None:
            self._spool.append(
                "dataset",
                run=approach,
                name=f"images of {self._experiment}",
                digest=digest.result(),
                source=json.dumps(source),
                schema=json.dumps(schema),
                profile=json.dumps(profile),
            )

        self._images_md5.add_done_callback(append)

    def _result_saved(self, approach: str, output: str, data: Any) -> None:
        path = self._path(f"{approach}.{output}")
        if output == "model_info":
            counts = {name: float(data[name]) for name in ("parameters", "trainable_parameters")}
            counts["trained_epochs"] = float(data["epochs"])
            self._append_results(approach, counts)
            self._append_model(approach, data)
        elif output == "timings":
            self._append_results(approach, data)
        elif output == "metrics":
            self._append_results(approach, _flat_metrics(data))
        elif output == "distribution" and path:
            # Beside the model, as on disk: inference with the logged model then flags unfamiliar photos too.
            file = self._spool.attach(path, Path(MODEL_FILE).with_suffix(path.suffix).name)
            self._spool.append("model_file", run=approach, file=file)
        if path and output in FOLDERS:
            self._spool.append("file", run=approach, file=self._spool.attach(path), folder=FOLDERS[output])

    def _append_results(self, run: str, values: Mapping[str, float]) -> None:
        self._spool.append("results", run=run, values=dict(values), time=_now())

    def _append_model(self, approach: str, model_info: dict[str, Any]) -> None:
        path = self._path(f"{approach}.model")
        if path is None:
            return
        self._spool.append("tags", run=approach, tags={"model_md5": self._md5_of_model(path)})
        self._spool.append(
            "model",
            run=approach,
            approach=approach,
            file=self._spool.attach(path),
            settings={
                "classes": model_info["classes"],
                "max_pixels": self._ingestion("max_pixels"),
                "min_side": self._ingestion("min_side"),
                "bit_depth": model_info.get("bit_depth"),
                "experiment": self._experiment,
            },
            example=self._example(model_info),
            requirements=_requirements(),
        )

    def _example(self, model_info: dict[str, Any]) -> str:
        """The first image, or a black one where there is none, as base64 text of a PNG file."""
        path = self._path("images")
        size, channels = model_info["image_size"], model_info["channels"]
        pixels = np.load(path, mmap_mode="r")[0] if path else np.zeros((size, size, channels), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels if channels == 3 else pixels[..., 0])).save(buffer, "PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    def _comparison_saved(self, name: str, data: Any) -> None:
        self._append_group(list(self._models().values()))
        if name == "comparison_summary":
            best = data["best"]["approach"]
            row = data["approaches"][best]
            headlines = {f"best_{key}": row[key] for key in HELD_OUT_METRICS if row.get(key) is not None}
            self._append_results(GROUP, headlines)
            self._spool.append("tags", run=GROUP, tags={"best_approach": best})
            self._append_champion(best)
        path = self._path(name)
        if path:
            self._spool.append("file", run=GROUP, file=self._spool.attach(path), folder="")

    def _tuning_saved(self, name: str, data: Any) -> None:
        self._append_group([])
        if name == "tuning_summary":
            self._append_results(GROUP, {"best_validation_log_loss": data["best_val_loss"]})
            self._spool.append("tags", run=GROUP, tags={"best_trial": str(data["best_trial"])})
        path = self._path(name)
        if path:
            self._spool.append("file", run=GROUP, file=self._spool.attach(path), folder="tuning")

    def _append_champion(self, best: str) -> None:
        name = store.registered_name(self._parameters["tracking"]["registered_model"], self._experiment)
        manifest, class_names = self._path("manifest"), self._path("class_names")
        if name is None or manifest is None or class_names is None:
            return
        classes = json.loads(class_names.read_text(encoding="utf-8"))
        size = self._ingestion("image_size")
        self._spool.append("links", models=self._models())
        self._spool.append(
            "champion",
            registered_model=name,
            approach=best,
            data={
                "validation_images": _validation_split(pd.read_csv(manifest, keep_default_na=False), classes),
                "classes": json.dumps(classes),
                "image_size": f"{size}x{size}x{self._ingestion('channels')}",
            },
            promote=f"kedro tracking promote {f'--env={self._env} ' if self._env else ''}".strip(),
        )

    # --- what they need -----------------------------------------------------------------------------------------

    def _path(self, name: str) -> Path | None:
        """The file of a dataset; None where it has none."""
        dataset = self._catalog.get(name)
        described = dataset._describe().get("filepath") if dataset is not None else None
        path = Path(str(described)).absolute() if described else None
        return path if path and path.is_file() else None

    def _models(self) -> dict[str, str]:
        """Hash of each approach's model file."""
        paths = {name: self._path(f"{name}.model") for name in self._approaches}
        return {name: self._md5_of_model(path) for name, path in paths.items() if path}

    def _md5_of_model(self, path: Path) -> str:
        """Hash of a model file, read once: a file that was written since is another one."""
        status = path.stat()
        key = path, status.st_ino, status.st_mtime_ns
        if key not in self._model_md5:
            self._model_md5[key] = md5(path)
        return self._model_md5[key]

    def _ingestion(self, name: str) -> Any:
        value = self._parameters["ingestion"][name]
        return store.without_credentials(value) if isinstance(value, str) else value

    def _split_sizes(self) -> dict[str, int]:
        path = self._path("manifest")
        if path is None:
            return {}
        counts = pd.read_csv(path, keep_default_na=False, usecols=["split"])["split"].value_counts()
        return {str(split): int(count) for split, count in counts.items()}

    def _relative(self, path: Path) -> str:
        root = store.root()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name

    def _wait(self, enough: Callable[[Progress], bool]) -> Progress:
        """Waits for the sender, as long as it does something."""
        busy, since = 0.0, time.monotonic()
        while True:
            ended = self._sender.poll() is not None
            progress = self._spool.load_progress()
            if ended or enough(progress):
                return progress
            used = _processor_seconds(self._sender.pid)
            if used > busy + 0.05:
                busy, since = used, time.monotonic()
            elif time.monotonic() - since > SILENCE_SECONDS:
                self._sender.kill()
                self._sender.wait()
                return progress
            time.sleep(0.05)


def _start_sender(spool: Spool, store_uri: str) -> subprocess.Popen[bytes]:
    source = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "dogs_vs_cats.tracking.sender", str(spool.folder.absolute())],
        cwd=store.root(),
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")]),
            "MLFLOW_TRACKING_URI": store_uri,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for the run; the sender then ends what is left of it by itself.
        start_new_session=True,
    )


def _processor_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _flat_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Final metrics by the names that the comparison gives them, such as `test_accuracy`."""
    flat = {f"{split}_{name}": value for split in SPLITS for name, value in metrics.get(split, {}).items()}
    for figure in ("mean", "std"):
        spread = metrics.get("seeds", {}).get(figure, {})
        flat |= {f"{name}_{figure}": value for name, value in spread.items()}
    return {name: float(value) for name, value in flat.items() if isinstance(value, int | float)}


def _tensor(images: np.ndarray) -> list[dict[str, Any]]:
    return [{"type": "tensor", "tensor-spec": {"dtype": images.dtype.name, "shape": [-1, *images.shape[1:]]}}]


def _validation_split(manifest: pd.DataFrame, classes: list[str]) -> str:
    """Hash of the validation photos and their classes, in any order and at any size."""
    rows = manifest[manifest["split"] == "validation"]
    lines = sorted(f"{photo} {classes[label]}" for photo, label in zip(rows["sha256"], rows["label"], strict=True))
    return hashlib.md5("\n".join(lines).encode(), usedforsecurity=False).hexdigest()


def _requirements() -> list[str]:
    """The installed versions of what serving a model needs."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    pinned = []
    # TensorFlow's wheel for CPUs has a name of its own.
    for name in (*SERVING_PACKAGES, backend, f"{backend}-cpu"):
        try:
            pinned.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            logger.debug("%s isn't installed under this name", name)
    return pinned


def _now() -> int:
    """Milliseconds since 1970, as MLflow counts."""
    return int(time.time() * 1000)
