"""Parameters of the machine's use."""

from typing import Literal

from pydantic import PositiveInt

from dogs_vs_cats.parameters.base import ParameterGroup

BATCH_SIZE = 64
"""Images in every batch of a prediction; the last one is filled up, so that all have one shape."""


class ComputeParameters(ParameterGroup):
    """How the work is computed. None of these changes what is computed beyond rounding.

    Attributes:
        threads: Threads of one operation on the CPU; None takes one a core. On the CPU results repeat
            exactly for equal seeds and thread counts.
        instruction_set: `avx2` holds TensorFlow and XLA to AVX2, so that x86-64 processors with newer instruction sets
            round as those without; `auto` uses the newest there is, which is faster.
        precision: `auto` computes in bfloat16 where the accelerator, or the processor within its instruction set,
            is faster with it, else in float32; the two others force one. Weights, outputs and saved models are
            float32 always.
        jit_compile: `auto` lets Keras decide; true and false force XLA on or off.
        steps_per_execution: Training steps run in one call of the compiled function; `auto` picks by backend.
        workers: Threads that prepare batches; `auto` picks by the number of cores. Batches don't depend on it.
        devices: How many devices train, each on its part of every batch; `auto` takes all GPUs or TPUs there are,
            or else one CPU.
        images_on_device: Keeps the training images in the memory of the devices that train; `auto` does so on GPUs
            and TPUs for images of up to 2 GiB.
        cluster: Address of a Ray cluster (`auto`, `HOST:6379` or `ray://HOST:10001`, which can't train) whose
            machines decode images, extract features, train and predict; None does all here.
    """

    threads: PositiveInt | None
    instruction_set: Literal["avx2", "auto"]
    precision: Literal["auto", "float32", "mixed_bfloat16"]
    jit_compile: Literal["auto"] | bool
    steps_per_execution: Literal["auto"] | PositiveInt
    workers: Literal["auto"] | PositiveInt
    devices: Literal["auto"] | PositiveInt
    images_on_device: Literal["auto"] | bool
    cluster: str | None
