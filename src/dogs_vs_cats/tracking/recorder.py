"""Records the events of a run in an outbox, for the worker that sends them to MLflow."""

import logging
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol

from dogs_vs_cats.compute import cluster
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.tracking import run_facts, store, worker
from dogs_vs_cats.tracking.images import describe_images, example_image
from dogs_vs_cats.tracking.logged_model import MODEL_FILE, requirements
from dogs_vs_cats.tracking.outbox import FOLDER, Outbox, Report
from dogs_vs_cats.tracking.results import is_tracked
from dogs_vs_cats.tracking.system_load import LoadSampler
from dogs_vs_cats.training.events import Event, TrialBegin, TrialEnd

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 120.0
"""The run waits for the store's answers for at most this time."""


class Recorder:
    """Records one run, from its first node to its end; the `writer` makes sense of the records."""

    def __init__(self, parameters: Mapping[str, Any], catalog: CatalogProtocol[Any, Any]):
        """Prepares a recorder, which does nothing before its start.

        Args:
            parameters: All parameters of the run.
            catalog: The catalog with the results.
        """
        self._parameters = parameters
        self._catalog = catalog
        self._approaches: list[str] = parameters["approaches"]
        self._address = store.uri()
        self._sampling = ExitStack()
        self._worker: subprocess.Popen[bytes] | None = None
        self._images: dict[str, Any] = {}

    def start(self, experiment: str, options: list[str], outputs: list[str]) -> None:
        """Opens an outbox, and warns if the store can't be reached.

        Args:
            experiment: The experiment.
            options: The options of `kedro run` that chose it, if any.
            outputs: The datasets that the run saves.
        """
        self._outbox = Outbox.create(store.root())
        self._outbox.append(
            "run",
            store=self._address,
            mlflow_experiment=store.experiment_name(experiment),
            experiment=experiment,
            parameters=self._parameters,
            outputs=outputs,
            group=run_facts.group(),
            tags=run_facts.tags(),
            requirements=requirements(self._parameters["backbone"]["name"]),
            promote=" ".join(["kedro tracking promote", *options]),
        )
        if problem := store.problem(self._address):
            logger.warning(
                "The MLflow store %s can't take this run: %s. The run goes on, and nothing is lost: its records wait "
                "until the store takes them",
                without_credentials(self._address),
                problem,
            )

    def node_starts(self, outputs: list[str]) -> None:
        """Records that the training of an approach starts, and its images, whose hash takes seconds a gigabyte."""
        path = self._path("images")
        for approach in self._approaches:
            if f"{approach}.model" in outputs:
                if path and not self._images:
                    source = self._parameters["ingestion"]["source"]
                    described = describe_images(path, self._catalog.load("manifest"), source)
                    self._images = {"images": described, "example": example_image(path)}
                self._record("train", approach=approach, **self._images)
                self._sample_load()

    def training_event(self, event: Event) -> None:
        """Records an epoch, or the beginning or end of a trial of a search."""
        if isinstance(event, TrialEnd):
            self.stop()
        self._record(type(event).__name__.lower(), **asdict(event))
        if isinstance(event, TrialBegin):
            self._sample_load()

    def dataset_saved(self, name: str) -> None:
        """Records a result."""
        if name.endswith(".model_info"):  # a training is over
            self.stop()
        if is_tracked(name, self._approaches):
            self._record("saved", name=name, files=self._attach(name))

    def save_links(self) -> None:
        """Waits for the store's answer, and saves the addresses of the approaches' runs."""
        wanted = self._record("links", files=self._attach())
        report = self._wait(lambda report: report.sent >= wanted or bool(report.problem))
        self._catalog.save("tracking_links", report.links)

    def close(self, status: str) -> None:
        """Closes the outbox, waits until it is sent, and logs the outcome.

        Args:
            status: `FINISHED`, `FAILED` or `KILLED`.
        """
        self.stop()
        if self._worker is None:  # the run failed before it had anything to track
            self._outbox.delete()
            return
        number = self._record("close", status=status)
        report = self._wait(lambda report: False)
        for refused in report.refused:
            logger.warning("MLflow refused a part of this run: %s", refused)
        if report.sent < number:
            logger.warning(
                "The MLflow store %s could not take this run (%s). Nothing is lost: the results are where they always "
                "are, and the run's records wait in %s. Send them later: kedro tracking upload, with --to=URI to "
                "another store",
                without_credentials(self._address),
                report.problem or "it did not answer in time",
                FOLDER,
            )
            return
        if report.verdict:
            logger.info("Champion: %s", report.verdict)
        hint = "" if store.is_server(self._address) else " (make mlflow starts the page)"
        logger.info("Tracked in MLflow: %s%s", report.page, hint)
        self._outbox.delete()

    def stop(self) -> None:
        """Stops sampling the load of the machine; the worker notices when the run is over."""
        self._sampling.close()

    def _sample_load(self) -> None:
        self.stop()
        if cluster.connected():  # other machines train
            return
        sampler = LoadSampler(lambda load, number: self._record("load", values=load, step=number))
        self._sampling.callback(sampler.stop)

    def _record(self, kind: str, **values: Any) -> int:
        """Appends a record, the first of which starts the worker, and returns the number of records."""
        self._worker = self._worker or worker.start(self._outbox, self._address)
        return self._outbox.append(kind, **values)

    def _wait(self, enough: Callable[[Report], bool]) -> Report:
        """Waits for the worker."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._worker and self._worker.poll() is None and time.monotonic() < deadline:
            if enough(self._outbox.report):
                break
            time.sleep(0.05)
        return self._outbox.report

    def _attach(self, *names: str) -> dict[str, str]:
        """Attaches files of datasets, and those that describe models and images, as far as they exist."""
        models = [f"{approach}.{output}" for approach in self._approaches for output in ("model", "model_info")]
        attached = {}
        for name in (*names, *models, "manifest", "class_names", "provenance"):
            if path := self._path(name):
                of_model = name.endswith((".model", ".distribution"))
                attached[name] = self._outbox.attach(path, Path(MODEL_FILE).stem if of_model else path.stem)
        return attached

    def _path(self, name: str) -> Path | None:
        """The file of a dataset; None if it is in memory or hasn't been saved."""
        dataset = self._catalog.get(name)
        path = Path(dataset._describe().get("filepath", "")).absolute() if dataset is not None else None
        return path if path and path.is_file() else None
