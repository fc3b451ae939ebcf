"""What happens around every run: parameters are checked, stale inputs refused, Keras started, the result told."""

import logging
import sys
from pathlib import Path
from typing import Any

import click
from filelock import FileLock, Timeout
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline

from dogs_vs_cats.classifiers import Classifier, find_model, load_classifier
from dogs_vs_cats.compute import prepare_environment, start_keras
from dogs_vs_cats.credentials import without_credentials
from dogs_vs_cats.errors import ProjectError, expected_failure, unwritable
from dogs_vs_cats.parameters import schema
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.pipeline_registry import use_approaches
from dogs_vs_cats.pipelines.inference.nodes import RESULTS
from dogs_vs_cats.provenance import refuse_stale_inputs

logger = logging.getLogger(__name__)


class ProjectHooks:
    """Checks before a run, and the last words after it."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._globals: dict[str, Any] = {}
        self._experiment = ""
        self._lock: FileLock | None = None
        self._lock_path = Path()

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Checks all parameters, then tells the registry which approaches this environment runs."""
        # Not `context.params`: that builds all pipelines, before the approaches are known.
        self._parameters = dict(context.config_loader["parameters"])
        schema.check(self._parameters)
        use_approaches(
            self._parameters["approaches"],
            explained=self._parameters["explanation"]["approach"],
            tuned=self._parameters["tuning"]["approach"],
        )
        prepare_environment(ComputeParameters.model_validate(self._parameters["compute"]))
        self._globals = dict(context.config_loader["globals"])
        self._experiment = self._globals["experiment"]
        self._lock_path = context.project_path / "data" / f".{self._experiment}.lock"

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol) -> None:
        """Lets a report name the experiment and the command, and a search repeat the environment."""
        command = without_credentials(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))
        catalog["run_record"] = MemoryDataset(
            {"experiment": self._experiment, "command": command, "globals": self._globals}
        )

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Refuses to run beside another run or on inputs made with other parameters; starts Keras if needed."""
        self._acquire()
        refuse_stale_inputs(pipeline, catalog, self._parameters)
        if any("keras" in node.tags for node in pipeline.nodes):
            start_keras()
        from dogs_vs_cats.datasets import KerasModelDataset

        for dataset in map(catalog.get, pipeline.datasets()):
            if isinstance(dataset, KerasModelDataset):
                dataset.keep_during_run()
        if "classifier" in pipeline.inputs():
            catalog["classifier"] = MemoryDataset(self._classifier(catalog), copy_mode="assign")

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Says where the result is, and what a comparison found, in the last lines of the run."""
        self._release()
        if "inference_result" in pipeline.all_outputs():
            result = RESULTS[self._parameters["inference"]["format"]]
            click.echo(f"\nThe result: data/07_model_output/{self._experiment}/{result}.csv")
        if "tuned_environment" in pipeline.all_outputs():
            environment = self._parameters["tuning"]["environment"]
            click.echo(f"\nThe search: data/08_reporting/{self._experiment}/tuning/tuning.html")
            click.echo(f"With the best values: kedro run --env={environment}")
        if "comparison_report" in pipeline.all_outputs():
            from dogs_vs_cats.report.findings import closing_lines

            report = f"data/08_reporting/{self._experiment}/comparison.html"
            click.echo("\n" + "\n".join(closing_lines(catalog.load("comparison_summary"), report)))

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Lets the next run start, and takes expected failures out of what Kedro wraps around them."""
        self._release()
        cause = expected_failure(error)
        if cause is not None and cause is not error:
            raise cause from None

    def _classifier(self, catalog: CatalogProtocol) -> Classifier:
        """The model that `inference.model` asks for."""
        name, path = find_model(
            self._parameters["inference"]["model"],
            catalog,
            self._parameters["approaches"],
            self._parameters["tracking"]["registered_model"],
        )
        return load_classifier(name, path)

    def _acquire(self) -> None:
        lock = FileLock(self._lock_path)
        try:
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:  # which is an OSError too
            raise ProjectError(
                f"Another run of this experiment is going on ({self._lock_path} is locked). Wait until it has ended; "
                "a run in another environment can go on beside it."
            ) from None
        except OSError as error:
            raise unwritable(self._lock_path.parent, error) from error
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
