"""Logging of a model to MLflow: the serving script, the `.keras` file, and the decoder of image files.

It has two flavors: `python_function` answers image files, `keras` is the model itself.
"""

import json
import shutil
import tempfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.compute.backend import backend_name
from dogs_vs_cats.parameters.backbone import HUB

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MODEL_FILE = "artifacts/model.keras"
"""The `.keras` file in a logged model, whose name MLflow's Keras flavor demands; its other files lie beside it, under
the same stem."""

SERVING_PACKAGES = ("mlflow", "keras", "numpy", "pandas", "pillow", "pi-heif", "opencv-python-headless", "simplejpeg")

_EXAMPLE = {
    "type": "json_object",
    "artifact_path": "input_example.json",
    "serving_input_path": "serving_input_example.json",
}


def log_model(
    client: "MlflowClient",
    run: "Run",
    keras_file: Path,
    settings: dict[str, Any],
    example: str,
    requirements: list[str],
) -> None:
    """Logs a model as an output of its run; continues with a model that an earlier attempt has left unfinished.

    Args:
        client: A client of the store.
        run: The run that trained it.
        keras_file: The model's `model.keras`.
        settings: The approach, the experiment, the names of the classes, and the options of the decoder.
        example: An image file as base64 text.
        requirements: Requirements for pip.
    """
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    unfinished = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    logged = next(iter(unfinished), None) or client.create_logged_model(
        run.info.experiment_id,
        name=settings["approach"],
        source_run_id=run.info.run_id,
        params=run.data.params,
        model_type="classifier",
    )
    description = Model(
        artifact_path=logged.artifact_location,
        run_id=run.info.run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        metadata={name: settings[name] for name in ("approach", "experiment")},
        saved_input_example_info=_EXAMPLE,
    )
    # `mlflow.keras.save_model` would write the same, but take the model itself, and so import Keras.
    description.add_flavor(
        "keras",
        data=Path(MODEL_FILE).parent.as_posix(),
        keras_version=version("keras"),
        keras_backend=backend_name(),
        save_exported_model=False,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder, settings_file = Path(temporary) / "model", Path(temporary) / Path(MODEL_FILE).with_suffix(".json").name
        # The name is that of the file beside a trained model, from which the class names are loaded.
        settings_file.write_text(json.dumps(settings), encoding="utf-8")
        mlflow.pyfunc.save_model(
            path=str(folder),
            mlflow_model=description,
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"model": str(keras_file), "settings": str(settings_file)},
            code_paths=[str(_copy_decoder(Path(temporary)))],
            pip_requirements=requirements,
        )
        # With the example as an argument, `save_model` would import Keras to run the model on it.
        (folder / _EXAMPLE["artifact_path"]).write_text(json.dumps([example]), encoding="utf-8")
        (folder / _EXAMPLE["serving_input_path"]).write_text(json.dumps({"inputs": [example]}), encoding="utf-8")
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=0)])


def _copy_decoder(folder: Path) -> Path:
    """Copies the part of the package that decodes image files, and what importing the package itself needs."""
    package = Path(__file__).parents[1]
    copy = folder / package.name
    decoder = Path("images") / "decoding"
    shutil.copytree(package / decoder, copy / decoder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "compute").mkdir()
    held = ("compute/__init__.py", "compute/instruction_sets.py", "compute/processor.py")
    for part in ("__init__.py", "images/__init__.py", *held):
        shutil.copyfile(package / part, copy / part)
    return copy


def model_of(run: "Run") -> str | None:
    """MLflow's id of the model that a run has logged."""
    models = run.outputs.model_outputs if run.outputs else []
    return models[-1].model_id if models else None


def requirements(backbone: str) -> list[str]:
    """The installed versions of the packages that serving a model needs.

    Args:
        backbone: `backbone.name`; models on a preset of KerasHub have layers of KerasHub.
    """
    hub = ("keras-hub",) if backbone.startswith(HUB) else ()
    backend = backend_name()
    pinned = []
    # TensorFlow's wheel for CPUs has a name of its own.
    for name in (*SERVING_PACKAGES, *hub, backend, f"{backend}-cpu"):
        with suppress(PackageNotFoundError):
            pinned.append(f"{name}=={version(name)}")
    return pinned
