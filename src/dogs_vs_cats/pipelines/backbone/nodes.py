"""The headless base: pretrained, an earlier model, or developed here."""

import hashlib
import json
import logging
from typing import Any

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import BackboneError
from dogs_vs_cats.parameters.backbone import MODEL_FILE, SOURCE_CNN, BackboneParameters, SourceTaskParameters
from dogs_vs_cats.parameters.compute import ComputeParameters

logger = logging.getLogger(__name__)


def make_backbone(
    parameters: BackboneParameters, image_size: int, channels: int, compute: ComputeParameters, seed: int
) -> tuple[Model, dict[str, Any]]:
    """Builds the base with trained weights.

    Args:
        parameters: The base and its weights.
        image_size: Height and width of the images, in pixels.
        channels: 3 for RGB, 1 for grey.
        compute: Precision and compilation.
        seed: Seed of `source_cnn`'s weights and source task; no other base depends on it.

    Returns:
        The frozen base, raw images in and feature maps (or a vector) out; and its record: `name`, `parameters`,
        `output_shape`, `source_accuracy` (None unless it was developed here), `made_with`, `weights` and `identity`,
        the hashes of its weights and of its weights and structure.

    Raises:
        BackboneError: The base is unknown, or its weights are missing or don't fit.
    """
    import keras

    from dogs_vs_cats.models import backbones, frozen_base

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    backbone = backbones.build(parameters, image_size, channels)
    is_source_cnn = parameters.name == SOURCE_CNN
    source_accuracy = develop(backbone, parameters.source_task, compute, seed) if is_source_cnn else None
    backbone.trainable = False
    structure = json.dumps(backbone.get_config(), sort_keys=True, default=str)
    weights = frozen_base.weights_hash(backbone.weights)
    record = {
        "name": backbone.name if parameters.kind == MODEL_FILE else parameters.name,
        "parameters": backbone.count_params(),
        "output_shape": list(backbone.output_shape[1:]),
        "source_accuracy": source_accuracy,
        "made_with": made_with(parameters, image_size, channels, seed),
        "weights": weights,
        "identity": hashlib.sha256((structure + weights).encode()).hexdigest(),
    }
    return backbone, record


def made_with(parameters: BackboneParameters, image_size: int, channels: int, seed: int) -> dict[str, Any]:
    """The parameters that a base depends on, as its record holds them."""
    base = {**parameters.model_dump(exclude={"source_task"}), "image_size": image_size, "channels": channels}
    if parameters.weights != "generated":
        return base
    return {**base, "source_task": parameters.source_task.model_dump(), "seed": seed}


def develop(base: Model, task: SourceTaskParameters, compute: ComputeParameters, seed: int) -> float:
    """Trains `source_cnn` on the source task, the lectures' "develop model approach".

    The source task needs plenty of data (here: drawn animals, without cats and dogs), and the source model must be
    better than a naive guess. Its base is then reused.

    Args:
        base: The base, trained in place.
        task: The source task.
        compute: Precision and compilation.
        seed: Seed of the source images.

    Returns:
        The accuracy of the source model on source images that it wasn't trained on.

    Raises:
        BackboneError: The source model is no better than guessing, so there is nothing to transfer.
    """
    import keras

    from dogs_vs_cats.images.generated.source_task import SPECIES, source_task_images

    image_size, _, channels = base.input_shape[1:]
    images, labels = source_task_images(task.images * 11 // 10, image_size, channels, seed)
    source_model = _source_model(base, len(SPECIES), task, compute)
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logger.info(
            "Source task: epoch %d/%d, accuracy %.3f", epoch + 1, task.epochs, logs["accuracy"]
        )
    )
    training = images[: task.images], labels[: task.images]
    source_model.fit(*training, task.batch_size, task.epochs, verbose=0, callbacks=[log])
    _, measured = source_model.evaluate(images[task.images :], labels[task.images :], verbose=0)
    accuracy = round(float(measured), 4)
    guessing = 1 / len(SPECIES)
    logger.info("Source task: accuracy %.3f on held-out images; guessing gives %.3f", accuracy, guessing)
    if accuracy < 1.5 * guessing:
        raise BackboneError(
            f"source_cnn reaches an accuracy of {accuracy:.2f} on its source task, where guessing gives "
            f"{guessing:.2f}: there is nothing to transfer. Raise backbone.source_task.epochs or .images, or lower its "
            "learning_rate."
        )
    base.set_weights(source_model.get_weights()[: len(base.weights)])
    return accuracy


def _source_model(base: Model, classes: int, task: SourceTaskParameters, compute: ComputeParameters) -> Model:
    """Puts a classifier on a copy of the base and compiles it."""
    import keras

    from dogs_vs_cats.compute.precision import dtype_policy, with_dtype_policy

    x = keras.layers.GlobalAveragePooling2D(name="pooling")(base.output)
    outputs = keras.layers.Dense(classes, activation="softmax", name="probabilities")(x)
    model = keras.Model(base.input, outputs, name="source_model")
    model = with_dtype_policy(model, dtype_policy(compute, model))
    steps = task.epochs * -(-task.images // task.batch_size)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(task.learning_rate, steps)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=compute.jit_compile,
    )
    return model
