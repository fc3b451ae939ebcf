"""Writes the records of a run into an MLflow store.

Every record can be repeated: what the store already has is found or overwritten, never duplicated.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dogs_vs_cats.storage.file_hash import md5
from dogs_vs_cats.tracking import champion, store
from dogs_vs_cats.tracking.logged_model import MODEL_FILE, log_model, model_of
from dogs_vs_cats.tracking.outbox import Outbox, Record, Report
from dogs_vs_cats.tracking.results import (
    COMPARISON,
    EXPORT,
    artifact_folder,
    export_metrics,
    facts_in,
    validation_images,
)
from dogs_vs_cats.tracking.run_facts import parameters_of

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "parent"
"""Name of the parent run; the others have the names of approaches and trials."""

DESCRIBED = ("model_info", "metrics", "comparison_summary")
"""Results after which the manifest of the experiment is logged, to the same run."""

PERMANENT = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS"}
"""Errors that a second attempt won't change."""


class Writer:
    """Writes one outbox into one store, and reports its progress."""

    def __init__(self, outbox: Outbox, address: str, run: Record):
        """Connects to the store, and finds or creates the experiment.

        Args:
            outbox: The outbox.
            address: The store's URI.
            run: Its first record, which writes nothing by itself.

        Raises:
            Exception: The store doesn't answer.
        """
        self._outbox = outbox
        self._address = address
        self._run = run
        self._parameters: dict[str, Any] = run["parameters"]
        self._to_save = set(run["outputs"])
        self._client = store.connect(address)
        self._experiment_id = store.experiment_id(self._client, address, run["mlflow_experiment"])
        self._run_ids: dict[str, str] = {}
        self._files: dict[str, Path] = {}
        self._training = ""
        self._example = ""
        self._trial = ""
        self._report = outbox.report = Report(sent=1)

    def send(self, records: list[Record]) -> None:
        """Sends the records that have not been sent, in order.

        Args:
            records: All records so far.

        Raises:
            Exception: The store doesn't answer, or has lost its runs; a new writer may have more luck.
        """
        for record in records[self._report.sent :]:
            self._files |= {name: self._outbox.folder / file for name, file in record.get("files", {}).items()}
            arguments = {name: value for name, value in record.items() if name not in ("kind", "files")}
            try:
                getattr(self, f"_on_{record['kind']}")(**arguments)
            except Exception as error:
                # These two don't come from the store: a run or a file is missing in the outbox.
                refused = isinstance(error, LookupError | FileNotFoundError)
                if not refused and getattr(error, "error_code", "") not in PERMANENT:
                    raise
                self._report.refused.append(store.reason(error))
            self._report.sent += 1
            self._outbox.report = self._report

    # --- records, as `recorder` writes them -------------------------------------------------------------------------

    def _on_train(self, approach: str, time: int, images: dict[str, str] | None = None, example: str = "") -> None:
        """Begins the run of an approach."""
        self._training, self._example = approach, example
        self._begin(approach, approach, self._parameters, time)
        if images:
            from mlflow.entities import Dataset, DatasetInput, InputTag

            dataset = Dataset(name=f"images of {self._run['experiment']}", **images)
            inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
            self._client.log_inputs(self._run_ids[approach], inputs)

    def _on_epochend(
        self, approach: str, seed: int, epoch: int, logs: dict[str, float], time: int, trial: int | None = None
    ) -> None:
        """Logs the metrics of an epoch; of several seeds, those of the first one, whose model is saved."""
        seeds = self._parameters[approach].get("seeds") or [self._parameters["seed"]]
        run = approach if trial is None else f"trial {trial}"
        if run in self._run_ids and seed == seeds[0]:
            self._log(run, logs, time, epoch)

    def _on_load(self, values: dict[str, float], step: int, time: int) -> None:
        """Logs the load of the machine during a training."""
        self._log(self._trial or self._training, values, time, step)

    def _on_trialbegin(self, approach: str, trial: int, parameters: dict[str, Any], time: int, **_: Any) -> None:
        """Begins the run of one trial of a search."""
        self._trial = f"trial {trial}"
        self._begin(self._trial, approach, {**self._parameters, approach: parameters}, time, trial=str(trial))

    def _on_trialend(self, outcome: str, val_loss: float | None, time: int, **_: Any) -> None:
        """Ends the run of a trial."""
        self._tag(self._trial, outcome=outcome)
        self._log(self._trial, {"validation_log_loss": val_loss}, time)
        self._end(self._trial, "FINISHED", time)
        self._trial = ""

    def _on_saved(self, name: str, time: int) -> None:
        """Logs a result to the run that trained the model, which may be an earlier one."""
        self._to_save.discard(name)
        path = self._files.get(name)
        if path is None:  # it is in memory, for the next node
            return
        approach, _, output = name.rpartition(".")
        run = self._run_of(name, path, time)
        if name == EXPORT:
            self._log(run, export_metrics(pd.read_csv(path)), time)
        elif path.suffix == ".json":
            self._log_content(run, output or name, json.loads(path.read_text(encoding="utf-8")), time)
        elif output == "distribution" and (model_id := model_of(self._get(approach))):
            # Beside the model, as on disk, so that inference with the logged model also flags unfamiliar images.
            self._client.log_model_artifact(model_id, str(path), Path(MODEL_FILE).parent.as_posix())
        folder = artifact_folder(name, path)
        if folder is not None:
            self._client.log_artifact(self._run_ids[run], str(path), folder or None)
        if approach and not any(other.startswith(f"{approach}.") for other in self._to_save):
            self._end(approach, "FINISHED", time)

    def _run_of(self, name: str, path: Path, time: int) -> str:
        """Finds the run that a result belongs to, or begins it; an exported model that no run has trained has none."""
        approach = name.rpartition(".")[0]
        if name == EXPORT and (found := self._search(f"tags.model_md5 = '{pd.read_csv(path)['model_md5'][0]}'")):
            self._run_ids[name] = found.info.run_id
            return name
        if not approach:
            self._parent(time, comparison=name in COMPARISON)
            return PARENT
        if not self._find(approach):
            model_md5 = md5(self._files[f"{approach}.model"])
            self._begin(approach, approach, self._trained_with(approach), time, model_md5=model_md5)
        return approach

    def _on_links(self, time: int) -> None:
        """Reports the addresses of all approaches' runs, and links to them in the parent's description."""
        parent = self._parent(time, comparison=True)
        run_ids = {approach: self._run_ids[approach] for approach in self._compared()}
        self._report.links = {approach: self._page(run_id) for approach, run_id in run_ids.items()}
        if run_ids:
            page = store.compare_address(self._address, self._experiment_id, list(run_ids.values()))
            self._client.set_tag(parent, "mlflow.note.content", f"[Compare the approaches]({page})")

    def _on_close(self, status: str, time: int) -> None:
        """Ends all unfinished runs, the parent last."""
        for run in sorted(self._run_ids, key=PARENT.__eq__):
            self._end(run, status, time)
            self._report.page = self._page(self._run_ids[run])

    # --- runs -------------------------------------------------------------------------------------------------------

    def _begin(self, run: str, approach: str, parameters: Mapping[str, Any], time: int, **tags: str) -> None:
        from mlflow.entities import Param

        name = approach if run == approach else f"{approach} {run}"
        tags |= {"approach": approach, "experiment": self._run["experiment"], "mlflow.parentRunId": self._parent(time)}
        self._create(run, name, tags, time)
        flat = parameters_of(approach, parameters)
        self._client.log_batch(self._run_ids[run], params=[Param(key, value) for key, value in flat.items()])

    def _end(self, run: str, status: str, time: int) -> None:
        """Ends a run; one that has ended stays as it is."""
        if self._get(run).info.status == "RUNNING":
            self._client.set_terminated(self._run_ids[run], status, time)

    def _parent(self, time: int, *, comparison: bool = False) -> str:
        """MLflow's id of the parent run; a comparison alone belongs to the common parent of its approaches' runs."""
        if PARENT not in self._run_ids:
            group = self._run["group"]
            compared = self._compared() if comparison else []
            parents = {self._get(approach).data.tags.get("mlflow.parentRunId") for approach in compared}
            if found := self._search(f"tags.run_group = '{group['key']}'"):
                self._run_ids[PARENT] = found.info.run_id
                self._client.update_run(found.info.run_id, status="RUNNING")
            elif len(parents) == 1 and (parent := parents.pop()):
                self._run_ids[PARENT] = parent
            else:
                self._create(PARENT, group["command"], {"run_group": group["key"]}, time)
        return self._run_ids[PARENT]

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

    def _compared(self) -> list[str]:
        """The approaches whose models have runs."""
        return [approach for approach in self._parameters["approaches"] if self._find(approach)]

    def _find(self, approach: str) -> bool:
        """Finds the run of an approach: that of this outbox, or else the one that trained the same model file."""
        model = self._files.get(f"{approach}.model")
        if approach not in self._run_ids and model:
            found = self._search(f"tags.model_md5 = '{md5(model)}'")
            self._run_ids |= {approach: found.info.run_id} if found else {}
        return approach in self._run_ids

    def _search(self, condition: str) -> "Run | None":
        """The newest run that meets a condition."""
        found = self._client.search_runs(
            [self._experiment_id], condition, max_results=1, order_by=["attributes.start_time DESC"]
        )
        return found[0] if found else None

    def _get(self, run: str) -> "Run":
        return self._client.get_run(self._run_ids[run])

    def _page(self, run_id: str) -> str:
        return store.run_address(self._address, self._experiment_id, run_id)

    def _trained_with(self, approach: str) -> dict[str, Any]:
        """The parameters that the approach's model on disk was trained with, which may differ from this run's."""
        path = self._files.get(f"{approach}.model_info")
        info = json.loads(path.read_text(encoding="utf-8")) if path else {}
        found = {**info.get("made_with", {}), "seed": info.get("seed"), "backbone": info.get("backbone_made_with")}
        found[approach] = found.pop("parameters", None)
        return {**self._parameters, **{name: value for name, value in found.items() if value is not None}}

    # --- what is logged ---------------------------------------------------------------------------------------------

    def _log_content(self, run: str, output: str, content: dict[str, Any], time: int) -> None:
        metrics, tags = facts_in(output, content)
        if output == "model_info":
            self._log_model(run, content)
        self._tag(run, **tags)
        self._log(run, metrics, time)
        if output == "comparison_summary":
            self._choose_champion(content["best"]["approach"])
        if output in DESCRIBED and (manifest := self._files.get("provenance")):
            self._client.log_artifact(self._run_ids[run], str(manifest))

    def _log(self, run: str, metrics: Mapping[str, Any], time: int, step: int | None = None) -> None:
        """Logs metrics; those without a step are final, are of the run's model too, and logged only if changed."""
        from mlflow.entities import Metric

        known, model_id = {}, None
        if step is None:
            found = self._get(run)
            known, model_id = found.data.metrics, model_of(found)
        numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
        new = [
            Metric(name, value, time, step or 0, model_id)
            for name, value in numbers.items()
            if known.get(name) != value
        ]
        self._client.log_batch(self._run_ids[run], new)

    def _log_model(self, approach: str, info: Mapping[str, Any]) -> None:
        """Logs the model of an approach, unless its run has one."""
        keras_file = self._files[f"{approach}.model"]
        self._tag(approach, model_md5=md5(keras_file))
        run = self._get(approach)
        if model_of(run) is None:
            settings = {
                "approach": approach,
                "experiment": self._run["experiment"],
                "classes": info["classes"],
                "bit_depth": info["bit_depth"],
                "fit": info["fit"],
                "max_pixels": self._parameters["ingestion"]["max_pixels"],
                "min_side": self._parameters["ingestion"]["min_side"],
            }
            log_model(self._client, run, keras_file, settings, self._example, self._run["requirements"])

    def _choose_champion(self, best: str) -> None:
        """Considers the best approach as champion, and tags the runs with the outcome."""
        experiment, ingestion = self._run["experiment"], self._parameters["ingestion"]
        name = store.registered_name(self._parameters["tracking"]["registered_model"], experiment)
        if name is None:
            return
        classes = json.loads(self._files["class_names"].read_text(encoding="utf-8"))
        data = {
            "validation_images": validation_images(self._files["manifest"], classes),
            "classes": json.dumps(classes),
            "image_size": f"{ingestion['image_size']}x{ingestion['image_size']}x{ingestion['channels']}",
        }
        compared = self._compared()
        for approach in compared:
            self._tag(approach, **data)
        run = self._get(best) if best in compared else None
        if run and (model_id := model_of(run)):
            metric = self._parameters["comparison"]["metric"]
            verdict = champion.consider(self._client, name, run, model_id, self._run["promote"], metric)
            self._tag(best, champion=verdict)
        else:
            verdict = f"{best} is the best approach, but no tracked run has its model: the champion is unchanged"
        self._tag(PARENT, champion=verdict)
        self._report.verdict = verdict

    def _tag(self, run: str, **tags: str) -> None:
        for name, value in tags.items():
            self._client.set_tag(self._run_ids[run], name, value)
