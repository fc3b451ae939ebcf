"""How the libraries that compute are started."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from dogs_vs_cats.compute import instruction_sets
from dogs_vs_cats.compute.precision import processor_gains_from_bfloat16
from tests.conftest import SOURCE

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the switches are there on x86 only")

START = """
import json, sys

from dogs_vs_cats.compute.start import prepare_environment, start_keras
from dogs_vs_cats.parameters.compute import ComputeParameters

prepare_environment(ComputeParameters.model_construct(threads=None, instruction_set=sys.argv[1]))
start_keras()
import cv2, numpy, scipy.linalg, threadpoolctl
import tensorflow as tf
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from tensorflow.python.framework.test_util import IsMklEnabled

tf.nn.conv2d(tf.ones((1, 8, 8, 3)), tf.ones((3, 3, 3, 4)), 1, "VALID")
tf.function(tf.exp, jit_compile=True)(tf.ones((8, 8)))
report = {
    "onednn": IsMklEnabled(),
    "numpy": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
    "openblas": sorted({pool["architecture"] for pool in threadpoolctl.threadpool_info() if "architecture" in pool}),
    "opencv": cv2.getCPUFeaturesLine(),
    "ipp": cv2.ipp.getIppVersion(),
}
print(json.dumps(report))
"""


def _started(instruction_set: str, **variables: str) -> tuple[dict, str]:
    """The libraries' own reports from a process that has started them, and all that it printed."""
    own = {*instruction_sets.LIBRARIES, *instruction_sets.BACKENDS}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    started = subprocess.run(
        [sys.executable, "-c", START, instruction_set],
        env={**environment, "PYTHONPATH": str(SOURCE), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    assert "OPENCV" not in started.stderr
    return json.loads(started.stdout.strip().splitlines()[-1]), started.stdout


@on_x86
def test_every_library_is_held_to_avx2_whatever_the_environment_asks_for(tmp_path: Path):
    report, printed = _started(
        "avx2", ONEDNN_MAX_CPU_ISA="DEFAULT", ONEDNN_VERBOSE="1", XLA_FLAGS=f"--xla_dump_to={tmp_path}"
    )
    assert "cpu,isa:Intel AVX2\n" in printed
    assert "avx512" not in printed
    assert 'xla_cpu_max_isa: "AVX2"' in next(tmp_path.glob("*debug_options")).read_text()
    assert set(report["numpy"]) <= {"X86_V3"}
    assert report["openblas"] == ["Haswell"]
    assert "*AVX512" not in report["opencv"].replace("*AVX512-SKX?", "")  # the question mark: there, and not used
    assert "AVX2" in report["ipp"]
    assert report["onednn"]


@on_x86
def test_the_set_auto_leaves_the_backend_and_its_switches_to_the_environment():
    report, printed = _started("auto", TF_ENABLE_ONEDNN_OPTS="0", ONEDNN_MAX_CPU_ISA="AVX", ONEDNN_VERBOSE="1")
    assert "cpu,isa:Intel AVX\n" in printed
    assert not report["onednn"]


def test_a_processor_without_avx2_is_held_to_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(instruction_sets, "cpuinfo", lambda: {"flags": "sse4_2 avx"})
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    instruction_sets.hold(instruction_sets.LIBRARIES)
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.parametrize(
    ("vendor", "flags", "gains"),
    [
        ("AuthenticAMD", "avx2 avx512f", False),
        ("AuthenticAMD", "avx2 avx512f avx512_bf16", True),
        ("GenuineIntel", "avx2 avx512f avx512_bf16", False),
        ("GenuineIntel", "avx2 avx512f avx512_bf16 amx_bf16", True),
    ],
)
def test_bfloat16_is_for_amx_and_for_amds_avx512(vendor, flags, gains):
    assert processor_gains_from_bfloat16({"vendor_id": vendor, "flags": flags}) == gains
