"""How Keras uses the machine: threads, precision, compilation; and a quiet start of it.

With `devices`, the one place that knows which backend runs. Everything else is written for any Keras backend.
"""

import gc
import importlib.util
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.parameters.compute import ComputeParameters

if TYPE_CHECKING:
    import keras
    import numpy as np

logger = logging.getLogger(__name__)


def prepare_environment(compute: ComputeParameters) -> None:
    """Sets what a backend reads from the environment when it starts; changes nothing once it has started.

    Where TensorFlow isn't installed and no backend is asked for, JAX takes its place.

    TensorFlow computes with oneDNN, which it does by itself only on processors with AVX512-VNNI or more. On two cores
    with AVX2, a training step of the naive CNN takes 345 ms with it and 490 without, and MobileNetV2 (alpha 0.35)
    predicts 900 images a second instead of 375: its operations are faster, and it keeps the memory that it frees.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if importlib.util.find_spec("tensorflow") is None:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    if compute.threads is not None:
        threads = str(compute.threads)
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            os.environ[name] = threads


def start_keras() -> None:
    """Imports Keras and its backend without the lines that they write on the way.

    TensorFlow's start reports which instructions the processor has and which GPU libraries it didn't find,
    from C++ and before any log level applies. If the import fails, they are shown after all.
    """
    with _quiet_standard_error(), _without_garbage_collection():
        import keras

        # Makes the backend choose its device now, while it is quiet.
        keras.ops.zeros(())
    logging.getLogger("jax").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("h5py").setLevel(logging.WARNING)


@contextmanager
def _quiet_standard_error() -> Iterator[None]:
    """Keeps what native code writes to standard error away, unless the block raises."""
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Takes what the block makes for kept until the process ends, so that the collector never looks through it.

    TensorFlow's modules are a million objects: collections among them take 1.6 of the 5 seconds of its import, and as
    long again when the process exits.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def accelerators() -> list[str]:
    """Names of the GPUs or TPUs that the backend sees, such as `gpu:0`; empty where there is none."""
    import keras

    # Asked for a kind that isn't there, JAX raises.
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


def policy(compute: ComputeParameters, model: "keras.Model") -> str:
    """Chooses the Keras dtype policy to compute a model with.

    Args:
        compute: Its `precision`: with `auto`, bfloat16 where it is faster.
        model: Any model.

    Returns:
        `float32` or `mixed_bfloat16`.
    """
    if compute.precision != "auto":
        return compute.precision
    return (
        "mixed_bfloat16" if _multiplies_bfloat16() and not (_is_depthwise(model) and not accelerators()) else "float32"
    )


def _is_depthwise(model: "keras.Model") -> bool:
    """Whether depthwise convolutions make up a quarter of a model's convolutions or more, as in the MobileNets.

    Processors are slower at those in bfloat16: MobileNetV2 (alpha 0.35) predicts 723 images a second in float32 and 396
    in bfloat16 on two cores, VGG16 17 and 34 (150x150 pixels); of eight bases tried only MobileNetV2 was slower.
    """
    import keras

    convolutions = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    depthwise = sum(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in convolutions)
    return depthwise > 0 and 4 * depthwise >= len(convolutions)


@cache
def _multiplies_bfloat16() -> bool:
    """Whether the accelerator, or else the processor, multiplies bfloat16 natively."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
            return capability >= (8, 0)
    elif keras.backend.backend() == "jax":
        import jax

        # On the CPU, JAX has no native bfloat16 convolutions: they are slower than float32.
        return jax.default_backend() != "cpu"
    return "avx512_bf16" in processor_flags() or "amx_bf16" in processor_flags()


@cache
def processor_flags() -> frozenset[str]:
    """Instruction sets of the first processor; empty where the system doesn't tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(flags.partition(":")[2].split())


def compile_updates(optimizer: "keras.optimizers.Optimizer", compute: ComputeParameters) -> None:
    """Lets XLA make one pass over memory of an optimizer's update, where the training step itself isn't compiled.

    TensorFlow otherwise reads and writes all weights once for each of the update's some fifteen operations. For the
    naive CNN's 19 million weights, in bfloat16 with Nadam, a step takes 158 ms that way and 122 so, on two cores.

    Args:
        optimizer: Any optimizer; its `apply` is replaced.
        compute: With `jit_compile: false` nothing is compiled.
    """
    import keras

    if keras.backend.backend() != "tensorflow" or not compute.jit_compile:
        return
    import tensorflow as tf

    apply = optimizer.apply

    def compiled(gradients: Any, trainable_variables: Any = None) -> None:
        update = tf.function(lambda given: apply(given, trainable_variables), jit_compile=True, autograph=False)
        update(list(gradients))

    optimizer.apply = compiled


def with_policy(model: "keras.Model", policy_name: str) -> "keras.Model":
    """Copies a model under a dtype policy; its float32 weights are the same.

    What is fixed to float32 by the model contract stays so: the last layer with weights and all after it.

    Args:
        model: Any model of stock layers.
        policy_name: `float32` or `mixed_bfloat16`.

    Returns:
        An uncompiled model that shares nothing with `model`.
    """
    import keras

    ends_in_float32 = _output_layers(model)

    def copy(layer: "keras.layers.Layer") -> "keras.layers.Layer":
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer) and layer.name not in ends_in_float32:
            config["dtype"] = policy_name
        return layer.__class__.from_config(config)

    # Around the same layers but uncompiled, or Keras would compile the copy like the original.
    uncompiled = keras.Model(model.inputs, model.outputs, name=model.name)
    clone = keras.models.clone_model(uncompiled, clone_function=copy, recursive=True)
    clone.set_weights(model.get_weights())
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


def gradient(function: Callable[[Any], Any], at: "np.ndarray") -> "np.ndarray":
    """Differentiates a function written in Keras operations.

    Args:
        function: Takes a float32 tensor of the shape of `at` and returns a scalar tensor.
        at: Where, float32 array.

    Returns:
        float32 array of the shape of `at`.

    Raises:
        NotImplementedError: The backend is neither TensorFlow nor JAX.
    """
    import keras
    import numpy as np

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        point = tf.convert_to_tensor(at)
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point)
        return np.asarray(tape.gradient(value, point))
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(jax.numpy.asarray(at)))
    raise NotImplementedError(f"no gradients are implemented for the backend {backend}")
