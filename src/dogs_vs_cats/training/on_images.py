"""Training a whole model on batches of images."""

from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.compute.precision import policy, with_policy
from dogs_vs_cats.images.augmentation import DeviceAugmentation, choose_engine, create_generator
from dogs_vs_cats.images.batches import ImageBatches, RowBatches
from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
from dogs_vs_cats.models.frozen_base import after_base, find_base
from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses
from dogs_vs_cats.training.devices import ResidentImages, data_parallel, keeps_images, training_devices
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.loop import Phase, TrainedModel, Training, count_weights, train


def train_on_images(inputs: TrainingInputs, seed: int, state_folder: Path) -> TrainedModel:
    """Trains with one seed, on augmented batches where the approach's `augment` says so.

    As long as the base is frozen, its batch normalisations are folded, and validation begins at the features that were
    extracted with it.

    Args:
        inputs: How to train; images and labels; the base, for approaches that build on one.
        seed: Seed of the order and the transforms of the batches.
        state_folder: Holds the state after each epoch until the training ends.

    Returns:
        A model from raw images to probabilities.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
        BackboneError: `unfreeze_from` isn't a layer of the base.
        ParameterError: There are fewer devices than `compute.devices`.
    """
    data, parameters = inputs.data, inputs.parameters
    devices = training_devices(inputs.compute)
    with data_parallel(devices):
        model = inputs.approach.build(parameters, data.images.shape[1:], data.classes, data.backbone)
        frozen = find_base(model) if getattr(parameters, "unfreeze_from", None) is None else None
        fast = fold_batch_normalisation(model, frozen_only=True) if frozen else model
        fast = with_policy(fast, policy(inputs.compute, model))
        feed = _Feed(inputs)
        validation, validation_model = feed.validation(), None
        if validation and data.features and frozen and data.features.base_in(model):
            validation_model = after_base(fast, fast.get_layer(frozen.name), data.features.pooling)
            validation = data.feature_batches("validation", parameters.batch_size)
        training = Training(
            inputs=inputs,
            seed=seed,
            model=feed.in_training(fast, seed),
            batches=feed.batches(seed),
            validation=validation,
            validation_model=validation_model,
            devices=len(devices),
        )
        result = train(training, _phases(inputs, fast), state_folder)
        # Counted here because fine-tuning unfreezes layers.
        trainable = count_weights(fast.trainable_weights)
    if frozen is None:
        return TrainedModel(with_policy(fast, "float32"), result, trainable)
    for layer in model.layers:
        if layer is not frozen:
            layer.set_weights(fast.get_layer(layer.name).get_weights())
    return TrainedModel(model, result, trainable)


class _Feed:
    """How images reach the model: as they are, augmented on the host or on the device, or by numbers.

    Images that stay on the device are copied there once, and a batch is the numbers of its images.
    """

    def __init__(self, inputs: TrainingInputs):
        data = inputs.data
        self._inputs = inputs
        self._data = data
        self._batch_size = inputs.parameters.batch_size
        transforms = inputs.augmentation if inputs.parameters.augment else None
        engine = choose_engine(transforms) if transforms else None
        self._augmenter = create_generator(transforms, engine) if transforms and engine in ("keras", "warp") else None
        self._on_device = transforms if engine == "device" else None
        self._used = np.concatenate([data.rows("train"), data.rows("validation")])
        size = data.images[:1].nbytes * len(self._used)
        self._is_resident = self._augmenter is None and keeps_images(inputs.compute, size)
        self._array = data.images
        if self._is_resident:
            self._array = np.zeros(len(data.images), np.int32)
            self._array[self._used] = np.arange(len(self._used))

    def batches(self, seed: int) -> ImageBatches:
        """Training batches."""
        return ImageBatches(
            self._array,
            self._data.rows("train"),
            self._data.labels,
            batch_size=self._batch_size,
            shuffle=True,
            seed=seed,
            augmenter=self._augmenter,
            workers=self._inputs.compute.workers,
        )

    def validation(self) -> RowBatches | None:
        """Validation batches; None without validation images."""
        rows = self._data.rows("validation")
        return RowBatches(self._array, rows, self._data.labels, batch_size=self._batch_size) if len(rows) else None

    def in_training(self, model: Model, seed: int) -> Model:
        """Wraps a model in what only its training needs; the weights are those of the model."""
        if add_auxiliaries := getattr(self._inputs.approach, "with_auxiliaries", None):
            model = add_auxiliaries(self._inputs.parameters, model, self._data.classes)
        if self._on_device:
            image = keras.Input(self._data.images.shape[1:], dtype="uint8", name="image")
            model = keras.Model(image, model(DeviceAugmentation(self._on_device, seed)(image)), name="augmented")
        if self._is_resident:
            number = keras.Input((), dtype="int32", name="number")
            model = keras.Model(number, model(ResidentImages(self._data.images[self._used])(number)), name="resident")
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

    def unfreeze() -> None:
        for layer in layers[begin:]:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)

    fine_tuning = Phase(
        "fine_tuning", parameters.fine_tuning_epochs, parameters.fine_tuning_learning_rate, prepare=unfreeze
    )
    return [head, fine_tuning]
