"""How the backend is started."""

import os
import platform
import subprocess
import sys

import pytest

from tests.conftest import SOURCE

START = """
from dogs_vs_cats.compute.start import prepare_environment, start_keras
from dogs_vs_cats.parameters.compute import ComputeParameters

prepare_environment(ComputeParameters.model_construct(threads=None))
start_keras()
from tensorflow.python.framework.test_util import IsMklEnabled

print(IsMklEnabled())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN's switch is there on x86 only")
@pytest.mark.parametrize(("variables", "computes"), [({}, "True"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "False")])
def test_tensorflow_computes_with_onednn_unless_it_is_switched_off(variables, computes):
    started = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    assert started.stdout.strip().splitlines()[-1] == computes
