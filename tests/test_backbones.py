"""Bases: their preprocessing is Keras's own, their weights are the ones asked for, and never random in silence."""

import numpy as np
import pytest
from test_training import COMPUTE

from dogs_vs_cats.errors import BackboneError
from dogs_vs_cats.parameters.backbone import BackboneParameters

MOBILENET_V2 = "weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


def backbone(**changes):
    values = {
        "name": "MobileNetV2",
        "weights": "imagenet",
        "kwargs": {"alpha": 0.35},
        "preprocessing": "own",
        "source_task": {"images": 400, "epochs": 2, "batch_size": 32, "learning_rate": 0.001},
    }
    return BackboneParameters.model_validate(values | changes)


def build(parameters, size=96, channels=3):
    from dogs_vs_cats.backbones import pretrained

    return pretrained(parameters, size, channels)


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


def test_own_preprocessing_is_what_keras_gives(shared, photos):
    import keras

    base = build(backbone(weights=str(shared / MOBILENET_V2)))
    reference = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=str(shared / MOBILENET_V2)
    )
    prepared = keras.applications.mobilenet_v2.preprocess_input(photos.astype(np.float32))
    assert np.allclose(base.predict(photos, verbose=0), reference.predict(prepared, verbose=0), atol=1e-4)


def test_rescale_is_the_lectures_255th(shared, photos):
    import keras

    base = build(backbone(weights=str(shared / MOBILENET_V2), preprocessing="rescale"))
    reference = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=str(shared / MOBILENET_V2)
    )
    expected = reference.predict(photos.astype(np.float32) / 255, verbose=0)
    assert np.allclose(base.predict(photos, verbose=0), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["VGG16", "ResNet50", "DenseNet121", "EfficientNetV2B0", "MobileNetV3Small"])
@pytest.mark.slow
def test_bases_are_saved_and_loaded_with_their_preprocessing(tmp_path, photos, name):
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset

    untrained = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    untrained.save_weights(tmp_path / "base.weights.h5")
    base = build(backbone(name=name, kwargs={}, weights=str(tmp_path / "base.weights.h5")))
    dataset = KerasModelDataset(filepath=str(tmp_path / "base.keras"))
    dataset.save(base)
    assert np.array_equal(base.predict(photos, verbose=0), dataset.load().predict(photos, verbose=0))


def test_grey_images_are_repeated_into_three_channels(shared, photos):
    weights = str(shared / MOBILENET_V2)
    grey = photos[..., :1]
    expected = build(backbone(weights=weights)).predict(np.repeat(grey, 3, axis=-1), verbose=0)
    answer = build(backbone(weights=weights), channels=1).predict(grey, verbose=0)
    assert np.allclose(answer, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "VGG61"}, "VGG61' is unknown.*VGG16, VGG19"),
        ({"kwargs": {"beta": 1}}, "can't be built with backbone.kwargs={'beta': 1}"),
        ({"weights": "data/01_raw/missing.h5"}, "there is no file.*missing.h5"),
    ],
)
def test_what_cannot_be_built_is_named(changes, message):
    with pytest.raises(BackboneError, match=message):
        build(backbone(**changes))


@pytest.mark.parametrize("changes", [{"kwargs": {"alpha": 1.0}}, {"name": "MobileNet", "kwargs": {"alpha": 0.25}}])
def test_weights_that_do_not_fit_are_refused(shared, changes):
    with pytest.raises(BackboneError, match=r"0\.35_224_no_top\.h5 doesn't fit"):
        build(backbone(weights=str(shared / MOBILENET_V2), **changes))


def test_imagenet_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(BackboneError, match=r"can't be fetched.*\n.*backbone\.weights"):
        build(backbone(kwargs={"alpha": 0.5}))


def test_a_weights_file_that_leaves_weights_unset_is_refused(tmp_path):
    import h5py
    import keras

    application = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3), alpha=0.35)
    path = tmp_path / "base.weights.h5"
    application.save_weights(path)
    with h5py.File(path, "a") as file:
        largest = []
        file.visititems(lambda name, item: largest.append(name) if isinstance(item, h5py.Dataset) else None)
        file[largest[-1]][...] = np.nan
    with pytest.raises(BackboneError, match="leaves 1 of"):
        build(backbone(weights=str(path)))


def test_source_cnn_takes_no_weights():
    from dogs_vs_cats.pipelines.backbone.nodes import make_backbone

    with pytest.raises(BackboneError, match="weights=generated"):
        make_backbone(backbone(name="source_cnn", kwargs={}), 32, 3, COMPUTE, 0)


@pytest.mark.slow
def test_source_cnn_learns_its_source_task_and_repeats_exactly():
    from dogs_vs_cats.pipelines.backbone.nodes import make_backbone

    task = {"images": 1000, "epochs": 6, "batch_size": 16, "learning_rate": 0.001}
    parameters = backbone(name="source_cnn", weights="generated", kwargs={}, source_task=task)
    first, record = make_backbone(parameters, 32, 3, COMPUTE, 0)
    second, again = make_backbone(parameters, 32, 3, COMPUTE, 0)
    assert record == again
    assert record["source_accuracy"] > 0.15
    assert not first.trainable_weights
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_a_source_model_that_only_guesses_is_refused():
    from dogs_vs_cats.pipelines.backbone.nodes import make_backbone

    task = {"images": 100, "epochs": 1, "batch_size": 32, "learning_rate": 0.000001}
    with pytest.raises(BackboneError, match="nothing to transfer"):
        make_backbone(backbone(name="source_cnn", weights="generated", kwargs={}, source_task=task), 32, 3, COMPUTE, 0)


def test_auto_precision_leaves_depthwise_bases_in_float32_on_processors():
    import keras

    from dogs_vs_cats.compute import _multiplies_bfloat16, accelerators, policy

    auto = COMPUTE.model_copy(update={"precision": "auto"})
    make = {"include_top": False, "weights": None, "input_shape": (96, 96, 3)}
    mobile = keras.applications.MobileNetV2(alpha=0.35, **make)
    usual = "mixed_bfloat16" if _multiplies_bfloat16() else "float32"
    assert policy(auto, keras.applications.VGG16(**make)) == usual
    assert policy(auto, keras.applications.EfficientNetV2B0(**make)) == usual
    # As part of a larger model, too.
    image = keras.Input((96, 96, 3))
    for model in (mobile, keras.Model(image, mobile(image))):
        assert policy(auto, model) == (usual if accelerators() else "float32")
    assert policy(COMPUTE.model_copy(update={"precision": "mixed_bfloat16"}), mobile) == "mixed_bfloat16"
