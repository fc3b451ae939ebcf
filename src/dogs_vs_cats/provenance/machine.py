"""The machine of a run, and the packages that computed on it."""

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

import psutil

from dogs_vs_cats.compute.processor import cpuinfo

INSTRUCTION_SETS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
"""From the widest on; libraries choose their kernels by these."""

COMPUTING = (
    "h5py", "jax", "keras", "keras-hub", "numpy", "opencv-python-headless", "pandas", "pi-heif", "pillow",
    "scikit-learn", "scipy", "simplejpeg", "tensorflow", "tensorflow-cpu",
)  # fmt: skip
"""The packages that results are computed with."""


class Machine(TypedDict):
    """The machine of a run.

    Attributes:
        system: Operating system and architecture, such as `Linux x86_64`.
        processor: See `processor`.
        cores: Number of logical cores.
        instruction_set: The widest one that the processor has, of `INSTRUCTION_SETS`; else the architecture.
        gpus: Names of NVIDIA's GPUs.
    """

    system: str
    processor: str
    cores: int
    instruction_set: str
    gpus: list[str]


def describe_machine() -> Machine:
    """Describes the machine that this process runs on."""
    flags = cpuinfo().get("flags", "").split()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": psutil.cpu_count() or 1,
        "instruction_set": next((name for name in INSTRUCTION_SETS if name in flags), platform.machine()),
        "gpus": _gpus(),
    }


def processor() -> str:
    """Name, family and model: hypervisors hide part of the name, and `AMD EPYC` alone may be any of several."""
    fields = cpuinfo()
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    return f"{fields['model name']}, family {fields['cpu family']}, model {fields['model']}"


def _gpus() -> list[str]:
    with suppress(Exception):  # no package nvidia-ml-py, or no driver
        import pynvml

        pynvml.nvmlInit()
        devices = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [str(pynvml.nvmlDeviceGetName(device)) for device in devices]
    return []


def versions() -> dict[str, str]:
    """The versions of Python and of the packages in `COMPUTING`, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in COMPUTING:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
