"""Records the events of a run in an outbox, for the worker that sends them to MLflow."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.tracking import run_facts, store, worker
from dogs_vs_cats.tracking.images import describe_images, example_image
from dogs_vs_cats.tracking.logged_model import MODEL_FILE, requirements
from dogs_vs_cats.tracking.outbox import FOLDER, Outbox, Report, former_outboxes, md5
from dogs_vs_cats.tracking.results import is_tracked
from dogs_vs_cats.tracking.system_load import SystemLoad
from dogs_vs_cats.training.events import Event, TrialBegin, TrialEnd

logger = logging.getLogger(__name__)

SAMPLE_SECONDS = 5.0
"""Time between two samples of the machine's load while a model is trained."""

PATIENCE_SECONDS = 120.0
"""The run stops waiting for a worker that has made no progress for this time."""


class Recorder:
    """Records one run, from its first node to its end."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        environment: str | None,
        experiment: str,
        pipeline: Pipeline,
        catalog: CatalogProtocol[Any, Any],
    ):
        """Opens an outbox, and starts the worker that sends it.

        Args:
            parameters: All parameters of the run.
            environment: The Kedro environment that was asked for, if any.
            experiment: The experiment that the environment names.
            pipeline: The pipeline of the run.
            catalog: The catalog with the results.
        """
        self._parameters = parameters
        self._experiment = experiment
        self._catalog = catalog
        self._approaches: list[str] = list(parameters["approaches"])
        self._to_save = {
            approach: {name for name in pipeline.all_outputs() if name.startswith(f"{approach}.") and self._file(name)}
            for approach in self._approaches
        }
        self._begun: set[str] = set()
        self._trial: str | None = None
        self._sampler: threading.Thread | None = None
        self._training_is_over = threading.Event()
        self._images_md5 = ""
        self._background = ThreadPoolExecutor(max_workers=1)
        self._address = store.uri()
        self._outbox = Outbox.create(store.root())
        self._outbox.append("run", **self._facts(environment))
        self._worker = worker.start(self._outbox, self._address)
        self._warn_of_problems()

    def _facts(self, environment: str | None) -> dict[str, Any]:
        ingestion = self._parameters["ingestion"]
        return {
            "store": self._address,
            "mlflow_experiment": store.experiment_name(self._experiment),
            "experiment": self._experiment,
            "approaches": self._approaches,
            "group": vars(run_facts.group()),
            "tags": run_facts.tags(),
            "requirements": requirements(),
            "decoding": {name: ingestion[name] for name in ("max_pixels", "min_side")},
            "image_size": f"{ingestion['image_size']}x{ingestion['image_size']}x{ingestion['channels']}",
            "registered_model": store.registered_name(
                self._parameters["tracking"]["registered_model"], self._experiment
            ),
            "promote": f"kedro tracking promote {f'--env={environment}' if environment else ''}".strip(),
        }

    def _warn_of_problems(self) -> None:
        if advice := former_outboxes(store.root()):
            logger.warning(advice)
        problem = store.problem(self._address)
        if not store.is_checked(self._address):
            problem = self._wait(lambda report: report.sent > 0 or bool(report.problem)).problem
        if problem:
            logger.warning(
                "The MLflow store %s can't take this run: %s. The run goes on, and nothing is lost: its records wait "
                "until the store takes them",
                without_credentials(self._address),
                problem,
            )

    # --- events, as `writer` reads them -------------------------------------------------------------------------

    def node_starts(self, outputs: list[str]) -> None:
        """Begins the run of an approach when its training starts."""
        for approach in self._approaches:
            if f"{approach}.model" in outputs:
                self._begin(approach, approach, self._parameters)
                self._background.submit(self._record_images, approach)

    def training_event(self, event: Event) -> None:
        """Records an epoch, or the beginning or end of a trial of a search, whose epochs are its own."""
        if isinstance(event, TrialBegin):
            self._trial = f"trial {event.trial}"
            parameters = {**self._parameters, event.approach: dict(event.parameters)}
            self._begin(self._trial, event.approach, parameters, trial=event.trial)
        elif isinstance(event, TrialEnd):
            self._stop_sampling()
            self._outbox.append("end", run=self._trial, outcome=event.outcome, val_loss=event.val_loss)
            self._trial = None
        else:
            # Of several seeds, the first one's model is saved, and the run shows its epochs.
            seeds = self._parameters[event.approach].get("seeds") or [self._parameters["seed"]]
            run = self._trial or event.approach
            if run in self._begun and event.seed == seeds[0]:
                self._outbox.append("metrics", run=run, values=event.logs, step=event.epoch)

    def dataset_saved(self, name: str, data: Any) -> None:
        """Records a result, with the other files that the writer needs for it."""
        approach, _, output = name.rpartition(".")
        if approach in self._approaches:
            if self._file(name):  # the others are in memory, for the next node
                self._of_approach_saved(approach, output, data)
        elif is_tracked(name, []):
            self._saved(name, "manifest", "class_names", *self._models)

    def _of_approach_saved(self, approach: str, output: str, data: Any) -> None:
        name = f"{approach}.{output}"
        more: dict[str, Any] = {}
        if output == "model_info":
            self._stop_sampling()
            more["example"] = example_image(self._path("images"), data)
        if approach not in self._begun:
            self._begun.add(approach)
            more["trained_with"] = run_facts.parameters_of(approach, self._trained_with(approach))
        self._saved(name, f"{approach}.model", **more)
        self._to_save[approach].discard(name)
        if not self._to_save[approach]:
            self._outbox.append("end", run=approach)

    def _saved(self, name: str, *needed: str, **more: Any) -> None:
        self._outbox.append("saved", name=name, files=self._attach(name, *needed), **more)

    def save_links(self) -> None:
        """Waits for the store's answer, and saves the addresses of the approaches' runs."""
        wanted = self._outbox.append("links", files=self._attach(*self._models))
        report = self._wait(lambda report: report.sent >= wanted or bool(report.problem))
        self._catalog.save("tracking_links", report.links)

    def close(self, status: str) -> None:
        """Closes the outbox, waits until it is sent, and logs the outcome.

        Args:
            status: `FINISHED`, `FAILED` or `KILLED`.
        """
        self.stop()
        number = self._outbox.append("close", status=status)
        if number == 2:  # the run failed before it had anything to track
            self._worker.kill()
            self._worker.wait()
            self._outbox.delete()
            return
        report = self._wait(lambda _: False)
        for refused in report.refused:
            logger.warning("MLflow refused a part of this run: %s", refused)
        if report.sent == number:
            if report.verdict:
                logger.info("Champion: %s", report.verdict)
            hint = "" if store.is_server(self._address) else " (make mlflow starts the page)"
            logger.info("Tracked in MLflow: %s%s", report.page, hint)
            self._outbox.delete()
            return
        logger.warning(
            "The MLflow store %s could not take this run (%s). Nothing is lost: the results are where they always are, "
            "and the run's records wait in %s. Send them later: kedro tracking upload, with --to=URI to another store",
            without_credentials(self._address),
            report.problem or "it did not answer in time",
            FOLDER,
        )

    def stop(self) -> None:
        """Stops the threads; the worker notices when the run is over."""
        self._stop_sampling()
        self._background.shutdown(wait=True)

    # --- parts of events ----------------------------------------------------------------------------------------

    def _begin(self, run: str, approach: str, parameters: Mapping[str, Any], **trial: int) -> None:
        flat = run_facts.parameters_of(approach, parameters)
        self._outbox.append("begin", run=run, approach=approach, parameters=flat, **trial)
        self._begun.add(run)
        self._stop_sampling()
        self._training_is_over.clear()
        self._sampler = threading.Thread(target=self._sample_load, args=(run,), daemon=True)
        self._sampler.start()

    def _sample_load(self, run: str) -> None:
        with suppress(OSError, psutil.Error):  # a full disk, or a figure that this system lacks
            load = SystemLoad()
            for step in count():
                self._outbox.append("metrics", run=run, values=load.sample(), step=step)
                if self._training_is_over.wait(SAMPLE_SECONDS):
                    return

    def _stop_sampling(self) -> None:
        self._training_is_over.set()
        if self._sampler:
            self._sampler.join()

    def _trained_with(self, approach: str) -> dict[str, Any]:
        """The parameters that the approach's model on disk was trained with, which may differ from this run's."""
        path = self._path(f"{approach}.model_info")
        info = json.loads(path.read_text(encoding="utf-8")) if path else {}
        found = {**info.get("made_with", {}), "seed": info.get("seed"), "backbone": info.get("backbone_made_with")}
        found[approach] = found.pop("parameters", None)
        return {**self._parameters, **{name: value for name, value in found.items() if value is not None}}

    def _record_images(self, approach: str) -> None:
        """Records the images under the hash that DVC gives them; reading them all takes seconds."""
        if path := self._path("images"):
            self._images_md5 = self._images_md5 or md5(path)
            source = self._parameters["ingestion"]["source"]
            dataset = describe_images(path, self._images_md5, self._path("manifest"), self._experiment, source)
            self._outbox.append("dataset", run=approach, **dataset)

    # --- files --------------------------------------------------------------------------------------------------

    @property
    def _models(self) -> list[str]:
        return [f"{approach}.model" for approach in self._approaches]

    def _path(self, name: str) -> Path | None:
        """The file of a dataset; None if there is none."""
        path = self._file(name)
        return path if path and path.is_file() else None

    def _file(self, name: str) -> Path | None:
        """Where a dataset is saved; None if it is in memory."""
        dataset = self._catalog.get(name)
        described = dataset._describe().get("filepath") if dataset is not None else None
        return Path(str(described)).absolute() if described else None

    def _attach(self, *names: str) -> dict[str, str]:
        """Attaches the files of datasets to the outbox, as far as they exist."""
        attached = {}
        for name in names:
            if path := self._path(name):
                of_model = name.endswith((".model", ".distribution"))
                attached[name] = self._outbox.attach(path, Path(MODEL_FILE).stem if of_model else None)
        return attached

    # --- worker -------------------------------------------------------------------------------------------------

    def _wait(self, enough: Callable[[Report], bool]) -> Report:
        """Waits for the worker as long as it makes progress."""
        sent, since = 0, time.monotonic()
        while True:
            ended = self._worker.poll() is not None
            report = self._outbox.report
            if ended or enough(report) or time.monotonic() - since > PATIENCE_SECONDS:
                return report
            if report.sent > sent:
                sent, since = report.sent, time.monotonic()
            time.sleep(0.05)
