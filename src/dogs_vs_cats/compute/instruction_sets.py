"""Holds libraries to AVX2, so that processors with newer instruction sets round as those without.

A library that finds AVX512 adds up in another order, and its sums differ in their last digits. Each library reads a
variable of its own when it starts, and none needs more than a few lines of the environment.
"""

import os
import platform

from dogs_vs_cats.compute.processor import cpuinfo

LIBRARIES = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy and SciPy
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
    "OPENCV_IPP": "avx2",
}
"""They start before parameters are read, and do little of the work: they are held to AVX2 in every environment."""

BACKENDS = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # TensorFlow
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",  # TensorFlow and JAX
}
"""They do nearly all of the work: the parameter `compute.instruction_set` decides."""


def hold(variables: dict[str, str]) -> None:
    """Holds libraries that haven't started yet to AVX2; changes nothing on processors without AVX2.

    Args:
        variables: `LIBRARIES` or `BACKENDS`. They replace those of the user's environment; flags of XLA are added.
    """
    flags = cpuinfo().get("flags", "avx2")  # only Linux lists them
    if platform.machine() not in ("x86_64", "AMD64") or "avx2" not in flags:
        return
    for name, value in variables.items():
        if name == "OPENCV_CPU_DISABLE" and "avx512f" not in flags:
            continue  # OpenCV complains about sets that the processor doesn't have.
        given = os.environ.get(name, "").split() if name == "XLA_FLAGS" else []
        os.environ[name] = " ".join([*(flag for flag in given if flag != value), value])
