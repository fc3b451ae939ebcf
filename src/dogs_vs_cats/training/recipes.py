"""How an approach is trained: as a whole model on batches of images, or as a head on bottleneck features."""

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
from dogs_vs_cats.models.frozen_base import after_base, find_base, join
from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses
from dogs_vs_cats.training.checkpoint import TrainState
from dogs_vs_cats.training.devices import ResidentImages, data_parallel, keeps_images, training_devices
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.loop import Phase, Training, train

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
        state = train(training, state_folder)
    return finish(), state


def _on_features(inputs: TrainingInputs, seed: int) -> Prepared:
    data, parameters = inputs.data, cast(Any, inputs.parameters)
    backbone, features = cast(Model, data.backbone), cast(np.ndarray, data.features)
    # Dense layers this small gain nothing from bfloat16.
    head = inputs.approach.build(parameters, features.shape[1:], data.classes)
    training = Training(
        inputs=inputs,
        seed=seed,
        model=head,
        phases=[Phase("head", parameters.epochs, parameters.learning_rate)],
        batches=data.feature_batches("train", parameters.batch_size, shuffle=True, seed=seed),
        validation=data.feature_batches("validation", parameters.batch_size),
    )
    return training, lambda: join(inputs.name, backbone, with_dtype_policy(head, "float32"), parameters.pooling)


def _on_images(inputs: TrainingInputs, seed: int) -> Prepared:
    """While the base is frozen, its batch normalisations are folded, and validation begins at its stored features."""
    data, parameters = inputs.data, inputs.parameters
    model = inputs.approach.build(parameters, data.images.shape[1:], data.classes, data.backbone)
    frozen = find_base(model) if getattr(parameters, "unfreeze_from", None) is None else None
    fast = fold_batch_normalisation(model, frozen_only=True) if frozen else model
    fast = with_dtype_policy(fast, dtype_policy(inputs.compute, model))
    batches, validation, layers = _feed(inputs, seed)
    validation_model = None
    if frozen and data.base_of_features(model):
        validation_model = after_base(fast, fast.get_layer(frozen.name), data.features_record["pooling"])
        validation = data.feature_batches("validation", parameters.batch_size)
    training = Training(
        inputs=inputs,
        seed=seed,
        model=_in_training(inputs, fast, layers, batches),
        phases=_phases(inputs, fast),
        batches=batches,
        validation=validation,
        validation_model=validation_model,
    )

    def finish() -> Model:
        if frozen is None:
            return with_dtype_policy(fast, "float32")
        for layer in model.layers:
            if layer is not frozen:
                layer.set_weights(fast.get_layer(layer.name).get_weights())
        return model

    return training, finish


def _feed(inputs: TrainingInputs, seed: int) -> tuple[RowBatches, RowBatches, list[keras.layers.Layer]]:
    """How images reach the model: as they are, augmented on the host or on the device, or by their numbers.

    Images that stay on the device are copied there once, and a batch is the numbers of its images.

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
    if augmenter is None and keeps_images(compute, data.images[:1].nbytes * len(used)):
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
        x = given = keras.Input(rows.shape[1:], dtype=rows.dtype.name, name="given")
        for layer in layers:
            x = layer(x)
        model = keras.Model(given, model(x), name="in_training")
    return AuxiliaryLosses(model) if len(model.outputs) > 1 else model


def _phases(inputs: TrainingInputs, model: Model) -> list[Phase]:
    """The head's phase, and a second one where a base is to be unfrozen."""
    parameters = cast(Any, inputs.parameters)
    head = Phase("head", parameters.epochs, parameters.learning_rate, getattr(parameters, "schedule", "constant"))
    first = getattr(parameters, "unfreeze_from", None)
    if first is None or inputs.data.backbone is None:
        return [head]
    layers = model.get_layer(inputs.data.backbone.name).layers
    begin = next(number for number, layer in enumerate(layers) if layer.name == first)
    unfrozen = [layer for layer in layers[begin:] if not isinstance(layer, keras.layers.BatchNormalization)]
    rate = parameters.fine_tuning_learning_rate
    return [head, Phase("fine_tuning", parameters.fine_tuning_epochs, rate, unfrozen=unfrozen)]
