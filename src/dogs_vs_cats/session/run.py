"""One run: check parameters, refuse stale inputs, start Keras, and report the result."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
from kedro.framework.context import KedroContext
from kedro.framework.project import configure_logging
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats import parameter_schema
from dogs_vs_cats.compute import cluster
from dogs_vs_cats.compute.start import prepare_environment, start_keras
from dogs_vs_cats.datasets import KerasModelDataset
from dogs_vs_cats.errors import ClusterError, ProjectError
from dogs_vs_cats.inference.classifiers import find_model, load_classifier
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.parameters.files import read_yaml
from dogs_vs_cats.pipeline_registry import use_parameters
from dogs_vs_cats.pipelines.inference.nodes import RESULTS
from dogs_vs_cats.project import VARIABLE
from dogs_vs_cats.session import run_lock
from dogs_vs_cats.session.config_loader import ConfigLoader
from dogs_vs_cats.session.preflight import Preflight
from dogs_vs_cats.session.runner import TAG
from dogs_vs_cats.session.selection import LOADED_BEFORE_NODES, check_inputs
from dogs_vs_cats.session.stale_inputs import refuse_stale_inputs
from dogs_vs_cats.storage.caches import GIB, note_use, remove_beyond, total
from dogs_vs_cats.tracking.run_facts import kedro_command
from dogs_vs_cats.tracking.store import registered_name
from dogs_vs_cats.training.dry_build import refuse_unbuildable

logger = logging.getLogger(__name__)


class Run:
    """A run, from its parameters to its closing lines."""

    def __init__(self, context: KedroContext) -> None:
        """Checks all parameters, then registers the pipelines of this environment's approaches.

        Args:
            context: Kedro's, with the configuration.

        Raises:
            ConfigurationError: The configuration can't be read.
            ParameterError: Parameters are wrong.
        """
        log = Path(context.config_loader.conf_source) / "logging.yml"
        if VARIABLE in os.environ and log.is_file():  # Kedro looks for it in the current folder alone
            configure_logging(read_yaml(log))
        # Not `context.params`: that builds all pipelines, before the approaches are known.
        loader = cast(ConfigLoader, context.config_loader)
        self._parameters = _parameters(loader)
        self._chosen_size = loader.chosen_size
        parameter_schema.check(self._parameters)
        use_parameters(self._parameters)
        prepare_environment(ComputeParameters.model_validate(self._parameters["compute"]))
        self._root, self._environment = context.project_path, context.env
        self._globals = dict(context.config_loader["globals"])
        self._experiment = str(self._globals.get("experiment"))  # the catalog refuses globals without it

    def describe(self, catalog: CatalogProtocol[Any, Any]) -> None:
        """Lets a report name the experiment and the command, and a search repeat the environment."""
        command = without_credentials(kedro_command())
        catalog.save("run_record", {"experiment": self._experiment, "command": command, "globals": self._globals})

    def prepare(self, options: Mapping[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Refuses to run beside another run or on inputs made with other parameters; starts Keras if needed.

        Args:
            options: Of the run, by Kedro's names.
            pipeline: What is to run.
            catalog: What it reads and writes.

        Raises:
            ProjectError: The run is refused.
        """
        uses_keras = any("keras" in node.tags for node in pipeline.nodes)
        address = self._parameters["compute"]["cluster"]
        _refuse_runner(str(options["runner"]), address, uses_keras=uses_keras)
        # Creates all that the run reads or writes, which shows the catalog's mistakes before anything has run.
        datasets = [catalog.get(name) for name in sorted(pipeline.datasets())]
        run_lock.acquire(self._root / "data" / f".{self._experiment}.lock")
        if not options["only_missing_outputs"]:
            check_inputs(pipeline, catalog, self._environment)
        refuse_stale_inputs(pipeline, catalog, self._parameters, self._environment)
        if self._chosen_size and "images" in pipeline.all_outputs():
            logger.info(self._chosen_size.reason)
        if address is not None:  # the earlier it is refused, the better
            _connect(address, pipeline)
        preflight, feature_count = Preflight(pipeline, catalog, self._parameters, self._root), None
        if not options["only_missing_outputs"]:  # there, the images may exist
            preflight.check_source()
        if uses_keras:
            start_keras()
            feature_count = refuse_unbuildable(pipeline.all_outputs(), self._parameters)
        preflight.check_room(feature_count)
        for dataset in datasets:
            if isinstance(dataset, KerasModelDataset):
                dataset.caches = True
        for entry in LOADED_BEFORE_NODES.keys() & pipeline.inputs():
            group, name = LOADED_BEFORE_NODES[entry]
            wanted, approaches = self._parameters[group][name], self._parameters["approaches"]
            registered = registered_name(self._parameters["tracking"]["registered_model"], self._experiment)
            metric = self._parameters["comparison"]["metric"]
            catalog.save(entry, load_classifier(*find_model(wanted, catalog, approaches, registered, metric)))

    def dataset_saved(self, data: Any) -> None:
        """Records that the experiment uses an entry of a cache."""
        if isinstance(data, np.memmap) and data.filename:
            note_use(self._root, Path(data.filename), self._experiment)

    def finish(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Makes room in the caches, and says where the result is, and what a comparison found."""
        limit = self._parameters["storage"]["cache_limit_gib"]
        if limit is not None and (removed := remove_beyond(self._root, limit * GIB)):
            logger.info("Removed from the caches, because storage.cache_limit_gib is %s: %s", limit, total(removed))
        run_lock.release()
        if "inference_result" in pipeline.all_outputs():
            result = RESULTS[self._parameters["inference"]["format"]]
            click.echo(f"\nThe result: data/07_model_output/{self._experiment}/{result}.csv")
        if "exported_files" in pipeline.all_outputs():
            click.echo(f"\nThe files: data/06_models/{self._experiment}/export")
        if "tuned_environment" in pipeline.all_outputs():
            environment = self._parameters["tuning"]["environment"]
            click.echo(f"\nThe search: data/08_reporting/{self._experiment}/tuning/tuning.html")
            click.echo(f"With the best values: kedro run --env={environment}")
        if "data_quality_report" in pipeline.all_outputs():
            from dogs_vs_cats.reporting import data_quality_findings

            summary, folder = catalog.load("data_quality_summary"), f"data/08_reporting/{self._experiment}"
            click.echo(f"\n{data_quality_findings.headline(summary)}.\n{data_quality_findings.line(summary)}.")
            click.echo(f"The page: {folder}/data_quality.html\nThe table: {folder}/label_issues.csv")
        if "replication_table" in pipeline.all_outputs():
            from dogs_vs_cats.lectures.summary import closing_lines as replication_lines

            click.echo("\n" + "\n".join(replication_lines(catalog.load("replication_table"))))
            click.echo("\nThe page: docs/replication.md\nThe table: data/08_reporting/replication.csv")
        if "comparison_summary" in pipeline.all_outputs():
            from dogs_vs_cats.reporting.findings import closing_lines

            report = f"data/08_reporting/{self._experiment}/comparison.html"
            click.echo("\n" + "\n".join(closing_lines(catalog.load("comparison_summary"), report)))


def _refuse_runner(given: str, address: str | None, *, uses_keras: bool) -> None:
    """Refuses runners that would hang.

    Processes that have started Keras or Ray can't be forked, nor can threads share Keras.
    """
    if uses_keras:
        for runner in ("ParallelRunner", "ThreadRunner"):
            if runner in given:
                raise ProjectError(
                    f"--runner={runner} can't run pipelines that use Keras, which needs one process and one thread. "
                    "Use kedro run without --runner; each node uses several cores (compute.threads)."
                )
    if address is not None and "ParallelRunner" in given:
        raise ProjectError(
            f"--runner=ParallelRunner can't run with compute.cluster: {address}: its processes can't share the "
            "connection. Use kedro run without --runner, or set compute.cluster: null."
        )


def _connect(address: str, pipeline: Pipeline) -> None:
    """Connects to a cluster until the run is over."""
    if address.startswith("ray://") and pipeline.only_nodes_with_tags(TAG).nodes:
        raise ClusterError(
            f"compute.cluster is {address}, but Ray's client doesn't report the progress of trainings. Let this "
            "machine join the cluster (ray start --address=HOST:6379) and set compute.cluster: HOST:6379, or train "
            "here with compute.cluster: null."
        )
    run_lock.at_end(cluster.disconnect)
    cluster.connect(address)


def _parameters(loader: ConfigLoader) -> dict[str, Any]:
    """All parameters, without those of `--params` that only a `${runtime_params:NAME}` in a file of conf reads."""
    parameters = loader["parameters"]
    unused = loader.interpolated_parameters() - parameter_schema.root_schema(parameters).model_fields.keys()
    return {name: value for name, value in parameters.items() if name not in unused}
