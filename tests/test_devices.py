"""Several devices train what one device trains; images that stay on a device give the same batches."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from test_training import COMPUTE, images, manifest, train  # noqa: F401 - fixtures


TESTS = Path(__file__).parent

HISTORIES = """
    import json, sys, tempfile
    from pathlib import Path
    import keras
    import numpy as np
    import pandas as pd

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        [cpu] = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)

    import test_training as t
    from test_approaches import COMMON
    from dogs_vs_cats.pipelines.approach import nodes

    random = np.random.default_rng(0)
    pixels = random.integers(0, 128, (60, 32, 32, 3), dtype=np.uint8)
    pixels[1::2] += 100
    results = []
    # 37 images in batches of 6 can't be shared out evenly among 4 devices; 40 in batches of 8 can.
    for devices, train, batch_size in ((1, 37, 6), (4, 37, 6), (1, 40, 8), (4, 40, 8)):
        splits = ["train"] * train + ["validation"] * 8 + ["test"] * (52 - train)
        rows = pd.DataFrame({"path": [f"{i}" for i in range(60)], "label": [i % 2 for i in range(60)], "split": splits})
        compute = t.COMPUTE.model_copy(update={"devices": devices})
        values = {**COMMON, "epochs": 3, "batch_size": batch_size, "augment": True, "class_weights": train == 40}
        model, info, history, *_ = nodes.train_on_images(
            "naive_cnn", values, compute, 0, t.augmentation(), pixels, rows, t.CLASSES, t.RECORD,
            Path(tempfile.mkdtemp()),
        )
        path = str(Path(tempfile.mkdtemp()) / "model.keras")
        model.save(path)
        saved = keras.models.load_model(path).predict(pixels, verbose=0)
        results.append([history[["loss", "val_loss", "accuracy", "val_accuracy"]].values.tolist(), saved.tolist()])
    print(json.dumps(results))
"""


def run(program: str, backend: str) -> list:
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "PYTHONPATH": f"{TESTS.parent / 'src'}{os.pathsep}{TESTS}",
    }
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_several_devices_have_the_loss_curve_of_one(backend: str) -> None:
    (_, one), (_, several), (one_curve, _), (several_curve, _) = run(HISTORIES, backend)
    np.testing.assert_allclose(several, one, atol=1e-5)
    assert one_curve[-1][0] < 0.8 * one_curve[0][0]
    np.testing.assert_allclose(several_curve, one_curve, atol=1e-5)
