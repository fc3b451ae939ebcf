"""Training a head on bottleneck features, and joining it with the base that they came from."""

from pathlib import Path
from typing import Any, cast

import keras

from dogs_vs_cats.compute.precision import with_policy
from dogs_vs_cats.models.frozen_base import join
from dogs_vs_cats.training.devices import data_parallel, training_devices
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.loop import Phase, TrainedModel, Training, count_weights, train

_STEPS_AT_ONCE = 20


def train_on_features(inputs: TrainingInputs, seed: int, state_folder: Path) -> TrainedModel:
    """Trains with one seed.

    Args:
        inputs: How to train; features, labels and the base.
        seed: Seed of the order of the batches.
        state_folder: Holds the state after each epoch until the training ends.

    Returns:
        A model from raw images to probabilities, whose base is frozen.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
    """
    data = inputs.data
    if data.features is None or data.backbone is None:
        raise ValueError(f"{inputs.name} trains on the features of a backbone")
    parameters = cast(Any, inputs.parameters)
    steps = len(data.rows("train")) // parameters.batch_size
    # A call would cost more than the step of a small head. Under JAX the loop is in Python and gains nothing.
    at_once = max(1, min(_STEPS_AT_ONCE, steps)) if keras.backend.backend() == "tensorflow" else 1
    devices = training_devices(inputs.compute)
    with data_parallel(devices):
        # Dense layers this small gain nothing from bfloat16.
        head = inputs.approach.build(parameters, data.features.rows.shape[1:], data.classes)
        training = Training(
            inputs=inputs,
            seed=seed,
            model=head,
            batches=data.feature_batches("train", parameters.batch_size, shuffle=True, seed=seed),
            validation=data.feature_batches("validation", parameters.batch_size),
            devices=len(devices),
            steps_per_execution=at_once,
        )
        result = train(training, [Phase("head", parameters.epochs, parameters.learning_rate)], state_folder)
    joined = join(inputs.name, data.backbone, with_policy(head, "float32"), parameters.pooling)
    return TrainedModel(joined, result, count_weights(head.trainable_weights))
