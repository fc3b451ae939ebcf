"""Writes the events of a run into an MLflow store.

Every event can be repeated: what the store already has is found or overwritten, never duplicated.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.tracking import champion, store
from dogs_vs_cats.tracking.logged_model import MODEL_FILE, log_model, model_of
from dogs_vs_cats.tracking.outbox import Event, Outbox, Report, md5_of_attached
from dogs_vs_cats.tracking.results import COMPARISON, artifact_folder, metrics_in, validation_images

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "parent"
"""Name of the parent run; the others have the names of approaches and trials."""

PERMANENT = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS"}
"""Errors that a second attempt won't change."""

PARAMETERS_PER_REQUEST = 100


class Writer:
    """Writes one outbox into one store, and reports its progress."""

    def __init__(self, outbox: Outbox, address: str, run: Event):
        """Connects to the store, and finds or creates the experiment.

        Args:
            outbox: The outbox.
            address: The store's URI.
            run: Its first event, which writes nothing by itself: a run without results isn't tracked.

        Raises:
            Exception: The store doesn't answer.
        """
        self._outbox = outbox
        self._address = address
        self._run = run
        self._client = store.connect(address)
        self._experiment_id = store.experiment_id(self._client, address, run["mlflow_experiment"])
        self._run_ids: dict[str, str] = {}
        self._earlier: set[str] = set()
        self._ended: set[str] = set()
        self._files: dict[str, Path] = {}
        self._report = outbox.report = Report(sent=1)

    def send(self, events: list[Event]) -> None:
        """Sends the events that have not been sent, in order.

        Args:
            events: All events so far.

        Raises:
            Exception: The store doesn't answer, or has lost its runs; a new writer may have more luck.
        """
        for event in events[self._report.sent :]:
            self._files |= {name: self._outbox.folder / file for name, file in event.get("files", {}).items()}
            arguments = {name: value for name, value in event.items() if name not in ("event", "files")}
            try:
                getattr(self, f"_on_{event['event']}")(**arguments)
            except Exception as error:
                # These two don't come from the store: a run or a file is missing in the outbox.
                refused = isinstance(error, LookupError | FileNotFoundError)
                if not refused and getattr(error, "error_code", "") not in PERMANENT:
                    raise
                self._report.refused.append(store.reason(error))
            self._report.sent += 1
            self._outbox.report = self._report

    # --- events, as `recorder` writes them ----------------------------------------------------------------------

    def _on_begin(
        self, run: str, approach: str, parameters: dict[str, str], time: int, trial: int | None = None
    ) -> None:
        """Begins the run of an approach or of one trial of a search."""
        from mlflow.entities import Param

        tags = {"approach": approach, "experiment": self._run["experiment"], "mlflow.parentRunId": self._parent(time)}
        if trial is not None:
            tags["trial"] = str(trial)
        self._create(run, approach if trial is None else f"{approach} {run}", tags, time)
        entries = [Param(key, value) for key, value in parameters.items()]
        for start in range(0, len(entries), PARAMETERS_PER_REQUEST):
            self._client.log_batch(self._run_ids[run], params=entries[start : start + PARAMETERS_PER_REQUEST])

    def _on_dataset(self, run: str, time: int, **dataset: str) -> None:
        """Logs the images that a run is trained on."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        context = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self._run_ids[run], [DatasetInput(Dataset(**dataset), context)])

    def _on_metrics(self, run: str, values: dict[str, float], step: int, time: int) -> None:
        """Logs metrics of one step."""
        from mlflow.entities import Metric

        metrics = [Metric(name, value, time, step) for name, value in values.items()]
        self._client.log_batch(self._run_ids[run], metrics=metrics)

    def _on_saved(self, name: str, time: int, trained_with: dict[str, str] | None = None, example: str = "") -> None:
        """Logs a result to the run that trained the model, which may be an earlier one."""
        run, _, output = name.rpartition(".")
        if not run:
            run = PARENT
            self._parent(time, comparison=name in COMPARISON)
        elif trained_with is not None and not self._find(run):
            self._on_begin(run, run, trained_with, time)
            self._tag(run, model_md5=md5_of_attached(self._files[f"{run}.model"]))
        path = self._files.get(name)
        if path is None:
            return
        if path.suffix == ".json":
            self._log_content(run, output, json.loads(path.read_text(encoding="utf-8")), time, example)
        elif output == "distribution" and (model_id := model_of(self._client.get_run(self._run_ids[run]))):
            # Beside the model, as on disk, so that inference with the logged model also flags unfamiliar images.
            self._client.log_model_artifact(model_id, str(path), Path(MODEL_FILE).parent.as_posix())
        folder = artifact_folder(name, path)
        if folder is not None:
            self._client.log_artifact(self._run_ids[run], str(path), folder or None)

    def _on_end(
        self, run: str, time: int, status: str = "FINISHED", outcome: str = "", val_loss: float | None = None
    ) -> None:
        """Ends a run, and logs the outcome of a trial; an earlier run stays as it is."""
        if outcome:
            self._tag(run, outcome=outcome)
            self._log_results(run, {"validation_log_loss": val_loss}, time)
        if run not in self._earlier | self._ended:
            self._client.set_terminated(self._run_ids[run], status, time)
            self._ended.add(run)

    def _on_links(self, time: int) -> None:
        """Reports the addresses of all approaches' runs."""
        self._parent(time, comparison=True)
        self._link()

    def _on_close(self, status: str, time: int) -> None:
        """Ends all unfinished runs, the parent last."""
        for run in sorted(self._run_ids, key=PARENT.__eq__):
            self._on_end(run, time, status)
        if self._run_ids:
            run_id = self._run_ids.get(PARENT) or next(iter(self._run_ids.values()))
            self._report.page = self._page(run_id)

    # --- runs ---------------------------------------------------------------------------------------------------

    def _parent(self, time: int, *, comparison: bool = False) -> str:
        """MLflow's id of the parent run; a comparison alone belongs to the common parent of its approaches' runs."""
        if PARENT in self._run_ids:
            return self._run_ids[PARENT]
        group = self._run["group"]
        if found := self._search(f"tags.run_group = '{group['key']}'"):
            self._run_ids[PARENT] = found.info.run_id
            self._client.update_run(found.info.run_id, status="RUNNING")
        elif comparison and (parent := self._common_parent()):
            self._run_ids[PARENT] = parent
            self._earlier.add(PARENT)
        else:
            self._create(PARENT, group["command"], {"run_group": group["key"]}, time)
        return self._run_ids[PARENT]

    def _common_parent(self) -> str | None:
        models = [approach for approach in self._run["approaches"] if f"{approach}.model" in self._files]
        parents = {
            self._client.get_run(self._run_ids[approach]).data.tags.get("mlflow.parentRunId")
            if self._find(approach)
            else None
            for approach in models
        }
        return parents.pop() if len(parents) == 1 else None

    def _create(self, run: str, name: str, tags: dict[str, str], time: int) -> None:
        entry = f"{self._outbox.folder.name}/{run}"
        # An earlier attempt may have created it.
        found = self._search(f"tags.outbox = '{entry}'") or self._client.create_run(
            self._experiment_id,
            start_time=time,
            tags={**self._run["tags"], **tags, "outbox": entry},
            run_name=f"{name} {self._run['group']['label']}",
        )
        self._run_ids[run] = found.info.run_id

    def _find(self, approach: str) -> bool:
        """Finds the run of an approach: that of this outbox, or else the one that trained the same model file."""
        model = self._files.get(f"{approach}.model")
        if approach in self._run_ids or model is None:
            return approach in self._run_ids
        found = self._search(f"tags.model_md5 = '{md5_of_attached(model)}'")
        if found:
            self._run_ids[approach] = found.info.run_id
            if not found.data.tags.get("outbox", "").startswith(f"{self._outbox.folder.name}/"):
                self._earlier.add(approach)
        return found is not None

    def _search(self, condition: str) -> "Run | None":
        """The newest run that meets a condition."""
        found = self._client.search_runs(
            [self._experiment_id], condition, max_results=1, order_by=["attributes.start_time DESC"]
        )
        return found[0] if found else None

    def _page(self, run_id: str) -> str:
        return store.run_address(self._address, self._experiment_id, run_id)

    def _link(self) -> list[str]:
        """Finds the runs of all approaches, and links to them in the report and in the parent's description."""
        run_ids = {approach: self._run_ids[approach] for approach in self._run["approaches"] if self._find(approach)}
        self._report.links = {approach: self._page(run_id) for approach, run_id in run_ids.items()}
        if run_ids:
            page = store.compare_address(self._address, self._experiment_id, list(run_ids.values()))
            self._client.set_tag(self._run_ids[PARENT], "mlflow.note.content", f"[Compare the approaches]({page})")
        return list(run_ids)

    # --- what is logged -----------------------------------------------------------------------------------------

    def _log_content(self, run: str, output: str, content: dict[str, Any], time: int, example: str) -> None:
        self._log_results(run, metrics_in(output, content), time)
        if output == "model_info":
            self._log_model(run, content, example)
        elif output == "comparison_summary":
            self._choose_champion(content["best"]["approach"])
        elif output == "tuning_summary":
            self._tag(PARENT, best_trial=str(content["best_trial"]))

    def _log_results(self, run: str, values: Mapping[str, Any], time: int) -> None:
        """Logs final metrics, except those that the run has already from an earlier evaluation."""
        known = self._client.get_run(self._run_ids[run]).data.metrics
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        if new := {name: value for name, value in numbers.items() if known.get(name) != value}:
            self._on_metrics(run, new, 0, time)

    def _log_model(self, approach: str, info: dict[str, Any], example: str) -> None:
        """Logs the model of an approach, unless its run has one."""
        keras_file = self._files[f"{approach}.model"]
        self._tag(approach, model_md5=md5_of_attached(keras_file))
        run = self._client.get_run(self._run_ids[approach])
        if model_of(run) is None:
            settings = {
                "approach": approach,
                "experiment": self._run["experiment"],
                "classes": info["classes"],
                "bit_depth": info.get("bit_depth"),
                **self._run["decoding"],
            }
            log_model(self._client, run, keras_file, settings, example, self._run["requirements"])

    def _choose_champion(self, best: str) -> None:
        """Considers the best approach as champion, and tags the runs with the outcome."""
        self._tag(PARENT, best_approach=best)
        name = self._run["registered_model"]
        if name is None or not {"manifest", "class_names"} <= self._files.keys():
            return
        classes = json.loads(self._files["class_names"].read_text(encoding="utf-8"))
        compared = self._link()
        for approach in compared:
            self._tag(
                approach,
                validation_images=validation_images(self._files["manifest"], classes),
                classes=json.dumps(classes),
                image_size=self._run["image_size"],
            )
        run = self._client.get_run(self._run_ids[best]) if best in compared else None
        model_id = run and model_of(run)
        if run and model_id:
            verdict = champion.consider(self._client, name, run, model_id, self._run["promote"])
            self._tag(best, champion=verdict)
        else:
            verdict = f"{best} is the best approach, but no tracked run has its model: the champion is unchanged"
        self._tag(PARENT, champion=verdict)
        self._report.verdict = verdict

    def _tag(self, run: str, **tags: str) -> None:
        for name, value in tags.items():
            self._client.set_tag(self._run_ids[run], name, value)
