"""The three approaches keep the model contract; their layers are claims, see `tests/lectures/test_claims.py`."""

import subprocess
import sys

import numpy as np
import pytest

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.datasets import KerasModelDataset
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.models.frozen_base import join

COMMON = {
    "epochs": 1,
    "batch_size": 4,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "augment": False,
    "class_weights": False,
    "keep_best_epoch": False,
    "early_stopping_patience": None,
    "seeds": [],
}
END_TO_END = {
    **COMMON,
    "dense_units": 1024,
    "unfreeze_from": None,
    "fine_tuning_epochs": 1,
    "fine_tuning_learning_rate": 1e-5,
}
BOTTLENECK = {**COMMON, "pooling": "flatten", "dense_units": 512, "dropout": 0.3}


def parameters(name, values):
    return approach_of(name, {}).Parameters.model_validate(values)


def built(name, classes):
    import keras

    from dogs_vs_cats.models.backbones import source_cnn

    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    module = approach_of(name, {})
    base = source_cnn(32, 3) if module.USES_BACKBONE else None
    shape = (32, 32, 3)
    if name == "naive_cnn":
        return module.build(parameters(name, COMMON), shape, classes)
    if name == "transfer_end_to_end":
        return module.build(parameters(name, END_TO_END), shape, classes, base)
    head = module.build(parameters(name, BOTTLENECK), (1024,), classes)
    return join(name, base, head, "flatten")


@pytest.mark.parametrize("name", ["naive_cnn", "transfer_end_to_end", "transfer_bottleneck"])
@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (5, 5)])
def test_models_take_raw_images_and_answer_probabilities(name, classes, outputs):
    model = built(name, classes)
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    answers = model.predict(images, verbose=0)
    assert answers.shape == (6, outputs)
    assert answers.dtype == np.float32
    assert ((answers >= 0) & (answers <= 1)).all()
    assert len(np.unique(answers[:, 0])) == 6
    if classes > 2:
        assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(answers, model.predict(images.astype(np.float32), verbose=0))


LOAD_ELSEWHERE = """
import sys
import keras
import numpy as np
images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
for name in sys.argv[1:]:
    model = keras.models.load_model(f"{name}.keras", safe_mode=True)
    np.save(f"{name}.npy", model.predict(images, verbose=0))
assert not any(name.startswith("dogs_vs_cats") for name in sys.modules)
"""


@pytest.mark.medium
def test_a_model_file_predicts_the_same_in_a_process_without_this_package(tmp_path):
    models = {name: built(name, 2) for name in ("naive_cnn", "transfer_end_to_end", "transfer_bottleneck")}
    for name, model in models.items():
        KerasModelDataset(filepath=str(tmp_path / f"{name}.keras")).save(model)
    command = [sys.executable, "-I", "-c", LOAD_ELSEWHERE, *models]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    for name, model in models.items():
        assert np.array_equal(np.load(tmp_path / f"{name}.npy"), model.predict(images, verbose=0)), name


def test_augmenting_bottleneck_features_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="nothing to augment"):
        parameters("transfer_bottleneck", {**BOTTLENECK, "augment": True})


def test_an_unknown_approach_names_those_there_are():
    with pytest.raises(ParameterError, match="naive_cnn, transfer_bottleneck, transfer_end_to_end"):
        approach_of("resnet_from_scratch", {})
