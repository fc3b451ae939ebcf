"""A small project for the tests of tracking: the real hook, runner, datasets and store; models of a few bytes."""

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from PIL import Image

from dogs_vs_cats.datasets import AtomicDataset, JSONDataset, MemoryMapDataset
from dogs_vs_cats.provenance.hooks import ProvenanceHooks
from dogs_vs_cats.tracking.hooks import TrackingHooks
from dogs_vs_cats.tracking.outbox import Outbox
from dogs_vs_cats.tracking.worker import work
from dogs_vs_cats.training.events import EpochEnd, publish

CONF = Path(__file__).parents[2] / "conf"
FIGURES = ["learning_curves", "confusion_matrix", "roc_curve", "calibration_curve", "mistakes", "coverage_curve"]
EXPLANATION = {
    "explanation_filters": "first_layer_filters.png",
    "explanation_feature_maps": "feature_maps.png",
    "explanation_pooling": "pooling.png",
    "explanation_grad_cam": "grad_cam.png",
    "explanation_layers": "layers.csv",
}
EPOCHS = 3


class BytesDataset(AbstractDataset[bytes, bytes]):
    def __init__(self, filepath: str):
        self._filepath = Path(filepath)

    def load(self) -> bytes:
        return self._filepath.read_bytes()

    def save(self, data: bytes) -> None:
        # Replaced, like every file of the project, so that a link to the old one keeps its content.
        partial = self._filepath.with_name(self._filepath.name + ".partial")
        partial.write_bytes(data)
        partial.replace(self._filepath)

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class WorkerThread:
    """The worker in this process: its own takes seconds to start, and only some tests are about that."""

    def __init__(self, outbox: Outbox, address: str):
        self._thread = Thread(target=work, args=(Outbox(outbox.folder), address, lambda: True))
        self._thread.start()

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0


def png(value: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def split_metrics(accuracy: float, log_loss: float) -> dict[str, Any]:
    return {
        "images": 4,
        "accuracy": accuracy,
        "roc_auc": None,
        "log_loss": log_loss,
        "confusion_matrix": [[1, 1], [1, 1]],
    }


@dataclass
class Stub:
    """A project with its data in a folder."""

    root: Path
    approaches: list[str] = field(default_factory=lambda: ["naive_cnn", "transfer_bottleneck"])
    models: dict[str, bytes] = field(default_factory=dict)
    distributions: dict[str, bytes] = field(default_factory=dict)
    log_loss: dict[str, float | None] = field(default_factory=dict)
    test_log_loss: dict[str, float] = field(default_factory=dict)
    classes: list[str] = field(default_factory=lambda: ["cat", "dog"])
    size: int = 32
    seeds: list[int] = field(default_factory=lambda: [0])
    registered_model: str | None = None
    env: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    experiment: str = "stub"
    changed: dict[str, Any] = field(default_factory=dict)
    on_epoch: Callable[[str, int], None] = lambda approach, epoch: None

    def __post_init__(self) -> None:
        (self.root / "data").mkdir(parents=True, exist_ok=True)
        self.catalog = self._catalog()
        if not (self.root / "data/images.npy").exists():
            self.write_images(0)

    def write_images(self, seed: int) -> None:
        images = np.random.default_rng(seed).integers(0, 256, (12, self.size, self.size, 3), dtype=np.uint8)
        self.catalog.save("images", images)
        splits = ["train"] * 4 + ["validation"] * 4 + ["test"] * 4
        photos = [f"{seed:032x}{i:032x}" for i in range(12)]
        paths = [f"{i}.jpg" for i in range(12)]
        table = {"path": paths, "label": [0, 1] * 6, "split": splits, "sha256": photos}
        self.catalog.save("manifest", pd.DataFrame(table))
        self.catalog.save("class_names", self.classes)

    def parameters(self) -> dict[str, Any]:
        loader = OmegaConfigLoader(
            str(CONF), base_env="base", default_run_env="test", merge_strategy={"parameters": "soft"}
        )
        parameters = loader["parameters"]
        parameters["approaches"] = self.approaches
        parameters["tracking"] = {"enabled": True, "registered_model": self.registered_model}
        for name, value in self.changed.items():
            group, _, key = name.partition(".")
            parameters[group] = {**parameters[group], key: value} if key else value
        return parameters

    def _catalog(self) -> DataCatalog:
        data = self.root / "data"
        csv = {"type": "pandas.CSVDataset", "save_args": {"index": False}}
        entries: dict[str, Any] = {
            "images": MemoryMapDataset(filepath=str(data / "images.npy")),
            "manifest": AtomicDataset(filepath=str(data / "manifest.csv"), dataset=csv),
            "class_names": JSONDataset(filepath=str(data / "class_names.json")),
            "comparison_summary": JSONDataset(filepath=str(data / "comparison.json")),
            "comparison_report": BytesDataset(str(data / "comparison.html")),
            "provenance": JSONDataset(filepath=str(data / "provenance.json"), default={}),
            "export_table": AtomicDataset(filepath=str(data / "export.csv"), dataset=csv),
            "tracking_links": JSONDataset(filepath=str(data / "tracking_links.json"), default={}),
        }
        for approach in self.approaches:
            folder = data / approach
            folder.mkdir(exist_ok=True)
            entries[f"{approach}.model"] = BytesDataset(str(folder / f"{approach}.keras"))
            for name in ("model_info", "timings", "metrics"):
                entries[f"{approach}.{name}"] = JSONDataset(filepath=str(folder / f"{name}.json"))
            for name in ("history", "predictions"):
                entries[f"{approach}.{name}"] = AtomicDataset(filepath=str(folder / f"{name}.csv"), dataset=csv)
            entries[f"{approach}.distribution"] = BytesDataset(str(folder / f"{approach}.npz"))
            for name in FIGURES:
                entries[f"{approach}.{name}"] = BytesDataset(str(folder / f"{name}.png"))
            (folder / "explanation").mkdir(exist_ok=True)
            for name, file in EXPLANATION.items():
                entries[f"{approach}.{name}"] = BytesDataset(str(folder / "explanation" / file))
        return DataCatalog(entries)

    def pipeline(
        self,
        train: list[str],
        evaluate: list[str],
        compare: bool,
        explain: Sequence[str] = (),
        export: pd.DataFrame | None = None,
    ) -> Pipeline:
        nodes = []
        for a in train:
            outputs = [f"{a}.{name}" for name in ("model", "model_info", "history", "timings")]
            nodes.append(node(self._train(a), "images", outputs, name=f"train_{a}"))
        for a in evaluate:
            outputs = [f"{a}.{name}" for name in ("predictions", "metrics", "distribution", *FIGURES)]
            nodes.append(node(self._evaluate(a), f"{a}.model", outputs, name=f"evaluate_{a}"))
        for a in explain:
            outputs = [f"{a}.{name}" for name in EXPLANATION]
            nodes.append(node(_explain, f"{a}.model", outputs, name=f"explain_{a}"))
        if export is not None:
            nodes.append(node(lambda: export, None, "export_table", name="check_exported_files"))
        if compare:
            inputs = [f"{a}.metrics" for a in self.approaches]
            nodes.append(node(self._summarise, inputs, "comparison_summary", name="summarise"))
            nodes.append(node(_report, ["comparison_summary", "tracking_links"], "comparison_report", name="report"))
        return Pipeline(nodes)

    def _train(self, approach: str) -> Callable[..., Any]:
        def train(images: np.ndarray) -> tuple[Any, ...]:
            rows = []
            for seed, epoch in product(self.seeds, range(1, EPOCHS + 1)):
                logs = {"loss": 1 / epoch, "accuracy": 0.5, "val_loss": 1.5 / epoch + seed, "val_accuracy": 0.1}
                publish(EpochEnd(approach, seed, epoch, {**logs, "learning_rate": 0.01}))
                rows.append({"seed": seed, "epoch": epoch, "phase": "head", **logs, "learning_rate": 0.01})
                self.on_epoch(approach, epoch)
            info = {
                "approach": approach,
                "classes": self.classes,
                "image_size": images.shape[1],
                "channels": 3,
                "bit_depth": None,
                "fit": "stretch",
                "parameters": 10,
                "trainable_parameters": 5,
                "epochs": EPOCHS,
                "seed": self.seeds[0],
                "made_with": {"parameters": self.parameters()[approach]},
            }
            content = self.models.get(approach, f"a model of {approach}".encode())
            return content, info, pd.DataFrame(rows), {"train_seconds": 1.5, "seconds_per_epoch": 0.5}

        return train

    def _evaluate(self, approach: str) -> Callable[..., Any]:
        def evaluate(model: bytes) -> tuple[Any, ...]:
            loss = self.log_loss.get(approach, 0.6)
            losses = {"train": loss, "validation": loss, "test": self.test_log_loss.get(approach, loss)}
            metrics: dict[str, Any] = {
                split: split_metrics(0.75, value) for split, value in losses.items() if value is not None
            }
            if len(self.seeds) > 1:
                spread = {"mean": 0.7, "std": 0.1, "mean_low": 0.6, "mean_high": 0.8}
                metrics["seeds"] = {name: {"test_accuracy": value} for name, value in spread.items()}
            predictions = pd.DataFrame({"path": ["0.jpg"], "label": [0]})
            described = {**metrics, "parameters": 10, "epochs": EPOCHS}
            distribution = self.distributions.get(approach, f"the photos of {approach}".encode())
            return (predictions, described, distribution, *[png(i) for i in range(len(FIGURES))])

        return evaluate

    def _summarise(self, *metrics: dict[str, Any]) -> dict[str, Any]:
        rows = {
            approach: {
                f"{split}_{name}": values.get(split, {}).get(name) for split in ("validation", "test") for name in NAMES
            }
            for approach, values in zip(self.approaches, metrics, strict=True)
        }
        return {"best": {"approach": min(rows, key=lambda a: rows[a]["validation_log_loss"])}, "approaches": rows}

    def run(
        self,
        *,
        train: Any = None,
        evaluate: Any = None,
        compare: bool = True,
        explain: Sequence[str] = (),
        export: pd.DataFrame | None = None,
    ) -> None:
        """Runs the stub as `kedro run` does: with the hook, and a group of its own."""
        everything = self.approaches
        train = everything if train is None else train
        pipeline = self.pipeline(train, everything if evaluate is None else evaluate, compare, explain, export)
        hooks = (TrackingHooks(), ProvenanceHooks())
        manager = _create_hook_manager()
        _register_hooks(manager, hooks)
        loader = {"globals": {"experiment": self.experiment}, "parameters": self.parameters()}
        context: Any = SimpleNamespace(config_loader=loader, env=self.env)
        for hook in hooks:
            hook.after_context_created(context)
        common = {"run_params": {"runtime_params": self.params}, "pipeline": pipeline, "catalog": self.catalog}
        manager.hook.before_pipeline_run(**common)
        try:
            SequentialRunner().run(pipeline, self.catalog, hook_manager=manager)
        except Exception as error:
            manager.hook.on_pipeline_error(error=error, **common)
            raise
        manager.hook.after_pipeline_run(run_result={}, **common)


NAMES = ("accuracy", "log_loss", "roc_auc")


def _explain(model: bytes) -> tuple[bytes, ...]:
    return tuple(png(i) for i in range(len(EXPLANATION)))


def _report(summary: dict[str, Any], links: dict[str, str]) -> bytes:
    return json.dumps(links).encode()


def main() -> None:
    """Runs the stub in the folder that is given, pausing in the second epoch, to be killed there."""
    from dogs_vs_cats.tracking import store

    root = Path(sys.argv[1])

    def pause(approach: str, epoch: int) -> None:
        if epoch == 2:
            (root / "second_epoch").touch()
            time.sleep(300)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "ROOT", root)
        Stub(root, on_epoch=pause).run()


if __name__ == "__main__":
    main()
