"""What each operation of a journal does in an MLflow store.

Everything may be repeated: what a store already has is found or overwritten, never made twice.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.tracking import store
from dogs_vs_cats.tracking.champion import consider
from dogs_vs_cats.tracking.fetching import MODEL_FILE
from dogs_vs_cats.tracking.spool import Operation, Progress, Spool

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARAMETERS_A_REQUEST = 100
GROUP = "group"
"""Name, in a journal, of the run that holds the others."""

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Without this MLflow's page takes an experiment for one of language models, and shows no training runs at first."""

PERMANENT = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS"}
"""Answers that a second attempt won't change."""


class Delivery:
    """Sends one journal to one store."""

    def __init__(self, spool: Spool, store_uri: str):
        """Connects to nothing yet.

        Args:
            spool: The journal.
            store_uri: The store's URI.
        """
        self._spool = spool
        self._store = store_uri
        self._client: MlflowClient | None = None
        self._progress = spool.load_progress()

    def pending(self, operations: list[Operation]) -> bool:
        """Whether some operations have not been sent."""
        return self._progress.sent < len(operations)

    def connect(self) -> bool:
        """Makes sure that the store answers and has the experiment; notes the problem where it doesn't."""
        try:
            self._connect()
        except Exception as error:
            self._fail(error)
            return False
        self._spool.save_progress(self._progress)
        return True

    def send(self, operations: list[Operation]) -> bool:
        """Sends what has not been sent, in order.

        Args:
            operations: All of the journal.

        Returns:
            Whether the store has all of it now. Where not, `Progress.problem` says why.
        """
        if not self.connect():
            return False
        started_over = False
        while self.pending(operations):
            operation = operations[self._progress.sent]
            try:
                self._perform(operation)
            except Exception as error:
                code = getattr(error, "error_code", "")
                if code == "RESOURCE_DOES_NOT_EXIST" and not started_over:
                    # The store has lost its runs: an empty one has taken its place.
                    started_over = True
                    self._progress = Progress()
                    self._client = None
                    if self.connect():
                        continue
                    return False
                # The last ones are no answers of a store: a file or a run that the journal should have isn't there.
                if code not in PERMANENT and not isinstance(error, LookupError | FileNotFoundError | TypeError):
                    self._fail(error)
                    return False
                self._progress.refused.append(store.reason(error))
            self._progress.sent += 1
            self._progress.problem = ""
            self._spool.save_progress(self._progress)
        return True

    def _fail(self, error: Exception) -> None:
        self._client = None
        self._progress.problem = store.reason(error)
        self._spool.save_progress(self._progress)

    def _connect(self) -> "MlflowClient":
        if self._client is None:
            store.check(self._store)
            import mlflow
            from mlflow import MlflowClient

            # A part of the registry asks the global store about logged models, not the client's.
            mlflow.set_tracking_uri(self._store)
            client = MlflowClient(tracking_uri=self._store, registry_uri=self._store)
            self._progress.experiment_id = self._experiment(client)
            self._client = client
        return self._client

    def _experiment(self, client: "MlflowClient") -> str:
        name = self._spool.header["experiment"]
        found = client.get_experiment_by_name(name)
        if found is None:
            from mlflow.exceptions import MlflowException

            try:
                return client.create_experiment(name, store.artifact_location(self._store, name), EXPERIMENT_TAGS)
            except MlflowException:
                found = client.get_experiment_by_name(name)  # made by another process in between
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        for key, value in EXPERIMENT_TAGS.items() - found.tags.items():
            client.set_experiment_tag(found.experiment_id, key, value)
        return found.experiment_id

    # --- operations ---------------------------------------------------------------------------------------------

    def _perform(self, operation: Operation) -> None:
        arguments = dict(operation)
        perform = getattr(self, f"_do_{arguments.pop('operation')}")
        perform(**arguments)

    def _do_group(self, key: str, name: str, tags: dict[str, str], models: list[str], time: int) -> None:
        """Finds or makes the run that holds the others: that of the group, or the one parent of `models`."""
        found = self._search(f"tags.run_group = '{key}'")
        if found:
            self._progress.run_ids[GROUP] = found.info.run_id
            self._connect().update_run(found.info.run_id, status="RUNNING")
            return
        runs = [self._search(f"tags.model_md5 = '{md5}'") for md5 in models]
        parents = {run.data.tags.get("mlflow.parentRunId") if run else None for run in runs}
        if len(parents) == 1 and (parent := parents.pop()):
            self._progress.run_ids[GROUP] = parent
            self._progress.found.append(GROUP)
            return
        self._create(GROUP, name, {**tags, "run_group": key}, {}, time)

    def _do_begin(self, run: str, name: str, tags: dict[str, str], parameters: dict[str, str], time: int) -> None:
        """Begins the run of a training."""
        self._create(run, name, {**tags, "mlflow.parentRunId": self._progress.run_ids[GROUP]}, parameters, time)

    def _do_find(self, run: str, md5: str, group: dict[str, Any], begin: dict[str, Any]) -> None:
        """Finds the run that trained a model, by the model file's hash; begins one where there is none."""
        found = self._search(f"tags.model_md5 = '{md5}'")
        if found:
            self._progress.run_ids[run] = found.info.run_id
            self._progress.found.append(run)
            return
        if GROUP not in self._progress.run_ids:
            self._do_group(**group)
        self._do_begin(run=run, **begin)
        self._do_tags(run, {"model_md5": md5})

    def _do_metrics(self, run: str, values: dict[str, float], step: int, time: int) -> None:
        """Logs metrics of one step."""
        from mlflow.entities import Metric

        metrics = [Metric(name, value, time, step) for name, value in values.items()]
        self._connect().log_batch(self._run_id(run), metrics=metrics)

    def _do_results(self, run: str, values: dict[str, float], time: int) -> None:
        """Logs final metrics, those left out that the run has already, from an evaluation that was repeated."""
        known = self._connect().get_run(self._run_id(run)).data.metrics
        new = {name: value for name, value in values.items() if known.get(name) != value}
        if new:
            self._do_metrics(run, new, 0, time)

    def _do_tags(self, run: str, tags: dict[str, str]) -> None:
        """Sets tags."""
        from mlflow.entities import RunTag

        self._connect().log_batch(self._run_id(run), tags=[RunTag(name, value) for name, value in tags.items()])

    def _do_file(self, run: str, file: str, folder: str) -> None:
        """Logs a file as artifact."""
        self._connect().log_artifact(self._run_id(run), str(self._spool.folder / file), folder or None)

    def _do_dataset(self, run: str, name: str, digest: str, source: str, schema: str, profile: str) -> None:
        """Logs the input data."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name, digest, "local", source, schema, profile)
        context = [InputTag("mlflow.data.context", "training")]
        self._connect().log_inputs(self._run_id(run), [DatasetInput(dataset, context)])

    def _do_model(
        self, run: str, approach: str, file: str, settings: dict[str, Any], example: str, requirements: list[str]
    ) -> None:
        """Logs a model, unless the run has one."""
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        client = self._connect()
        if self._logged_model(run):
            return
        logged = client.create_logged_model(
            self._progress.experiment_id, name=approach, source_run_id=self._run_id(run), model_type="classifier"
        )
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            _write_model(
                model,
                identity={
                    "artifact_path": logged.artifact_location,
                    "run_id": self._run_id(run),
                    "model_uuid": logged.model_id,
                    "model_id": logged.model_id,
                    "metadata": {"approach": approach, "experiment": settings["experiment"]},
                },
                keras_file=self._spool.folder / file,
                settings=settings,
                example=example,
                requirements=requirements,
            )
            client.log_model_artifacts(logged.model_id, str(model))
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        client.log_outputs(self._run_id(run), [LoggedModelOutput(logged.model_id, step=0)])

    def _do_model_file(self, run: str, file: str) -> None:
        """Puts a file beside the `.keras` file of a run's model; a run that has no model goes without."""
        model_id = self._logged_model(run)
        if model_id is not None:
            path = str(self._spool.folder / file)
            self._connect().log_model_artifact(model_id, path, Path(MODEL_FILE).parent.as_posix())

    def _do_end(self, run: str, status: str, time: int) -> None:
        """Ends a run; one that was there before stays as it is."""
        if run not in self._progress.found and run not in self._progress.ended:
            self._connect().set_terminated(self._run_id(run), status, time)
            self._progress.ended.append(run)

    def _do_links(self, models: dict[str, str]) -> None:
        """Finds the run of each approach: this journal's, or the one that trained the model of that hash."""
        run_ids = {}
        for approach, md5 in models.items():
            run_id = self._progress.run_ids.get(approach)
            if run_id is None and (found := self._search(f"tags.model_md5 = '{md5}'")):
                run_id = found.info.run_id
                self._progress.run_ids[approach] = run_id
                self._progress.found.append(approach)
            if run_id is not None:
                run_ids[approach] = run_id
        self._progress.links = {approach: self._address(run_id) for approach, run_id in run_ids.items()}
        if run_ids:
            page = store.compare_address(self._store, self._progress.experiment_id, list(run_ids.values()))
            self._do_tags(GROUP, {"mlflow.note.content": f"[Compare the approaches]({page})"})

    def _do_champion(self, registered_model: str, approach: str, data: dict[str, str], promote: str) -> None:
        """Considers the best approach as champion, and says in the runs what came of it."""
        compared = [run for run in self._progress.run_ids if run != GROUP]
        for run in compared:
            self._do_tags(run, data)
        model_id = self._logged_model(approach) if approach in compared else None
        if model_id is None:
            verdict = f"{approach} is the best approach, but no tracked run has its model: the champion is unchanged"
        else:
            client = self._connect()
            verdict = consider(client, registered_model, client.get_run(self._run_id(approach)), model_id, promote)
            self._do_tags(approach, {"champion": verdict})
        self._do_tags(GROUP, {"champion": verdict})
        self._progress.verdict = verdict

    def _do_close(self, status: str, time: int) -> None:
        """Ends every run that is still going on, the parent last."""
        for run in sorted(self._progress.run_ids, key=GROUP.__eq__):
            self._do_end(run, status, time)
        run_id = self._progress.run_ids.get(GROUP) or next(iter(self._progress.run_ids.values()), None)
        self._progress.main_page = self._address(run_id) if run_id else ""

    # --- what they share ----------------------------------------------------------------------------------------

    def _create(self, run: str, name: str, tags: dict[str, str], parameters: dict[str, str], time: int) -> None:
        from mlflow.entities import Param

        client = self._connect()
        entry = f"{self._spool.folder.name}/{run}"
        # Only where the last attempt broke off can the store have the run already.
        interrupted = self._progress.attempted == self._progress.sent
        found = self._search(f"tags.journal = '{entry}'") if interrupted else None
        if found is None:
            self._progress.attempted = self._progress.sent
            self._spool.save_progress(self._progress)
            found = client.create_run(
                self._progress.experiment_id, start_time=time, tags={**tags, "journal": entry}, run_name=name
            )
        self._progress.run_ids[run] = found.info.run_id
        entries = [Param(key, value) for key, value in parameters.items()]
        for start in range(0, len(entries), PARAMETERS_A_REQUEST):
            client.log_batch(found.info.run_id, params=entries[start : start + PARAMETERS_A_REQUEST])

    def _run_id(self, run: str) -> str:
        return self._progress.run_ids[run]

    def _search(self, condition: str) -> "Run | None":
        """The newest run that meets a condition."""
        found = self._connect().search_runs(
            [self._progress.experiment_id], condition, max_results=1, order_by=["attributes.start_time DESC"]
        )
        return found[0] if found else None

    def _logged_model(self, run: str) -> str | None:
        return model_of(self._connect().get_run(self._run_id(run)))

    def _address(self, run_id: str) -> str:
        return store.run_address(self._store, self._progress.experiment_id, run_id)


def model_of(run: "Run") -> str | None:
    """MLflow's id of the model that a run has logged."""
    models = run.outputs.model_outputs if run.outputs else []
    return models[-1].model_id if models else None


def _write_model(
    folder: Path,
    *,
    identity: dict[str, Any],
    keras_file: Path,
    settings: dict[str, Any],
    example: str,
    requirements: list[str],
) -> None:
    """Writes a model as MLflow keeps it: our script, the `.keras` file, the decoder of image files."""
    import mlflow.pyfunc
    from mlflow.models import Model
    from mlflow.models.utils import _save_example

    from dogs_vs_cats import tracking

    package = Path(tracking.__file__).parents[1]
    # `save_model` would run the model on the example, for which it would first have to import Keras.
    with tempfile.TemporaryDirectory() as parts:
        code = Path(parts) / package.name
        (code / "images").mkdir(parents=True)
        for part in ("__init__.py", "images/__init__.py"):
            shutil.copyfile(package / part, code / part)
        shutil.copytree(
            package / "images" / "decoding", code / "images" / "decoding", ignore=shutil.ignore_patterns("__pycache__")
        )
        model_file = Path(parts) / Path(MODEL_FILE).name
        shutil.copyfile(keras_file, model_file)
        # Named as the one that training writes beside a model, from which whoever loads it takes the class names.
        settings_file = model_file.with_suffix(".json")
        settings_file.write_text(json.dumps(settings), encoding="utf-8")
        description = Model(**identity)
        mlflow.pyfunc.save_model(
            path=str(folder),
            mlflow_model=description,
            python_model=str(package / "tracking" / "served_model.py"),
            artifacts={"model": str(model_file), "settings": str(settings_file)},
            code_paths=[str(code)],
            pip_requirements=requirements,
        )
    _save_example(description, [example], str(folder))
    description.save(str(folder / "MLmodel"))
