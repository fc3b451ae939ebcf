"""Where the headless base comes from."""

import hashlib
import json
import logging
from typing import Any

import numpy as np

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import BackboneError
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, BackboneParameters, SourceTaskParameters
from dogs_vs_cats.parameters.compute import ComputeParameters

logger = logging.getLogger(__name__)


def make_backbone(
    parameters: BackboneParameters, image_size: int, channels: int, compute: ComputeParameters, seed: int
) -> tuple[Model, dict[str, Any]]:
    """Builds the base and gives it trained weights.

    Args:
        parameters: Which base and which weights.
        image_size: Height and width of the images, in pixels.
        channels: Their channels, 1 or 3.
        compute: How to compute.
        seed: Seed of `source_cnn`'s weights and source task; a pretrained base doesn't depend on it.

    Returns:
        The frozen base, raw images in and feature maps (or a vector) out; and its record: `name`, `parameters`,
        `output_shape`, `source_accuracy` (None for a pretrained base), `made_with`, and `identity`, a digest of its
        weights and structure.

    Raises:
        BackboneError: The base is unknown, or its weights can't be had or don't fit.
    """
    import keras

    from dogs_vs_cats.models.backbones import (
        SOURCE_CNN,
        earlier_model,
        pretrained,
        refuse_settings_of_source_cnn,
        weights_digest,
    )

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    source_accuracy = None
    if parameters.name == SOURCE_CNN:
        refuse_settings_of_source_cnn(parameters)
        backbone, source_accuracy = develop_source_cnn(parameters.source_task, image_size, channels, compute, seed)
    elif parameters.name == EARLIER_MODEL:
        backbone = earlier_model(parameters, image_size, channels)
    else:
        backbone = pretrained(parameters, image_size, channels)
    backbone.trainable = False
    structure = json.dumps(backbone.get_config(), sort_keys=True, default=str)
    weights = weights_digest(backbone)
    identity = hashlib.sha256((structure + weights).encode()).hexdigest()
    record = {
        "name": parameters.name,
        "parameters": backbone.count_params(),
        "output_shape": list(backbone.output_shape[1:]),
        "source_accuracy": source_accuracy,
        "made_with": made_with(parameters, image_size, channels, seed),
        "weights": weights,
        "identity": identity,
    }
    return backbone, record


def made_with(parameters: BackboneParameters, image_size: int, channels: int, seed: int) -> dict[str, Any]:
    """The parameters that a base depends on, as they are kept in its record."""
    base = {**parameters.model_dump(exclude={"source_task"}), "image_size": image_size, "channels": channels}
    if parameters.weights != "generated":
        return base
    return {**base, "source_task": parameters.source_task.model_dump(), "seed": seed}


def develop_source_cnn(
    task: SourceTaskParameters, image_size: int, channels: int, compute: ComputeParameters, seed: int
) -> tuple[Model, float]:
    """Trains `source_cnn` on generated images: the lectures' "develop model approach".

    A source task with enough data (drawn shapes, no cats or dogs), a source model that is better than a naive guess,
    whose base is then reused.

    Returns:
        The trained base, and its accuracy on source images that it wasn't trained on.

    Raises:
        BackboneError: The source model is no better than guessing, so there is nothing to transfer.
    """
    import keras

    from dogs_vs_cats.compute.precision import policy, with_policy
    from dogs_vs_cats.images.generated.source_task import SOURCE_TASK_CLASSES, source_task_images
    from dogs_vs_cats.models.backbones import source_cnn

    held_out = task.images // 10
    images, labels = source_task_images(task.images + held_out, image_size, channels, seed)
    base = source_cnn(image_size, channels)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(base.output)
    outputs = keras.layers.Dense(len(SOURCE_TASK_CLASSES), activation="softmax", name="probabilities")(x)
    classifier = keras.Model(base.input, outputs, name="source_model")
    classifier = with_policy(classifier, policy(compute, classifier))
    classifier.compile(
        keras.optimizers.Adam(task.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=compute.jit_compile,
    )
    training, validation = slice(0, task.images), slice(task.images, None)
    for epoch in range(task.epochs):
        history = classifier.fit(
            images[training],
            labels[training],
            batch_size=task.batch_size,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
        ).history
        logger.info("source task: epoch %d/%d, accuracy %.3f", epoch + 1, task.epochs, history["accuracy"][-1])
    accuracy = float(np.float32(classifier.evaluate(images[validation], labels[validation], verbose=0)[1]))
    guessing = 1 / len(SOURCE_TASK_CLASSES)
    logger.info("source task: accuracy %.3f on held-out images; guessing gives %.3f", accuracy, guessing)
    if accuracy < 1.5 * guessing:
        raise BackboneError(
            f"source_cnn reaches an accuracy of {accuracy:.2f} on its source task, where guessing gives "
            f"{guessing:.2f}: there is nothing to transfer. Raise backbone.source_task.epochs or .images, or lower its "
            "learning_rate."
        )
    base.set_weights(classifier.get_weights()[: len(base.weights)])
    return base, round(accuracy, 4)
