"""How an approach is trained: as a whole model on batches of images, or as a head on bottleneck features."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.compute.precision import dtype_policy, with_dtype_policy
from dogs_vs_cats.images.augmentation.device import DeviceAugmentation
from dogs_vs_cats.images.augmentation.generator import choose_engine, create_generator
from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
from dogs_vs_cats.models.flip_averaging import average_flips
from dogs_vs_cats.models.frozen_base import after_base, find_base, join, last_stage
from dogs_vs_cats.storage.arrays import averaged
from dogs_vs_cats.training import linear_head
from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses
from dogs_vs_cats.training.checkpoint import TrainState
from dogs_vs_cats.training.devices import ResidentImages, data_parallel, keeps_images, training_devices
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.loop import log_epoch, publish_epoch, train
from dogs_vs_cats.training.phases import Phase
from dogs_vs_cats.training.plan import Training

Prepared = tuple[Training, Callable[[], Model]]
"""A training, and a function that returns the model from raw images to probabilities once it is over."""


def train_model(inputs: TrainingInputs, seed: int, state_folder: Path) -> tuple[Model, TrainState]:
    """Trains an approach with one seed.

    Args:
        inputs: How to train; images and labels; the base and its features, for approaches that build on one.
        seed: Seed of the weights, and of the order and the transforms of the batches.
        state_folder: Holds the state after each epoch until the training ends.

    Returns:
        A model that keeps the model contract, uncompiled; its trainable weights are those that were trained. And its
        history.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
        BackboneError: `unfreeze_from` isn't a layer of the base.
        ParameterError: There are fewer devices than `compute.devices`.
    """
    # Names and random states then don't depend on what this process built before.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    prepare = _on_features if inputs.approach.TRAINS_ON == "features" else _on_images
    with data_parallel(training_devices(inputs.compute)):
        training, finish = prepare(inputs, seed)
        gc.collect()  # the network that was copied under another dtype policy, with all its weights
        state = train(training, state_folder)
    model = finish()
    return average_flips(model) if inputs.parameters.average_flips else model, state


def _on_features(inputs: TrainingInputs, seed: int) -> Prepared:
    data, parameters = inputs.data, cast(Any, inputs.parameters)
    backbone, features = cast(Model, data.backbone), cast(np.ndarray, data.features)
    # Dense layers this small gain nothing from bfloat16.
    head = inputs.approach.build(parameters, features.shape[1:], data.classes)
    training = Training(
        inputs=inputs,
        seed=seed,
        model=head,
        phases=_phases(inputs, head),
        start=_start(inputs, seed, head),
        batches=data.feature_batches("train", parameters.batch_size, shuffle=True, seed=seed),
        validation=data.feature_batches("validation", parameters.batch_size),
    )
    return training, lambda: join(inputs.name, backbone, with_dtype_policy(head, "float32"), parameters.pooling)


def _on_images(inputs: TrainingInputs, seed: int) -> Prepared:
    """Frozen batch normalisations are folded. If all of the base is frozen, validation begins at its features."""
    data, parameters = inputs.data, inputs.parameters
    model = inputs.approach.build(parameters, data.images.shape[1:], data.classes, data.backbone)
    start = _start(inputs, seed, model)
    base, unfrozen = find_base(model), _unfrozen(inputs)
    fast = fold_batch_normalisation(model, frozen_only=True, leave=unfrozen) if base else model
    fast = with_dtype_policy(fast, dtype_policy(inputs.compute, model))
    batches, validation, layers = _feed(inputs, seed)
    validation_model = None
    if base and not unfrozen and data.base_of_features(model):
        validation_model = after_base(fast, fast.get_layer(base.name), data.features_record["pooling"])
        validation = data.feature_batches("validation", parameters.batch_size)
    training = Training(
        inputs=inputs,
        seed=seed,
        model=_in_training(inputs, fast, layers, batches),
        phases=_phases(inputs, fast),
        batches=batches,
        validation=validation,
        validation_model=validation_model,
        start=start,
    )

    if base is None:
        # Doesn't hold `model`, so that its weights leave the memory before the training.
        return training, lambda: with_dtype_policy(fast, "float32")

    def finish() -> Model:
        # Other approaches go on with the base as it was.
        finished = with_dtype_policy(model, "float32") if unfrozen else model
        for layer in finished.layers:
            if layer.name != base.name:
                layer.set_weights(fast.get_layer(layer.name).get_weights())
        for name in unfrozen:
            layer, trained = (whole.get_layer(base.name).get_layer(name) for whole in (finished, fast))
            layer.trainable = trained.trainable
            layer.set_weights(trained.get_weights())
        return finished

    return training, finish


def _start(inputs: TrainingInputs, seed: int, model: Model) -> TrainState:
    """Fits a linear head to features and puts it into a model; its figures are the first row of the history."""
    data, began = inputs.data, time.perf_counter()
    if not inputs.parameters.solves_head:
        return TrainState()
    features = cast(np.ndarray, data.features)
    if inputs.approach.TRAINS_ON == "images":
        features = averaged(features, cast(Model, data.backbone).output_shape[-1])
    labels, groups = (data.manifest.loc[data.in_use, column].to_numpy() for column in ("label", "group"))
    places = (data.feature_rows(data.manifest["split"] == split) for split in ("train", "validation"))
    training, validation = (linear_head.Rows(features[rows], labels[rows], groups[rows]) for rows in places)
    head = linear_head.fit(training, validation, inputs.class_weight)
    model.layers[-1].set_weights([head.kernel, head.bias])
    loss, accuracy = head.log_loss_and_accuracy(training, inputs.class_weight)
    validated = head.log_loss_and_accuracy(validation) if len(validation.labels) else (None, None)
    row = {"seed": seed, "epoch": 1, "phase": "head", "loss": loss, "accuracy": accuracy}
    row |= {"val_loss": validated[0], "val_accuracy": validated[1], "learning_rate": None}
    publish_epoch(inputs, row)
    seconds = time.perf_counter() - began
    log_epoch(inputs, "linear head", row, seconds)
    return TrainState((row,), seconds)


def _feed(inputs: TrainingInputs, seed: int) -> tuple[RowBatches, RowBatches, list[keras.layers.Layer]]:
    """How images reach the model: as they are, augmented on the host or on the device, or by their numbers.

    Images that stay on the device are copied there once, and a batch is the numbers of its images; they can't be mixed.

    Returns:
        Training batches, validation batches, and the layers that belong before the model.
    """
    data, parameters, compute = inputs.data, inputs.parameters, inputs.compute
    train_rows, validation_rows = data.rows("train"), data.rows("validation")
    array, augmenter, layers = data.images, None, []
    if parameters.augment and (transforms := inputs.augmentation):
        engine = choose_engine(transforms)
        if engine == "device":
            layers.append(DeviceAugmentation(transforms, seed))
        else:
            augmenter = create_generator(transforms, engine)
    used = np.concatenate([train_rows, validation_rows])
    if augmenter is None and not parameters.mixes_rows and keeps_images(compute, data.images[:1].nbytes * len(used)):
        layers.insert(0, ResidentImages(data.images[used]))
        array = np.zeros(len(data.images), np.int32)
        array[used] = np.arange(len(used))
    batches = RowBatches(
        array,
        train_rows,
        data.labels,
        batch_size=parameters.batch_size,
        shuffle=True,
        seed=seed,
        augmenter=augmenter,
        workers=compute.workers,
    )
    return batches, RowBatches(array, validation_rows, data.labels, batch_size=parameters.batch_size), layers


def _in_training(inputs: TrainingInputs, model: Model, layers: list[keras.layers.Layer], batches: RowBatches) -> Model:
    """Wraps a model in what only its training needs; the weights are those of the model."""
    if add_auxiliaries := getattr(inputs.approach, "with_auxiliaries", None):
        model = add_auxiliaries(inputs.parameters, model, inputs.data.classes)
    if layers:
        rows, _ = batches[0]
        dtype = "float32" if inputs.parameters.mixes_rows else rows.dtype.name
        x = given = keras.Input(rows.shape[1:], dtype=dtype, name="given")
        for layer in layers:
            x = layer(x)
        model = keras.Model(given, model(x), name="in_training")
    return AuxiliaryLosses(model) if len(model.outputs) > 1 else model


def _phases(inputs: TrainingInputs, model: Model) -> list[Phase]:
    """The head's phase, unless the head is fitted, and a second one where a part of the base is unfrozen."""
    parameters = cast(Any, inputs.parameters)
    phases = []
    if not parameters.solves_head:
        phases.append(Phase("head", parameters.epochs, parameters.learning_rate))
    if names := _unfrozen(inputs):
        base = model.get_layer(cast(Model, inputs.data.backbone).name)
        layers = [base.get_layer(name) for name in names]
        unfrozen = [layer for layer in layers if not isinstance(layer, keras.layers.BatchNormalization)]
        rate, decay = parameters.fine_tuning_learning_rate, parameters.fine_tuning_layer_decay
        phases.append(Phase("fine_tuning", parameters.fine_tuning_epochs, rate, unfrozen, decay))
    return phases


def _unfrozen(inputs: TrainingInputs) -> list[str]:
    """Names of the base's layers from the first one on that is to be unfrozen; none where all of it stays frozen."""
    first, base = getattr(inputs.parameters, "unfreeze_from", None), inputs.data.backbone
    if first is None or base is None:
        return []
    names = [layer.name for layer in base.layers]
    return names[names.index(last_stage(base) if first == "auto" else first) :]
