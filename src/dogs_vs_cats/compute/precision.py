"""The dtype policy of a computation: bfloat16 where it is faster."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from dogs_vs_cats.compute.backend import accelerators
from dogs_vs_cats.compute.processor import cpuinfo
from dogs_vs_cats.parameters.compute import ComputeParameters

if TYPE_CHECKING:
    import keras


def dtype_policy(compute: ComputeParameters, model: "keras.Model") -> str:
    """Chooses the Keras dtype policy to compute a model with.

    Args:
        compute: Its `precision`: with `auto`, bfloat16 where it is faster.
        model: Any model.

    Returns:
        `float32` or `mixed_bfloat16`.
    """
    if compute.precision != "auto":
        return compute.precision
    if not _multiplies_bfloat16(compute.instruction_set) or (_is_depthwise(model) and not accelerators()):
        return "float32"
    return "mixed_bfloat16"


def _is_depthwise(model: "keras.Model") -> bool:
    """Whether depthwise convolutions make up a quarter of a model's convolutions or more, as in the MobileNets.

    Processors are slower at those in bfloat16: MobileNetV2 (alpha 0.35) predicts 723 images a second in float32 and 396
    in bfloat16 on two cores, VGG16 17 and 34 (150x150 pixels); of eight bases tried only MobileNetV2 was slower.
    """
    kinds = [type(layer).__name__ for layer in layers_within(model)]
    depthwise = kinds.count("DepthwiseConv2D")
    return depthwise > 0 and 3 * depthwise >= kinds.count("Conv2D")


def layers_within(model: "keras.Model") -> Iterator["keras.Layer"]:
    """The layers of a model and of the models in it."""
    for layer in model.layers:
        yield layer
        yield from layers_within(layer) if hasattr(layer, "layers") else ()


@cache
def _multiplies_bfloat16(instruction_set: str) -> bool:
    """Whether the accelerator, or else the processor with the instructions allowed, is faster in bfloat16."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
            return bool(capability >= (8, 0))
    elif keras.backend.backend() == "jax":
        import jax

        # On the CPU, JAX has no native bfloat16 convolutions: they are slower than float32.
        return jax.default_backend() != "cpu"
    return instruction_set == "auto" and processor_gains_from_bfloat16(cpuinfo())


def processor_gains_from_bfloat16(processor: Mapping[str, str]) -> bool:
    """Whether a processor multiplies more numbers a second in bfloat16 than in float32.

    AMX does on any. VDPBF16PS, the instruction of AVX512, does twice as many multiplications as one for float32. AMD's
    processors (Zen 4) start as many of either, Intel's a quarter: a core of an Emerald Rapids reaches 173 GFLOP/s in
    float32 and 85 in bfloat16. There, VGG16 takes 1.8 times as long in bfloat16, and a step of the naive CNN 1.5 times.
    Virtual machines often hide AMX.

    Args:
        processor: As `cpuinfo` describes it.
    """
    flags = processor.get("flags", "").split()
    return "amx_bf16" in flags or ("avx512_bf16" in flags and processor.get("vendor_id") == "AuthenticAMD")


def with_dtype_policy(model: "keras.Model", policy: str) -> "keras.Model":
    """Copies a model under a dtype policy; its float32 weights are the same.

    Layers that the model contract fixes to float32 stay so: the last layer with weights and all after it.

    Args:
        model: Any model of stock layers.
        policy: `float32` or `mixed_bfloat16`.

    Returns:
        An uncompiled model that shares nothing with `model`.
    """
    import keras

    ends_in_float32 = _output_layers(model)

    def copy(layer: "keras.layers.Layer") -> "keras.layers.Layer":
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer) and layer.name not in ends_in_float32:
            config["dtype"] = policy
        return layer.__class__.from_config(config)

    # Around the same layers but uncompiled, or Keras would compile the copy like the original.
    uncompiled = keras.Model(model.inputs, model.outputs, name=model.name)
    clone = keras.models.clone_model(uncompiled, clone_function=copy, recursive=True)
    for copied, weight in zip(clone.weights, model.weights, strict=True):
        # `get_weights` would take the memory of all weights once more. Under JAX, `assign` alone shares the array.
        copied.assign(keras.ops.copy(weight))
    return clone


def _output_layers(model: "keras.Model") -> set[str]:
    """Names of the last layer with weights and of those after it, where the model ends in probabilities."""
    import keras

    names: set[str] = set()
    for layer in reversed(model.layers):
        if isinstance(layer, keras.Model):
            # A joined model ends in the head that was trained by itself.
            inside = _output_layers(layer)
            return names | inside if inside else set()
        names.add(layer.name)
        if layer.weights:
            return names if ends_in_probabilities(layer) else set()
    return set()


def ends_in_probabilities(layer: "keras.layers.Layer") -> bool:
    """Whether a layer ends in a sigmoid or a softmax."""
    import keras

    return getattr(layer, "activation", None) in (keras.activations.sigmoid, keras.activations.softmax)
