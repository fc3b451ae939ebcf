"""Several devices train what one device trains; images that stay on a device give the same batches."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.training import devices
from tests.approaches.test_approaches import COMMON
from tests.conftest import PROJECT, SOURCE
from tests.training.test_training import COMPUTE, augmentation, images, manifest, train, weights_equal  # noqa: F401 - fixtures

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

    from tests.training import test_training as t
    from tests.approaches.test_approaches import COMMON

    random = np.random.default_rng(0)
    pixels = random.integers(0, 128, (60, 32, 32, 3), dtype=np.uint8)
    pixels[1::2] += 100
    results = []
    # 37 images in batches of 6 can't be shared out evenly among 4 devices; 40 in batches of 8 can.
    for devices, train, batch_size in ((1, 37, 6), (4, 37, 6), (1, 40, 8), (4, 40, 8)):
        splits = ["train"] * train + ["validation"] * 8 + ["test"] * (52 - train)
        # Few learn at first: accuracies that count classes alike would differ.
        labels = [int(i % 4 == 0) for i in range(60)]
        rows = pd.DataFrame({"path": [f"{i}" for i in range(60)], "label": labels, "split": splits})
        compute = t.COMPUTE.model_copy(update={"devices": devices})
        # Adam makes full steps of gradients that are nothing but rounding.
        values = {**COMMON, "optimizer": "sgd", "learning_rate": 0.02, "epochs": 3,
            "batch_size": batch_size, "augment": True, "class_weights": True}
        if train == 40:
            values |= {"warmup_epochs": 1, "schedule": "cosine", "weight_decay": 0.1, "label_smoothing": 0.1,
                "mixup": 0.4, "cutmix": 1.0, "ema": 0.9}
        model, info, history, *_ = t.train("naive_cnn", values, pixels, rows, Path(tempfile.mkdtemp()), compute=compute)
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
        "PYTHONPATH": f"{SOURCE}{os.pathsep}{PROJECT}",
    }
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_several_devices_have_the_loss_curve_of_one(backend: str) -> None:
    uneven, uneven_shared, even, even_shared = run(HISTORIES, backend)
    np.testing.assert_allclose(even_shared[0], even[0], atol=1e-5)
    # The mean loss over uneven training batches is shown a little too high or low.
    np.testing.assert_allclose(np.array(uneven_shared[0])[:, 1:], np.array(uneven[0])[:, 1:], atol=1e-5)
    np.testing.assert_allclose(uneven_shared[1], uneven[1], atol=1e-5)


def test_images_on_the_device_give_the_same_model(images, manifest, tmp_path):  # noqa: F811
    results = []
    for resident in (False, True):
        compute = COMPUTE.model_copy(update={"images_on_device": resident})
        folder = tmp_path / str(resident)
        values = {**COMMON, "epochs": 2, "keep_best_epoch": True}
        model, _, history, *_ = train("naive_cnn", values, images, manifest, folder, compute=compute)
        assert not any(folder.glob("*"))
        results.append((model, history))
    (usual, curve), (resident, same_curve) = results
    assert weights_equal(usual, resident)
    assert curve.equals(same_curve)
    assert [layer.name for layer in resident.layers] == [layer.name for layer in usual.layers]


def test_images_on_the_device_are_augmented_there(images, manifest, tmp_path):  # noqa: F811
    compute = COMPUTE.model_copy(update={"images_on_device": True})
    on_device = augmentation().model_copy(update={"engine": "device"})
    model, _, history, *_ = train(
        "naive_cnn",
        {**COMMON, "epochs": 2, "augment": True},
        images,
        manifest,
        tmp_path,
        compute=compute,
        transforms=on_device,
    )
    assert model.input_shape == (None, 32, 32, 3)
    assert history["loss"].is_monotonic_decreasing


def test_more_devices_than_there_are_is_refused():
    count = len(devices.training_devices(COMPUTE))
    with pytest.raises(ParameterError, match=rf"compute.devices is 99.*sees {count} \(cpu:0\).*auto and 1 to {count}"):
        devices.training_devices(COMPUTE.model_copy(update={"devices": 99}))


def test_only_images_that_fit_are_kept_on_a_device():
    assert devices.keeps_images(COMPUTE, 10) == bool(devices.accelerators())
    assert not devices.keeps_images(COMPUTE, devices.RESIDENT_BYTES + 1)
    assert devices.keeps_images(COMPUTE.model_copy(update={"images_on_device": True}), devices.RESIDENT_BYTES + 1)
