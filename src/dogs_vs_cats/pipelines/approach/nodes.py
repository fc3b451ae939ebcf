"""Training, evaluation and figures of one approach."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from dogs_vs_cats import approaches
from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.evaluation import calibration
from dogs_vs_cats.evaluation.metrics import classification_metrics, seed_summary
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.calibration import CalibrationParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.training import TrainingParameters

if TYPE_CHECKING:
    import keras

    from dogs_vs_cats.models.frozen_base import KeptFeatures
    from dogs_vs_cats.training.loop import Outcome, Phase

logger = logging.getLogger(__name__)

Trained = tuple[Model, dict[str, Any], pd.DataFrame, dict[str, float], dict[str, Any]]
UNCALIBRATED = CalibrationParameters(temperature=False)

TrainOnce = Callable[[int, str], "tuple[Model, Outcome, int]"]


def train_on_images(
    approach: str,
    parameters: dict[str, Any],
    compute: ComputeParameters,
    seed: int,
    augmentation: AugmentationParameters,
    images: np.ndarray,
    manifest: pd.DataFrame,
    class_names: list[str],
    ingestion_record: dict[str, Any],
    state_folder: Path,
    # Before what an approach may lack: Kedro finds the types of parameters by counting the inputs there are.
    calibrate: CalibrationParameters = UNCALIBRATED,
    backbone: Model | None = None,
    backbone_record: dict[str, Any] | None = None,
    features: np.ndarray | None = None,
    features_record: dict[str, Any] | None = None,
) -> Trained:
    """Trains an approach on batches of images, augmented where its parameters say so.

    Args:
        approach: Its name.
        parameters: Its block of parameters.
        compute: How to compute.
        seed: Used where the approach has no `seeds` of its own.
        augmentation: How training batches are augmented.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's label and split.
        class_names: Names in the order of the labels.
        ingestion_record: Identifies the data.
        state_folder: Where the state after each epoch is kept until training ends.
        calibrate: Whether a temperature is put into the model.
        backbone: The base, for approaches that build on one.
        backbone_record: Identifies the base.
        features: What that base makes of the images in use, float32 (images in use, features), in the manifest's order:
            as long as it is frozen, validation begins there.
        features_record: What the features were made by.

    Returns:
        The model of the first seed, which keeps the model contract; facts about it; the learning history of all
        seeds; `train_seconds` and `seconds_per_epoch`; and the metrics of every seed, where there are several.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
        BackboneError: `unfreeze_from` isn't a layer of the base.
        ParameterError: There are fewer devices than `compute.devices`.
    """
    import keras

    from dogs_vs_cats.compute.precision import policy, with_policy
    from dogs_vs_cats.images.augmentation import DeviceAugmentation, choose_engine, create_generator
    from dogs_vs_cats.images.batches import ImageBatches, RowBatches
    from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
    from dogs_vs_cats.models.frozen_base import after_base, find_base
    from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses
    from dogs_vs_cats.training.devices import ResidentImages, data_parallel, keeps_images, training_devices
    from dogs_vs_cats.training.loop import Training, train

    module = approaches.load(approach)
    typed = module.Parameters.model_validate(parameters)
    classes = len(class_names)
    labels = manifest["label"].to_numpy()
    kept = _kept_features(features, features_record)
    manifest = _as_used(manifest, parameters)
    rows = {split: np.flatnonzero(manifest["split"] == split) for split in ("train", "validation")}
    if not len(rows["validation"]):
        logger.warning("%s trains on the validation images too: it has no validation, only a test", approach)

    devices = training_devices(compute)
    engine = choose_engine(augmentation) if typed.augment else None
    augmenter = create_generator(augmentation, engine) if engine in ("keras", "warp") else None
    used = np.concatenate([rows["train"], rows["validation"]])
    are_resident = augmenter is None and keeps_images(compute, images[:1].nbytes * len(used))
    # What a batch is read from: images, or their numbers on the device.
    array = images
    if are_resident:
        array = np.zeros(len(images), np.int32)
        array[used] = np.arange(len(used))

    def wrapped(model: Model, seed: int) -> Model:
        """Puts around a model what only its training needs; the model itself is the one that is kept."""
        if hasattr(module, "with_auxiliaries"):
            model = module.with_auxiliaries(typed, model, classes)
        if engine == "device":
            image = keras.Input(images.shape[1:], dtype="uint8", name="image")
            model = keras.Model(image, model(DeviceAugmentation(augmentation, seed)(image)), name="augmented")
        if are_resident:
            number = keras.Input((), dtype="int32", name="number")
            model = keras.Model(number, model(ResidentImages(images[used])(number)), name="resident")
        return AuxiliaryLosses(model) if len(model.outputs) > 1 else model

    def train_once(seed: int, identity: str) -> "tuple[Model, Outcome, int]":
        with data_parallel(devices):
            model = module.build(typed, images.shape[1:], classes, backbone)
            frozen = find_base(model) if getattr(typed, "unfreeze_from", None) is None else None
            fast = fold_batch_normalisation(model, frozen_only=True) if frozen else model
            fast = with_policy(fast, policy(compute, model))
            validation = after = None
            if len(rows["validation"]):
                validation = RowBatches(array, rows["validation"], labels, batch_size=typed.batch_size)
            if validation and kept and frozen and kept.base_in(model):
                after = after_base(fast, fast.get_layer(frozen.name), kept.pooling)
                places = _places(manifest)[rows["validation"]]
                validation = RowBatches(
                    kept.rows, places, labels[manifest["split"] != "unused"], batch_size=typed.batch_size
                )
            training = Training(
                approach=approach,
                seed=seed,
                model=wrapped(fast, seed),
                batches=ImageBatches(
                    array,
                    rows["train"],
                    labels,
                    batch_size=typed.batch_size,
                    shuffle=True,
                    seed=seed,
                    augmenter=augmenter,
                    workers=compute.workers,
                ),
                validation=validation,
                validation_model=after,
                classes=classes,
                class_weight=_class_weight(typed, labels[rows["train"]]),
                parameters=typed,
                compute=compute,
                steps_per_execution=1 if compute.steps_per_execution == "auto" else compute.steps_per_execution,
                devices=len(devices),
            )
            outcome = train(training, _phases(typed, fast, backbone), state_folder, identity)
            # Counted here because fine-tuning unfreezes layers.
            trainable = _count(fast.trainable_weights)
        if frozen is None:
            return with_policy(fast, "float32"), outcome, trainable
        for layer in model.layers:
            if layer is not frozen:
                layer.set_weights(fast.get_layer(layer.name).get_weights())
        return model, outcome, trainable

    identity = _identity(parameters, compute, augmentation.model_dump(), ingestion_record, backbone_record)
    data = _LabelledImages(images, manifest, class_names, kept, ingestion_record.get("bit_depth"))
    return _train_seeds(approach, typed, seed, train_once, identity, data, compute, backbone_record, calibrate)


def train_on_features(
    approach: str,
    parameters: dict[str, Any],
    compute: ComputeParameters,
    seed: int,
    features: np.ndarray,
    features_record: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
    class_names: list[str],
    ingestion_record: dict[str, Any],
    state_folder: Path,
    backbone: Model,
    backbone_record: dict[str, Any],
    calibrate: CalibrationParameters = UNCALIBRATED,
) -> Trained:
    """Trains a head on bottleneck features and joins it with the base that they came from.

    Args:
        approach: Its name.
        parameters: Its block of parameters.
        compute: How to compute.
        seed: Used where the approach has no `seeds` of its own.
        features: float32 memory map, (images in use, features), in the manifest's order.
        features_record: What the features were made by.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's label and split.
        class_names: Names in the order of the labels.
        ingestion_record: Identifies the data.
        state_folder: Where the state after each epoch is kept until training ends.
        backbone: The base.
        backbone_record: Identifies the base.
        calibrate: Whether a temperature is put into the model.

    Returns:
        As `train_on_images`.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
    """
    from dogs_vs_cats.compute.precision import with_policy
    from dogs_vs_cats.images.batches import RowBatches
    from dogs_vs_cats.training.devices import data_parallel, training_devices
    from dogs_vs_cats.training.loop import Phase, Training, train

    module = approaches.load(approach)
    typed = module.Parameters.model_validate(parameters)
    classes = len(class_names)
    used = manifest.loc[manifest["split"] != "unused"]
    labels = used["label"].to_numpy()
    rows = {split: np.flatnonzero(used["split"] == split) for split in ("train", "validation")}

    devices = training_devices(compute)
    kept = _kept_features(features, features_record)

    def train_once(seed: int, identity: str) -> "tuple[Model, Outcome, int]":
        with data_parallel(devices):
            # Dense layers this small gain nothing from bfloat16.
            head = module.build(typed, features.shape[1:], classes)
            training = Training(
                approach=approach,
                seed=seed,
                model=head,
                batches=RowBatches(
                    features,
                    rows["train"],
                    labels,
                    batch_size=typed.batch_size,
                    shuffle=True,
                    seed=seed,
                ),
                validation=RowBatches(features, rows["validation"], labels, batch_size=typed.batch_size),
                classes=classes,
                class_weight=_class_weight(typed, labels[rows["train"]]),
                parameters=typed,
                compute=compute,
                steps_per_execution=_steps_per_execution(compute, len(rows["train"]) // typed.batch_size),
                devices=len(devices),
            )
            phases = [Phase("head", typed.epochs, typed.learning_rate)]
            outcome = train(training, phases, state_folder, identity)
        joined = join(approach, backbone, with_policy(head, "float32"), cast(Any, typed).pooling)
        return joined, outcome, _count(head.trainable_weights)

    identity = _identity(parameters, compute, None, ingestion_record, backbone_record)
    data = _LabelledImages(images, manifest, class_names, kept, ingestion_record.get("bit_depth"))
    return _train_seeds(approach, typed, seed, train_once, identity, data, compute, backbone_record, calibrate)


def join(name: str, backbone: Model, head: Model, pooling: Literal["flatten", "avg"]) -> Model:
    """Puts a head on the base whose pooled output it was trained on.

    Args:
        name: Name of the new model.
        backbone: Raw images in, feature maps out.
        head: Feature rows in, probabilities out.
        pooling: `flatten` or `avg`, as the features were made.

    Returns:
        A model from raw images to probabilities, whose base is frozen.
    """
    import keras

    from dogs_vs_cats.pipelines.feature_extraction.nodes import pooled

    features = pooled(backbone, pooling)
    return keras.Model(features.input, head(features.output), name=name)


def evaluate(
    model: Model,
    model_info: dict[str, Any],
    seed_metrics: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
    class_names: list[str],
    compute: ComputeParameters,
    features: np.ndarray | None = None,
    features_record: dict[str, Any] | None = None,
) -> tuple[pd.DataFrame, dict[str, Any], dict[str, np.ndarray]]:
    """Predicts all three splits and measures how right that is.

    Args:
        model: Takes raw images, (n, height, width, channels) in 0..255.
        model_info: Facts about it that go into the metrics.
        seed_metrics: Metrics by seed, empty where there was one.
        images: uint8 memory map, a row for each row of the manifest.
        manifest: Gives each image's label and split.
        class_names: Names in the order of the labels.
        compute: How to compute.
        features: What a frozen base made of the images in use, float32 (images in use, features), in the manifest's
            order. A model with that very base is asked from there on.
        features_record: What the features were made by.

    Returns:
        A row for each image: `path`, `label`, `probability_<class>`, `predicted`, `split`; and the metrics of each
        split with the model's counts, epochs, what a temperature brings (see `calibration`) and, for several seeds,
        mean and standard deviation; and where the training images lie, see `out_of_distribution`.
    """
    from dogs_vs_cats.evaluation.out_of_distribution import fit, with_features
    from dogs_vs_cats.inference.prediction import predict

    manifest = _as_used(manifest, model_info["made_with"]["parameters"])
    used = manifest[manifest["split"] != "unused"]
    data = _LabelledImages(images, manifest, class_names, _kept_features(features, features_record))
    base = data.known_base(model)
    if data.kept and base:
        predictions = data.predictions(model, base, manifest["split"] != "unused", compute)
        described = data.kept.averaged(base.output_shape[-1])
    else:
        rows = np.flatnonzero(manifest["split"] != "unused")
        both = predict(with_features(model), images, rows, compute, f"Predicting with {model.name}")
        probabilities, described = np.split(both, [model.output_shape[-1]], axis=1)
        predictions = predictions_table(used, probabilities, class_names)
    train, validation = ((used["split"] == split).to_numpy() for split in ("train", "validation"))
    distribution = fit(described[train], used["label"].to_numpy()[train], described[validation])
    facts = {name: model_info[name] for name in ("parameters", "trainable_parameters", "epochs", "backbone")}
    metrics = {**classification_metrics(predictions, class_names), **facts}
    if validation.any():
        metrics["calibration"] = calibration.summarise(predictions, class_names, model_info.get("temperature"))
    if seed_metrics:
        metrics["seeds"] = seed_summary({int(seed): values for seed, values in seed_metrics.items()})
    return predictions, metrics, distribution.arrays()


def _kept_features(features: np.ndarray | None, record: dict[str, Any] | None) -> "KeptFeatures | None":
    if features is None or record is None:
        return None
    from dogs_vs_cats.models.frozen_base import KeptFeatures

    return KeptFeatures(features, record["pooling"], record.get("base_weights", ""))


def _places(manifest: pd.DataFrame) -> np.ndarray:
    """For each row of the manifest its image's place among the images in use."""
    return np.cumsum(manifest["split"] != "unused") - 1


@dataclass(frozen=True)
class _LabelledImages:
    """Images, what they show, and what is kept of them.

    Attributes:
        images: uint8 memory map, a row for each row of the manifest.
        manifest: Gives each image's label and split.
        class_names: Names in the order of the labels.
        kept: Features of the images in use; None where there are none.
        bit_depth: Bits that the 16-bit image files among them use; None where there are none.
    """

    images: np.ndarray
    manifest: pd.DataFrame
    class_names: list[str]
    kept: "KeptFeatures | None"
    bit_depth: int | None = None

    def known_base(self, model: Model) -> Model | None:
        """The base in a model, if it made the features that are kept."""
        return self.kept.base_in(model) if self.kept else None

    def predictions(
        self, model: Model, base: Model | None, rows: "pd.Series[bool]", compute: ComputeParameters
    ) -> pd.DataFrame:
        """Predicts the images of some rows of the manifest, from their features on where `known_base` gave a base."""
        from dogs_vs_cats.inference.prediction import predict
        from dogs_vs_cats.models.frozen_base import after_base

        given, numbers, asked = self.images, np.flatnonzero(rows), model
        if self.kept and base:
            given, numbers = self.kept.rows, _places(self.manifest)[rows]
            asked = after_base(model, base, self.kept.pooling)
        probabilities = predict(asked, given, numbers, compute, f"Predicting with {model.name}")
        return predictions_table(self.manifest[rows], probabilities, self.class_names)


def _train_seeds(
    approach: str,
    parameters: TrainingParameters,
    project_seed: int,
    train_once: TrainOnce,
    identity: dict[str, Any],
    data: _LabelledImages,
    compute: ComputeParameters,
    backbone_record: dict[str, Any] | None,
    calibrate: CalibrationParameters,
) -> Trained:
    """Trains once for each seed, and keeps the model of the first."""
    import keras

    seeds = parameters.seeds or [project_seed]
    models: list[Model] = []
    outcomes: list[Outcome] = []
    metrics: dict[str, Any] = {}
    temperatures: list[float | None] = []
    trainable = 0
    for seed in seeds:
        # Names and random states then don't depend on what this process built before.
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model, outcome, trainable = train_once(seed, json.dumps({**identity, "seed": seed}, sort_keys=True))
        temperatures.append(None)
        base = data.known_base(model) if calibrate.temperature or len(seeds) > 1 else None
        validation = data.manifest["split"] == "validation"
        if calibrate.temperature and not validation.any():
            logger.warning("%s has no validation images of its own, so that it can't be calibrated", approach)
        elif calibrate.temperature:
            told = data.predictions(model, base, validation, compute)
            temperatures[-1] = calibration.fit_temperature(told, data.class_names)
            calibration.put_into(model, cast(float, temperatures[-1]))
        models = models or [model]
        outcomes.append(outcome)
        if len(seeds) > 1:
            predictions = data.predictions(model, base, data.manifest["split"] != "unused", compute)
            metrics[str(seed)] = classification_metrics(predictions, data.class_names)
            reached = {split: round(values["accuracy"], 4) for split, values in metrics[str(seed)].items()}
            logger.info("%s, seed %d: accuracy %s", approach, seed, reached)
    history = pd.DataFrame([row for outcome in outcomes for row in outcome.history])
    history = history.astype({"val_loss": float, "val_accuracy": float})
    seconds = sum(outcome.seconds for outcome in outcomes)
    info = {
        "approach": approach,
        "classes": data.class_names,
        "image_size": data.images.shape[1],
        "channels": data.images.shape[3],
        "bit_depth": data.bit_depth,
        "backbone": backbone_record["name"] if backbone_record else "",
        "backbone_made_with": backbone_record["made_with"] if backbone_record else None,
        "preprocessing": backbone_record["made_with"]["preprocessing"] if backbone_record else None,
        "parameters": models[0].count_params(),
        "trainable_parameters": trainable,
        "epochs": len(outcomes[0].history),
        # The epoch that the model's weights are from; null: the last.
        "best_epoch": outcomes[0].best_epoch if parameters.keep_best_epoch else None,
        "validation_images": int((data.manifest["split"] == "validation").sum()),
        "seed": seeds[0],
        "temperature": temperatures[0],
        "made_with": identity,
    }
    timings = {"train_seconds": seconds / len(seeds), "seconds_per_epoch": seconds / len(history)}
    return models[0], info, history, timings, metrics


def _as_used(manifest: pd.DataFrame, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The manifest with the splits as an approach uses them: with `train_on_all`, validation is training."""
    if not parameters.get("train_on_all"):
        return manifest
    return manifest.assign(split=manifest["split"].replace("validation", "train"))


def _phases(parameters: TrainingParameters, model: Model, backbone: Model | None) -> "list[Phase]":
    """The head's phase, and a second one where a base is to be unfrozen."""
    from dogs_vs_cats.training.loop import Phase

    schedule: Any = getattr(parameters, "schedule", "constant")
    head = Phase("head", parameters.epochs, parameters.learning_rate, schedule)
    first = getattr(parameters, "unfreeze_from", None)
    if first is None or backbone is None:
        return [head]
    fine_tuned = cast(Any, parameters)
    base = model.get_layer(backbone.name)
    names = [layer.name for layer in base.layers]

    def unfreeze() -> None:
        import keras

        for layer in base.layers[names.index(first) :]:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)

    return [
        head,
        Phase("fine_tuning", fine_tuned.fine_tuning_epochs, fine_tuned.fine_tuning_learning_rate, prepare=unfreeze),
    ]


def _identity(
    parameters: dict[str, Any],
    compute: ComputeParameters,
    augmentation: dict[str, Any] | None,
    ingestion_record: dict[str, Any],
    backbone_record: dict[str, Any] | None,
) -> dict[str, Any]:
    """All that a training depends on, the initial weights and the seed apart."""
    return {
        "parameters": parameters,
        "compute": compute.model_dump(exclude={"cluster"}),
        "augmentation": augmentation,
        "data": ingestion_record["identity"],
        "backbone": backbone_record["identity"] if backbone_record else None,
    }


def _class_weight(parameters: TrainingParameters, labels: np.ndarray) -> dict[int, float] | None:
    if not parameters.class_weights:
        return None
    from sklearn.utils.class_weight import compute_class_weight

    present = np.unique(labels)
    weights = compute_class_weight("balanced", classes=present, y=labels)
    return dict(zip(present.tolist(), weights.tolist(), strict=True))


def _steps_per_execution(compute: ComputeParameters, steps: int) -> int:
    """Steps of a small model in one call: the calls themselves would cost more than the steps."""
    import keras

    if compute.steps_per_execution != "auto":
        return compute.steps_per_execution
    # Under JAX it is a loop in Python, which gains nothing.
    return max(1, min(20, steps)) if keras.backend.backend() == "tensorflow" else 1


def _count(weights: "list[keras.Variable]") -> int:
    return int(sum(np.prod(weight.shape) for weight in weights))
