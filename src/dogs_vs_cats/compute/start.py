"""Starting Keras quietly, with the threads and the instructions that the parameters ask for."""

import gc
import importlib.util
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from dogs_vs_cats.compute import instruction_sets
from dogs_vs_cats.compute.parallel import cores
from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.parameters.compute import ComputeParameters

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")

VARIABLES = (
    *("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND", *_THREADS),
    *instruction_sets.LIBRARIES,
    *instruction_sets.BACKENDS,
)
"""Names of the variables that this package sets for libraries."""


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
        os.environ.update(dict.fromkeys(_THREADS, str(compute.threads)))
    if compute.instruction_set == "avx2":
        instruction_sets.hold(instruction_sets.BACKENDS)


def threads() -> dict[str, str]:
    """The thread count of this process, as variables for one elsewhere that is to compute the same bytes."""
    return {name: os.environ.get(name, str(cores())) for name in _THREADS}


def start_keras() -> None:
    """Imports Keras and its backend without the lines that they write on the way.

    TensorFlow's start reports which instructions the processor has and which GPU libraries it didn't find,
    from C++ and before any log level applies. If the import fails, they are shown after all.

    The garbage collector never looks through what is imported. TensorFlow's modules are a million objects: collections
    among them take 1.6 of the 5 seconds of its import, and as long again when the process exits.

    Raises:
        ProjectError: No backend is installed.
    """
    gc.disable()
    try:
        with quiet_standard_error():
            import keras

            # Makes the backend choose its device now, while it is quiet.
            keras.ops.zeros(())
    except ModuleNotFoundError as error:
        raise ProjectError(
            f"Keras computes with TensorFlow or another backend, and {error.name} isn't installed. Install one: make "
            "install, or pip install 'FILE.whl[cpu]' with this package's wheel (for NVIDIA GPUs: 'FILE.whl[gpu]')"
        ) from error
    finally:
        gc.enable()
        gc.freeze()
    logging.getLogger("jax").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("h5py").setLevel(logging.WARNING)


@contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Hides the lines that native code writes to standard error, unless the block raises."""
    with tempfile.TemporaryFile() as written:
        saved = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            written.seek(0)
            os.write(saved, written.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
