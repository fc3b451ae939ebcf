"""Building what a run is going to build, before images are decoded: what can't be built is refused."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import psutil

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.models.building import without_weights
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.compute import BATCH_SIZE, ComputeParameters

_CLASSES = 10  # They aren't known before the images are, and hardly matter to what is checked here.
_GIB = 2**30
_LEAST_BYTES = 2  # of a number: bfloat16
_ADVICE = "Lower ingestion.image_size, or choose a smaller network."


def refuse_unbuildable(outputs: Collection[str], parameters: Mapping[str, Any]) -> int | None:
    """Builds the base and the approaches of a run.

    Variables get no values, but all that the base needs is read: files of weights and models, and ImageNet weights,
    which are fetched.

    Args:
        outputs: Names of the datasets that the run makes.
        parameters: All parameters of the environment.

    Returns:
        Number of features of one image; None unless the run makes the base and extracts features with it.

    Raises:
        ParameterError: There are fewer devices than `compute.devices`, the images are too small for a network, or a
            network is too large for this machine.
        BackboneError: The base can't be built, its weights can't be fetched or don't fit, or an approach can't be
            built on it.
        ModelFileError: The file of the base is damaged.
    """
    from dogs_vs_cats.models import backbones
    from dogs_vs_cats.training.devices import training_devices

    compute = ComputeParameters.model_validate(parameters["compute"])
    # The machines of a cluster may have other devices.
    if compute.cluster is None and any(name.endswith(".training_inputs") for name in outputs):
        training_devices(compute)
    size, channels = parameters["ingestion"]["image_size"], parameters["ingestion"]["channels"]
    backbone = None
    if "backbone" in outputs:
        base = BackboneParameters.model_validate(parameters["backbone"])
        backbone = without_weights(lambda: backbones.build(base, size, channels))
    for name in parameters["approaches"]:
        uses_backbone = approach_of(name, parameters[name]).USES_BACKBONE
        if f"{name}.model" in outputs and (backbone is not None or not uses_backbone):
            dry_build(name, parameters[name], (size, size, channels), backbone)
    if backbone is None or "features" not in outputs:
        return None
    _refuse_batch("the base", backbone, BATCH_SIZE, _ADVICE)
    return _feature_count(backbone, parameters["transfer_bottleneck"]["pooling"])


def dry_build(
    name: str, block: Mapping[str, Any], shape: tuple[int, ...], backbone: Model | None, classes: int = _CLASSES
) -> None:
    """Builds one approach.

    Args:
        name: The approach.
        block: Its parameters.
        shape: Height, width and channels of the images.
        backbone: The base, where the approach builds on one.
        classes: Number of classes.

    Raises:
        ParameterError: The images are too small for the network, or it is too large for this machine.
        BackboneError: It can't be built on this base.
    """
    module = approach_of(name, block)
    typed: Any = module.Parameters.model_validate(dict(block))
    taken: tuple[int, ...] = shape
    if module.TRAINS_ON == "features" and backbone is not None:
        taken = (_feature_count(backbone, typed.pooling),)
    model = without_weights(lambda: module.build(typed, taken, classes, backbone))
    # Each trained parameter is four bytes, as are its gradient and the optimizer's averages.
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    needed = 4 * model.count_params() + 12 * trained
    images = "×".join(map(str, shape))
    _refuse_beyond_memory(needed, f"{name} has {model.count_params():,} parameters for images of {images}, which take")
    if module.TRAINS_ON == "images":
        own = typed.batch_size > BATCH_SIZE
        advice = f"Lower {name}.batch_size or ingestion.image_size." if own else _ADVICE
        _refuse_batch(name, model, max(typed.batch_size, BATCH_SIZE), advice)


def largest_layer(model: Model, images: int) -> int:
    """Bytes of the input and the output of the layer that has most of them, as a lower bound of what a batch needs.

    Args:
        model: A functional model of stock layers.
        images: How many images it is given at once.
    """
    import keras

    from dogs_vs_cats.models.graph import dissect

    numbers = [
        sum(math.prod(tensor.shape[1:]) for tensor in keras.tree.flatten((step.given, step.output)))
        for step in dissect(model).steps
    ]
    return int(_LEAST_BYTES * images * max(numbers))


def _refuse_batch(name: str, model: Model, count: int, advice: str) -> None:
    """Refuses a network that one batch is too large for, by its largest layer alone."""
    images = "×".join(map(str, model.input_shape[1:]))
    needed = without_weights(lambda: largest_layer(model, count))
    what = f"A layer of {name} and its input, for {count} images of {images} at once, take"
    _refuse_beyond_memory(needed, what, advice)


def _refuse_beyond_memory(needed: int, what: str, advice: str = _ADVICE) -> None:
    """Refuses what this machine has no memory for; `what` is the beginning of the message, `advice` its end."""
    memory = psutil.virtual_memory().total
    if needed > memory:
        raise ParameterError(f"{what} {needed / _GIB:,.0f} GiB; this machine has {memory / _GIB:,.0f} GiB. {advice}")


def _feature_count(backbone: Model, pooling: str) -> int:
    maps = backbone.output_shape[1:]
    return int(np.prod(maps)) if pooling == "flatten" else maps[-1]
