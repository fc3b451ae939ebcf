"""The three approaches are the lecture's, layer by layer, and keep the model contract."""

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


def vgg16():
    import keras

    image = keras.Input((150, 150, 3), name="image")
    return keras.applications.VGG16(include_top=False, weights=None, input_tensor=image)


def shapes_and_counts(model):
    return [(layer.output.shape[1:], layer.count_params()) for layer in model.layers if layer.count_params()]


def test_naive_cnn_is_the_lectures_table():
    model = approach_of("naive_cnn", {}).build(parameters("naive_cnn", COMMON), (150, 150, 3), 2)
    assert shapes_and_counts(model) == [
        ((148, 148, 16), 448),
        ((72, 72, 64), 9_280),
        ((34, 34, 128), 73_856),
        ((512,), 18_940_416),
        ((1,), 513),
    ]
    pooled = [layer.output.shape[1:] for layer in model.layers if layer.name.startswith("pooling")]
    assert pooled == [(74, 74, 16), (36, 36, 64), (17, 17, 128)]
    assert model.count_params() == 19_024_513


def test_approach_1_with_vgg16_has_the_lectures_count_and_22_layers_20_frozen():
    base = vgg16()
    model = approach_of("transfer_end_to_end", {}).build(
        parameters("transfer_end_to_end", END_TO_END), (150, 150, 3), 2, base
    )
    assert model.count_params() == 15_242_050
    counted = [*base.layers, model.get_layer("pooling"), model.get_layer("dense_1"), model.get_layer("probabilities")]
    assert len(counted) == 22
    assert [bool(layer.trainable_weights) for layer in counted] == [False] * 20 + [True] * 2


def test_approach_2_with_vgg16_has_the_lectures_head():
    head = approach_of("transfer_bottleneck", {}).build(parameters("transfer_bottleneck", BOTTLENECK), (8192,), 2)
    assert shapes_and_counts(head) == [((512,), 4_194_816), ((512,), 262_656), ((1,), 513)]
    assert head.count_params() == 4_457_985
    joined = join("transfer_bottleneck", vgg16(), head, "flatten")
    assert joined.count_params() == 14_714_688 + 4_457_985
    assert sum(np.prod(weight.shape) for weight in joined.trainable_weights) == 4_457_985


def tiny_base(channels=3):
    from dogs_vs_cats.models.backbones import source_cnn

    return source_cnn(32, channels)


def built(name, classes, channels=3):
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    module = approach_of(name, {})
    base = tiny_base(channels) if module.USES_BACKBONE else None
    shape = (32, 32, channels)
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
